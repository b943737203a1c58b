"""Role, session and IoT policies together: who may, and how a refusal explains itself."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.errors import PolicyRefused
from bellwire_local.iam.policies import PolicyDocument
from bellwire_local.identity.principals import COGNITO_SESSION_NAME, Principal
from bellwire_local.iot.authorization import Authorizer, PolicyChoices
from bellwire_local.iot.decisions import ALLOWED_KEPT, REFUSED_KEPT, Decision
from bellwire_local.iot.policies_in_force import (
    AttachmentsChanged,
    IotPolicyChanged,
    read_iot_policy,
)

ME = "us-east-1:11111111-1111-4111-8111-111111111111"
ARN = "arn:aws:iot:us-east-1:000000000000"
GUEST = Principal("000000000000", "role", COGNITO_SESSION_NAME, ME, "pool", ("unauthenticated",))
MEMBER = replace(GUEST, amr=("authenticated", "login.example"))
JOB = Principal("000000000000", "role", "job")
NOON_S = 1_700_000_000.0
"""14 November 2023, 22:13:20 UTC."""


@dataclass
class Clock:
    now_s: float = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return NOON_S + self.now_s


@dataclass
class Desk:
    """An authorizer whose clock stands still."""

    roles: Mapping[str, PolicyDocument]
    choices: PolicyChoices
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.authorizer = Authorizer(
            "us-east-1",
            "000000000000",
            self.roles,
            choices=self.choices,
            wall_clock_s=self.clock.wall_s,
            monotonic_s=self.clock.monotonic_s,
        )

    def attach(self, name: str, document: PolicyDocument, target: str = ME) -> None:
        self.authorizer.change(IotPolicyChanged(name, read_iot_policy(name, document)))
        self.authorizer.change(AttachmentsChanged(target, (name,)))

    def ask(
        self,
        who: Principal = MEMBER,
        action: str = "iot:Publish",
        resource: str = "topic/a",
        client_id: str | None = None,
    ) -> Decision:
        return self.authorizer.decide(
            who, action, resource, source_ip="10.0.0.1", client_id=client_id
        )


def policy(resource: object = "*", action: object = "iot:*", **more: object) -> PolicyDocument:
    statement = {"Sid": "S", "Effect": "Allow", "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def desk(role: PolicyDocument | None = None, **choices: bool) -> Desk:
    return Desk({"role": role or policy()}, PolicyChoices(**choices))


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iot:Connect", "client/a"),
        ("iot:Publish", "topic/a"),
        ("iot:Subscribe", "topicfilter/a"),
        ("iot:Receive", "topic/a"),
        ("iot:RetainPublish", "topic/a"),
    ],
)
def test_only_who_has_logged_in_needs_an_iot_policy(action: str, resource: str) -> None:
    asked = desk()
    assert asked.ask(GUEST, action, resource).is_allowed
    assert asked.ask(JOB, action, resource).is_allowed
    refused = asked.ask(MEMBER, action, resource)
    assert not refused.is_allowed
    assert "no IoT policy is attached to the identity" in str(refused)
    asked.attach("members", policy())
    assert asked.ask(MEMBER, action, resource).is_allowed


@pytest.mark.parametrize("action", ["iot:GetRetainedMessage", "iot:GetConnection"])
def test_other_actions_are_the_roles_alone(action: str) -> None:
    assert desk().ask(MEMBER, action).is_allowed


def test_both_documents_must_allow() -> None:
    asked = desk(policy([f"{ARN}:topic/a", f"{ARN}:topic/b"]))
    asked.attach("members", policy([f"{ARN}:topic/b", f"{ARN}:topic/c"]))
    said = [asked.ask(resource=f"topic/{name}").is_allowed for name in "abcd"]
    assert said == [False, True, False, False]


def test_a_deny_in_any_document_wins() -> None:
    asked = desk()
    asked.attach("members", policy(f"{ARN}:topic/secret", Effect="Deny", Sid="NoSecrets"))
    refused = asked.ask(resource="topic/secret")
    assert not refused.is_allowed
    assert refused.remedy is None
    assert refused.statement == "NoSecrets"
    assert str(refused.said_by) == "IoT policy members"


def test_an_attachment_is_the_targets_own() -> None:
    asked = desk()
    asked.attach("members", policy(), target="us-east-1:somebody-else")
    assert not asked.ask().is_allowed
    asked.authorizer.change(AttachmentsChanged(ME, ("members", "no_such_policy")))
    assert asked.ask().is_allowed
    asked.authorizer.change(AttachmentsChanged(ME, ()))
    assert not asked.ask().is_allowed


def test_a_deleted_or_changed_iot_policy_acts_at_the_next_question() -> None:
    asked = desk()
    asked.attach("members", policy())
    before = asked.authorizer.generation
    assert asked.ask().is_allowed
    asked.authorizer.change(
        IotPolicyChanged("members", read_iot_policy("members", policy(f"{ARN}:topic/b")))
    )
    assert asked.authorizer.generation > before
    assert [asked.ask(resource=f"topic/{name}").is_allowed for name in "ab"] == [False, True]
    asked.authorizer.change(IotPolicyChanged("members", None))
    assert not asked.ask(resource="topic/b").is_allowed


def test_a_session_policy_narrows_and_never_widens() -> None:
    narrowed = replace(JOB, session_policies=(json.dumps(policy(f"{ARN}:topic/b")),))
    asked = desk(policy([f"{ARN}:topic/a"]))
    assert not asked.ask(narrowed, resource="topic/a").is_allowed
    assert not asked.ask(narrowed, resource="topic/b").is_allowed
    wide = desk()
    assert not wide.ask(narrowed, resource="topic/a").is_allowed
    assert wide.ask(narrowed, resource="topic/b").is_allowed


def test_several_session_policies_are_one_layer() -> None:
    texts = tuple(json.dumps(policy(f"{ARN}:topic/{name}")) for name in "ab")
    session = replace(JOB, session_policies=texts)
    said = [desk().ask(session, resource=f"topic/{name}").is_allowed for name in "abc"]
    assert said == [True, True, False]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Version": "2008-10-17"}', "[" * 100_000])
def test_a_session_policy_that_cannot_be_enforced_allows_nothing(text: str) -> None:
    refused = desk().ask(replace(JOB, session_policies=(text,)))
    assert not refused.is_allowed
    assert "not enforceable" in str(refused)


def test_whether_sub_resolves_in_iot_policies_is_a_choice() -> None:
    own = policy(f"{ARN}:topic/${{cognito-identity.amazonaws.com:sub}}/x")
    for resolves in (False, True):
        asked = desk(own, cognito_sub_in_iot_policies=resolves)
        asked.attach("members", own)
        decision = asked.ask(resource=f"topic/{ME}/x")
        assert decision.is_allowed is resolves
    unresolved = desk(own)
    unresolved.attach("members", own)
    assert "members uses ${cognito-identity.amazonaws.com:sub}, which has no value here" in str(
        unresolved.ask(resource=f"topic/{ME}/x")
    )


def test_the_choices_lift_the_need_for_an_iot_policy() -> None:
    basic = replace(MEMBER, session_name="chosen-by-the-client")
    assert not desk().ask(basic).is_allowed
    assert desk(basic_flow_needs_iot_policy=False).ask(basic).is_allowed
    assert not desk(basic_flow_needs_iot_policy=False).ask(MEMBER).is_allowed
    lifted = desk(retain_publish_needs_iot_policy=False)
    assert lifted.ask(MEMBER, "iot:RetainPublish").is_allowed
    assert not lifted.ask(MEMBER, "iot:Publish").is_allowed


def test_client_id_and_source_address_resolve_in_both_documents() -> None:
    own = policy(f"{ARN}:topic/${{iot:ClientId}}/${{aws:SourceIp}}")
    asked = desk(own)
    asked.attach("members", own)
    assert asked.ask(resource="topic/tab/10.0.0.1", client_id="tab").is_allowed
    assert not asked.ask(resource="topic/tab/10.0.0.1", client_id="other").is_allowed
    over_https = asked.ask(resource="topic/tab/10.0.0.1")
    assert not over_https.is_allowed
    assert "${iot:ClientId}, which has no value here" in str(over_https)


def test_connect_attributes_can_be_asked_for() -> None:
    only_plain = policy(
        Condition={"ForAllValues:StringEquals": {"iot:ConnectAttributes": ["PersistentConnect"]}}
    )
    asked = desk(only_plain)
    for attributes, expected in (
        ((), True),
        (("PersistentConnect",), True),
        (("PersistentConnect", "LastWill"), False),
    ):
        decision = asked.authorizer.decide(
            JOB,
            "iot:Connect",
            "client/a",
            source_ip="10.0.0.1",
            client_id="a",
            context={"iot:ConnectAttributes": attributes},
        )
        assert decision.is_allowed is expected


@pytest.mark.parametrize("resource", ["*", ME])
def test_what_is_no_arn_needs_a_statement_on_everything(resource: str) -> None:
    def ask(role: PolicyDocument) -> Decision:
        return desk(role).authorizer.decide(
            JOB, "iot:AttachPolicy", resource, source_ip="10.0.0.1", is_whole_resource=True
        )

    assert ask(policy()).is_allowed
    refused = ask(policy(f"{ARN}:*"))
    assert refused.resource == resource
    assert refused.remedy == {"Effect": "Allow", "Action": "iot:AttachPolicy", "Resource": "*"}


def test_time_passes_for_policies_that_ask_for_it() -> None:
    until = policy(Condition={"DateLessThan": {"aws:CurrentTime": "2023-11-14T22:13:25Z"}})
    session = replace(JOB, session_policies=(json.dumps(until),))
    by_role, by_session = desk(until), desk()
    for asked, who in ((by_role, JOB), (by_session, session)):
        assert asked.ask(who).is_allowed
        generation = asked.authorizer.generation
        asked.clock.now_s = 6.0
        assert asked.authorizer.generation > generation
        assert not asked.ask(who).is_allowed


def test_a_change_propagates_later_and_in_order() -> None:
    asked = desk()
    asked.attach("members", policy())
    asked.authorizer.propagation_s = 5.0
    generation = asked.authorizer.generation
    asked.authorizer.change(AttachmentsChanged(ME, ()))
    asked.authorizer.change(AttachmentsChanged(ME, ("members",)))
    asked.authorizer.change(AttachmentsChanged(ME, ()))
    asked.clock.now_s = 4.9
    assert asked.authorizer.generation == generation
    assert asked.ask().is_allowed
    asked.clock.now_s = 5.0
    assert asked.authorizer.generation > generation
    assert not asked.ask().is_allowed


def test_ending_a_long_propagation_ends_the_wait_for_it() -> None:
    asked = desk()
    asked.attach("members", policy())
    asked.authorizer.propagation_s = 3600.0
    generation = asked.authorizer.generation
    asked.authorizer.change(AttachmentsChanged(ME, ()))
    assert asked.ask().is_allowed
    asked.authorizer.propagation_s = 0.0
    assert asked.authorizer.generation > generation
    assert not asked.ask().is_allowed
    asked.authorizer.change(AttachmentsChanged(ME, ("members",)))
    assert asked.ask().is_allowed


def test_another_propagation_shortens_a_wait_and_never_prolongs_it() -> None:
    asked = desk()
    asked.attach("members", policy())
    asked.authorizer.propagation_s = 5.0
    asked.authorizer.change(AttachmentsChanged(ME, ()))
    asked.authorizer.propagation_s = 3600.0
    asked.clock.now_s = 1.0
    asked.authorizer.propagation_s = 2.0
    asked.clock.now_s = 2.9
    assert asked.ask().is_allowed
    asked.clock.now_s = 3.0
    assert not asked.ask().is_allowed
    asked.authorizer.propagation_s = 4.0
    asked.authorizer.change(AttachmentsChanged(ME, ("members",)))
    asked.authorizer.propagation_s = 3600.0
    asked.clock.now_s = 7.0
    assert asked.ask().is_allowed


def test_a_role_that_cannot_be_enforced_leaves_the_one_in_force() -> None:
    asked = desk()
    with pytest.raises(PolicyRefused):
        asked.authorizer.replace_role("role", policy(Principal="*"))
    assert asked.ask(JOB).is_allowed
    asked.authorizer.replace_role("role", policy(f"{ARN}:topic/b"))
    assert not asked.ask(JOB).is_allowed


def test_a_refusal_explains_itself_in_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    asked = desk(policy(f"{ARN}:topic/b"))
    asked.attach("members", policy(f"{ARN}:topic/c"))
    asked.ask(resource="topic/a*")
    asked.ask(resource="topic/a*")
    asked.ask(replace(JOB, role="nobody"), "iot:Connect", "client/x")
    statement = f'{{"Effect": "Allow", "Action": "iot:Publish", "Resource": "{ARN}:topic/a${{*}}"}}'
    refused = (
        f"refused iot:Publish on {ARN}:topic/a* for role/{ME} "
        "(asked role policy role, IoT policy members): no statement allows it; "
        f"add to the role policy role and to an IoT policy attached to {ME}: {statement}"
    )
    statement = f'{{"Effect": "Allow", "Action": "iot:Connect", "Resource": "{ARN}:client/x"}}'
    unknown = (
        f"refused iot:Connect on {ARN}:client/x for nobody/job (asked no document): "
        "no statement allows it; there is no such role; "
        f"add to the role policy nobody: {statement}"
    )
    assert caplog.messages == [refused, refused, unknown]


def test_decisions_are_remembered_newest_first() -> None:
    asked = desk(policy(f"{ARN}:topic/b"))
    asked.attach("members", policy(Effect="Deny"))
    asked.ask(GUEST, resource="topic/b")
    asked.clock.now_s = 1.5
    asked.ask(GUEST)
    asked.ask(resource="topic/b")
    denied, missing, allowed = asked.authorizer.decisions(10)
    assert allowed == {
        "at": 1_700_000_000_000,
        "allowed": True,
        "who": f"role/{ME}",
        "action": "iot:Publish",
        "resource": f"{ARN}:topic/b",
        "documents": [{"kind": "role policy", "name": "role"}],
        "statement": {"name": "S", "document": {"kind": "role policy", "name": "role"}},
        "remedy": None,
        "line": f"allowed iot:Publish on {ARN}:topic/b for role/{ME} (asked role policy role): "
        "statement S of role policy role allows it",
    }
    assert missing["at"] == 1_700_000_001_500
    assert missing["remedy"] == {
        "statement": {"Effect": "Allow", "Action": "iot:Publish", "Resource": f"{ARN}:topic/a"},
        "places": ["the role policy role"],
    }
    assert missing["statement"] is None
    assert denied["statement"] == {
        "name": "S",
        "document": {"kind": "IoT policy", "name": "members"},
    }
    assert len(asked.authorizer.decisions(2)) == 2
    assert asked.authorizer.decisions(0) == []
    json.dumps(asked.authorizer.decisions(3))


def test_allowed_decisions_push_no_refusal_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "bellwire_local")
    asked = desk(policy(f"{ARN}:topic/b"))
    asked.ask(JOB, resource="topic/first")
    for _ in range(ALLOWED_KEPT + 10):
        asked.ask(JOB, resource="topic/b")
    remembered = asked.authorizer.decisions(10_000)
    assert len(remembered) == ALLOWED_KEPT + 1
    assert remembered[-1]["resource"] == f"{ARN}:topic/first"
    for _ in range(REFUSED_KEPT):
        asked.ask(JOB, resource="topic/later")
    assert len(asked.authorizer.decisions(10_000)) == ALLOWED_KEPT + REFUSED_KEPT


RESOURCES = st.text(st.sampled_from("ab/*?$+#{} é"), min_size=1, max_size=12)


@given(resource=RESOURCES, has_session=st.booleans())
def test_the_remedy_remedies(resource: str, *, has_session: bool) -> None:
    nothing = policy(f"{ARN}:nothing")
    who = replace(MEMBER, session_policies=(json.dumps(nothing),) if has_session else ())
    refused = desk(nothing).ask(who, resource=f"topic/{resource}")
    remedy = refused.remedy
    assert remedy is not None
    assert len(refused.missing) == (3 if has_session else 2)
    document = {"Version": "2012-10-17", "Statement": [remedy]}
    session = (json.dumps(document),) if has_session else ()
    mended = desk(document)
    mended.attach("members", document)
    who = replace(MEMBER, session_policies=session)
    assert mended.ask(who, resource=f"topic/{resource}").is_allowed
    assert not mended.ask(who, resource=f"topic/{resource}x").is_allowed
