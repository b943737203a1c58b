"""Packets drawn at random, for each version only what it can say.

The lists of properties stand here anew, by MQTT 5's table 2-4, as the words of another witness.
"""

from hypothesis import strategies as st

from bellwire_local.iot import mqtt
from bellwire_local.iot.mqtt import Version

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
topics = texts.filter(lambda text: text and not set(text) & set("+#"))
packet_ids = st.integers(1, 65_535)
binaries = st.binary(max_size=40)
bits = st.integers(0, 1)
two_bytes = st.integers(0, 65_535)
four_bytes = st.integers(0, 4_294_967_295)
pairs = st.lists(st.tuples(texts, texts), max_size=4).map(tuple)

VALUES: dict[str, st.SearchStrategy[object]] = {
    "payload_format": bits,
    "message_expiry_s": four_bytes,
    "content_type": texts,
    "response_topic": topics,
    "correlation_data": binaries,
    "subscription_id": st.integers(1, 268_435_455),
    "session_expiry_s": four_bytes,
    "assigned_client_id": texts,
    "server_keep_alive_s": two_bytes,
    "authentication_method": texts,
    "request_problem_information": bits,
    "will_delay_s": four_bytes,
    "request_response_information": bits,
    "response_information": texts,
    "server_reference": texts,
    "reason_string": texts,
    "receive_maximum": st.integers(1, 65_535),
    "topic_alias_maximum": two_bytes,
    "topic_alias": st.integers(1, 65_535),
    "maximum_qos": bits,
    "retain_available": bits,
    "user_properties": pairs,
    "maximum_packet_bytes": st.integers(1, 4_294_967_295),
    "wildcard_subscription_available": bits,
    "subscription_ids_available": bits,
    "shared_subscription_available": bits,
}
MESSAGE = (
    "payload_format",
    "message_expiry_s",
    "content_type",
    "response_topic",
    "correlation_data",
    "user_properties",
)
PLACES: dict[str, tuple[str, ...]] = {
    "connect": (
        "session_expiry_s",
        "authentication_method",
        "request_problem_information",
        "request_response_information",
        "receive_maximum",
        "topic_alias_maximum",
        "user_properties",
        "maximum_packet_bytes",
    ),
    "will": (*MESSAGE, "will_delay_s"),
    "connack": (
        "session_expiry_s",
        "assigned_client_id",
        "server_keep_alive_s",
        "authentication_method",
        "response_information",
        "server_reference",
        "reason_string",
        "receive_maximum",
        "topic_alias_maximum",
        "maximum_qos",
        "retain_available",
        "user_properties",
        "maximum_packet_bytes",
        "wildcard_subscription_available",
        "subscription_ids_available",
        "shared_subscription_available",
    ),
    "publish": (*MESSAGE, "topic_alias", "subscription_id"),
    "puback": ("reason_string", "user_properties"),
    "subscribe": ("subscription_id", "user_properties"),
    "suback": ("reason_string", "user_properties"),
    "unsubscribe": ("user_properties",),
    "unsuback": ("reason_string", "user_properties"),
    "disconnect": ("session_expiry_s", "server_reference", "reason_string", "user_properties"),
}


def properties_in(place: str, version: Version) -> st.SearchStrategy[mqtt.Properties]:
    """Draw properties that may stand in that packet; none before MQTT 5."""
    if version is not Version.V5:
        return st.just(mqtt.NO_PROPERTIES)
    drawn = st.fixed_dictionaries({}, optional={name: VALUES[name] for name in PLACES[place]})
    return drawn.map(lambda fields: mqtt.Properties(**fields))  # type: ignore[arg-type] # by VALUES


