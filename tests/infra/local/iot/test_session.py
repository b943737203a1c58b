"""One client's conversation, packet by packet, without a broker."""

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.iot import mqtt
from bellwire_local.iot.choices import Choices
from bellwire_local.iot.connecting import effective_keep_alive_s
from bellwire_local.iot.effects import (
    DisconnectReason,
    Effect,
    FanOut,
    HangUp,
    Newcomer,
    RefuseConnect,
    Rules,
    Send,
    SendRetained,
    Session,
    StartDelivery,
    StopDelivery,
    TakeOver,
    TakeReceipt,
    TellSubscribed,
    TellUnsubscribed,
)
from bellwire_local.iot.lifecycle import Subject, unsubscribed_event
from bellwire_local.iot.limits import OFF, STRICT, Limits
from bellwire_local.iot.messages import packet_of
from bellwire_local.iot.mqtt import Properties, Reason, Version, Wish
from bellwire_local.iot.session import restarts_keep_alive, step

CONNECTED = Session("me", 60)
CONNECTED_V5 = Session("me", 60, version=Version.V5)
SERVER_PROPERTIES = Properties(
    receive_maximum=100,
    maximum_qos=1,
    retain_available=1,
    maximum_packet_bytes=149_504,
    topic_alias_maximum=8,
    wildcard_subscription_available=1,
    subscription_ids_available=0,
    shared_subscription_available=0,
    server_keep_alive_s=30,
)

MayDo = Callable[[str, str], bool]


def allow(_action: str, _resource: str) -> bool:
    return True


def refuse(_action: str, _resource: str) -> bool:
    return False


def only(*allowed: str) -> MayDo:
    """Allow the actions and resources written as `iot:Publish topic/a`."""
    return lambda action, resource: f"{action} {resource}" in allowed


def held_to(
    may_do: MayDo = allow, *, limits: Limits = STRICT, choices: Choices | None = None
) -> Rules:
    def ask(action: str, resource: str, newcomer: Newcomer | None = None) -> bool:
        assert newcomer is None or newcomer.client_id
        return may_do(action, resource)

    return Rules(ask, "$GEN/1", limits, choices or Choices())


def answer(
    session: Session, packet: mqtt.Packet, rules: Rules | None = None
) -> tuple[Session, tuple[Effect, ...]]:
    return step(session, packet, rules or held_to())


def assert_client_error(
    effects: tuple[Effect, ...], detail: str, code: Reason | None = None
) -> None:
    last = effects[-1]
    assert isinstance(last, HangUp)
    assert last.reason is DisconnectReason.CLIENT_ERROR
    assert detail in last.detail
    assert code is None or last.code is code


@pytest.mark.parametrize("version", [Version.V3_1, Version.V3_1_1])
def test_connect_before_mqtt_5(version: Version) -> None:
    packet = mqtt.Connect("me", keep_alive_s=10, version=version)
    session, effects = answer(Session(), packet)
    assert session == Session("me", 30, version=version)
    assert effects == (TakeOver("me"), Send(mqtt.ConnAck()))


def test_persistent_session_is_accepted_as_a_clean_one() -> None:
    _, effects = answer(Session(), mqtt.Connect("me", clean_session=False))
    assert effects[-1] == Send(mqtt.ConnAck(0, session_present=False))


def test_connect_of_mqtt_5_hears_what_the_server_can_do() -> None:
    asked = Properties(session_expiry_s=60, receive_maximum=7, maximum_packet_bytes=1000)
    packet = mqtt.Connect("", keep_alive_s=10, version=Version.V5, properties=asked)
    session, effects = answer(Session(), packet)
    assert session == Session(
        "$GEN/1", 30, version=Version.V5, receive_maximum=7, maximum_packet_bytes=1000
    )
    told = replace(SERVER_PROPERTIES, session_expiry_s=0, assigned_client_id="$GEN/1")
    assert effects == (TakeOver("$GEN/1"), Send(mqtt.ConnAck(properties=told)))


