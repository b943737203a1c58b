"""Channel names, the IoT topics they travel on, and who a channel belongs to by its name.

Names only: whether somebody may read a channel is asked in `access`.
"""

import re

from bellwire.errors import BadChannel, Malformed

NAMESPACES = ("public", "user", "group")
MAX_CHANNEL_BYTES = 200
ME = "me"

_SEGMENT = re.compile(r"[A-Za-z0-9_.:@-]{1,64}")
_IDENTITY_ID = re.compile(r"[a-z0-9-]{1,32}:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
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
        if not is_segment(segment):
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
        BadChannel: outside the grammar, or a `user/…` channel of nobody: `user/me/…`, which is
            somebody only for a client, or a user's name in the place of an identity id.
    """
    namespace, owner, *_ = check_channel(name).split("/")
    if namespace == "user" and not is_identity_id(owner):
        raise BadChannel(
            "expected an identity id such as us-east-1:5b1a7c0e-… after user/, as"
            f" Publisher.user(NAME) finds it, found {_shown(owner)} in {_shown(name)}"
        )
    return name


def is_segment(text: str) -> bool:
    """Tell whether a text may stand between the slashes of a channel's name."""
    return _SEGMENT.fullmatch(text) is not None and text not in (".", "..")


def is_identity_id(text: str) -> bool:
    """Tell whether a text is an identity id, e.g. `"us-east-1:5b1a7c0e-3f2d-4c1b-9a8e-…"`.

    Source: Cognito Identity API reference, IdentityId, of which this is the form in use.
    """
    return _IDENTITY_ID.fullmatch(text) is not None


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


def channel_of(stage: str, topic: str) -> str | None:
    """Name the channel that a topic or filter stands for; None if it is none of the stage."""
    place, _, channel = topic.partition("/")
    try:
        return check_channel(channel) if place == stage else None
    except BadChannel:
        return None


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
