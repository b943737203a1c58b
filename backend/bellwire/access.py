"""Who may read which channel? Asked of the same documents that AWS IoT enforces."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bellwire.channels import topic_of
from bellwire.grants import group_grant, member_grant
from bellwire.policies import Document, Place, is_allowed, load_policy

COGNITO_SUB: Final = "cognito-identity.amazonaws.com:sub"


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who asks for channels.

    Attributes:
        identity_id: who that is; None for a caller without credentials.
        layers: what they hold, as AWS sees it: each layer must allow, and a layer does if one of
            its documents does. Nobody holds nothing: no layer, no access.
        variables: what policy variables stand for, in every layer but that of attached policies.
    """

    identity_id: str | None = None
    layers: tuple[tuple[Document, ...], ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


NOBODY: Final = Reader()


def guest(role: Document | None) -> Reader:
    """Return a caller without credentials, who reads what guests read.

    Args:
        role: the rendered `guest_role` document, None where guests are switched off.
    """
    return NOBODY if role is None else Reader(layers=((role,),))


def member(identity_id: str, groups: Iterable[str], place: Place) -> Reader:
    """Return an identity that has logged in: its role and what is attached to it, intersected.

    Source: IoT guide, cog-iot-policies.
    """
    attached = (member_grant(place), *(group_grant(group, place) for group in groups))
    return Reader(
        identity_id,
        ((load_policy("member_role", place),), tuple(grant.document for grant in attached)),
        {COGNITO_SUB: identity_id},
    )


def narrowed(whole: Reader, session: Document, place: Place) -> Reader:
    """Return what a member's session is narrowed to: never more than they hold themselves.

    Args:
        session: the document of `grants.session_policy`.
    """
    layers = (*whole.layers, (load_policy("narrowed_role", place),), (session,))
    return Reader(whole.identity_id, layers, whole.variables)


def may_read(reader: Reader, channel: str, place: Place) -> bool:
    """Tell whether somebody may read a channel, by its whole name: subscribe to it and receive."""
    arn = f"arn:aws:iot:{place.region}:{place.account_id}"
    topic = topic_of(place.stage, channel)
    asked = (
        ("iot:Subscribe", f"{arn}:topicfilter/{topic}"),
        ("iot:Receive", f"{arn}:topic/{topic}"),
    )
    return bool(reader.layers) and all(
        is_allowed(layer, action, resource, reader.variables)
        for layer in reader.layers
        for action, resource in asked
    )
