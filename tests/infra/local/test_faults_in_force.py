"""What was asked to go wrong does, to real clients, and ends when told to."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from botocore.exceptions import ClientError
from paho.mqtt.enums import MQTTProtocolVersion

from bellwire_local.accounts import PoolSettings
from bellwire_local.faults import CUT_REASONS, read_faults
from bellwire_local.iam.policies import PolicyDocument
from bellwire_local.iot import mqtt
from bellwire_local.iot.messages import Message
from bellwire_local.iot.session import DisconnectReason
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import running_in_thread
from infra.local.conftest import Aws, Clock, account_of

if TYPE_CHECKING:
    from infra.local.conftest import MqttClient

SetFaults = Callable[[str], None]
TOPIC = "dev/public/faulty"


@pytest.fixture
def ask(aws: "Aws") -> Iterator[SetFaults]:
    """Put faults into force by their words; the test's end ends them."""

    def put(text: str) -> None:
        faults = read_faults(text, fresh_seed=7)
        aws.running.call(lambda: aws.stand_in.faults.set(faults))

    yield put
    put("off")


def _listen(aws: "Aws") -> "MqttClient":
    listener = aws.connect(aws.guest())
    assert listener.subscribe(TOPIC) == [0]
    return listener


def _publish(aws: "Aws", *payloads: str) -> None:
    job = aws.iot_data(aws.role("publisher_role"))
    for payload in payloads:
        job.publish(topic=TOPIC, payload=payload.encode())


def _hear(listener: "MqttClient", count: int) -> list[str]:
    return [listener.next_message()[1].decode() for _ in range(count)]


def test_what_is_dropped_does_not_come_and_what_follows_the_end_does(
    aws: "Aws", ask: SetFaults
) -> None:
    listener = _listen(aws)
    ask("drop=1")
    _publish(aws, "lost")
    ask("off")
    _publish(aws, "found")
    assert _hear(listener, 1) == ["found"]


@pytest.mark.parametrize("faults", ["drop=1", "late_start=1h"])
def test_nothing_of_qos_1_is_lost(aws: "Aws", ask: SetFaults, faults: str) -> None:
    ask(faults)
    guest = aws.guest()
    listener = aws.start_connecting(guest, guest.identity_id, MQTTProtocolVersion.MQTTv5)
    assert listener.connected.get(timeout=10) == 0
    listener.paho.subscribe(TOPIC, 1)
    assert listener.acknowledged.get(timeout=10) == [1]
    job = aws.iot_data(aws.role("publisher_role"))
    for payload in (b"a", b"b"):
        job.publish(topic=TOPIC, payload=payload, qos=1)
    assert _hear(listener, 2) == ["a", "b"]


def test_what_is_duplicated_comes_twice(aws: "Aws", ask: SetFaults) -> None:
    ask("duplicate=1")
    listener = _listen(aws)
    _publish(aws, "a", "b")
    assert _hear(listener, 4) == ["a", "a", "b", "b"]


def test_what_is_reordered_comes_after_its_successor(aws: "Aws", ask: SetFaults) -> None:
    ask("reorder=1")
    listener = _listen(aws)
    _publish(aws, "a", "b", "c", "d")
    assert _hear(listener, 4) == ["b", "a", "d", "c"]


def test_the_overtaken_comes_at_last_without_a_successor(aws: "Aws", ask: SetFaults) -> None:
    ask("reorder=1")
    listener = _listen(aws)
    _publish(aws, "alone")
    assert _hear(listener, 1) == ["alone"]


def test_a_delay_keeps_the_order(aws: "Aws", ask: SetFaults) -> None:
    ask("delay=10..200ms")
    listener = _listen(aws)
    sent = [str(number) for number in range(20)]
    begun_s = time.monotonic()
    _publish(aws, *sent)
    assert _hear(listener, 20) == sent
    assert time.monotonic() - begun_s >= 0.1


@pytest.mark.parametrize("successor", ["off", "delay=1ms", "drop=0"])
def test_what_a_delay_holds_back_comes_before_what_follows_its_end(
    aws: "Aws", ask: SetFaults, successor: str
) -> None:
    ask("delay=1h")
    listener = _listen(aws)
    _publish(aws, "a", "b")
    ask(successor)
    _publish(aws, "c", "d")
    assert _hear(listener, 4) == ["a", "b", "c", "d"]