def test_client_may_have_no_more_unacknowledged_than_the_server_sends() -> None:
    asked = Properties(receive_maximum=65_535)
    session, effects = answer(
        Session(), mqtt.Connect("me", keep_alive_s=30, version=Version.V5, properties=asked)
    )
    assert session.receive_maximum == 100
    assert effects[-1] == Send(mqtt.ConnAck(properties=SERVER_PROPERTIES))


def test_empty_client_id_is_assigned_one_and_checked_under_it() -> None:
    session, _ = answer(Session(), mqtt.Connect(""), held_to(only("iot:Connect client/$GEN/1")))
    assert session.client_id == "$GEN/1"


def test_refused_connect_hangs_up_without_connack() -> None:
    session, effects = answer(Session(), mqtt.Connect("me"), held_to(refuse))
    assert session == Session()
    assert effects == (
        RefuseConnect("me"),
        HangUp(DisconnectReason.AUTH_ERROR, "may not connect as 'me'", Reason.NOT_AUTHORIZED),
    )


def connack_code(effects: tuple[Effect, ...]) -> int | None:
    """Return what a CONNACK among the effects says."""
    for effect in effects:
        if isinstance(effect, Send) and isinstance(effect.packet, mqtt.ConnAck):
            return effect.packet.return_code
    return None


WILL_QOS_2 = mqtt.Will("a", b"", qos=2)
WILL_RESERVED = mqtt.Will("$aws/x", b"")
AUTH = Properties(authentication_method="SCRAM")


@pytest.mark.parametrize(
    ("packet", "code_before_5", "code_of_5", "detail"),
    [
        (mqtt.Connect("x" * 129), 2, 0x85, "129 bytes; at most 128"),
        (mqtt.Connect("$GEN/1"), 2, 0x85, "begins with '$'"),
        (mqtt.Connect("me", will=WILL_QOS_2), None, 0x9B, "a last will of QoS 2"),
        (mqtt.Connect("me", will=WILL_RESERVED), None, 0x90, "'$aws/x'"),
        (mqtt.Connect("me", properties=AUTH), None, 0x8C, "AUTH"),
    ],
)
def test_connect_that_is_refused_in_both_ways(
    packet: mqtt.Connect, code_before_5: int | None, code_of_5: int, detail: str
) -> None:
    _, effects = answer(Session(), packet)
    assert connack_code(effects) == code_before_5
    assert_client_error(effects, detail)
    session, effects = answer(Session(), replace(packet, version=Version.V5))
    assert session.client_id is None
    assert connack_code(effects) == code_of_5
    assert_client_error(effects, detail)


def test_refused_client_id_is_given_the_reason_that_aws_gives() -> None:
    _, effects = answer(Session(), mqtt.Connect("$GEN/1", version=Version.V5))
    said = Properties(reason_string="CONNACK:ClientId is invalid")
    assert effects[0] == Send(mqtt.ConnAck(0x85, properties=said))


long_texts = st.builds(
    lambda of, size: of * size, st.sampled_from("ab$#\x01"), st.integers(0, 65_535)
)
long_connects = st.builds(
    mqtt.Connect,
    long_texts,
    will=st.none() | st.builds(mqtt.Will, long_texts, st.just(b""), st.integers(0, 2)),
    version=st.sampled_from(Version),
)


@given(long_connects, st.sampled_from([allow, refuse]), st.sampled_from([STRICT, OFF]))
def test_every_answer_to_a_connect_can_be_written(
    packet: mqtt.Connect, may_do: MayDo, limits: Limits
) -> None:
    (received,) = mqtt.Decoder(1_000_000).feed(mqtt.encode(packet))
    session, effects = answer(Session(), received, held_to(may_do, limits=limits))
    for effect in effects:
        if isinstance(effect, Send):
            assert mqtt.encode(effect.packet, session.version)
        if isinstance(effect, TakeOver | RefuseConnect):
            subject = Subject(effect.client_id, "", "", 0)
            event = unsubscribed_event(subject, ())
            assert (event is None) is ("#" in effect.client_id)
            assert event is None or mqtt.encode(packet_of(event, 0))


