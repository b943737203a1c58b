"""The MQTT decoder, in each version: packets or one refusal, however the bytes are cut."""

import atheris

with atheris.instrument_imports(include=["bellwire_local"]):
    from bellwire_local.iot import mqtt

from fuzz.running import run

MAX_PACKET_BYTES = 200_000
VERSIONS = (None, *mqtt.Version)

Reading = tuple[list[tuple[mqtt.Packet, mqtt.Version]], str]
"""Packets, each with the version it was read in, and the refusal that ended them, or ""."""


def read(pieces: list[bytes], version: mqtt.Version | None) -> Reading:
    """Decode pieces; anything raised but a refusal comes out."""
    decoder = mqtt.Decoder(MAX_PACKET_BYTES, version)
    found: list[tuple[mqtt.Packet, mqtt.Version]] = []
    try:
        for piece in pieces:
            for packet in decoder.feed(piece):
                found.append((packet, decoder.version or mqtt.Version.V3_1_1))  # noqa: PERF401 - it may break off
    except mqtt.MalformedPacket as refusal:
        return found, f"{refusal.reason!r} {refusal}"
    return found, ""


def check(drawn: bytes) -> None:
    """Take the version and a cut from the first two bytes, the stream from the others."""
    if len(drawn) < 2:
        return
    version, cut, stream = VERSIONS[drawn[0] % 4], drawn[1], drawn[2:]
    whole = read([stream], version)
    if read([stream[:cut], stream[cut:]], version) != whole:
        raise AssertionError(f"cut at {cut}, the stream reads differently")
    for packet, spoken in whole[0]:
        if isinstance(packet, mqtt.UnsupportedConnect):
            continue
        if read([mqtt.encode(packet, spoken)], spoken) != ([(packet, spoken)], ""):
            raise AssertionError(f"{packet!r} does not survive being written")


SEEDS = [
    bytes((place, 9)) + mqtt.encode(packet, version)
    for place, version in enumerate(VERSIONS)
    if version is not None
    for packet in (
        mqtt.Connect("id", username="u", password=b"p", will=mqtt.Will("a", b"x"), version=version),
        mqtt.Publish("a/b", b"x", 1, packet_id=1, properties=mqtt.Properties(topic_alias=1)),
        mqtt.Subscribe(1, (mqtt.Wish("a/+", 1), mqtt.Wish("#"))),
        mqtt.SubAck(1, (0, 0x80)),
        mqtt.Unsubscribe(1, ("a/+",)),
        mqtt.PubAck(1, properties=mqtt.Properties(reason_string="r")),
        mqtt.ConnAck(properties=mqtt.Properties(receive_maximum=1, maximum_packet_bytes=9)),
        mqtt.Disconnect(4, mqtt.Properties(user_properties=(("a", "b"),))),
    )
]

if __name__ == "__main__":
    run(check, SEEDS)
