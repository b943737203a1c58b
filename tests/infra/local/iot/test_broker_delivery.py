"""Delivery: qualities, versions, retained messages, rates and what a client can take."""

from dataclasses import replace

import pytest

from bellwire_local.iot import mqtt
from bellwire_local.iot.choices import Choices
from bellwire_local.iot.limits import OFF
from bellwire_local.iot.messages import Message
from bellwire_local.iot.mqtt import Properties, PubAck, Publish, Version, Wish
from infra.local.iot.broker_world import World, role_allowing


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("published", "granted", "delivered"), [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 1)]
)
def test_quality_is_the_lower_of_both(
    world: World, published: int, granted: int, delivered: int
) -> None:
    _, outlet = world.join("c", Wish("a", granted))
    assert world.broker.publish(Message("a", b"x", published)) == 1
    assert outlet.read() == [Publish("a", b"x", delivered, packet_id=delivered)]


def test_overlapping_filters_deliver_with_the_highest_quality(world: World) -> None:
    _, outlet = world.join("c", Wish("a/b"), Wish("a/+", 1), Wish("#"))
    world.broker.publish(Message("a/b", b"x", 1))
    assert outlet.read() == [Publish("a/b", b"x", 1, packet_id=1)]


def test_overlapping_filters_may_each_have_their_copy() -> None:
    world = World(choices=Choices(overlapping="each"))
    _, outlet = world.join("c", Wish("a"), Wish("+"))
    assert world.broker.publish(Message("a", b"x")) == 2
    assert outlet.read() == [Publish("a", b"x")] * 2


def test_a_hundred_wait_for_their_receipt_and_the_rest_for_them() -> None:
    world = World(limits=replace(OFF, unacknowledged=100))
    connection, outlet = world.join("c", Wish("a", 1))
    for number in range(150):
        world.broker.publish(Message("a", b"%d" % number, 1))
    sent = [packet for packet in outlet.read() if isinstance(packet, Publish)]
    assert len(sent) == 100
    world.say(connection, PubAck(sent[0].packet_id), PubAck(sent[1].packet_id))
    assert [packet.payload for packet in outlet.read() if isinstance(packet, Publish)] == [
        b"100",
        b"101",
    ]


def test_client_of_mqtt_5_says_how_much_it_can_take(world: World) -> None:
    asked = Properties(receive_maximum=1)
    connection, outlet = world.join("c", Wish("a", 1), version=Version.V5, properties=asked)
    world.broker.publish(Message("a", b"1", 1))
    world.broker.publish(Message("a", b"2", 1))
    assert outlet.read() == [Publish("a", b"1", 1, packet_id=1)]
    world.say(connection, PubAck(1))
    assert outlet.read() == [Publish("a", b"2", 1, packet_id=2)]


@pytest.mark.parametrize(
    ("version", "choices", "is_repeated"),
    [
        (Version.V3_1_1, Choices(), True),
        (Version.V5, Choices(), False),
        (Version.V5, Choices(redelivers_to_v5=True), True),
    ],
)
def test_missing_receipt_brings_the_message_again(
    version: Version, choices: Choices, *, is_repeated: bool
) -> None:
    world = World(choices=choices)
    _, outlet = world.join("c", Wish("a", 1), version=version)
    world.broker.publish(Message("a", b"x", 1))
    sent = outlet.read()
    world.now_s += 20
    world.broker.expire()
    assert outlet.read() == (sent if is_repeated else [])


def test_repetition_keeps_to_the_throughput(world: World) -> None:
    connection, outlet = world.join("c", Wish("a", 1))
    for _ in range(20):
        world.broker.publish(Message("a", b"x" * 131_072, 1))
        world.now_s += 0.3
        world.broker.expire()
    assert len(outlet.read()) == 20
    world.now_s += 30
    world.broker.expire()
    assert len(outlet.read()) == 4  # 512 KiB, and heads
    world.now_s += 1
    world.broker.expire()
    assert len(outlet.read()) == 4
    outlet.stalled = True
    world.now_s += 1
    world.broker.expire()
    assert outlet.read() == []
    assert connection.is_open


