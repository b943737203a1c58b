"""Lifecycle events as subscribers hear them, and the farewell of each kind of end."""

from collections.abc import Callable

import pytest

from bellwire_local.iot import mqtt
from bellwire_local.iot.broker import Connection
from bellwire_local.iot.choices import Choices
from bellwire_local.iot.effects import DisconnectReason
from bellwire_local.iot.lifecycle import VersionNumbers
from bellwire_local.iot.messages import Message
from bellwire_local.iot.mqtt import Version, Wish
from infra.local.iot.broker_world import MemoryOutlet, World, events, role_allowing


@pytest.fixture
def world() -> World:
    return World()


def test_connected_subscribed_unsubscribed_disconnected(world: World) -> None:
    watcher = world.watch()
    world.now_s = 1573.002_5
    connection, _ = world.join("c1", "foo/bar", "device/data")
    world.say(connection, mqtt.Unsubscribe(2, ("foo/bar",)), mqtt.Disconnect())
    principal = connection.principal.unique_id
    about = {
        "clientId": "c1",
        "timestamp": 1_573_002,
        "sessionIdentifier": connection.session_identifier,
        "principalIdentifier": principal,
    }
    assert principal.startswith("AROA")
    assert principal.endswith(":someone")
    assert len(connection.session_identifier) == 36
    assert events(watcher) == [
        (
            "$aws/events/presence/connected/c1",
            {**about, "eventType": "connected", "ipAddress": "127.0.0.1", "versionNumber": 0},
        ),
        (
            "$aws/events/subscriptions/subscribed/c1",
            {**about, "eventType": "subscribed", "topics": ["foo/bar", "device/data"]},
        ),
        (
            "$aws/events/subscriptions/unsubscribed/c1",
            {**about, "eventType": "unsubscribed", "topics": ["foo/bar"]},
        ),
        (
            "$aws/events/presence/disconnected/c1",
            {
                **about,
                "eventType": "disconnected",
                "clientInitiatedDisconnect": True,
                "disconnectReason": "CLIENT_INITIATED_DISCONNECT",
                "versionNumber": 0,
            },
        ),
    ]


def test_payload_is_written_in_the_order_of_the_documentation(world: World) -> None:
    watcher = world.watch("$aws/events/presence/connected/#")
    connection, _ = world.join("c1")
    (packet,) = watcher.read()
    assert isinstance(packet, mqtt.Publish)
    assert packet.payload == (
        b'{"clientId":"c1","timestamp":1000000,"eventType":"connected",'
        b'"sessionIdentifier":"%b","principalIdentifier":"%b",'
        b'"ipAddress":"127.0.0.1","versionNumber":0}'
        % (connection.session_identifier.encode(), connection.principal.unique_id.encode())
    )


def test_refused_connect_is_told() -> None:
    world = World(
        role_allowing(
            "arn:aws:iot:us-east-1:1:client/watcher",
            "arn:aws:iot:us-east-1:1:topicfilter/*",
            "arn:aws:iot:us-east-1:1:topic/$aws/*".replace("$", "${$}"),
        )
    )
    watcher = world.watch()
    connection, outlet = world.join("stranger")
    assert outlet.is_closed
    ((topic, content),) = events(watcher)
    assert topic == "$aws/events/presence/connect_failed/stranger"
    assert content == {
        "clientId": "stranger",
        "timestamp": 1_000_000,
        "eventType": "connect_failed",
        "connectFailureReason": "AUTHORIZATION_FAILED",
        "principalIdentifier": connection.principal.unique_id,
        "sessionIdentifier": connection.session_identifier,
        "ipAddress": "127.0.0.1",
    }


End = Callable[[World, Connection], None]


def keep_silent(world: World, connection: Connection) -> None:
    del connection
    world.now_s += 91
    world.broker.expire()


def stay_too_long(world: World, connection: Connection) -> None:
    world.now_s += 86_401
    world.say(connection, mqtt.PingReq())
    world.broker.expire()


