"""Channel names, the IoT topics they travel on, and who a channel belongs to by its name.

Names only: whether somebody may read a channel is asked in `access`.
"""

import re

from bellwire.errors import BadChannel, Malformed

NAMESPACES = ("public", "user", "group")
MAX_CHANNEL_BYTES = 200
ME = "me"

_SEGMENT = re.compile(r"[A-Za-z0-9_.:@-]{1,64}")
_STAGE = re.compile(r"[a-z0-9-]{1,16}")


def check_channel(name: str) -> str:
    """Return the channel's name if it is one, e.g. `"public/host"`.

    Raises:
        BadChannel: outside the grammar of protocol §1.
    """
    segments = name.split("/")
    if segments[0] not in NAMESPACES:
        raise BadChannel(
            f"expected a channel that begins with public/, user/ or group/, found {_shown(name)}"
        )
    least = 2 if segments[0] == "public" else 3
    if not least <= len(segments) <= 6:
        raise BadChannel(
            f"expected {least} to 6 segments in a {segments[0]}/ channel,"
            f" found {len(segments)} in {_shown(name)}"
        )
    for segment in segments:
        if not _SEGMENT.fullmatch(segment) or segment in (".", ".."):
            raise BadChannel(
                "expected channel segments of 1 to 64 of A-Z a-z 0-9 _ . : @ - (not . or ..),"
                f" found {_shown(segment)} in {_shown(name)}"
            )
    if len(name) > MAX_CHANNEL_BYTES:
        raise BadChannel(
            f"expected a channel of at most {MAX_CHANNEL_BYTES} bytes, found {len(name)}"
        )
    return name


def check_publishable(name: str) -> str:
    """Return the channel's name if a job may publish to it.

    Raises:
        BadChannel: outside the grammar, or `user/me/…`, which is somebody only for a client.
    """
    if name.startswith(f"user/{ME}/"):
        raise BadChannel(f"expected a user's identity id after user/, found me in {_shown(name)}")
    return check_channel(name)


def check_stage(stage: str) -> str:
    """Return the stage if it is 1 to 16 of `a-z 0-9 -`.

    Raises:
        Malformed: it is not.
    """
    if not _STAGE.fullmatch(stage):
        raise Malformed(f"expected a stage of 1 to 16 of a-z 0-9 -, found {_shown(stage)}")
    return stage


def topic_of(stage: str, channel: str) -> str:
    """Name the IoT topic that carries a channel, e.g. `"dev/public/host"`."""
    return f"{stage}/{channel}"


def is_public(channel: str) -> bool:
    """Tell whether a channel is in the `public` namespace."""
    return channel.startswith("public/")


def resolve_me(channel: str, identity_id: str | None) -> str:
    """Put the caller's own identity in place of `me`: `user/me/inbox` → `user/us-east-1:…/inbox`.

    A caller without an identity keeps the name as it is; nobody may read it then.
    """
    namespace, _, rest = channel.partition("/")
    owner, _, tail = rest.partition("/")
    if namespace == "user" and owner == ME and identity_id is not None:
        return f"user/{identity_id}/{tail}"
    return channel


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")