def test_queue_is_held_to_the_policy_in_force(world: World) -> None:
    asked = Properties(receive_maximum=1)
    connection, outlet = world.join("c", Wish("a", 1), version=Version.V5, properties=asked)
    for payload in (b"1", b"2", b"3"):
        world.broker.publish(Message("a", payload, 1))
    assert outlet.read() == [Publish("a", b"1", 1, packet_id=1)]
    world.authorizer.replace_role("role", role_allowing("arn:aws:iot:us-east-1:1:client/*"))
    world.say(connection, PubAck(1))
    world.broker.expire()
    assert outlet.read() == []
    world.authorizer.replace_role("role", role_allowing("*"))
    world.broker.publish(Message("a", b"4", 1))
    assert outlet.read() == [Publish("a", b"4", 1, packet_id=2)]


def test_stalled_reader_gets_what_waited_once_it_reads(world: World) -> None:
    _, outlet = world.join("c", Wish("a", 1))
    outlet.stalled = True
    assert world.broker.publish(Message("a", b"x", 1)) == 1
    assert outlet.sent == []
    outlet.stalled = False
    world.broker.expire()
    assert outlet.read() == [Publish("a", b"x", 1, packet_id=1)]


def test_both_versions_hear_each_other(world: World) -> None:
    old, old_outlet = world.join("old", "a")
    new, new_outlet = world.join("new", "a", version=Version.V5)
    said = Properties(content_type="text/plain", user_properties=(("k", "v"),))
    world.say(new, Publish("a", b"1", properties=said))
    assert old_outlet.read() == [Publish("a", b"1")]
    assert new_outlet.read() == [Publish("a", b"1", properties=said)]
    world.say(old, Publish("a", b"2"))
    assert new_outlet.read() == [Publish("a", b"2")]


def test_no_local_spares_only_the_publisher(world: World) -> None:
    wish = Wish("a", no_local=True)
    speaker, spared = world.join("speaker", wish, version=Version.V5)
    _, other = world.join("other", wish, version=Version.V5)
    world.say(speaker, Publish("a", b"x"))
    assert spared.read() == []
    assert other.read() == [Publish("a", b"x")]
    world.broker.publish(Message("a", b"over HTTPS"))
    assert spared.read() == [Publish("a", b"over HTTPS")]


# What a client of two overlapping filters gets: the QoS of its own message and of another's.
@pytest.mark.parametrize(
    ("silent", "other", "own_qos", "others_qos"),
    [(0, 0, 0, 0), (1, 0, 0, 1), (0, 1, 1, 1), (1, 1, 1, 1)],
)
@pytest.mark.parametrize("is_silent_first", [True, False])
def test_no_local_of_one_filter_keeps_nothing_from_another(
    world: World, silent: int, other: int, own_qos: int, others_qos: int, *, is_silent_first: bool
) -> None:
    wishes = [Wish("a/#", silent, no_local=True), Wish("+/b", other)]
    wishes = wishes if is_silent_first else wishes[::-1]
    connection, outlet = world.join("c", *wishes, version=Version.V5)
    world.say(connection, Publish("a/b", b"own", 1, packet_id=1))
    world.broker.publish(Message("a/b", b"other's", 1))
    got = [packet for packet in outlet.read() if isinstance(packet, Publish)]
    assert [(packet.payload, packet.qos) for packet in got] == [
        (b"own", own_qos),
        (b"other's", others_qos),
    ]


def test_packet_larger_than_the_client_takes_is_not_sent(world: World) -> None:
    asked = Properties(maximum_packet_bytes=40)
    _, outlet = world.join("c", "a", version=Version.V5, properties=asked)
    assert world.broker.publish(Message("a", b"x" * 34)) == 1  # 2 + 2 + 1 + 1 and the payload
    assert world.broker.publish(Message("a", b"x" * 35)) == 0
    assert outlet.read() == [Publish("a", b"x" * 34)]


def test_size_is_that_of_the_packet_that_is_sent(world: World) -> None:
    asked = Properties(maximum_packet_bytes=40)
    connection, outlet = world.join("c", Wish("a", 1), version=Version.V5, properties=asked)
    world.broker.publish(Message("a", b"x" * 33, 1))  # one too many, with its packet id
    world.broker.publish(Message("a", b"x" * 32, 1, retain=True))
    assert outlet.read() == [Publish("a", b"x" * 32, 1, packet_id=2)]
    assert connection.outbound is not None
    assert connection.outbound.unacknowledged == 1
    world.broker.publish(Message("a", b"x" * 33, 1, retain=True))
    outlet.read()
    world.say(connection, mqtt.Subscribe(2, (Wish("a", 1),)))
    assert outlet.read() == [mqtt.SubAck(2, (1,))]