@st.composite
def connects(draw: st.DrawFn, version: Version) -> mqtt.Connect:
    """Draw a CONNECT of that version."""
    will = st.builds(
        mqtt.Will,
        topics,
        binaries,
        st.integers(0, 2),
        st.booleans(),
        properties_in("will", version),
    )
    username = draw(st.none() | texts)
    may_have_password = username is not None or version is Version.V5
    return mqtt.Connect(
        draw(texts),
        draw(st.booleans()),
        draw(two_bytes),
        username,
        draw(st.none() | binaries) if may_have_password else None,
        draw(st.none() | will),
        version,
        draw(properties_in("connect", version)),
    )


@st.composite
def publishes(draw: st.DrawFn, version: Version) -> mqtt.Publish:
    """Draw a PUBLISH of that version; with an alias it may leave its topic out."""
    qos = draw(st.integers(0, 2))
    properties = draw(properties_in("publish", version))
    topic = draw(topics if properties.topic_alias is None else topics | st.just(""))
    return mqtt.Publish(
        topic,
        draw(st.binary(max_size=300)),
        qos,
        draw(st.booleans()),
        draw(st.booleans()) if qos else False,
        draw(packet_ids) if qos else 0,
        properties,
    )


def wishes(version: Version) -> st.SearchStrategy[mqtt.Wish]:
    """Draw one filter of a SUBSCRIBE, with options in MQTT 5."""
    if version is not Version.V5:
        return st.builds(mqtt.Wish, texts, st.integers(0, 2))
    unshared = texts.filter(lambda text: not text.startswith("$share/"))
    return st.builds(
        mqtt.Wish, unshared, st.integers(0, 2), st.booleans(), st.booleans(), st.integers(0, 2)
    )


def answers(version: Version) -> st.SearchStrategy[mqtt.Packet]:
    """Draw what carries codes, which each version has its own of."""
    if version is not Version.V5:
        codes = st.lists(st.sampled_from([0, 1, 2, 0x80]), min_size=1, max_size=9).map(tuple)
        return st.one_of(
            st.builds(mqtt.ConnAck, st.integers(0, 5), st.booleans()),
            st.builds(mqtt.PubAck, packet_ids),
            st.builds(mqtt.SubAck, packet_ids, codes),
            st.builds(mqtt.UnsubAck, packet_ids),
            st.just(mqtt.Disconnect()),
        )

    def some(*allowed: int) -> st.SearchStrategy[int]:
        return st.sampled_from(allowed)

    def several(*allowed: int) -> st.SearchStrategy[tuple[int, ...]]:
        return st.lists(some(*allowed), min_size=1, max_size=9).map(tuple)

    def said(place: str) -> st.SearchStrategy[mqtt.Properties]:
        return properties_in(place, version)

    granted = several(0, 1, 2, 0x80, 0x87, 0x8F, 0x97, 0x9E, 0xA1)
    return st.one_of(
        st.builds(
            mqtt.ConnAck, some(0, 0x80, 0x85, 0x87, 0x97, 0x9B), st.booleans(), said("connack")
        ),
        st.builds(mqtt.PubAck, packet_ids, some(0, 0x10, 0x80, 0x87, 0x90, 0x97), said("puback")),
        st.builds(mqtt.SubAck, packet_ids, granted, said("suback")),
        st.builds(mqtt.UnsubAck, packet_ids, several(0, 0x11, 0x80, 0x8F), said("unsuback")),
        st.builds(mqtt.Disconnect, some(0, 4, 0x81, 0x82, 0x8E, 0x9B), said("disconnect")),
    )


def packets(version: Version) -> st.SearchStrategy[mqtt.Packet]:
    """Draw any packet but CONNECT, as it may follow the CONNECT of that version."""
    subscriptions = st.lists(wishes(version), min_size=1, max_size=9).map(tuple)
    filters = st.lists(texts, min_size=1, max_size=9).map(tuple)
    return st.one_of(
        publishes(version),
        st.builds(mqtt.Subscribe, packet_ids, subscriptions, properties_in("subscribe", version)),
        st.builds(mqtt.Unsubscribe, packet_ids, filters, properties_in("unsubscribe", version)),
        answers(version),
        st.just(mqtt.PingReq()),
        st.just(mqtt.PingResp()),
    )
