"""What a reader asks for and is told, by what came before; no service is asked."""

import json

from bellwire.answers import decode_answer
from bellwire.followed import Followed
from bellwire.told import Told
from bellwire.updates import Position, Update

ME = "us-east-1:00000000-0000-4000-8000-00000000000a"
EPOCH = "k3f9x0ab"


def answer(*channels: str, last: int = 3) -> bytes:
    """Return the answer to a first poll: where each channel is, and an empty state."""
    part = {"e": EPOCH, "f": last, "l": last, "recovered": False, "state": {}, "u": []}
    parts = dict.fromkeys(channels, part)
    wire = {"v": 1, "cursor": "c", "poll_after_ms": 2000, "more": False, "channels": parts}
    return json.dumps(wire).encode()


def envelope(channel: str, seq: int) -> bytes:
    update = {"s": seq, "o": "event", "t": 1, "d": "hello"}
    wire = {"v": 1, "c": channel, "e": EPOCH, "f": seq - 1, "l": seq, "u": [update]}
    return json.dumps(wire).encode()


def begun(*channels: str) -> Followed:
    """Return channels that have had their first answer."""
    followed = Followed(dict.fromkeys(channels))
    for query in followed.queries():
        assert followed.receive_answer(query, decode_answer(answer(*query.asked))) == []
    return followed


def test_public_channels_are_asked_for_by_themselves() -> None:
    followed = Followed({"public/a": None, "group/g/b": None, "public/c": Position(EPOCH, 2)})
    queries = followed.queries()
    assert [query.is_public for query in queries] == [True, True, False]
    assert queries[0].words == {"channels": "public/a", "rewind": "0"}
    assert set(queries[1].words) == {"cursor"}
    assert queries[2].words == {"channels": "group/g/b", "rewind": "0"}


def test_a_channel_under_both_of_its_names_is_told_under_both() -> None:
    whole = f"user/{ME}/inbox"
    followed = begun("user/me/inbox", whole)
    assert followed.resolve(ME) == [whole]
    heard = followed.receive_payload(envelope(whole, 4))
    assert [(one.channel, one.update and one.update.seq) for one in heard.told] == [
        ("user/me/inbox", 4),
        (whole, 4),
    ]
    assert not heard.wants_catch_up


def test_what_is_private_is_begun_anew_and_what_is_public_goes_on() -> None:
    followed = begun("public/a", "user/me/inbox")
    assert followed.forget_private() == [Told("user/me/inbox", "", None)]
    assert followed.forget_private() == []  # nothing is lost twice
    public, private = followed.queries()
    assert set(public.words) == {"cursor"}
    assert private.words == {"channels": "user/me/inbox", "rewind": "0"}


def test_what_cannot_be_read_comes_by_a_poll() -> None:
    followed = begun("public/a")
    for payload in (b"", b"{}", envelope("public/other", 4)):
        heard = followed.receive_payload(payload)
        assert (heard.told, heard.wants_catch_up) == ((), True)
    assert followed.receive_payload(envelope("public/a", 4)).told == (
        Told("public/a", EPOCH, Update(4, "event", None, "hello", at_ms=1)),
    )