def test_refusal_repeats_nothing_of_what_the_client_sent() -> None:
    will = mqtt.Will("$secret", b"")
    for may_do in (allow, refuse):
        _, effects = answer(
            Session(), mqtt.Connect("me", version=Version.V5, will=will), held_to(may_do)
        )
        (connack,) = [effect.packet for effect in effects if isinstance(effect, Send)]
        assert isinstance(connack, mqtt.ConnAck)
        assert connack.properties == mqtt.NO_PROPERTIES


def test_empty_client_id_before_mqtt_5_needs_a_clean_session() -> None:
    _, effects = answer(Session(), mqtt.Connect("", clean_session=False))
    assert connack_code(effects) == 2
    assert_client_error(effects, "needs a clean session")
    session, _ = answer(Session(), mqtt.Connect("", clean_session=False, version=Version.V5))
    assert session.client_id == "$GEN/1"


def test_denied_connect_of_mqtt_5_is_told_so() -> None:
    _, effects = answer(Session(), mqtt.Connect("me", version=Version.V5), held_to(refuse))
    assert connack_code(effects) == 0x87
    assert isinstance(effects[-1], HangUp)
    assert effects[-1].reason is DisconnectReason.AUTH_ERROR


def test_connect_that_comes_too_soon_is_refused() -> None:
    rules = replace(held_to(), may_connect_now=lambda client_id: client_id != "me")
    _, effects = answer(Session(), mqtt.Connect("me"), rules)
    assert connack_code(effects) is None
    assert isinstance(effects[-1], HangUp)
    assert effects[-1].reason is DisconnectReason.THROTTLED
    _, effects = answer(Session(), mqtt.Connect("me", version=Version.V5), rules)
    assert connack_code(effects) == 0x97
    assert answer(Session(), mqtt.Connect("you"), rules)[0].client_id == "you"


@pytest.mark.parametrize(
    ("will", "is_accepted"),
    [
        (mqtt.Will("a", b""), True),
        (mqtt.Will("b", b""), False),
        (mqtt.Will("a", b"", retain=True), False),
        (mqtt.Will("c", b"", retain=True), True),
    ],
)
def test_will_is_authorized_and_then_ignored(will: mqtt.Will, *, is_accepted: bool) -> None:
    rights = only(
        "iot:Connect client/me",
        "iot:Publish topic/a",
        "iot:Publish topic/c",
        "iot:RetainPublish topic/c",
    )
    session, effects = answer(Session(), mqtt.Connect("me", will=will), held_to(rights))
    assert (session.client_id == "me") is is_accepted
    assert (RefuseConnect("me") in effects) is not is_accepted


@pytest.mark.parametrize(
    ("packet", "detail"),
    [
        (mqtt.UnsupportedConnect("MQIsdp", 4), "'MQIsdp' level 4"),
        (mqtt.UnsupportedConnect("MQTT", 6), "'MQTT' level 6"),
    ],
)
def test_other_versions_are_refused(packet: mqtt.Packet, detail: str) -> None:
    _, effects = answer(Session(), packet)
    assert effects[0] == Send(mqtt.ConnAck(1))
    assert_client_error(effects, detail)


@pytest.mark.parametrize(
    ("asked_s", "effective_s"),
    [(0, 1200), (1, 30), (29, 30), (30, 30), (60, 60), (1200, 1200), (1201, 1200), (65_535, 1200)],
)
def test_keep_alive_is_brought_into_range(asked_s: int, effective_s: int) -> None:
    assert effective_keep_alive_s(asked_s) == effective_s