def test_the_overtaken_comes_before_what_follows_the_end(aws: "Aws", ask: SetFaults) -> None:
    ask("reorder=1")
    listener = _listen(aws)
    _publish(aws, "a")
    ask("off")
    _publish(aws, "b")
    assert _hear(listener, 2) == ["a", "b"]


def test_answers_are_neither_lost_nor_late(aws: "Aws", ask: SetFaults) -> None:
    ask("drop=1,delay=60s")
    listener = aws.connect(aws.guest())
    assert listener.subscribe(TOPIC) == [0]


def test_a_client_whose_messages_are_held_is_answered_and_told_why_it_ends(
    aws_without_limits: "Aws",
) -> None:
    aws = aws_without_limits
    broker, large = aws.stand_in.broker, Message(TOPIC, b"x" * 100_000)
    aws.running.call(lambda: aws.stand_in.faults.set(read_faults("delay=1h", fresh_seed=7)))
    raw = aws.connect_raw(signer := aws.guest())
    raw.send(mqtt.encode(mqtt.Connect(signer.identity_id, version=mqtt.Version.V5)))
    assert raw.read_frame()[:1] == b"\x20"
    raw.send(mqtt.encode(mqtt.Subscribe(1, (mqtt.Wish(TOPIC),)), mqtt.Version.V5))
    assert raw.read_frame() == b"\x90\x04\0\x01\0\0"
    assert aws.running.call(lambda: sum(broker.publish(large) for _ in range(20))) == 11  # 1 MiB
    raw.send(mqtt.encode(mqtt.PingReq()))
    assert raw.read_frame() == b"\xd0\0"
    assert aws.running.call(lambda: broker.disconnect(signer.identity_id))
    assert raw.read_frame() == b"\xe0\x01\x98"  # administrative action


def test_the_same_seed_loses_the_same_messages(aws: "Aws", ask: SetFaults) -> None:
    heard = []
    for _ in range(2):
        ask("drop=0.5,seed=11")
        listener = _listen(aws)
        _publish(aws, *map(str, range(20)))
        ask("off")
        _publish(aws, "end")
        messages: list[str] = []
        while not messages or messages[-1] != "end":
            messages += _hear(listener, 1)
        heard.append(messages)
        listener.close()
    assert heard[0] == heard[1]
    assert 4 < len(heard[0]) < 18


def test_a_late_start_mutes_a_new_filter_and_no_older_one(aws: "Aws", ask: SetFaults) -> None:
    listener = _listen(aws)
    ask("late_start=300ms")
    assert listener.subscribe("dev/public/late") == [0]
    job = aws.iot_data(aws.role("publisher_role"))
    job.publish(topic="dev/public/late", payload=b"missed")
    _publish(aws, "heard")
    assert listener.next_message() == (TOPIC, b"heard")
    deadline_s = time.monotonic() + 10
    while listener.messages.empty() and time.monotonic() < deadline_s:
        job.publish(topic="dev/public/late", payload=b"in time")
    assert listener.next_message() == ("dev/public/late", b"in time")


def test_a_late_start_does_not_lose_what_is_retained(aws: "Aws", ask: SetFaults) -> None:
    ask("late_start=1h")
    topic = "dev/public/retained/late"
    broker, listener = aws.stand_in.broker, aws.connect(aws.guest())
    aws.running.call(lambda: broker.publish(Message(topic, b"state", retain=True)))
    assert listener.subscribe(topic) == [0]
    assert listener.next_message() == (topic, b"state")
    aws.running.call(lambda: broker.publish(Message(topic, b"", retain=True)))


def test_a_late_start_is_as_late_for_a_filter_that_comes_again(aws: "Aws", ask: SetFaults) -> None:
    listener = _listen(aws)
    ask("late_start=1h")
    listener.paho.unsubscribe(TOPIC)
    assert listener.subscribe(TOPIC) == [0]
    _publish(aws, "missed")
    ask("off")
    _publish(aws, "heard")
    assert _hear(listener, 1) == ["heard"]


@pytest.mark.parametrize("text", ["cut_after=100ms", "ttl=100ms"])
def test_a_connection_is_cut_in_time_also_one_that_was_open(
    aws: "Aws", ask: SetFaults, text: str
) -> None:
    older = _listen(aws)
    ask(text)
    newer = aws.start_connecting(guest := aws.guest(), guest.identity_id)
    for listener in (older, newer):
        assert listener.disconnected.get(timeout=10)


