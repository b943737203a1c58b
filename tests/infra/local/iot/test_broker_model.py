"""A broker against a model of a few lines: any mix of clients, filters, qualities and messages."""

from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.iot import mqtt
from bellwire_local.iot.limits import OFF
from bellwire_local.iot.messages import Message
from bellwire_local.iot.mqtt import Publish, Version, Wish
from bellwire_local.iot.topics import matches
from infra.local.iot.broker_world import World

TOPICS = st.sampled_from(["a", "a/b", "a/b/c", "b", "a/"])
FILTERS = st.sampled_from(["a", "a/b", "a/#", "+", "+/b", "#", "b", "a/+"])
CLIENTS = st.sampled_from(["one", "two", "three"])
QUALITIES = st.integers(0, 1)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("subscribe"), CLIENTS, FILTERS, QUALITIES),
        st.tuples(st.just("unsubscribe"), CLIENTS, FILTERS, st.just(0)),
        st.tuples(st.just("publish"), CLIENTS, TOPICS, QUALITIES),
        st.tuples(st.just("return"), CLIENTS, st.just(""), st.just(0)),
    ),
    max_size=40,
)
VERSIONS = {"one": Version.V3_1, "two": Version.V3_1_1, "three": Version.V5}


@given(ACTS)
def test_whoever_matches_gets_one_copy_of_the_lower_quality(
    acts: list[tuple[str, str, str, int]],
) -> None:
    world = World(limits=OFF)
    clients = {name: world.join(name, version=version) for name, version in VERSIONS.items()}
    held: dict[str, dict[str, int]] = {name: {} for name in clients}
    for act, name, text, qos in acts:
        connection, outlet = clients[name]
        if act == "subscribe":
            world.say(connection, mqtt.Subscribe(1, (Wish(text, qos),)))
            held[name][text] = qos
            outlet.read()
        elif act == "unsubscribe":
            world.say(connection, mqtt.Unsubscribe(1, (text,)))
            held[name].pop(text, None)
            outlet.read()
        elif act == "return":
            world.now_s += 1
            clients[name], held[name] = world.join(name, version=VERSIONS[name]), {}
        else:
            granted = {
                who: max(found)
                for who, filters in held.items()
                if (found := [best for wish, best in filters.items() if matches(wish, text)])
            }
            assert world.broker.publish(Message(text, b"x", qos)) == len(granted)
            for who, (reader, heard) in clients.items():
                arrived = [packet for packet in heard.read() if isinstance(packet, Publish)]
                expected = [min(qos, granted[who])] if who in granted else []
                assert [packet.qos for packet in arrived] == expected
                world.say(reader, *(mqtt.PubAck(each.packet_id) for each in arrived if each.qos))


PACKETS = st.one_of(
    st.builds(mqtt.Connect, st.text(max_size=3), st.booleans(), st.integers(0, 65_535)),
    st.builds(
        Publish,
        st.sampled_from(["a", "a/b", "$aws/x", "a/" * 9]),
        st.binary(max_size=3),
        retain=st.booleans(),
    ),
    st.builds(
        lambda topic, key: Publish(topic, b"", 1, packet_id=key), TOPICS, st.integers(1, 65_535)
    ),
    st.builds(
        lambda filters: mqtt.Subscribe(1, tuple(Wish(*each) for each in filters)),
        st.lists(
            st.tuples(st.sampled_from(["a", "#", "$share/g/a", "$aws/events/#"]), QUALITIES),
            min_size=1,
            max_size=9,
        ),
    ),
    st.builds(lambda name: mqtt.Unsubscribe(1, (name,)), FILTERS),
    st.builds(mqtt.PubAck, st.integers(1, 65_535)),
    st.just(mqtt.PingReq()),
)


@given(st.lists(PACKETS, max_size=30))
def test_whatever_a_client_says_the_others_are_served(packets: list[mqtt.Packet]) -> None:
    world = World()
    _, other = world.join("another", "still")
    connection, outlet = world.open()
    for packet in packets:
        world.now_s += 0.1
        world.say(connection, packet)
        world.broker.expire()
    assert outlet.is_closed is not connection.is_open
    world.broker.publish(Message("still", b"here"))
    assert other.read()[-1] == Publish("still", b"here")
    world.broker.lose(connection)
    assert len(world.broker.connections) == 1
