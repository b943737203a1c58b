"""AWS IoT Core's numbers, each with its unit and source; nothing is enforced here.

Source, unless said otherwise: https://docs.aws.amazon.com/general/latest/gr/iot-core.html
"""

CLIENT_ID_BYTES = 128
TOPIC_BYTES = 256
TOPIC_SLASHES = 7
PAYLOAD_BYTES = 131_072
FILTERS_PER_SUBSCRIBE = 8
SUBSCRIPTIONS_PER_CONNECTION = 50

PACKET_BYTES = PAYLOAD_BYTES + TOPIC_BYTES + 4 + 1
"""The largest PUBLISH of QoS 1 that the limits above allow, and one byte, so that a payload one
byte too large is refused for what it is; what is longer is refused by its announced length."""

KEEP_ALIVE_MIN_S = 30
KEEP_ALIVE_MAX_S = 1200
KEEP_ALIVE_GRACE = 1.5
"""Source: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html, [MQTT-3.1.2-24]."""

CONNECTION_LIFETIME_S = 86_400
"""Source: https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html"""

CONNECT_PACKET_WAIT_S = 30
"""How long an upgraded socket may keep us waiting for CONNECT. Ours: AWS documents no figure."""

STALLED_SUBSCRIBER_BYTES = 1_048_576
"""What may wait for one subscriber's socket before messages for it are dropped. Ours."""
