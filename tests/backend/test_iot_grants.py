"""Policies of identities on AWS IoT's control plane, as slow and as strict as the real one."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import boto3
import pytest
from botocore.stub import Stubber

from backend.cloud import PLACE, Cloud, Pauses, running_cloud, signer_of
from bellwire.aws.iot_grants import PATIENCE_S, IotGrants
from bellwire.errors import TooLarge, TooMany, Upstream
from bellwire.grants import group_grant, member_grant
from bellwire.policies import Place
from bellwire_local.clocks import Clocks
from bellwire_local.iot.limits import Limits
from infra.local.conftest import Clock

ALICE = "us-east-1:00000000-0000-4000-8000-00000000000a"
BOB = "us-east-1:00000000-0000-4000-8000-00000000000b"
FULL = "us-east-1:00000000-0000-4000-8000-00000000000f"
MEMBER, RED = member_grant(PLACE), group_grant("red", PLACE)


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def running(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A control plane whose clock stands still, so that what is used up stays so."""
    clocks = Clocks(monotonic_s=lambda: 1_000.0 + clock.ahead_s)
    with running_cloud(tmp_path_factory.mktemp("grants"), Limits(), clocks) as cloud:
        yield cloud


@pytest.fixture
def busy(running: Cloud, clock: Clock) -> Cloud:
    """The same, with a second's worth of calls."""
    clock.ahead_s += 2
    return running


def use_up(cloud: Cloud) -> None:
    """Make as many calls as a second allows."""
    admin = cloud.client("admin", "iot")
    for operation in (admin.attach_policy, admin.detach_policy):
        for _ in range(15):
            with suppress(
                admin.exceptions.ResourceNotFoundException, admin.exceptions.ThrottlingException
            ):
                operation(policyName="bellwire.dev.none", target=BOB)


def test_a_policy_that_is_missing_is_made_from_the_document(cloud: Cloud) -> None:
    grant = group_grant("ops:eu", PLACE)
    admin = cloud.client("admin", "iot")
    with pytest.raises(admin.exceptions.ResourceNotFoundException):
        admin.get_policy(policyName=grant.name)
    cloud.grants(Pauses()).attach(ALICE, grant)
    assert grant.name in cloud.attached_to(ALICE)
    assert admin.get_policy(policyName=grant.name)["policyDocument"] == grant.text


def test_policies_of_another_stage_are_not_made(cloud: Cloud) -> None:
    elsewhere = group_grant("red", Place("us-east-1", "000000000000", "prod"))
    with pytest.raises(Upstream, match="AccessDenied"):
        cloud.grants(Pauses()).attach(ALICE, elsewhere)


def test_attached_twice_is_once_and_detached_twice_is_gone(cloud: Cloud) -> None:
    grants = cloud.grants(Pauses())
    for _ in range(2):
        grants.attach(BOB, MEMBER)
        grants.attach(BOB, RED)
        assert cloud.attached_to(BOB) == {MEMBER.name, RED.name}
    for _ in range(2):
        grants.detach(BOB, RED.name)
        assert cloud.attached_to(BOB) == {MEMBER.name}
    grants.detach(BOB, MEMBER.name)
    assert cloud.attached_to(BOB) == set()


def test_what_was_never_there_is_detached_in_silence(cloud: Cloud) -> None:
    grants = cloud.grants(Pauses())
    grants.detach(ALICE, "bellwire.dev.group.none.00000000")
    grants.detach("us-east-1:00000000-0000-4000-8000-0000000000ff", MEMBER.name)


def test_many_who_miss_a_policy_make_it_once(cloud: Cloud) -> None:
    ids = [f"us-east-1:00000000-0000-4000-8000-{number:012x}" for number in range(100, 112)]
    grants = cloud.grants(Pauses())
    grant = group_grant("crowd", PLACE)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda identity_id: grants.attach(identity_id, grant), ids))
    assert all(cloud.attached_to(identity_id) == {grant.name} for identity_id in ids)


def test_a_member_is_let_in_by_what_is_attached_and_out_again(cloud: Cloud) -> None:
    identities, grants = cloud.identities(), cloud.grants(Pauses())
    vouched = identities.vouch_for("carol", lifetime_s=900)
    signer = signer_of(identities.credentials_for_member(vouched), vouched.identity_id)
    assert cloud.start_connecting(signer, vouched.identity_id).disconnected.get(timeout=10)
    grants.attach(vouched.identity_id, MEMBER)
    grants.attach(vouched.identity_id, RED)
    client = cloud.connect(signer, f"{vouched.identity_id}-tab")
    topics = (
        "dev/public/a",
        f"dev/user/{vouched.identity_id}/inbox",
        f"dev/user/{ALICE}/inbox",
        "dev/group/red/room",
        "dev/group/blue/room",
    )
    assert client.subscribe(*topics) == [0, 0, 128, 0, 128]
    for grant in (MEMBER, RED):
        grants.detach(vouched.identity_id, grant.name)
    refused = cloud.start_connecting(signer, f"{vouched.identity_id}-late")
    assert refused.disconnected.get(timeout=10)