@pytest.mark.parametrize(
    ("session", "packet", "detail", "code"),
    [
        (Session(), mqtt.PingReq(), "PingReq came before CONNECT", 0x82),
        (Session(), mqtt.Publish("a", b""), "Publish came before CONNECT", 0x82),
        (CONNECTED, mqtt.Connect("me"), "a second CONNECT", 0x82),
        (CONNECTED, mqtt.ConnAck(), "for a server to send", 0x82),
        (CONNECTED, mqtt.SubAck(1, (0,)), "for a server to send", 0x82),
        (CONNECTED, mqtt.Publish("a", b"", 2, packet_id=1), "QoS 2", 0x9B),
        (CONNECTED, mqtt.Publish("$aws/x", b""), "reserved", 0x90),
        (CONNECTED, mqtt.Publish("a", b"x" * 131_073), "more than 131072 bytes", 0x95),
        (CONNECTED, mqtt.Publish("a/" * 8 + "b", b""), "8 slashes", 0x90),
        (CONNECTED, mqtt.Publish("a" * 257, b""), "257 bytes", 0x90),
        (CONNECTED, mqtt.Subscribe(1, (Wish("a", 2),)), "QoS 2", 0x9B),
        (CONNECTED, mqtt.Subscribe(1, (Wish("a#"),)), "'#' must be", 0x8F),
        (CONNECTED, mqtt.Subscribe(1, (Wish("$SYS/#"),)), "reserved", 0x8F),
        (CONNECTED, mqtt.Subscribe(1, (Wish("a"),) * 9), "9 filters; at most 8", 0x97),
        (
            CONNECTED_V5,
            mqtt.Subscribe(1, (Wish("a"),), Properties(subscription_id=1)),
            "subscription identifier",
            0xA1,
        ),
        (
            CONNECTED_V5,
            mqtt.Disconnect(0, Properties(session_expiry_s=1)),
            "raises a session expiry",
            0x82,
        ),
    ],
)
def test_what_ends_a_connection(
    session: Session, packet: mqtt.Packet, detail: str, code: int
) -> None:
    after, effects = answer(session, packet)
    assert after == session
    assert_client_error(effects, detail, Reason(code))


def test_publish_of_both_qualities() -> None:
    packet = mqtt.Publish("a", b"x")
    assert answer(CONNECTED, packet)[1] == (FanOut(packet),)
    packet = mqtt.Publish("a", b"x", 1, packet_id=9)
    assert answer(CONNECTED, packet)[1] == (FanOut(packet), Send(mqtt.PubAck(9)))


@pytest.mark.parametrize("qos", [0, 1])
def test_publish_that_may_not_be_ends_the_connection(qos: int) -> None:
    packet = mqtt.Publish("a", b"x", qos, packet_id=9 * qos)
    _, effects = answer(CONNECTED, packet, held_to(refuse))
    denied = HangUp(DisconnectReason.AUTH_ERROR, "may not publish to 'a'", Reason.NOT_AUTHORIZED)
    assert effects == (denied,)


def test_publish_of_mqtt_5_that_may_not_be() -> None:
    loud, quiet = mqtt.Publish("a", b"x", 1, packet_id=9), mqtt.Publish("a", b"x")
    _, effects = answer(CONNECTED_V5, loud, held_to(refuse))
    assert effects == (Send(mqtt.PubAck(9, Reason.NOT_AUTHORIZED)),)
    (effect,) = answer(CONNECTED_V5, quiet, held_to(refuse))[1]
    assert isinstance(effect, HangUp)
    assert effect.code is Reason.NOT_AUTHORIZED
    dropping = held_to(refuse, choices=Choices(denied_qos0_publish_v5="drop"))
    assert answer(CONNECTED_V5, quiet, dropping)[1] == ()
    ending = held_to(refuse, choices=Choices(denied_qos1_publish_v5="disconnect"))
    (effect,) = answer(CONNECTED_V5, loud, ending)[1]
    assert isinstance(effect, HangUp)
    assert effect.code is Reason.NOT_AUTHORIZED