@pytest.mark.parametrize(("most", "answers"), [(4, []), (5, [mqtt.ConnAck(0x95)])])
def test_client_that_cannot_take_connack_is_refused(
    world: World, most: int, answers: list[mqtt.Packet]
) -> None:
    connection, outlet = world.open(Version.V5)
    asked = Properties(maximum_packet_bytes=most)
    world.say(connection, mqtt.Connect("c", version=Version.V5, properties=asked))
    assert outlet.read() == answers
    assert outlet.is_closed
    assert world.broker.find_past("c") is None


def test_client_that_cannot_take_an_answer_is_ended(world: World) -> None:
    asked = Properties(maximum_packet_bytes=40)
    connection, outlet = world.join("c", version=Version.V5, properties=asked)
    world.say(connection, mqtt.Unsubscribe(1, ("a",) * 35))
    assert outlet.read() == [mqtt.UnsubAck(1, (0x11,) * 35)]
    world.say(connection, mqtt.Unsubscribe(1, ("a",) * 36))
    assert outlet.read() == [mqtt.Disconnect(0x95)]
    assert outlet.is_closed


def test_retained_message_comes_with_the_flag_and_live_ones_without(world: World) -> None:
    speaker, _ = world.join("speaker")
    _, live = world.join("live", "a")
    world.say(speaker, Publish("a", b"kept", 1, retain=True, packet_id=1))
    assert live.read() == [Publish("a", b"kept")]
    late_connection, late = world.join("late")
    world.say(late_connection, mqtt.Subscribe(1, (Wish("a", 1), Wish("+"))))
    suback, *messages = late.read()
    assert suback == mqtt.SubAck(1, (1, 0))
    assert messages == [Publish("a", b"kept", 1, retain=True, packet_id=1)]


def test_retained_message_is_not_for_wildcards_nor_after_its_deletion(world: World) -> None:
    speaker, _ = world.join("speaker")
    world.say(speaker, Publish("a", b"kept", retain=True))
    wild_connection, wild = world.join("wild")
    world.say(wild_connection, mqtt.Subscribe(1, (Wish("#"),)))
    assert wild.read() == [mqtt.SubAck(1, (0,))]
    world.say(speaker, Publish("a", b"", retain=True))
    assert wild.read() == [Publish("a", b"")]  # the deletion itself is heard
    late_connection, late = world.join("late")
    world.say(late_connection, mqtt.Subscribe(1, (Wish("a"),)))
    assert late.read() == [mqtt.SubAck(1, (0,))]


def test_retained_message_needs_the_right_to_receive() -> None:
    prefix = "arn:aws:iot:us-east-1:1:"
    world = World(role_allowing(f"{prefix}client/*", f"{prefix}topicfilter/*"))
    world.broker.publish(Message("a", b"kept", retain=True))
    connection, outlet = world.join("c")
    world.say(connection, mqtt.Subscribe(1, (Wish("a"),)))
    assert outlet.read() == [mqtt.SubAck(1, (0,))]


def test_retain_flag_is_kept_for_those_who_ask(world: World) -> None:
    wish = Wish("a", retain_as_published=True)
    _, outlet = world.join("c", wish, version=Version.V5)
    world.broker.publish(Message("a", b"1", retain=True))
    world.broker.publish(Message("a", b"2"))
    assert outlet.read() == [Publish("a", b"1", retain=True), Publish("a", b"2")]


def test_expiry_of_a_retained_message_counts_down(world: World) -> None:
    speaker, _ = world.join("speaker", version=Version.V5)
    said = Properties(message_expiry_s=60)
    world.say(speaker, Publish("a", b"x", retain=True, properties=said))
    world.now_s += 20
    _, outlet = world.open(Version.V5)
    connection = world.broker.connections[-1]
    world.say(connection, mqtt.Connect("late", version=Version.V5))
    outlet.read()
    world.say(connection, mqtt.Subscribe(1, (Wish("a"),)))
    left = Properties(message_expiry_s=40)
    assert outlet.read()[1:] == [Publish("a", b"x", retain=True, properties=left)]
    world.now_s += 40
    world.say(connection, mqtt.Subscribe(2, (Wish("a"),)))
    assert outlet.read() == [mqtt.SubAck(2, (0,))]


def test_inbound_excess_is_discarded_and_not_acknowledged(world: World) -> None:
    connection, outlet = world.join("c")
    for number in range(1, 103):
        world.say(connection, Publish("a", b"", 1, packet_id=number))
    assert outlet.read() == [PubAck(number) for number in range(1, 101)]
    assert connection.discarded == 2
    world.now_s += 0.01
    world.say(connection, Publish("a", b"", 1, packet_id=200))
    assert outlet.read() == [PubAck(200)]


