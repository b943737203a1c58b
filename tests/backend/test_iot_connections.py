"""Live connections through the data plane: looked up, and ended."""

import pytest

from backend.cloud import PLACE, Cloud, Pauses, signer_of
from bellwire.errors import Upstream
from bellwire.grants import member_grant
from infra.local.conftest import MqttClient, Signer


def member(cloud: Cloud, user: str) -> Signer:
    """Somebody who may connect."""
    identities = cloud.identities()
    vouched = identities.vouch_for(user, lifetime_s=900)
    cloud.grants(Pauses()).attach(vouched.identity_id, member_grant(PLACE))
    return signer_of(identities.credentials_for_member(vouched), vouched.identity_id)


def connect(cloud: Cloud, signer: Signer, suffix: str = "") -> MqttClient:
    return cloud.connect(signer, signer.identity_id + suffix)


def test_a_connection_is_found_with_its_subscriptions(cloud: Cloud) -> None:
    signer = member(cloud, "finder")
    client = connect(cloud, signer)
    inbox = f"dev/user/{signer.identity_id}/inbox"
    client.subscribe("dev/public/a", inbox)
    found = cloud.connections().find(signer.identity_id)
    assert found is not None
    assert found.client_id == signer.identity_id
    assert sorted(found.filters) == ["dev/public/a", inbox]
    assert abs(found.connected_at_ms / 1000 - cloud.clock.wall_s()) < 30


def test_more_subscriptions_than_a_page_holds_are_all_found(cloud: Cloud) -> None:
    signer = member(cloud, "listener")
    client = connect(cloud, signer)
    filters = [f"dev/public/{number}" for number in range(450)]
    for at in range(0, len(filters), 150):
        client.subscribe(*filters[at : at + 150])
    found = cloud.connections().find(signer.identity_id)
    assert found is not None
    assert sorted(found.filters) == sorted(filters)


def test_who_was_never_there_is_not_found(cloud: Cloud) -> None:
    connections = cloud.connections()
    for client_id in ("us-east-1:00000000-0000-4000-8000-0000000000ff", "us-east-1:x"):
        assert connections.find(client_id) is None
        assert connections.end(client_id) is False


def test_who_has_gone_is_not_found(cloud: Cloud) -> None:
    signer = member(cloud, "leaver")
    client = connect(cloud, signer)
    connections = cloud.connections()
    assert connections.end(signer.identity_id) is True
    assert client.disconnected.get(timeout=10)
    assert connections.find(signer.identity_id) is None
    assert connections.end(signer.identity_id) is False


def test_one_tab_is_ended_and_the_other_stays(cloud: Cloud) -> None:
    signer = member(cloud, "tabs")
    first, second = connect(cloud, signer, "-1"), connect(cloud, signer, "-2")
    connections = cloud.connections()
    assert connections.end(f"{signer.identity_id}-1")
    assert first.disconnected.get(timeout=10)
    assert connections.find(f"{signer.identity_id}-2") is not None
    assert second.subscribe("dev/public/a") == [0]
    assert connections.find(signer.identity_id) is None


@pytest.mark.parametrize("role", ["session_role", "publisher_role", "member_role", "guest_role"])
def test_only_those_who_may_look_after_connections(cloud: Cloud, role: str) -> None:
    signer = member(cloud, "guarded")
    connect(cloud, signer)
    connections = cloud.connections(role)
    with pytest.raises(Upstream, match="ForbiddenException"):
        connections.find(signer.identity_id)
    with pytest.raises(Upstream, match="ForbiddenException"):
        connections.end(signer.identity_id)
    assert cloud.connections().find(signer.identity_id) is not None


@pytest.mark.parametrize("client_id", ["job-1", "x", "eu-west-1:1", "us-east-2:1"])
def test_jobs_are_no_business_of_theirs(cloud: Cloud, client_id: str) -> None:
    with pytest.raises(Upstream, match="ForbiddenException"):
        cloud.connections().end(client_id)
