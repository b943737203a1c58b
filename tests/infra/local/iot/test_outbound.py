"""The queue of one client, without a client."""

from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.iot.messages import Message, expiry_of, packet_of, receive_message
from bellwire_local.iot.mqtt import Properties, Publish
from bellwire_local.iot.outbound import Delivery, Outbound, Times


def at(now_s: float) -> Times:
    return Times(now_s, 1_000_000 + now_s)


def loud(payload: bytes, **more: float) -> Delivery:
    return Delivery(Message("a", payload, qos=1, **more), 1, retain=False)  # type: ignore[arg-type]


def test_window_limits_what_is_unacknowledged() -> None:
    outbound = Outbound(window=2)
    for number in range(3):
        assert outbound.offer(loud(b"%d" % number))
    assert outbound.take(at(0)) == Publish("a", b"0", 1, packet_id=1)
    assert outbound.take(at(0)) == Publish("a", b"1", 1, packet_id=2)
    assert outbound.take(at(0)) is None
    outbound.acknowledge(9)  # nothing waits for it
    assert outbound.take(at(0)) is None
    outbound.acknowledge(1)
    assert outbound.take(at(0)) == Publish("a", b"2", 1, packet_id=3)


def test_waiting_messages_are_bounded_in_number_and_bytes() -> None:
    outbound = Outbound(window=1)
    assert [outbound.offer(loud(b"")) for _ in range(1001)] == [True] * 1000 + [False]
    outbound = Outbound(window=1)
    assert outbound.offer(loud(b"x" * 1_048_575))
    assert not outbound.offer(loud(b""))
    assert outbound.take(at(0)) is not None
    assert outbound.offer(loud(b"x"))


def test_unacknowledged_messages_count_until_their_receipt() -> None:
    outbound = Outbound(window=65_535)
    for _ in range(32):
        assert outbound.offer(loud(b"x" * 524_287))  # half a MiB, with its topic
        assert outbound.take(at(0)) is not None
    assert not outbound.offer(loud(b""))
    outbound.acknowledge(1)
    assert outbound.offer(loud(b"x" * 524_287))


def test_properties_count_as_much_as_payload() -> None:
    half = "x" * 262_000
    said = Properties(user_properties=((half, half), ("", "")))
    outbound = Outbound(window=1)
    offers = [Delivery(Message("a", b"", 1, properties=said), 1, retain=False)] * 2
    assert [outbound.offer(offer) for offer in offers] == [True, True]
    assert not outbound.offer(loud(b"x" * 318))
    assert outbound.offer(loud(b"x" * 317))
    said = Properties(content_type="x" * 100, response_topic="y" * 10, correlation_data=b"z")
    assert Message("a", b"12", properties=said).size_bytes == 114


def test_what_is_not_acknowledged_comes_again_without_dup_for_an_hour() -> None:
    outbound = Outbound(window=2)

    def take_again(now_s: float) -> Publish | None:
        outbound.repeat(now_s)
        return outbound.take(at(now_s))

    outbound.offer(loud(b"x"))
    first = outbound.take(at(0))
    assert take_again(19.9) is None
    assert take_again(20) == first
    assert take_again(39) is None
    assert take_again(40) == first
    outbound.give_up(3600, 3600)
    assert outbound.unacknowledged == 1
    outbound.repeat(3600.1)
    outbound.give_up(3600.1, 3600)
    assert outbound.take(at(3600.1)) is None
    assert outbound.unacknowledged == 0


def test_what_comes_again_goes_first_once_and_not_after_its_receipt() -> None:
    outbound = Outbound(window=3)
    for payload in (b"0", b"1", b"2"):
        outbound.offer(loud(payload))
    for now_s in (0, 1):
        assert outbound.take(at(now_s)) is not None
    outbound.repeat(21)
    outbound.repeat(21)
    outbound.acknowledge(1)
    sent = [outbound.take(at(21)) for _ in range(3)]
    assert [packet and packet.payload for packet in sent] == [b"1", b"2", None]


def test_expired_message_is_not_repeated_and_holds_its_place_until_its_receipt() -> None:
    outbound = Outbound(window=1)
    outbound.offer(loud(b"x", expires_at_s=1_000_010))
    assert outbound.take(at(9)) is not None
    outbound.repeat(29)
    assert outbound.take(at(29)) is None
    assert outbound.unacknowledged == 1


def test_right_that_ends_meanwhile_holds_back_what_waits_and_what_would_be_repeated() -> None:
    permitted = {"a"}
    outbound = Outbound(1, permitted.__contains__)
    outbound.offer(loud(b"0"))
    outbound.offer(loud(b"1"))
    assert outbound.take(at(0)) is not None
    permitted.clear()
    outbound.repeat(20)
    assert outbound.take(at(20)) is None
    outbound.acknowledge(1)
    assert outbound.take(at(20)) is None
    assert outbound.unacknowledged == 0


def test_message_that_expires_while_it_waits_is_not_sent() -> None:
    outbound = Outbound(window=1)
    outbound.offer(loud(b"short", expires_at_s=1_000_010))
    outbound.offer(loud(b"long", expires_at_s=1_000_100))
    sent = outbound.take(at(30.5))
    assert sent is not None
    assert (sent.payload, sent.properties.message_expiry_s) == (b"long", 69)


steps = st.lists(st.one_of(st.just("offer"), st.just("take"), st.integers(1, 70_000)), max_size=80)


@given(steps, st.integers(1, 4))
def test_packet_ids_are_never_shared(taken: list[str | int], window: int) -> None:
    outbound, live = Outbound(window), set[int]()
    for act in taken:
        if act == "offer":
            outbound.offer(loud(b""))
        elif act == "take":
            sent = outbound.take(at(0))
            if sent is not None:
                assert 1 <= sent.packet_id <= 65_535
                assert sent.packet_id not in live
                live.add(sent.packet_id)
        else:
            assert isinstance(act, int)
            packet_id = min(live) if live else act
            outbound.acknowledge(packet_id)
            live.discard(packet_id)
        assert outbound.unacknowledged == len(live) <= window


def test_packet_ids_begin_again_after_the_last() -> None:
    outbound, ids = Outbound(window=1), []
    for _ in range(65_536):
        outbound.offer(loud(b""))
        sent = outbound.take(at(0))
        assert sent is not None
        ids.append(sent.packet_id)
        outbound.acknowledge(sent.packet_id)
    assert ids[-2:] == [65_535, 1]


def test_expiry_is_brought_into_range() -> None:
    assert expiry_of(None, 100) is None
    assert expiry_of(0, 100) == 101
    assert expiry_of(60, 100) == 160
    assert expiry_of(604_801, 100) == 604_900


def test_what_travels_with_a_message() -> None:
    travelling = Properties(
        payload_format=1,
        content_type="c",
        response_topic="r",
        correlation_data=b"d",
        user_properties=(("z", "1"), ("a", "2")),
        message_expiry_s=60,
    )
    message = receive_message(Publish("a", b"x", 1, packet_id=3, properties=travelling), 100)
    assert packet_of(message, 100) == Publish("a", b"x", properties=travelling)
    assert packet_of(message, 130.5).properties.message_expiry_s == 29
    assert packet_of(message, 159.5).properties.message_expiry_s == 0
