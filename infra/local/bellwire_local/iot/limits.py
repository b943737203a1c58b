"""AWS's numbers, each with its unit and source; nothing is enforced here.

`Limits` holds the quotas, which `--limits off` lifts. What is below them is behaviour and is never
switched off.
"""

from dataclasses import Field, dataclass, field, fields

QUOTAS = "https://docs.aws.amazon.com/general/latest/gr/iot-core.html"
MQTT_PAGE = "https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html"
CONTROL_PLANE = "https://docs.aws.amazon.com/general/latest/gr/iot-core.html#limits_iot"

_LIFTED = 1 << 40


def quota(
    number: int, unit: str, source: str, *, is_adjustable: bool = False, lifted: int = _LIFTED
) -> int:
    """Declare one quota of `Limits`; `lifted` is what stands there when quotas are off.

    `lifted` is finite where MQTT itself, our memory or our time sets a bound: one packet must not
    occupy the loop. A client id stands in the topics of its events, so that it must be shorter
    than MQTT's 65,535 bytes; a topic may be written a hundred thousand times for one chunk of
    PUBLISHes that name it by its alias.
    """
    about = {"unit": unit, "source": source, "is_adjustable": is_adjustable, "lifted": lifted}
    declared: int = field(default=number, metadata=about)
    return declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Every quota in force; the field's metadata holds unit and source."""

    client_id_bytes: int = quota(128, "bytes of UTF-8", QUOTAS, lifted=1_024)
    topic_bytes: int = quota(256, "bytes of UTF-8", QUOTAS, lifted=1_024)
    topic_slashes: int = quota(7, "slashes", QUOTAS, lifted=127)
    payload_bytes: int = quota(131_072, "bytes, of CONNECT as a whole", QUOTAS, lifted=1_048_576)
    filters_per_subscribe: int = quota(8, "filters", QUOTAS, lifted=1_000)
    subscriptions_per_connection: int = quota(50, "subscriptions", QUOTAS, lifted=1_000)
    publishes_per_s: int = quota(
        100, "publishes/s, in and out, per connection", QUOTAS, lifted=1 << 20
    )
    throughput_bytes_per_s: int = quota(524_288, "bytes/s, in and out, per connection", QUOTAS)
    unacknowledged: int = quota(
        100, "messages of QoS 1, each way, per connection", QUOTAS, lifted=65_535
    )
    redelivery_s: int = quota(3_600, "s for which QoS 1 is retried", QUOTAS)
    connects_per_s: int = quota(1, "CONNECT/s per client id", QUOTAS)
    topic_aliases: int = quota(8, "aliases per connection", MQTT_PAGE, lifted=64)
    message_expiry_s: int = quota(604_800, "s", MQTT_PAGE, lifted=4_294_967_295)

    policy_characters: int = quota(2_048, "characters that are not white space", QUOTAS)
    policy_versions: int = quota(5, "versions per policy", QUOTAS)
    policies_per_target: int = quota(10, "policies per target", QUOTAS)
    policy_attachments_per_s: int = quota(
        15, "AttachPolicy/s, and DetachPolicy/s, per account", CONTROL_PLANE, is_adjustable=True
    )

    @property
    def packet_bytes(self) -> int:
        """The longest packet that is read at all.

        It is longer than the payload allowed, so that a payload that is too large is refused for
        what it is; beyond this a packet is refused by its announced length. AWS's figure for
        MQTT 5 is 146 KiB by hearsay; the guide says 128 KB.
        """
        return self.payload_bytes + PACKET_HEAD_BYTES

    @classmethod
    def off(cls) -> "Limits":
        """Lift every quota; MQTT's own rules and the bounds of memory stay."""
        return cls(**{each.name: int(each.metadata["lifted"]) for each in fields(cls)})


def list_quotas() -> tuple["Field[int]", ...]:
    """Return the quotas for a table; unit and source are in each one's `metadata`."""
    return fields(Limits)


STRICT = Limits()
OFF = Limits.off()

PACKET_HEAD_BYTES = 18_432
"""Topic, packet id and MQTT 5 properties beside a payload: 146 KiB less 128 KiB.
Source: from memory, the `MaximumPacketSize` of 149,504 bytes that clients report."""

POLICY_NAME_PATTERN = r"[\w+=,.@-]{1,128}"
"""Source: https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicy.html"""

PAYLOAD_BYTES = STRICT.payload_bytes
"""The payload quota, for those who are not given `Limits`."""

KEEP_ALIVE_MIN_S = 30
KEEP_ALIVE_MAX_S = 1200
KEEP_ALIVE_GRACE = 1.5
"""Source: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html, [MQTT-3.1.2-24]."""

CONNECTION_LIFETIME_S = 86_400
"""Source: https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html"""

CONNECT_PACKET_WAIT_S = 30
"""How long an upgraded socket may keep us waiting for CONNECT. Ours: AWS documents no figure."""

REDELIVER_AFTER_S = 20
"""How long a PUBACK may be missing before QoS 1 is sent again. Ours: AWS says only for how long."""

STALLED_SUBSCRIBER_BYTES = 1_048_576
"""What may wait for one subscriber's socket before messages for it are dropped. Ours."""

WAITING_MESSAGES = 1_000
"""How many messages of QoS 1 may wait for one subscriber's acknowledgements. Ours; what they may
take together is `STALLED_SUBSCRIBER_BYTES`."""

OUTBOUND_BYTES = 16_777_216
"""What may wait for one subscriber, or for its acknowledgement, all together. Ours: a hundred of
the longest packets and `STALLED_SUBSCRIBER_BYTES` stay below it, so that only those without quotas
meet it."""

FILTERS_PER_UNSUBSCRIBE = 1_000
"""How many filters one UNSUBSCRIBE may name. Ours: AWS documents no figure; no connection has more
subscriptions."""

PAST_CONNECTION_S = 1_800
"""How long a disconnected client is remembered.
Source: https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_GetConnection.html"""

VERSION_MEMORY_S = 3_600
"""How long a client id may be offline before its lifecycle events count from 0 again.
Source: https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html"""
