"""Many clients at one broker, with sockets of memory and a clock moved by hand."""

import sqlite3

import pytest

from bellwire_local.iot import mqtt
from bellwire_local.iot.limits import OFF
from bellwire_local.iot.messages import Message
from bellwire_local.iot.retained import NotKept, RetainedMessages
from infra.local.iot.broker_world import ANYONE, MemoryOutlet, World, events, role_allowing


@pytest.fixture
def world() -> World:
    return World()


def test_message_is_encoded_once_for_all_its_readers(world: World) -> None:
    outlets = [world.join(f"c{number}", "a/b")[1] for number in range(3)]
    assert world.broker.publish(Message("a/b", b"x")) == 3
    assert outlets[0].sent == [mqtt.encode(mqtt.Publish("a/b", b"x"))]
    assert outlets[0].sent[0] is outlets[1].sent[0] is outlets[2].sent[0]


def test_overlapping_filters_deliver_one_copy(world: World) -> None:
    _, outlet = world.join("c", "a/b", "a/+", "a/#", "#")
    world.broker.publish(Message("a/b", b"x"))
    assert outlet.read() == [mqtt.Publish("a/b", b"x")]


def test_subscription_during_the_life_of_a_route(world: World) -> None:
    _, early = world.join("early", "a/b")
    world.broker.publish(Message("a/b", b"1"))
    late_connection, late = world.join("late", "a/+")
    world.broker.publish(Message("a/b", b"2"))
    world.say(late_connection, mqtt.Unsubscribe(2, ("a/+",)))
    world.broker.publish(Message("a/b", b"3"))
    assert [p.payload for p in early.read() if isinstance(p, mqtt.Publish)] == [b"1", b"2", b"3"]
    assert late.read() == [mqtt.Publish("a/b", b"2"), mqtt.UnsubAck(2)]


def test_the_older_connection_yields_its_client_id(world: World) -> None:
    first_connection, first = world.join("same", "a")
    world.now_s += 1
    _, second = world.join("same", "a")
    assert first.is_closed
    assert not second.is_closed
    world.broker.lose(first_connection)  # its socket reports the end only now
    assert world.broker.publish(Message("a", b"x")) == 1
    world.now_s += 1
    _, third = world.join("same")
    assert second.is_closed
    assert not third.is_closed


def test_bytes_after_the_end_are_not_heard(world: World) -> None:
    connection, outlet = world.join("c", "a")
    world.say(connection, mqtt.Disconnect(), mqtt.Publish("a", b"late"))
    world.say(connection, mqtt.Publish("a", b"later"))
    assert outlet.is_closed
    assert outlet.sent == []


def test_malformed_bytes_end_only_their_own_connection(world: World) -> None:
    connection, outlet = world.join("bad", "a")
    _, other = world.join("good", "a")
    world.broker.receive(connection, mqtt.encode(mqtt.Publish("a", b"x")) + b"\x00\x00")
    assert outlet.is_closed
    assert not other.is_closed
    assert other.read() == [mqtt.Publish("a", b"x")]


def test_missing_receive_right_drops_silently_until_the_policy_changes() -> None:
    prefix = "arn:aws:iot:us-east-1:1:"
    world = World(role_allowing(f"{prefix}client/*", f"{prefix}topicfilter/*"))
    _, outlet = world.join("c", "a")
    assert world.broker.publish(Message("a", b"1")) == 0
    world.authorizer.replace_role("role", role_allowing("*"))
    assert world.broker.publish(Message("a", b"2")) == 1
    world.authorizer.replace_role("role", role_allowing(f"{prefix}client/*"))
    assert world.broker.publish(Message("a", b"3")) == 0
    assert not outlet.is_closed
    assert outlet.read() == [mqtt.Publish("a", b"2")]