def test_a_connection_is_cut_at_its_message(aws: "Aws", ask: SetFaults) -> None:
    listener = _listen(aws)
    ask("cut_after_messages=2")
    _publish(aws, "a", "b", "c")
    assert _hear(listener, 2) == ["a", "b"]
    assert listener.disconnected.get(timeout=10)
    assert listener.messages.empty()


def test_a_cut_that_was_called_off_does_not_come(aws: "Aws", ask: SetFaults) -> None:
    listener = _listen(aws)
    ask("cut_after=200ms")
    ask("off")
    ask("delay=400ms")
    _publish(aws, "later than the cut")
    assert _hear(listener, 1) == ["later than the cut"]
    assert listener.disconnected.empty()


def test_every_reason_to_cut_is_one_of_the_brokers() -> None:
    assert set(CUT_REASONS) <= {reason.value for reason in DisconnectReason}


def test_upgrades_are_refused_or_answered_by_a_portal(aws: "Aws", ask: SetFaults) -> None:
    guest = aws.guest()
    ask("refuse=1")
    refused = aws.upgrade(aws.presign(guest))
    assert (refused.status, refused.headers["x-amzn-errortype"]) == (403, "ForbiddenException:")
    ask("hijack=1")
    hijacked = aws.upgrade(aws.presign(guest))
    assert (hijacked.status, hijacked.headers["content-type"]) == (200, "text/html")
    assert b"accept the terms" in hijacked.body
    ask("off")
    assert aws.upgrade(aws.presign(guest)).status == 101


def test_publishes_and_cognito_are_throttled_in_aws_words(aws: "Aws", ask: SetFaults) -> None:
    ask("throttle=1")
    job = aws.iot_data(aws.role("publisher_role"))
    with pytest.raises(job.exceptions.ThrottlingException):
        job.publish(topic=TOPIC, payload=b"x")
    cognito = aws.cognito()
    with pytest.raises(cognito.exceptions.TooManyRequestsException):
        cognito.get_id(IdentityPoolId=aws.stand_in.identity_pool_id)


@pytest.mark.parametrize("status", [400, 429])
def test_a_throttled_call_of_cognito_answers_as_one_over_its_quota(
    tmp_path: Path, status: Literal[400, 429]
) -> None:
    settings = StandInSettings(
        data_dir=tmp_path,
        pool=PoolSettings(throttled_status=status),
        iot_port=0,
        aws_port=0,
        faults=read_faults("throttle=1", fresh_seed=7),
    )
    with running_in_thread(StandIn(settings)) as running:
        aws = Aws(running, Clock())
        cognito = aws.cognito()
        with pytest.raises(cognito.exceptions.TooManyRequestsException) as refused:
            cognito.get_id(IdentityPoolId=aws.stand_in.identity_pool_id)
        aws.close_clients()
    answer = refused.value.response["ResponseMetadata"]
    assert answer["HTTPStatusCode"] == status
    assert len(answer["RequestId"]) == 36


def test_a_publish_is_forbidden_now_and_then(aws: "Aws", ask: SetFaults) -> None:
    ask("publish_403=1")
    with pytest.raises(ClientError) as refused:
        _publish(aws, "x")
    assert refused.value.response["Error"] == {"Code": "ForbiddenException", "Message": "Forbidden"}


def test_credentials_expire_early_and_their_connections_close_if_asked(
    aws: "Aws", ask: SetFaults
) -> None:
    ask("expire_credentials=2s,close_at_expiry")
    guest = aws.guest()
    listener = aws.connect(guest)
    assert listener.disconnected.get(timeout=10)
    refused = aws.upgrade(aws.presign(guest))
    assert b"The security token included in the request is expired." in refused.body


def test_a_connection_outlives_the_credentials_that_opened_it(aws: "Aws", ask: SetFaults) -> None:
    """Source: awslabs/aws-crt-nodejs#423."""
    ask("expire_credentials=60s")
    guest = aws.guest()
    listener = aws.connect(guest)
    assert listener.subscribe(TOPIC) == [0]
    with aws.clock.moved(61):
        refused = aws.upgrade(aws.presign(guest))
        assert b"The security token included in the request is expired." in refused.body
        aws.running.call(aws.stand_in.broker.expire)  # what is overdue ends here
        _publish(aws, "still here")
        assert _hear(listener, 1) == ["still here"]


