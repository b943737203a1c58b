"""One client's conversation, packet by packet, without a broker."""

import pytest

from bellwire_local.iot import mqtt
from bellwire_local.iot.session import (
    DisconnectReason,
    Effect,
    FanOut,
    HangUp,
    Send,
    Session,
    StartDelivery,
    StopDelivery,
    TakeOver,
    effective_keep_alive_s,
    restarts_keep_alive,
    step,
)

CONNECTED = Session("me", 60)


def allow(_action: str, _resource: str) -> bool:
    return True


def refuse(_action: str, _resource: str) -> bool:
    return False


def answer(session: Session, packet: mqtt.Packet) -> tuple[Session, tuple[Effect, ...]]:
    return step(session, packet, allow, "$GEN/1")


def assert_client_error(effects: tuple[Effect, ...], detail: str) -> None:
    last = effects[-1]
    assert isinstance(last, HangUp)
    assert last.reason is DisconnectReason.CLIENT_ERROR
    assert detail in last.detail


def test_connect() -> None:
    session, effects = answer(Session(), mqtt.Connect("me", keep_alive_s=10))
    assert session == Session("me", 30)
    assert effects == (TakeOver("me"), Send(mqtt.ConnAck()))


def test_empty_client_id_is_assigned_one_and_checked_under_it() -> None:
    asked: list[tuple[str, str]] = []

    def may_do(action: str, resource: str) -> bool:
        asked.append((action, resource))
        return True

    session, _ = step(Session(), mqtt.Connect(""), may_do, "$GEN/1")
    assert session.client_id == "$GEN/1"
    assert asked == [("iot:Connect", "client/$GEN/1")]


def test_refused_connect_hangs_up_without_connack() -> None:
    session, effects = step(Session(), mqtt.Connect("me"), refuse, "$GEN/1")
    assert session == Session()
    assert effects == (HangUp(DisconnectReason.AUTH_ERROR, "may not connect as 'me'"),)


@pytest.mark.parametrize(
    ("packet", "return_code", "detail"),
    [
        (mqtt.Connect("x" * 129), 2, "129 bytes; at most 128"),
        (mqtt.Connect("$GEN/1"), 2, "begins with '$'"),
        (mqtt.Connect("", clean_session=False), 2, "needs a clean session"),
        (mqtt.UnsupportedConnect("MQIsdp", 3), 1, "'MQIsdp' level 3; 'MQTT' level 4"),
        (mqtt.UnsupportedConnect("MQTT", 5), 1, "'MQTT' level 5; 'MQTT' level 4"),
    ],
)
def test_connect_that_is_answered_and_ended(
    packet: mqtt.Packet, return_code: int, detail: str
) -> None:
    _, effects = answer(Session(), packet)
    assert effects[0] == Send(mqtt.ConnAck(return_code))
    assert_client_error(effects, detail)


@pytest.mark.parametrize(
    ("asked_s", "effective_s"),
    [(0, 1200), (1, 30), (29, 30), (30, 30), (60, 60), (1200, 1200), (1201, 1200), (65_535, 1200)],
)
def test_keep_alive_is_brought_into_range(asked_s: int, effective_s: int) -> None:
    assert effective_keep_alive_s(asked_s) == effective_s