def test_receive_is_decided_once_for_each_connection_and_topic(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    prefix = "arn:aws:iot:us-east-1:1:"
    world = World(role_allowing(f"{prefix}client/*", f"{prefix}topicfilter/*"))
    world.join("c", "#")
    caplog.clear()
    for topic in ("a", "a", "b", "a"):
        world.broker.publish(Message(topic, b""))
    assert len([line for line in caplog.messages if "iot:Receive" in line]) == 2


@pytest.mark.parametrize(("silent_s", "is_ended"), [(90, False), (90.1, True)])
def test_keep_alive_is_one_and_a_half_times_what_was_agreed(
    world: World, silent_s: float, *, is_ended: bool
) -> None:
    _, outlet = world.join("c")  # keep-alive 60 s
    world.now_s += silent_s
    world.broker.expire()
    assert outlet.is_closed is is_ended


def test_ping_restarts_the_keep_alive_and_unsubscribe_does_not(world: World) -> None:
    alive_connection, alive = world.join("alive")
    idle_connection, idle = world.join("idle")
    world.now_s += 80
    world.say(alive_connection, mqtt.PingReq())
    world.say(idle_connection, mqtt.Unsubscribe(1, ("x",)))
    world.now_s += 20
    world.broker.expire()
    assert idle.is_closed
    assert not alive.is_closed


def test_a_socket_that_never_sends_connect_is_ended(world: World) -> None:
    outlet = MemoryOutlet()
    world.broker.open(outlet, ANYONE, "127.0.0.1")
    world.now_s += 31
    world.broker.expire()
    assert outlet.is_closed
    assert world.broker.connections == ()


def test_no_connection_lives_longer_than_a_day(world: World) -> None:
    connection, outlet = world.join("c")
    world.now_s += 86_399
    world.say(connection, mqtt.PingReq())
    world.broker.expire()
    assert not outlet.is_closed
    world.now_s += 2
    world.broker.expire()
    assert outlet.is_closed


def test_stalled_reader_loses_messages_and_delays_nobody(world: World) -> None:
    connection, slow = world.join("slow", "a")
    _, quick = world.join("quick", "a")
    slow.stalled = True
    assert [world.broker.publish(Message("a", b"x")) for _ in range(3)] == [1, 1, 1]
    assert slow.sent == []
    assert connection.dropped == 3
    assert len(quick.read()) == 3
    slow.stalled = False
    world.broker.publish(Message("a", b"again"))
    assert slow.read() == [mqtt.Publish("a", b"again")]


def test_stalled_reader_that_asks_on_is_ended(world: World) -> None:
    connection, outlet = world.join("c")
    outlet.stalled = True
    world.say(connection, mqtt.PingReq())
    assert outlet.is_closed
    assert outlet.sent == []


def test_nothing_is_left_of_a_lost_connection(world: World) -> None:
    connection, _ = world.join("c", "a", "b/#")
    world.broker.lose(connection)
    world.broker.lose(connection)
    assert world.broker.connections == ()
    assert world.broker.publish(Message("a", b"")) == 0
    assert world.broker.publish(Message("b/c", b"")) == 0


def test_deepest_topic_without_limits_is_within_reach() -> None:
    world = World(limits=OFF)
    topic = "/".join("x" * 128)
    connection, outlet = world.join("c", topic, "+/" * 127 + "#", "+/" * 127 + "+")
    assert world.broker.publish(Message(topic, b"x" * 10_000)) == 1
    assert outlet.read() == [mqtt.Publish(topic, b"x" * 10_000)]
    world.say(connection, mqtt.Subscribe(2, (mqtt.Wish(topic + "/x"),)))
    assert outlet.is_closed


def test_trouble_with_one_end_is_not_that_of_the_others(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    _, first = world.join("first")
    _, second = world.join("second")

    def fail(event: Message) -> None:
        raise ValueError(event.topic)

    world.broker.announcer = fail
    world.now_s += 91
    world.broker.expire()
    assert (first.is_closed, second.is_closed) == (True, True)
    assert world.broker.connections == ()
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "ERROR", "WARNING", "ERROR"]


def test_nothing_is_told_of_a_subscription_whose_answer_ended_the_connection(world: World) -> None:
    watcher = world.watch()
    connection, outlet = world.join("c")
    watcher.read()
    outlet.stalled = True
    world.say(connection, mqtt.Subscribe(1, (mqtt.Wish("a"),)))
    assert [topic for topic, _ in events(watcher)] == ["$aws/events/presence/disconnected/c"]


@pytest.mark.parametrize(
    ("connect", "attribute"),
    [
        (mqtt.Connect("a", will=mqtt.Will("t", b"")), "LastWill"),
        (mqtt.Connect("a", clean_session=False), "PersistentConnect"),
        (
            mqtt.Connect(
                "a",
                version=mqtt.Version.V5,
                properties=mqtt.Properties(session_expiry_s=60),
            ),
            "PersistentConnect",
        ),
    ],
)
def test_policy_can_forbid_a_will_and_a_persistent_session(
    connect: mqtt.Connect, attribute: str
) -> None:
    forbidden = {
        "Effect": "Deny",
        "Action": "iot:Connect",
        "Resource": "*",
        "Condition": {"ForAnyValue:StringEquals": {"iot:ConnectAttributes": [attribute]}},
    }
    allowed = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    strict = World({"Version": "2012-10-17", "Statement": [allowed, forbidden]})
    connection, _ = strict.open(connect.version)
    strict.say(connection, connect)
    assert not connection.is_open
    plain, _ = strict.open(connect.version)
    strict.say(plain, mqtt.Connect("a", version=connect.version))
    assert plain.is_open
    lenient = World()
    connection, _ = lenient.open(connect.version)
    lenient.say(connection, connect)
    assert connection.is_open


def test_the_right_to_publish_a_will_knows_the_client_id() -> None:
    own = role_allowing(
        "arn:aws:iot:us-east-1:1:client/*", "arn:aws:iot:us-east-1:1:topic/${iot:ClientId}"
    )
    for topic, expected in (("a", True), ("b", False)):
        world = World(own)
        connection, _ = world.open()
        world.say(connection, mqtt.Connect("a", will=mqtt.Will(topic, b"")))
        assert connection.is_open is expected


def test_a_refusal_that_ends_a_connection_is_a_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    greedy, _ = world.join("greedy")
    polite, _ = world.join("polite")
    with caplog.at_level("WARNING"):
        world.say(greedy, mqtt.Subscribe(1, tuple(mqtt.Wish(f"t{n}") for n in range(9))))
        world.say(polite, mqtt.Disconnect())
    (line,) = caplog.messages
    assert "'greedy'" in line
    assert "SUBSCRIBE names 9 filters; at most 8 are allowed" in line


def test_what_cannot_be_retained_is_neither_delivered_nor_acknowledged(world: World) -> None:
    reader, heard = world.join("reader", "t")
    publisher, answers = world.join("publisher")
    storage = sqlite3.connect(":memory:", isolation_level=None)
    world.broker.retained = RetainedMessages(storage, "1", lambda: 0.0)
    storage.close()
    world.say(publisher, mqtt.Publish("t", b"x", qos=1, retain=True, packet_id=1))
    assert (publisher.is_open, answers.read()) == (False, [])
    assert (reader.is_open, heard.read()) == (True, [])
    with pytest.raises(NotKept, match="'t' cannot be retained"):
        world.broker.publish(Message("t", b"x", retain=True))
