"""Envelopes as MQTT payloads."""

import gzip
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire.errors import Malformed
from bellwire.payloads import decode_payload, encode_payload
from bellwire.updates import Envelope, Update


def envelope(data: str) -> Envelope:
    return Envelope("public/a", "aaaaaaaa1", 0, 1, (Update(1, "event", None, data),))


@pytest.mark.parametrize("length", [0, 5_000, 5_200, 60_000])
def test_what_is_written_is_read_back(length: int) -> None:
    assert decode_payload(encode_payload(envelope("x" * length))) == envelope("x" * length)


def test_a_payload_is_compressed_only_where_that_saves_a_unit() -> None:
    noise = random.Random(7)
    assert encode_payload(envelope("x" * 5_000))[:1] == b"{"
    assert encode_payload(envelope("x" * 5_200))[:2] == b"\x1f\x8b"
    text = "".join(chr(noise.randrange(0x20, 0x7F)) for _ in range(5_600))
    assert len(encode_payload(envelope(text))) <= 5_120
    text = "".join(chr(noise.randrange(0x20, 0x7F)) for _ in range(8_000))
    assert encode_payload(envelope(text))[:1] == b"{"


def test_a_bomb_is_refused() -> None:
    bomb = gzip.compress(b" " * 2_000_000)
    assert len(bomb) < 5_120
    with pytest.raises(Malformed, match="at most 1048576 bytes inflated, found more"):
        decode_payload(bomb)


@given(st.binary(max_size=200), st.integers(0, 60))
def test_garbage_is_malformed_and_never_a_crash(garbage: bytes, cut: int) -> None:
    for payload in (garbage, b"\x1f\x8b" + garbage, gzip.compress(b"[1]" * 9)[:cut]):
        with pytest.raises(Malformed):
            decode_payload(payload)