def test_a_cut_ends_what_is_open_once(aws: "Aws") -> None:
    guest, job = aws.guest(), aws.role("publisher_role")
    listeners = [aws.connect(guest), aws.connect(job, "job-cut")]
    assert aws.running.call(aws.stand_in.faults.cut) == 2
    for listener in listeners:
        assert listener.disconnected.get(timeout=10)
    assert aws.connect(aws.guest()).subscribe(TOPIC) == [0]


def test_credentials_that_are_out_expire_and_later_ones_do_not(aws: "Aws") -> None:
    guest, job = aws.guest(), aws.role("publisher_role")
    listener, publisher = aws.connect(guest), aws.connect(job, "job-expiry")
    assert aws.running.call(aws.stand_in.faults.expire) == 1  # the job's keys last for ever
    assert listener.disconnected.get(timeout=10)
    refused = aws.upgrade(aws.presign(guest))
    assert b"The security token included in the request is expired." in refused.body
    assert aws.connect(aws.guest()).subscribe(TOPIC) == [0]
    assert publisher.disconnected.empty()


def test_a_changed_policy_comes_into_force_late(aws: "Aws", ask: SetFaults) -> None:
    authorizer = aws.stand_in.authorizer
    ask("propagation=5s")
    assert aws.running.call(lambda: authorizer.propagation_s) == 5
    ask("off")
    assert aws.running.call(lambda: authorizer.propagation_s) == 0


def _events(aws: "Aws", ask: SetFaults, faults: str, count: int) -> list[str]:
    """Return which lifecycle events a listener hears of a client that comes, listens and goes."""
    ask("off")
    job, guest = aws.role("operator_role"), aws.guest()
    watcher = aws.connect(job, "job-watcher")
    topics = [f"$aws/events/{what}/{guest.identity_id}" for what in EVENTS]
    assert watcher.subscribe(*topics) == [0, 0, 0]
    ask(faults)
    visitor = aws.connect(guest)
    assert visitor.subscribe(TOPIC) == [0]
    visitor.close()
    heard = [watcher.next_message()[0] for _ in range(count)]
    return [topic.split("/")[3] for topic in heard]


EVENTS = ("presence/connected", "subscriptions/subscribed", "presence/disconnected")


def test_lifecycle_events_come_twice(watching_aws: "Aws", ask_watched: SetFaults) -> None:
    heard = _events(watching_aws, ask_watched, "lifecycle_double=1", 6)
    assert heard == [
        *("connected", "connected"),
        *("subscribed", "subscribed"),
        *("disconnected", "disconnected"),
    ]


def test_lifecycle_events_come_after_their_successor(
    watching_aws: "Aws", ask_watched: SetFaults
) -> None:
    heard = _events(watching_aws, ask_watched, "lifecycle_swap=1", 3)
    assert heard == ["subscribed", "connected", "disconnected"]


def test_an_overtaken_lifecycle_event_comes_before_what_follows_the_end(
    watching_aws: "Aws", ask_watched: SetFaults
) -> None:
    job, guest = watching_aws.role("operator_role"), watching_aws.guest()
    watcher = watching_aws.connect(job, "job-watcher")
    assert watcher.subscribe(f"$aws/events/presence/+/{guest.identity_id}") == [0]
    ask_watched("lifecycle_swap=1")
    visitor = watching_aws.connect(guest)
    ask_watched("off")
    visitor.close()
    heard = [watcher.next_message()[0].split("/")[3] for _ in range(2)]
    assert heard == ["connected", "disconnected"]


@pytest.fixture
def watching_aws(roles: dict[str, PolicyDocument], tmp_path: Path) -> Iterator["Aws"]:
    """A stand-in whose operator may watch lifecycle events."""
    everything = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    watcher = {"Version": "2012-10-17", "Statement": [everything]}
    accounts = account_of({**roles, "operator_role": watcher})
    settings = StandInSettings(tmp_path, accounts=accounts, iot_port=0, aws_port=0)
    with running_in_thread(StandIn(settings)) as running:
        aws = Aws(running, Clock())
        yield aws
        aws.close_clients()


@pytest.fixture
def ask_watched(watching_aws: "Aws") -> SetFaults:
    """As `ask`, of the stand-in that is watched."""

    def put(text: str) -> None:
        faults = read_faults(text, fresh_seed=7)
        watching_aws.running.call(lambda: watching_aws.stand_in.faults.set(faults))

    return put
