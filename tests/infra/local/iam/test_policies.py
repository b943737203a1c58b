"""The evaluator by itself, and the project's documents through it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.errors import PolicyRefused
from bellwire_local.iam.policies import PolicyDocument, evaluate, parse_document, read_policy
from bellwire_local.iam.trust import may_assume, read_trust
from bellwire_local.identity.principals import Principal
from bellwire_local.iot.authorization import Authorizer

ME = "us-east-1:11111111-1111-4111-8111-111111111111"
YOU = "us-east-1:22222222-2222-4222-8222-222222222222"
GUEST = Principal(
    "000000000000", "guest_role", "CognitoIdentityCredentials", ME, "pool", ("unauthenticated",)
)
JOB = Principal("000000000000", "publisher_role", "job")
OPERATOR = Principal("000000000000", "operator_role", "operator")
STRANGER = Principal("000000000000", "no_such_role", "x")

TRUTH = [
    (GUEST, "iot:Connect", f"client/{ME}", True),
    (GUEST, "iot:Connect", f"client/{ME}-tab_1", True),
    (GUEST, "iot:Connect", f"client/{ME}x", False),
    (GUEST, "iot:Connect", f"client/{YOU}", False),
    (GUEST, "iot:Connect", f"client/{ME}-#", False),
    (GUEST, "iot:Connect", f"client/{ME}-+", False),
    (GUEST, "iot:Connect", f"client/{ME}-a/b", False),
    (GUEST, "iot:Connect", "client/job-1", False),
    (GUEST, "iot:Connect", "client/$GEN/1", False),
    (GUEST, "iot:Subscribe", "topicfilter/dev/public/host", True),
    (GUEST, "iot:Subscribe", "topicfilter/dev/public/#", True),
    (GUEST, "iot:Subscribe", "topicfilter/dev/#", False),
    (GUEST, "iot:Subscribe", "topicfilter/#", False),
    (GUEST, "iot:Subscribe", "topicfilter/dev/+/host", False),
    (GUEST, "iot:Subscribe", "topicfilter/prod/public/host", False),
    (GUEST, "iot:Subscribe", f"topicfilter/dev/user/{ME}/inbox", False),
    (GUEST, "iot:Receive", "topic/dev/public/host", True),
    (GUEST, "iot:Receive", "topic/dev/publicity", False),
    (GUEST, "iot:Receive", f"topic/dev/user/{ME}/inbox", False),
    (GUEST, "iot:Publish", "topic/dev/public/host", False),
    (GUEST, "iot:RetainPublish", "topic/dev/public/host", False),
    (JOB, "iot:Connect", "client/job-7", True),
    (JOB, "iot:Connect", "client/jobs", False),
    (JOB, "iot:Connect", "client/job-#", False),
    (JOB, "iot:Connect", f"client/{ME}", False),
    (JOB, "iot:Publish", "topic/dev/public/host", True),
    (JOB, "iot:Publish", f"topic/dev/user/{ME}/inbox", True),
    (JOB, "iot:Publish", "topic/prod/public/host", False),
    (JOB, "iot:Publish", "topic/devil/x", False),
    (JOB, "iot:RetainPublish", "topic/dev/public/host", False),
    (JOB, "iot:Subscribe", "topicfilter/dev/public/host", False),
    (JOB, "iot:Receive", "topic/dev/public/host", False),
    (JOB, "iot:DeleteConnection", f"client/{ME}", False),
    (OPERATOR, "iot:Publish", "topic/dev/public/host", True),
    (OPERATOR, "iot:RetainPublish", "topic/dev/public/host", True),
    (OPERATOR, "iot:RetainPublish", "topic/prod/public/host", False),
    (OPERATOR, "iot:GetRetainedMessage", "topic/dev/public/host", True),
    (OPERATOR, "iot:ListRetainedMessages", "retained", True),
    (OPERATOR, "iot:GetConnection", f"client/{ME}", True),
    (OPERATOR, "iot:DeleteConnection", f"client/{ME}", True),
    (OPERATOR, "iot:ListSubscriptions", f"client/{ME}", True),
    (OPERATOR, "iot:SendDirectMessage", f"client/{ME}", True),
    (OPERATOR, "iot:Connect", "client/job-1", False),
    (OPERATOR, "iot:Subscribe", "topicfilter/dev/public/host", False),
    (STRANGER, "iot:Connect", "client/x", False),
]


@pytest.mark.parametrize(("who", "action", "resource", "expected"), TRUTH)
def test_truth_table(
    roles: dict[str, PolicyDocument], who: Principal, action: str, resource: str, *, expected: bool
) -> None:
    authorizer = Authorizer("us-east-1", "000000000000", roles)
    decision = authorizer.decide(who, action, resource, source_ip="127.0.0.1", client_id="c")
    assert decision.is_allowed is expected


def _document(**statement: object) -> PolicyDocument:
    full = {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*", **statement}
    present = {name: value for name, value in full.items() if value is not None}
    return {"Version": "2012-10-17", "Statement": present}


@pytest.mark.parametrize(
    ("statement", "action", "resource", "expected"),
    [
        ({"Action": "iot:*"}, "iot:Publish", "x", True),
        ({"Action": "IOT:publish"}, "iot:Publish", "x", True),
        ({"Action": "iot:Pub?ish"}, "iot:Publish", "x", True),
        ({"Action": ["iot:Receive", "iot:Publish"]}, "iot:Publish", "x", True),
        ({"Resource": "a/*/c"}, "iot:Publish", "a/b/b/c", True),
        ({"Resource": "a/*/c"}, "iot:Publish", "a/c", False),
        ({"Resource": "a?"}, "iot:Publish", "ab", True),
        ({"Resource": "a?"}, "iot:Publish", "a", False),
        ({"Resource": "A"}, "iot:Publish", "a", False),
        ({"Resource": "a.b"}, "iot:Publish", "axb", False),
        ({"Resource": "a/+/#"}, "iot:Publish", "a/b/c", False),
        ({"Resource": "a/+/#"}, "iot:Publish", "a/+/#", True),
        ({"Resource": "a${*}b"}, "iot:Publish", "a*b", True),
        ({"Resource": "a${*}b"}, "iot:Publish", "axb", False),
        ({"Resource": "a${?}b${$}"}, "iot:Publish", "a?b$", True),
        ({"Resource": "x/${iot:ClientId}"}, "iot:Publish", "x/*", True),
        ({"Resource": "x/${iot:ClientId}"}, "iot:Publish", "x/anything", False),
        ({"Resource": "x/${aws:SourceIp}"}, "iot:Publish", "x/10.0.0.1", True),
        ({"Resource": "${cognito-identity.amazonaws.com:sub}*"}, "iot:Publish", "x", False),
        ({"Action": None, "NotAction": "iot:Connect"}, "iot:Publish", "x", True),
        ({"Action": None, "NotAction": "iot:Publish"}, "iot:Publish", "x", False),
        ({"Resource": None, "NotResource": ["a", "b"]}, "iot:Publish", "c", True),
        ({"Resource": None, "NotResource": ["a", "b"]}, "iot:Publish", "b", False),
        ({"Resource": "a\nb"}, "iot:Publish", "a\nb", True),
        ({"Resource": "*"}, "iot:Publish", "a\nb", True),
    ],
)
def test_matching(
    statement: dict[str, object], action: str, resource: str, *, expected: bool
) -> None:
    policy = read_policy("p", _document(**statement))
    variables = {"iot:ClientId": "*", "aws:SourceIp": "10.0.0.1"}
    assert evaluate([policy], action, resource, variables).is_allowed is expected


def test_deny_wins_wherever_it_stands() -> None:
    allow = read_policy("allow", _document(Resource="a*"))
    deny = read_policy("deny", _document(Effect="Deny", Resource="ab"))
    for policies in ([allow, deny], [deny, allow]):
        assert evaluate(policies, "iot:Publish", "aa", {}).is_allowed
        verdict = evaluate(policies, "iot:Publish", "ab", {})
        assert not verdict.is_allowed
        assert verdict.policy is deny


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (_document(Condition="x"), "Condition is 'x'"),
        (_document(Condition={"StringSame": {"aws:SourceIp": "x"}}), "'StringSame' is not"),
        (_document(Condition={"StringEquals": {"aws:Who": "x"}}), "'aws:Who' is not enforced"),
        (_document(Principal="*"), "'Principal' is not enforced"),
        (_document(Effect="allow"), "Effect is 'allow'"),
        (_document(NotAction="x"), "exactly one of Action and NotAction"),
        (_document(Resource=None), "exactly one of Resource and NotResource"),
        (_document(Resource=[]), "Resource is empty"),
        (_document(Resource=7), "holds 7"),
        (_document(Resource="${aws:username}"), "${aws:username} is not resolved"),
        (_document(Resource="arn:aws:iot:{region}:1:x"), "{region} was not replaced"),
        ({"Version": "2008-10-17", "Statement": []}, "'2012-10-17' is expected"),
        ({"Version": "2012-10-17"}, "statement 0 is None"),
        ({"Version": "2012-10-17", "Statement": [], "Extra": 1}, "'Extra' is not enforced"),
    ],
)
def test_what_is_not_enforced_is_refused(document: PolicyDocument, complaint: str) -> None:
    with pytest.raises(PolicyRefused) as caught:
        read_policy("some_role", document)
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("some_role")


WORDS = st.sampled_from(
    [
        "Allow",
        "Deny",
        "*",
        "iot:*",
        "2012-10-17",
        "arn:aws:iot:*",
        "${iot:ClientId}",
        "true",
        "${",
        "",
    ]
)
KEYS = st.sampled_from(
    [
        "Version",
        "Statement",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "Condition",
        "Principal",
        "AWS",
        "Federated",
        "StringLike",
        "IpAddress",
        "DateLessThan",
        "NumericEquals",
        "Bool",
        "Null",
        "ForAnyValue:StringEquals",
        "aws:SourceIp",
        "cognito-identity.amazonaws.com:amr",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(statement=st.dictionaries(KEYS, JSON, max_size=5), condition=JSON)
def test_any_json_is_read_or_refused(statement: dict[str, object], condition: object) -> None:
    whole = {"Effect": "Allow", "Action": "iot:*", "Resource": "*", "Condition": condition}
    for document in (
        statement,
        {"Version": "2012-10-17", "Statement": statement},
        {"Version": "2012-10-17", "Statement": whole},
        {"Version": "2012-10-17", "Statement": {**whole, **statement}},
    ):
        with contextlib.suppress(PolicyRefused):
            policy = read_policy("p", document)
            evaluate([policy], "iot:Publish", "x", {"aws:SourceIp": "10.0.0.1"})
        with contextlib.suppress(PolicyRefused):
            trust = read_trust("t", document)
            may_assume(trust, "sts:AssumeRole", federated=None, aws_principal="x", context={})


@pytest.mark.parametrize("text", ["", "{", "nul", '"\\ud800"', "[" * 100_000, "1" * 10_000])
def test_a_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(PolicyRefused, match="p is not JSON that can be read"):
        parse_document("p", text)