def test_retained_publish_needs_two_rights() -> None:
    packet = mqtt.Publish("a", b"x", retain=True)
    rights = only("iot:Publish topic/a", "iot:RetainPublish topic/a")
    assert answer(CONNECTED, packet, held_to(rights))[1] == (FanOut(packet),)
    for lacking in ("iot:Publish topic/a", "iot:RetainPublish topic/a"):
        (effect,) = answer(CONNECTED, packet, held_to(only(lacking)))[1]
        assert isinstance(effect, HangUp)
        assert effect.detail == "may not retain to 'a'"


def test_publish_beyond_the_rate_is_neither_taken_nor_acknowledged() -> None:
    rules = replace(held_to(), may_publish_now=lambda: False)
    assert answer(CONNECTED, mqtt.Publish("a", b"x", 1, packet_id=9), rules)[1] == ()


def aliased(topic: str, alias: int) -> mqtt.Publish:
    return mqtt.Publish(topic, b"x", properties=Properties(topic_alias=alias))


def test_topic_alias_stands_for_the_last_topic_it_was_given() -> None:
    session = CONNECTED_V5
    for packet, topic in (
        (aliased("a", 8), "a"),
        (aliased("", 8), "a"),
        (aliased("b", 8), "b"),
        (aliased("", 8), "b"),
    ):
        session, effects = answer(session, packet)
        assert effects == (FanOut(mqtt.Publish(topic, b"x")),)


@pytest.mark.parametrize(
    ("packet", "code"), [(aliased("a", 9), 0x94), (aliased("a", 0), 0x94), (aliased("", 1), 0x82)]
)
def test_topic_alias_that_cannot_be(packet: mqtt.Publish, code: int) -> None:
    assert_client_error(answer(CONNECTED_V5, packet)[1], "alias", Reason(code))


def test_subscribe_grants_and_refuses_filter_by_filter() -> None:
    rights = only("iot:Subscribe topicfilter/a", "iot:Subscribe topicfilter/c/#")
    packet = mqtt.Subscribe(3, (Wish("a", 1), Wish("b"), Wish("c/#"), Wish("$share/g/a")))
    session, effects = answer(CONNECTED, packet, held_to(rights))
    assert dict(session.filters) == {"a": Wish("a", 1), "c/#": Wish("c/#")}
    assert effects == (
        StartDelivery(Wish("a", 1)),
        StartDelivery(Wish("c/#")),
        Send(mqtt.SubAck(3, (1, 0x80, 0, 0x80))),
        SendRetained(Wish("a", 1)),
        TellSubscribed(("a", "c/#")),
    )
    _, effects = answer(CONNECTED_V5, packet, held_to(rights))
    assert Send(mqtt.SubAck(3, (1, 0x87, 0, 0x9E))) in effects


def test_denied_subscribe_may_end_the_connection() -> None:
    closing = held_to(refuse, choices=Choices(denied_subscribe="close"))
    packet = mqtt.Subscribe(1, (Wish("a"),))
    (effect,) = answer(CONNECTED, packet, closing)[1]
    assert isinstance(effect, HangUp)
    assert effect.reason is DisconnectReason.AUTH_ERROR
    assert answer(CONNECTED_V5, packet, closing)[1] == (Send(mqtt.SubAck(1, (0x87,))),)


def subscribed_to(session: Session, count: int) -> Session:
    filters = {f"t{number}": Wish(f"t{number}") for number in range(count)}
    return replace(session, filters=MappingProxyType(filters))


@pytest.mark.parametrize(("session", "code"), [(CONNECTED, 0x80), (CONNECTED_V5, 0x97)])
def test_fifty_subscriptions_and_no_more(session: Session, code: int) -> None:
    full = subscribed_to(session, 48)
    wanted = mqtt.Subscribe(2, tuple(Wish(f"u{n}") for n in range(3)))
    full, effects = answer(full, wanted)
    assert Send(mqtt.SubAck(2, (0, 0, code))) in effects
    _, effects = answer(full, mqtt.Subscribe(3, (Wish("t0"),)))  # one it has already
    assert Send(mqtt.SubAck(3, (0,))) in effects
    closing = held_to(choices=Choices(beyond_50="close"))
    (effect,) = answer(subscribed_to(session, 50), wanted, closing)[1]
    assert isinstance(effect, HangUp)
    assert effect.reason is DisconnectReason.THROTTLED