def publish_without_right(world: World, connection: Connection) -> None:
    world.authorizer.replace_role(
        "role",
        role_allowing(
            "arn:aws:iot:us-east-1:1:client/*", "arn:aws:iot:us-east-1:1:topic/${$}aws/*"
        ),
    )
    world.say(connection, mqtt.Publish("a", b""))


def take_over(world: World, connection: Connection) -> None:
    del connection
    world.now_s += 1
    world.join("c")


ENDS: dict[str, tuple[End, str, bool, int | None]] = {
    "farewell": (
        lambda world, c: world.say(c, mqtt.Disconnect()),
        "CLIENT_INITIATED_DISCONNECT",
        True,
        None,
    ),
    "close frame": (lambda w, c: w.broker.leave(c), "CLIENT_INITIATED_DISCONNECT", True, None),
    "lost": (lambda w, c: w.broker.lose(c), "CONNECTION_LOST", False, None),
    "second CONNECT": (
        lambda w, c: w.say(c, mqtt.Connect("c", version=Version.V5)),
        "CLIENT_ERROR",
        False,
        0x82,
    ),
    "malformed": (lambda w, c: w.broker.receive(c, b"\x00\x00"), "CLIENT_ERROR", False, None),
    "text frame": (lambda w, c: w.broker.reject(c, "text"), "CLIENT_ERROR", False, 0x82),
    "taken over": (take_over, "DUPLICATE_CLIENTID", False, 0x8E),
    "silent": (keep_silent, "MQTT_KEEP_ALIVE_TIMEOUT", False, 0x8D),
    "a day": (stay_too_long, "WEBSOCKET_TTL_EXPIRATION", False, 0x98),
    "denied publish": (publish_without_right, "AUTH_ERROR", False, 0x87),
    "by API": (
        lambda w, _c: _assert(w.broker.disconnect("c")),
        "API_INITIATED_DISCONNECT",
        False,
        0x98,
    ),
    "stopped": (
        lambda w, c: w.broker.end(c, DisconnectReason.SERVER_INITIATED_DISCONNECT, "stop"),
        "SERVER_INITIATED_DISCONNECT",
        False,
        0x8B,
    ),
}


def _assert(is_true: bool) -> None:  # noqa: FBT001 - inside a lambda
    assert is_true


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("version", [Version.V3_1_1, Version.V5])
def test_each_kind_of_end_has_its_reason(name: str, version: Version) -> None:
    end, reason, is_initiated, code = ENDS[name]
    world = World()
    told: list[Message] = []
    world.broker.announcer = told.append
    connection, outlet = world.join("c", version=version)
    session_identifier = connection.session_identifier
    told.clear()
    end(world, connection)
    content = events(_replay(told[:1]))[0][1]
    assert content["disconnectReason"] == reason
    assert content["clientInitiatedDisconnect"] is is_initiated
    assert content["sessionIdentifier"] == session_identifier
    farewells = [packet for packet in outlet.read() if isinstance(packet, mqtt.Disconnect)]
    if version is Version.V3_1_1:
        assert farewells == []
    elif name == "malformed":
        assert len(farewells) == 1
        assert farewells[0].reason in (0x81, 0x82)
    else:
        assert [farewell.reason for farewell in farewells] == ([] if code is None else [code])
    past = world.broker.find_past("c")
    if name == "taken over":
        assert past is None
        assert world.broker.find_connection("c") is not None
    else:
        assert past is not None
        assert past.reason == reason


def _replay(messages: list[Message]) -> MemoryOutlet:
    packets = [mqtt.encode(mqtt.Publish(each.topic, each.payload)) for each in messages]
    return MemoryOutlet(packets)


def test_close_frame_may_count_as_not_initiated() -> None:
    world = World(choices=Choices(close_frame_is_initiated=False))
    watcher = world.watch("$aws/events/presence/disconnected/+")
    world.broker.leave(world.join("c")[0])
    assert events(watcher)[0][1]["clientInitiatedDisconnect"] is False