@pytest.mark.parametrize(
    ("session", "packet", "detail"),
    [
        (Session(), mqtt.PingReq(), "PingReq came before CONNECT"),
        (Session(), mqtt.Publish("a", b""), "Publish came before CONNECT"),
        (CONNECTED, mqtt.Connect("me"), "a second CONNECT"),
        (CONNECTED, mqtt.ConnAck(), "for a server to send"),
        (CONNECTED, mqtt.SubAck(1, (0,)), "for a server to send"),
        (CONNECTED, mqtt.Publish("a", b"", 2, packet_id=1), "QoS 2"),
        (CONNECTED, mqtt.Publish("a", b"", retain=True), "retained"),
        (CONNECTED, mqtt.Publish("$aws/x", b""), "reserved"),
        (CONNECTED, mqtt.Publish("a", b"x" * 131_073), "more than 131072 bytes"),
        (CONNECTED, mqtt.Publish("a/" * 8 + "b", b""), "8 slashes"),
        (CONNECTED, mqtt.Subscribe(1, (mqtt.Wish("a", 2),)), "QoS 2"),
        (CONNECTED, mqtt.Subscribe(1, (mqtt.Wish("a#"),)), "'#' must be"),
        (CONNECTED, mqtt.Subscribe(1, (mqtt.Wish("a"),) * 9), "9 filters; at most 8"),
    ],
)
def test_what_ends_a_connection(session: Session, packet: mqtt.Packet, detail: str) -> None:
    after, effects = answer(session, packet)
    assert after == session
    assert_client_error(effects, detail)


def test_publish_of_both_qualities() -> None:
    assert answer(CONNECTED, mqtt.Publish("a", b"x"))[1] == (FanOut("a", b"x"),)
    _, effects = answer(CONNECTED, mqtt.Publish("a", b"x", 1, packet_id=9))
    assert effects == (FanOut("a", b"x"), Send(mqtt.PubAck(9)))


def test_publish_that_may_not_be_ends_the_connection() -> None:
    _, effects = step(CONNECTED, mqtt.Publish("a", b"x", 1, packet_id=9), refuse, "")
    assert effects == (HangUp(DisconnectReason.AUTH_ERROR, "may not publish to 'a'"),)


def test_subscribe_grants_and_refuses_filter_by_filter() -> None:
    def may_do(_action: str, resource: str) -> bool:
        return resource != "topicfilter/b"

    packet = mqtt.Subscribe(3, (mqtt.Wish("a", 1), mqtt.Wish("b"), mqtt.Wish("c/#")))
    session, effects = step(CONNECTED, packet, may_do, "")
    assert dict(session.filters) == {"a": 0, "c/#": 0}
    assert effects == (
        StartDelivery("a"),
        StartDelivery("c/#"),
        Send(mqtt.SubAck(3, (0, 0x80, 0))),
    )


def test_fifty_subscriptions_and_no_more() -> None:
    session = CONNECTED
    for start in range(0, 48, 8):
        wanted = tuple(mqtt.Wish(f"t{number}") for number in range(start, start + 8))
        session, _ = answer(session, mqtt.Subscribe(1, wanted))
    session, effects = answer(
        session, mqtt.Subscribe(2, tuple(mqtt.Wish(f"u{n}") for n in range(3)))
    )
    assert effects[-1] == Send(mqtt.SubAck(2, (0, 0, 0x80)))
    _, effects = answer(session, mqtt.Subscribe(3, (mqtt.Wish("t0"),)))  # one it has already
    assert effects == (Send(mqtt.SubAck(3, (0,))),)


def test_unsubscribe_is_answered_whatever_was_subscribed() -> None:
    session, _ = answer(CONNECTED, mqtt.Subscribe(1, (mqtt.Wish("a"), mqtt.Wish("b"))))
    session, effects = answer(session, mqtt.Unsubscribe(2, ("a", "never")))
    assert dict(session.filters) == {"b": 0}
    assert effects == (StopDelivery("a"), Send(mqtt.UnsubAck(2)))


def test_ping_and_farewell() -> None:
    assert answer(CONNECTED, mqtt.PingReq())[1] == (Send(mqtt.PingResp()),)
    (effect,) = answer(CONNECTED, mqtt.Disconnect())[1]
    assert isinstance(effect, HangUp)
    assert effect.reason is DisconnectReason.CLIENT_INITIATED_DISCONNECT


def test_signs_of_life_are_those_that_aws_names() -> None:
    assert restarts_keep_alive(mqtt.PingReq())
    assert restarts_keep_alive(mqtt.PubAck(1))
    assert not restarts_keep_alive(mqtt.Unsubscribe(1, ("a",)))