def test_without_limits_more_is_granted() -> None:
    wanted = mqtt.Subscribe(2, tuple(Wish("a/" * 9 + str(n)) for n in range(100)))
    session, _ = answer(CONNECTED, wanted, held_to(limits=OFF))
    assert len(session.filters) == 100


@pytest.mark.parametrize(
    ("handling", "is_new", "is_sent"),
    [(0, True, True), (0, False, True), (1, True, True), (1, False, False), (2, True, False)],
)
def test_when_retained_messages_are_sent(handling: int, *, is_new: bool, is_sent: bool) -> None:
    session = CONNECTED_V5 if is_new else subscribed_to(CONNECTED_V5, 1)
    wish = Wish("t0", retain_handling=handling)
    _, effects = answer(session, mqtt.Subscribe(1, (wish,)))
    assert (SendRetained(wish) in effects) is is_sent


def test_wildcards_get_nothing_retained() -> None:
    _, effects = answer(CONNECTED, mqtt.Subscribe(1, (Wish("a/+"), Wish("#"))))
    assert not [effect for effect in effects if isinstance(effect, SendRetained)]


def test_unsubscribe_that_stops_nothing_copies_nothing() -> None:
    session, _ = answer(CONNECTED, mqtt.Subscribe(1, (Wish("a"),)))
    after, effects = answer(session, mqtt.Unsubscribe(2, ("b",)))
    assert after is session
    assert effects == (Send(mqtt.UnsubAck(2)),)


def test_unsubscribe_names_a_thousand_filters_at_most() -> None:
    _, effects = answer(CONNECTED, mqtt.Unsubscribe(1, ("a",) * 1000))
    assert effects == (Send(mqtt.UnsubAck(1)),)
    _, effects = answer(CONNECTED, mqtt.Unsubscribe(1, ("a",) * 1001))
    assert_client_error(effects, "1001 filters; at most 1000", Reason.QUOTA_EXCEEDED)


def test_unsubscribe_is_answered_whatever_was_subscribed() -> None:
    packet = mqtt.Unsubscribe(2, ("t0", "never", "a#"))
    session, effects = answer(subscribed_to(CONNECTED, 2), packet)
    assert dict(session.filters) == {"t1": Wish("t1")}
    told = TellUnsubscribed(("t0",))
    assert effects == (StopDelivery("t0"), Send(mqtt.UnsubAck(2)), told)
    _, effects = answer(subscribed_to(CONNECTED_V5, 2), packet)
    assert effects == (StopDelivery("t0"), Send(mqtt.UnsubAck(2, (0, 0x11, 0x8F))), told)


def test_ping_receipt_and_farewell() -> None:
    assert answer(CONNECTED, mqtt.PingReq())[1] == (Send(mqtt.PingResp()),)
    assert answer(CONNECTED, mqtt.PubAck(7))[1] == (TakeReceipt(7),)
    for packet in (mqtt.Disconnect(), mqtt.Disconnect(Reason.DISCONNECT_WITH_WILL)):
        (effect,) = answer(CONNECTED_V5, packet)[1]
        assert isinstance(effect, HangUp)
        assert effect.reason is DisconnectReason.CLIENT_INITIATED_DISCONNECT


def test_signs_of_life_are_those_that_aws_names() -> None:
    assert restarts_keep_alive(mqtt.PingReq())
    assert restarts_keep_alive(mqtt.PubAck(1))
    assert not restarts_keep_alive(mqtt.Unsubscribe(1, ("a",)))