def test_an_eleventh_policy_is_too_large(busy: Cloud, clock: Clock) -> None:
    grants = busy.grants(Pauses(clock))
    for number in range(10):
        grants.attach(FULL, group_grant(f"g{number}", PLACE))
    with pytest.raises(TooLarge, match="AWS IoT attaches no more policies"):
        grants.attach(FULL, group_grant("g10", PLACE))


def test_a_throttled_call_is_tried_again_until_it_is_heard(busy: Cloud, clock: Clock) -> None:
    pauses = Pauses(clock)
    grants = busy.grants(pauses)
    grants.attach(ALICE, MEMBER)  # makes the policy
    use_up(busy)
    grants.attach(BOB, MEMBER)
    assert MEMBER.name in busy.attached_to(BOB)
    assert pauses.waits_s == [0.1]
    use_up(busy)
    grants.detach(BOB, MEMBER.name)
    assert busy.attached_to(BOB) == set()
    assert pauses.waits_s == [0.1, 0.1]


@pytest.mark.parametrize(
    ("luck", "retry_after_s", "waits_s"),
    [
        (0.0, 2, [0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5, 0.5]),
        (0.5, 5, [0.1, 0.2, 0.4, 0.8, 1.0]),
        (0.999999, 8, [0.15, 0.3, 0.6, 1.2]),
    ],
)
def test_who_is_throttled_for_long_is_asked_to_come_back(
    busy: Cloud, luck: float, retry_after_s: int, waits_s: list[float]
) -> None:
    use_up(busy)
    calls: list[Callable[[IotGrants], None]] = [
        lambda grants: grants.attach(BOB, RED),
        lambda grants: grants.detach(BOB, RED.name),
    ]
    for call in calls:
        pauses = Pauses()  # which do not move the clock of AWS
        grants = busy.grants(pauses, luck=luck)
        with pytest.raises(TooMany, match="changes no more policies at the moment") as refused:
            call(grants)
        assert refused.value.retry_after_s == retry_after_s
        assert pauses.waits_s == pytest.approx(waits_s, abs=1e-5)
        assert sum(pauses.waits_s) <= PATIENCE_S


@pytest.mark.parametrize("luck", [number / 20 for number in range(20)])
def test_nobody_is_asked_to_come_back_at_once_or_late(busy: Cloud, luck: float) -> None:
    use_up(busy)
    with pytest.raises(TooMany) as refused:
        busy.grants(Pauses(), luck=luck).attach(BOB, RED)
    assert 2 <= refused.value.retry_after_s <= 8


@pytest.mark.parametrize("role", ["publisher_role", "operator_role", "member_role", "guest_role"])
def test_only_the_session_function_grants(cloud: Cloud, role: str) -> None:
    grants = cloud.grants(Pauses(), role)
    with pytest.raises(Upstream, match="AccessDenied"):
        grants.attach(ALICE, MEMBER)
    with pytest.raises(Upstream, match="AccessDenied"):
        grants.detach(ALICE, MEMBER.name)


def test_who_ends_connections_takes_away_and_grants_nothing(cloud: Cloud) -> None:
    cloud.grants(Pauses()).attach(ALICE, MEMBER)
    grants = cloud.grants(Pauses(), "connections_role")
    with pytest.raises(Upstream, match="AccessDenied"):
        grants.attach(ALICE, MEMBER)
    grants.detach(ALICE, MEMBER.name)
    assert MEMBER.name not in cloud.attached_to(ALICE)


def test_a_policy_that_is_not_seen_although_it_is_there_is_upstream() -> None:
    """IoT is eventually consistent: what was just made may not be seen yet."""
    client = boto3.client(
        "iot", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    grants = IotGrants(client, monotonic_s=lambda: 0, wait_s=lambda _: None, random=lambda: 0)
    with Stubber(client) as stub:
        stub.add_client_error("attach_policy", "ResourceNotFoundException")
        stub.add_client_error("create_policy", "ResourceAlreadyExistsException")
        stub.add_client_error("attach_policy", "ResourceNotFoundException")
        with pytest.raises(Upstream, match="does not see the policy that was just made"):
            grants.attach(ALICE, MEMBER)
