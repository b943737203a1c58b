"""What HTTPS Publish reads: a message that MQTT 5 can say, or one refusal."""

from urllib.parse import parse_qsl

import atheris

with atheris.instrument_imports(include=["bellwire_local"]):
    from bellwire_local.iot import mqtt
    from bellwire_local.iot.http_calls import Call, DataPlaneRefused, read_label
    from bellwire_local.iot.http_publish import read_message

from fuzz.running import run

NOW_S = 1_800_000_000.0


def check(drawn: bytes) -> None:
    """Take topic and query from the first line, headers from the others, as from a socket."""
    first, *others = drawn.decode("latin-1").split("\n")
    path, _, query = first.partition("?")
    try:
        call = Call(
            label=read_label(path),
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=dict(line.partition(":")[::2] for line in others),
            body=b"x",
            body_bytes=1,
            now_s=NOW_S,
            broker=None,  # type: ignore[arg-type] # reading asks no broker
            demand=lambda _action, _resource: None,
        )
        message = read_message(call)
    except DataPlaneRefused:
        return
    packet = mqtt.Publish(message.topic, message.payload, properties=message.properties)
    read = list(mqtt.Decoder(200_000, mqtt.Version.V5).feed(mqtt.encode(packet, mqtt.Version.V5)))
    if read != [packet]:
        raise AssertionError(f"{packet!r} was read from {drawn!r} and cannot be said")


SEEDS = [
    b"a/b?qos=1&retain=true&contentType=text%2Fplain&responseTopic=a%2Fc&messageExpiry=60",
    b"a%2Fb?\nx-amz-mqtt5-user-properties:W3siYSI6ICJiIn0sIHsiYSI6ICJjIn1d",
    b"a?\nx-amz-mqtt5-payload-format-indicator:UTF8_DATA\nx-amz-mqtt5-correlation-data:AP8=",
]

if __name__ == "__main__":
    run(check, SEEDS)
