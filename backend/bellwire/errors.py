"""Every error that Bellwire raises on purpose, and how each looks on the wire.

    BellwireError
    ├── Malformed          malformed         400
    │   ├── BadChannel     bad_channel       400
    │   └── BadCursor      bad_cursor        400
    ├── Unauthenticated    unauthenticated   401
    ├── NotAllowed         not_allowed       403
    ├── NotFound           not_found         404
    ├── Conflict           conflict          409
    ├── TooLarge           too_large         413
    ├── TooMany            too_many          429  retryable
    ├── Upstream           upstream          502  retryable
    └── Internal           internal          500

Raised where the fact is known, turned into an answer at the edge only. A message says what was
found, what was expected, and the value.
"""

from typing import ClassVar


class BellwireError(Exception):
    """What went wrong, in words a caller can act on."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    is_retryable: bool = False
    """Of one from the wire: what was said there."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Malformed(BellwireError):
    """The request cannot be understood."""

    code = "malformed"
    status = 400


class BadChannel(Malformed):
    """A channel name outside the grammar of protocol §1."""

    code = "bad_channel"


class BadCursor(Malformed):
    """A cursor that is damaged or not in canonical form."""

    code = "bad_cursor"


class Unauthenticated(BellwireError):
    """No credentials, or credentials that do not hold."""

    code = "unauthenticated"
    status = 401


class NotAllowed(BellwireError):
    """Credentials that hold, for somebody who may not do this; `channel` as it was asked for."""

    code = "not_allowed"
    status = 403

    def __init__(self, message: str, channel: str | None = None) -> None:
        super().__init__(message)
        self.channel = channel


class NotFound(BellwireError):
    """No such endpoint."""

    code = "not_found"
    status = 404


class Conflict(BellwireError):
    """Somebody else changed the same thing first."""

    code = "conflict"
    status = 409


class TooLarge(BellwireError):
    """More bytes than one of the limits of protocol §1 admits."""

    code = "too_large"
    status = 413


class TooMany(BellwireError):
    """Asked too often; `retry_after_s` says when to come back."""

    code = "too_many"
    status = 429
    is_retryable = True

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Upstream(BellwireError):
    """A store, a broker or another part behind this one did not do its work."""

    code = "upstream"
    status = 502
    is_retryable = True


class Internal(BellwireError):
    """A fault of Bellwire's own."""


def to_wire(error: BellwireError) -> dict[str, object]:
    """Shape an error as `{"error": {"code": "bad_cursor", "message": "…", "retryable": false}}`.

    Where one channel is why, it stands beside them as `channel`.
    """
    wire = {"code": error.code, "message": error.message, "retryable": error.is_retryable}
    if isinstance(error, NotAllowed) and error.channel is not None:
        wire["channel"] = error.channel
    return {"error": wire}


def from_wire(
    code: object, message: object, *, status: int = 500, is_retryable: object = None
) -> BellwireError:
    """Rebuild the error that `to_wire` shaped; of an unknown code the status tells the kind.

    Args:
        code: such as `"bad_cursor"`.
        message: for people.
        status: of the HTTP answer.
        is_retryable: what the answer says; None: nothing.

    Source: PROTOCOL.md §10 and §12.
    """
    text = message if isinstance(message, str) else repr(message)
    known = _BY_CODE.get(code) if isinstance(code, str) else None
    error = (known or _BY_STATUS.get(status, Upstream))(text)
    if isinstance(is_retryable, bool):
        error.is_retryable = is_retryable
    return error


def may_pass(error: BellwireError) -> bool:
    """Tell whether the same request may succeed later, so that nobody gives up for good.

    Source: PROTOCOL.md §10: clients go by `retryable`, and a fault of the service passes.
    """
    return error.is_retryable or isinstance(error, Internal)


def _leaves_and_branches(root: type[BellwireError]) -> list[type[BellwireError]]:
    return [
        root,
        *(kind for child in root.__subclasses__() for kind in _leaves_and_branches(child)),
    ]


_BY_CODE = {kind.code: kind for kind in _leaves_and_branches(BellwireError)}
_BY_STATUS = {kind.status: kind for kind in reversed(_BY_CODE.values())}
"""The first of a status stands for it: `malformed` for 400."""
