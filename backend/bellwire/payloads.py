"""An envelope as an MQTT payload: JSON, or the gzip of it where that saves money. Pure."""

import gzip
import io
import zlib
from typing import Final

from bellwire.errors import Malformed
from bellwire.updates import Envelope, decode_envelope, encode_envelope

IOT_UNIT_BYTES: Final = 5_120  # AWS IoT Core pricing: messages are metered in 5 KB increments
MAX_INFLATED_BYTES: Final = 1_048_576  # protocol §1
GZIP_MAGIC: Final = b"\x1f\x8b"  # RFC 1952 §2.3.1


def encode_payload(envelope: Envelope) -> bytes:
    """Write an envelope, compressed only if that takes fewer units of 5 KB."""
    plain = encode_envelope(envelope)
    if len(plain) <= IOT_UNIT_BYTES:
        return plain
    packed = gzip.compress(plain, mtime=0)
    return packed if _units(packed) < _units(plain) else plain


def decode_payload(payload: bytes) -> Envelope:
    """Read an envelope from either form.

    Raises:
        Malformed: damaged gzip, more than 1 MiB inflated, or no envelope.
    """
    if not payload.startswith(GZIP_MAGIC):
        return decode_envelope(payload)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(payload)) as packed:
            plain = packed.read(MAX_INFLATED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Malformed(f"expected a whole gzip stream: {error}") from error
    if len(plain) > MAX_INFLATED_BYTES:
        raise Malformed(f"expected at most {MAX_INFLATED_BYTES} bytes inflated, found more")
    return decode_envelope(plain)


def _units(payload: bytes) -> int:
    return -(-len(payload) // IOT_UNIT_BYTES)