@pytest.mark.parametrize("qos", [0, 1])
def test_outbound_excess_is_discarded(world: World, qos: int) -> None:
    asked = Properties(receive_maximum=65_535)
    connection, outlet = world.join("c", Wish("a", qos), version=Version.V5, properties=asked)
    _, other = world.join("other", "b")
    assert sum(world.broker.publish(Message("a", b"", qos)) for _ in range(101)) == 100
    assert len(outlet.read()) == 100
    assert connection.discarded == 1
    assert world.broker.publish(Message("b", b"")) == 1
    assert len(other.read()) == 1


def test_in_and_out_share_one_rate(world: World) -> None:
    connection, outlet = world.join("echo", "a")
    for _ in range(60):
        world.say(connection, Publish("a", b""))
    assert len(outlet.read()) == 50
    assert connection.discarded == 10  # each of the first fifty took two


def test_without_limits_nothing_is_discarded() -> None:
    world = World(limits=OFF)
    connection, outlet = world.join("c", "a")
    assert sum(world.broker.publish(Message("a", b"")) for _ in range(1000)) == 1000
    assert connection.discarded == 0
    assert len(outlet.read()) == 1000


def test_client_that_sends_too_fast_is_read_more_slowly(world: World) -> None:
    connection, outlet = world.join("c")
    for _ in range(9):
        world.say(connection, Publish("a", b"x" * 65_536))
    assert not outlet.is_read
    world.broker.expire()
    assert not outlet.is_read
    world.now_s += 1
    world.broker.expire()
    assert outlet.is_read
    assert connection.discarded == 0


def test_large_messages_are_delayed_beyond_the_throughput(world: World) -> None:
    _, outlet = world.join("c", "a")
    for number in range(12):
        assert world.broker.publish(Message("a", b"%02d" % number + b"x" * 65_534)) == 1
    assert len(outlet.read()) == 8  # 512 KiB, and heads
    world.now_s += 0.6
    world.broker.expire()
    assert len(outlet.read()) == 4


@pytest.mark.parametrize(("size_bytes", "is_accepted"), [(131_072, True), (131_073, False)])
def test_connect_is_no_longer_than_128_kib(
    world: World, size_bytes: int, *, is_accepted: bool
) -> None:
    connection, outlet = world.open()
    will = mqtt.Will("a", b"x" * 65_535)
    packet = mqtt.Connect("c", username="u" * (size_bytes - 65_559), will=will)
    assert len(mqtt.encode(packet)) == size_bytes
    world.say(connection, packet)
    assert outlet.is_closed is not is_accepted


def test_one_connect_a_second_for_each_client_id(world: World) -> None:
    world.join("busy")
    world.now_s += 0.5
    connection, outlet = world.open(Version.V5)
    world.say(connection, mqtt.Connect("busy", version=Version.V5))
    (connack,) = outlet.read()
    assert isinstance(connack, mqtt.ConnAck)
    assert connack.return_code == 0x97
    assert outlet.is_closed
    assert world.broker.find_connection("busy") is not None
    world.join("other")
    world.now_s += 0.5
    world.broker.expire()
    assert not world.join("busy")[1].is_closed


def test_what_follows_connect_has_to_wait_for_connack() -> None:
    packets = mqtt.Connect("c"), mqtt.Subscribe(1, (Wish("a"),))
    strict, lenient = World(), World(choices=Choices(packets_before_connack="answer"))
    connection, outlet = strict.open()
    strict.say(connection, *packets)
    assert outlet.read() == [mqtt.ConnAck()]
    assert outlet.is_closed
    connection, outlet = lenient.open()
    lenient.say(connection, *packets)
    assert outlet.read() == [mqtt.ConnAck(), mqtt.SubAck(1, (0,))]


def test_policy_that_changes_ends_nothing_by_itself(world: World) -> None:
    connection, outlet = world.join("c", "a")
    world.authorizer.replace_role("role", role_allowing("arn:aws:iot:us-east-1:1:client/*"))
    world.broker.expire()
    assert not outlet.is_closed
    assert world.broker.publish(Message("a", b"")) == 0
    world.say(connection, mqtt.Subscribe(2, (Wish("b"),)))
    assert outlet.read() == [mqtt.SubAck(2, (0x80,))]
    world.say(connection, Publish("a", b""))
    assert outlet.is_closed