@pytest.mark.parametrize("client_id", ["a+b", "a#", "+"])
def test_ids_with_wildcards_have_no_events(world: World, client_id: str) -> None:
    watcher = world.watch()
    connection, _ = world.join(client_id, "x")
    world.say(connection, mqtt.Unsubscribe(2, ("x",)), mqtt.Disconnect())
    assert watcher.read() == []


def test_id_with_a_slash_spreads_over_levels(world: World) -> None:
    wide, narrow = world.watch(), world.join("narrow", "$aws/events/presence/connected/+")[1]
    wide.read()
    world.join("a/b")
    assert [topic for topic, _ in events(wide)] == ["$aws/events/presence/connected/a/b"]
    assert narrow.read() == []


def test_events_are_not_under_a_bare_wildcard(world: World) -> None:
    _, outlet = world.join("c", "#")
    world.join("d")
    assert outlet.read() == []


def test_takeover_tells_the_end_before_the_beginning(world: World) -> None:
    watcher = world.watch("$aws/events/presence/#")
    world.join("c")
    world.now_s += 1
    world.join("c")
    heard = [(content["eventType"], content["versionNumber"]) for _, content in events(watcher)]
    assert heard == [("connected", 0), ("disconnected", 0), ("connected", 1)]


def test_a_connection_that_never_was_has_no_end(world: World) -> None:
    watcher = world.watch()
    connection, _ = world.open()
    world.broker.lose(connection)
    assert watcher.read() == []


def test_nothing_granted_nothing_told() -> None:
    world = World(role_allowing("arn:aws:iot:us-east-1:1:client/*"))
    told: list[Message] = []
    world.broker.announcer = told.append
    connection, _ = world.join("c")
    told.clear()
    world.say(connection, mqtt.Subscribe(1, (Wish("a"),)), mqtt.Unsubscribe(2, ("a",)))
    assert told == []


@pytest.mark.parametrize(("away_s", "version"), [(3599, 1), (3600, 0)])
@pytest.mark.parametrize("is_swept", [True, False])
def test_version_numbers_rise_and_begin_again(
    away_s: float, version: int, *, is_swept: bool
) -> None:
    numbers = VersionNumbers()
    assert numbers.begin("c", 0) == 0
    numbers.end("c", 10)
    if is_swept:
        numbers.forget(10 + away_s)
    assert numbers.begin("c", 10 + away_s) == version
    assert numbers.begin("other", 0) == 0


def test_past_connection_is_remembered_for_half_an_hour(world: World) -> None:
    connection, _ = world.join("c")
    world.now_s += 5
    world.say(connection, mqtt.Disconnect())
    past = world.broker.find_past("c")
    assert past is not None
    assert (past.connected_at_ms, past.disconnected_at_ms) == (1_000_000, 1_005_000)
    assert (past.source_ip, past.source_port, past.keep_alive_s) == ("127.0.0.1", 50_000, 60)
    world.now_s += 1800
    assert world.broker.find_past("c") is not None
    world.now_s += 1
    assert world.broker.find_past("c") is None
    world.broker.expire()
    world.now_s -= 1801
    assert world.broker.find_past("c") is None


def test_disconnect_of_nobody(world: World) -> None:
    assert not world.broker.disconnect("nobody")


@pytest.mark.parametrize("name", ENDS)
def test_each_end_says_why_in_one_line(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "bellwire_local.iot.broker")
    world = World()
    connection, _ = world.join("c", version=Version.V5)
    caplog.clear()
    ENDS[name][0](world, connection)
    lines = [line for line in caplog.messages if line.startswith("disconnected: 'c' ")]
    assert len(lines) == 1
    assert ENDS[name][1] in lines[0]


def test_client_id_forges_no_line_of_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    arns = [f"arn:aws:iot:us-east-1:1:{kind}/*" for kind in ("client", "topicfilter")]
    world = World(role_allowing(*arns))
    connection, _ = world.join("a\nconnected: 'admin'", "b\nb")
    world.say(connection, mqtt.Publish("c\nc", b""))
    assert len(caplog.messages) == 3
    assert [line for line in caplog.messages if "\n" in line] == []
