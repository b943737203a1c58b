"""The data types that packets are made of, read and written one at a time.

Which field comes when is `decoding`'s and `encoding`'s.
Source: MQTT 5, section 1.5; MQTT 3.1.1, section 1.5 has the first three of them.
"""

from bellwire_local.iot.mqtt.packets import MalformedPacket

MAX_VARIABLE_INTEGER = 268_435_455
"""Source: MQTT 5, 1.5.5, table 1-1; MQTT 3.1.1, 2.2.3, table 2.4."""

VARIABLE_INTEGER_BYTES = 4
"""Source: MQTT 5, 1.5.5; MQTT 3.1.1, 2.2.3."""


class Cursor:
    """A place in one packet's body that never moves past its end."""

    __slots__ = ("_at", "_content")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, size_bytes: int) -> bytes:
        """Read that many bytes, or refuse the packet."""
        end = self._at + size_bytes
        if end > len(self._content):
            raise MalformedPacket(
                f"a field needs {size_bytes} bytes where only {self.left} are left in the packet"
            )
        taken = self._content[self._at : end]
        self._at = end
        return taken

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self._content) - self._at

    def rest(self) -> bytes:
        """Read whatever is left."""
        return self.take(self.left)

    def byte(self) -> int:
        """Read one byte."""
        return self.take(1)[0]

    def integer(self, size_bytes: int = 2) -> int:
        """Read an integer of fixed size, its highest byte first."""
        return int.from_bytes(self.take(size_bytes), "big")

    def variable_integer(self) -> int:
        """Read an integer of one to four bytes in its shortest form."""
        value = 0
        for place in range(VARIABLE_INTEGER_BYTES):
            byte = self.byte()
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if place and not byte:  # [MQTT-1.5.5-1]
                    raise MalformedPacket(f"the integer {value} is not in its shortest form")
                return value
        raise MalformedPacket(f"an integer takes more than {VARIABLE_INTEGER_BYTES} bytes")

    def binary(self) -> bytes:
        """Read bytes behind their number."""
        return self.take(self.integer())

    def text(self) -> str:
        """Read UTF-8 behind its number of bytes."""
        raw = self.binary()
        try:
            text = raw.decode()  # refuses surrogates too [MQTT-1.5.3-1], MQTT 5 [MQTT-1.5.4-1]
        except UnicodeDecodeError as error:
            raise MalformedPacket(f"a string is not UTF-8: {error}") from error
        if "\0" in text:  # [MQTT-1.5.3-2], MQTT 5 [MQTT-1.5.4-2]
            raise MalformedPacket("a string contains U+0000")
        return text

    def packet_id(self) -> int:
        """Read a packet identifier."""
        packet_id = self.integer()
        if packet_id == 0:  # [MQTT-2.3.1-1], MQTT 5 [MQTT-2.2.1-3]
            raise MalformedPacket("the packet identifier is 0")
        return packet_id

    def close(self) -> None:
        """Refuse the packet if anything is left."""
        if self.left:
            raise MalformedPacket(f"{self.left} bytes are left over at the end of a packet")


def integer(value: int, size_bytes: int = 2) -> bytes:
    """Write an integer of fixed size, its highest byte first."""
    return value.to_bytes(size_bytes, "big")


def variable_integer(value: int) -> bytes:
    """Write an integer in one to four bytes.

    Raises:
        ValueError: it is more than 268,435,455.
    """
    if value < 0x80:
        return bytes((value,))
    if value > MAX_VARIABLE_INTEGER:
        raise ValueError(f"{value} was to be said; at most {MAX_VARIABLE_INTEGER} can be")
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def binary(value: bytes) -> bytes:
    """Write bytes behind their number.

    Raises:
        ValueError: there are more than 65,535.
    """
    if len(value) > 0xFFFF:
        raise ValueError(f"a field of {len(value)} bytes; at most 65535 can be said")
    return len(value).to_bytes(2, "big") + value


def text(value: str) -> bytes:
    """Write UTF-8 behind its number of bytes; see `binary`."""
    return binary(value.encode())
