"""What somebody who has logged in is granted on AWS IoT: which policies, by which names. Pure.

An identity holds `member_identity` and one `group_identity` for each group; a narrowed session
holds one policy of its own. The documents are those of iot_policies/.
"""

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from bellwire.channels import is_segment, topic_of
from bellwire.errors import Malformed, TooLarge
from bellwire.policies import Document, Place, load_policy
from bellwire.wire_json import encode_json

MAX_GROUPS: Final = 9
"""AWS attaches at most 10 policies to an identity, and one says that it is a member.
Source: AWS IoT quotas, "Maximum number of policies that can be attached"."""

MAX_SESSION_POLICY_CHARACTERS: Final = 2048
"""Source: STS API reference, AssumeRole, Policy."""

_HASH_CHARACTERS: Final = 8


@dataclass(frozen=True, slots=True)
class Grant:
    """An IoT policy for identities.

    The name carries a hash of what the policy says: when a document changes, its policy is another
    one, which identities get at their next login.

    Attributes:
        name: for example `"bellwire.prod.group.ops.5d41402a"`.
        document: the policy as parsed JSON.
    """

    name: str
    document: Document

    @property
    def text(self) -> str:
        """The document as AWS takes it."""
        return encode_json(self.document).decode()


def grants_of(groups: Collection[str], place: Place) -> dict[str, Grant]:
    """Return, by their names, the policies that an identity in these groups is to have.

    Raises:
        TooLarge: more groups than AWS lets an identity have policies for.
    """
    if len(groups) > MAX_GROUPS:
        raise TooLarge(
            f"found {len(groups)} groups, expected at most {MAX_GROUPS}: AWS IoT attaches no more"
            " policies to an identity; open the session with mode: sts and name the channels"
        )
    return {grant.name: grant for grant in _all_of(groups, place)}


def grant_names_of(groups: Iterable[str], place: Place) -> frozenset[str]:
    """Return the names of what applies to members of these groups, however many they are."""
    return frozenset(grant.name for grant in _all_of(groups, place))


def _all_of(groups: Iterable[str], place: Place) -> list[Grant]:
    return [member_grant(place), *(group_grant(group, place) for group in groups)]


@lru_cache(maxsize=16)
def member_grant(place: Place) -> Grant:
    """Return the policy that every identity which has logged in has."""
    document = load_policy("member_identity", place)
    return Grant(f"bellwire.{place.stage}.member.{_hash_of(document)}", document)


@lru_cache(maxsize=1024)
def group_grant(group: str, place: Place) -> Grant:
    """Return the policy of a group.

    In its name `=` stands for `:`, which AWS does not take there and no group's name holds.
    """
    document = load_policy("group_identity", place, group=group)
    name = group.replace(":", "=")
    return Grant(f"bellwire.{place.stage}.group.{name}.{_hash_of(document)}", document)


def check_groups(groups: Iterable[object]) -> tuple[str, ...]:
    """Return names of groups in ascending order, each once.

    Raises:
        Malformed: one of them could not stand in a channel's name.
    """
    checked = set()
    for group in groups:
        if not isinstance(group, str) or not is_segment(group):
            raise Malformed(
                "expected groups named by 1 to 64 of A-Z a-z 0-9 _ . : @ - (not . or ..),"
                f" found {group!r:.80}"
            )
        checked.add(group)
    return tuple(sorted(checked))


def session_policy(identity_id: str, channels: Iterable[str], place: Place) -> str:
    """Write the policy of a session that is narrowed to some channels, whole names, as JSON.

    Raises:
        TooLarge: it is longer than AWS takes.
    """
    arn = f"arn:aws:iot:{place.region}:{place.account_id}"
    topics = [topic_of(place.stage, channel) for channel in channels]
    client = f"{arn}:client/{identity_id}"
    document = {
        "Version": "2012-10-17",
        "Statement": [
            _allow("iot:Connect", [client, f"{client}-*"]),
            _allow("iot:Subscribe", [f"{arn}:topicfilter/{topic}" for topic in topics]),
            _allow("iot:Receive", [f"{arn}:topic/{topic}" for topic in topics]),
        ],
    }
    text = json.dumps(document, separators=(",", ":"))
    if len(text) > MAX_SESSION_POLICY_CHARACTERS:
        raise TooLarge(
            f"the policy for {len(topics)} channels has {len(text)} characters, expected at most"
            f" {MAX_SESSION_POLICY_CHARACTERS}, which is all that AWS takes: name fewer channels,"
            " or shorter ones"
        )
    return text


def _allow(action: str, resources: list[str]) -> Document:
    return {"Effect": "Allow", "Action": action, "Resource": resources}


def _hash_of(document: Document) -> str:
    return hashlib.sha256(encode_json(document)).hexdigest()[:_HASH_CHARACTERS]
