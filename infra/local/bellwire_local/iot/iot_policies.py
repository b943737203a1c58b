"""The IoT policies of one account, their versions and whom they are attached to, kept on disk.

What is stored is reported as a change of what is in force; when it acts is `policies_in_force`'s.
How requests arrive and who may make them is `control_plane`'s.
Source: https://docs.aws.amazon.com/iot/latest/apireference/API_Operations_AWS_IoT.html
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bellwire_local.errors import PolicyRefused
from bellwire_local.iam.policies import Policy, parse_document
from bellwire_local.iot.limits import POLICY_NAME_PATTERN, STRICT, Limits
from bellwire_local.iot.policies_in_force import (
    AttachmentsChanged,
    IotPolicyChanged,
    PolicyChange,
    read_iot_policy,
)
from bellwire_local.storage import transaction

IDENTITY_PATTERN = re.compile(r"[\w-]+:[0-9a-f-]+", re.ASCII)
"""A Cognito identity id, the one kind of target that is emulated.
Source: https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html"""

_NAME = re.compile(POLICY_NAME_PATTERN, re.ASCII)
_TABLES = """
CREATE TABLE IF NOT EXISTS iot_policy (
    account TEXT NOT NULL, name TEXT NOT NULL, default_version INTEGER NOT NULL,
    last_version INTEGER NOT NULL, PRIMARY KEY (account, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS iot_policy_version (
    account TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL,
    created_s INTEGER NOT NULL, PRIMARY KEY (account, name, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS iot_attachment (
    account TEXT NOT NULL, target TEXT NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (account, target, name)
) WITHOUT ROWID;
"""


class IotRefusal(Exception):
    """A request that the control plane refuses; `error_type` is AWS's name of the exception.

    `further` are fields of the answer beside its message.
    """

    def __init__(self, error_type: str, message: str) -> None:
        self.error_type, self.message = error_type, message
        self.further: Mapping[str, str] = {}
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a policy; `created_s` in seconds since 1970."""

    name: str
    version: int
    document: str
    created_s: int
    is_default: bool


class IotPolicies:
    """The policies and attachments of one account."""

    def __init__(
        self,
        storage: sqlite3.Connection,
        account_id: str,
        enforce: Callable[[PolicyChange], None],
        *,
        wall_clock_s: Callable[[], float],
        limits: Limits = STRICT,
    ) -> None:
        """Read what is stored and report it all to `enforce`, as every later change.

        Raises:
            PolicyRefused: a stored document cannot be enforced.
        """
        self._storage = storage
        self._account_id = account_id
        self._enforce = enforce
        self._wall_clock_s = wall_clock_s
        self._limits = limits
        storage.executescript(_TABLES)
        for version in self._all_versions():
            if version.is_default:
                document = parse_document(version.name, version.document)
                policy = read_iot_policy(version.name, document)
                enforce(IotPolicyChanged(version.name, policy))
        for target in self._targets():
            enforce(AttachmentsChanged(target, self.attached_to(target)))

    def create(self, name: str, document: str) -> PolicyVersion:
        """Store a policy as its version 1.

        Raises:
            IotRefusal: MalformedPolicy, InvalidRequest or ResourceAlreadyExists.
        """
        _check_name(name)
        policy = self._read(name, document)
        created = PolicyVersion(name, 1, document, int(self._wall_clock_s()), is_default=True)
        with transaction(self._storage):
            if self._versions(name):
                raise IotRefusal(
                    "ResourceAlreadyExistsException",
                    f"Policy cannot be created - name already exists (name={name})",
                )
            self._execute("INSERT INTO iot_policy VALUES (?, ?, 1, 1)", name)
            self._insert(created)
        self._enforce(IotPolicyChanged(name, policy))
        return created

    def create_version(self, name: str, document: str, *, is_default: bool) -> PolicyVersion:
        """Store another version; without `is_default` it changes nothing yet.

        Raises:
            IotRefusal: MalformedPolicy, ResourceNotFound or VersionsLimitExceeded.
        """
        policy = self._read(name, document)
        with transaction(self._storage):
            kept = self.versions(name)
            if len(kept) >= self._limits.policy_versions:
                raise IotRefusal(
                    "VersionsLimitExceededException",
                    f"The policy {name} already has the maximum number of versions "
                    f"({self._limits.policy_versions})",
                )
            counted = "UPDATE iot_policy SET last_version = last_version + 1"
            number = self._one(
                f"{counted} WHERE account = ? AND name = ? RETURNING last_version", name
            )
            now_s = int(self._wall_clock_s())
            created = PolicyVersion(name, number, document, now_s, is_default)
            self._insert(created)
            if is_default:
                self._set_default(name, number)
        if is_default:
            self._enforce(IotPolicyChanged(name, policy))
        return created

    def set_default_version(self, name: str, number: int) -> None:
        """Let another version be the one in force.

        Raises:
            IotRefusal: ResourceNotFound.
        """
        version = self.version(name, number)
        self._set_default(name, number)
        self._enforce(IotPolicyChanged(name, self._read(name, version.document)))

    def delete_version(self, name: str, number: int) -> None:
        """Delete a version that is not the default.

        Raises:
            IotRefusal: ResourceNotFound or DeleteConflict.
        """
        if self.version(name, number).is_default:
            raise IotRefusal(
                "DeleteConflictException", f"Cannot delete the default version of policy {name}"
            )
        deleted = "DELETE FROM iot_policy_version WHERE account = ? AND name = ? AND version = ?"
        self._execute(deleted, name, number)

    def delete(self, name: str) -> None:
        """Delete a policy that has one version and is attached to nobody.

        Raises:
            IotRefusal: ResourceNotFound or DeleteConflict.
        """
        with transaction(self._storage):
            if len(self.versions(name)) > 1:
                raise IotRefusal(
                    "DeleteConflictException",
                    f"Cannot delete the policy because it has one or more policy versions "
                    f"attached to it (name={name})",
                )
            if self.targets_of(name):
                raise IotRefusal(
                    "DeleteConflictException",
                    f"The policy cannot be deleted as the policy is attached to one or more "
                    f"principals (name={name})",
                )
            self._execute("DELETE FROM iot_policy_version WHERE account = ? AND name = ?", name)
            self._execute("DELETE FROM iot_policy WHERE account = ? AND name = ?", name)
        self._enforce(IotPolicyChanged(name, None))

    def attach(self, name: str, target: str) -> None:
        """Attach a policy to an identity; again is nothing new.

        Raises:
            IotRefusal: ResourceNotFound, InvalidRequest or LimitExceeded.
        """
        _check_target(target)
        with transaction(self._storage):
            self.versions(name)
            attached = self.attached_to(target)
            if name in attached:
                return
            if len(attached) >= self._limits.policies_per_target:
                raise IotRefusal(
                    "LimitExceededException",
                    f"The maximum number of policies per target is "
                    f"{self._limits.policies_per_target} (target={target})",
                )
            self._execute("INSERT INTO iot_attachment VALUES (?, ?, ?)", target, name)
        self._enforce(AttachmentsChanged(target, self.attached_to(target)))

    def detach(self, name: str, target: str) -> None:
        """Detach a policy from an identity; one that is not attached is nothing to complain about.

        AWS documents no ResourceNotFoundException for it, so a policy that is not there is none.

        Raises:
            IotRefusal: InvalidRequest.
        """
        _check_target(target)
        detached = "DELETE FROM iot_attachment WHERE account = ? AND target = ? AND name = ?"
        self._execute(detached, target, name)
        self._enforce(AttachmentsChanged(target, self.attached_to(target)))

    def attached_to(self, target: str) -> tuple[str, ...]:
        """Return the names of the policies attached to a target, in their order."""
        query = "SELECT name FROM iot_attachment WHERE account = ? AND target = ? ORDER BY name"
        return tuple(name for (name,) in self._execute(query, target))

    def targets_of(self, name: str) -> tuple[str, ...]:
        """Return whom a policy is attached to, in their order."""
        query = "SELECT target FROM iot_attachment WHERE account = ? AND name = ? ORDER BY target"
        return tuple(target for (target,) in self._execute(query, name))

    def names(self) -> tuple[str, ...]:
        """Return the names of all policies, in their order."""
        query = "SELECT name FROM iot_policy WHERE account = ? ORDER BY name"
        return tuple(name for (name,) in self._execute(query))

    def versions(self, name: str) -> tuple[PolicyVersion, ...]:
        """Return a policy's versions, oldest first.

        Raises:
            IotRefusal: ResourceNotFound.
        """
        found = self._versions(name)
        if not found:
            raise IotRefusal("ResourceNotFoundException", f"The policy is not found (name={name})")
        return found

    def version(self, name: str, number: int | None = None) -> PolicyVersion:
        """Return one version of a policy, or its default one.

        Raises:
            IotRefusal: ResourceNotFound.
        """
        for version in self.versions(name):
            if version.version == number or (number is None and version.is_default):
                return version
        raise IotRefusal(
            "ResourceNotFoundException",
            f"The policy version is not found (name={name}, version={number})",
        )

    def _read(self, name: str, text: str) -> Policy:
        size = sum(not char.isspace() for char in text)
        if size > self._limits.policy_characters:
            raise IotRefusal(
                "MalformedPolicyException",
                f"The policy has {size} characters that are not white space; at most "
                f"{self._limits.policy_characters} are allowed",
            )
        try:
            return read_iot_policy(name, parse_document(name, text))
        except PolicyRefused as error:
            raise IotRefusal(
                "MalformedPolicyException",
                f"Policy document is Malformed, or holds what is not enforced here: {error}",
            ) from error

    def _versions(self, name: str) -> tuple[PolicyVersion, ...]:
        return tuple(self._all_versions(name))

    def _all_versions(self, name: str | None = None) -> Iterator[PolicyVersion]:
        rows = self._execute(
            "SELECT v.name, v.version, v.document, v.created_s, v.version = p.default_version "
            "FROM iot_policy_version v JOIN iot_policy p USING (account, name) "
            "WHERE account = ?1 AND (?2 IS NULL OR name = ?2) ORDER BY name, version",
            name,
        )
        for found, number, document, created_s, is_default in rows:
            yield PolicyVersion(found, number, document, created_s, bool(is_default))

    def _targets(self) -> list[str]:
        query = "SELECT DISTINCT target FROM iot_attachment WHERE account = ?"
        return [target for (target,) in self._execute(query)]

    def _insert(self, version: PolicyVersion) -> None:
        self._execute(
            "INSERT INTO iot_policy_version VALUES (?, ?, ?, ?, ?)",
            version.name,
            version.version,
            version.document,
            version.created_s,
        )

    def _set_default(self, name: str, number: int) -> None:
        changed = "UPDATE iot_policy SET default_version = ?3 WHERE account = ?1 AND name = ?2"
        self._execute(changed, name, number)

    def _one(self, statement: str, *values: str | int | None) -> int:
        (found,) = self._execute(statement, *values).fetchone()
        return int(found)

    def _execute(self, statement: str, *values: str | int | None) -> sqlite3.Cursor:
        """Run a statement whose first value is the account."""
        return self._storage.execute(statement, (self._account_id, *values))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise IotRefusal(
            "InvalidRequestException",
            f"policyName is {name!r}; 1 to 128 characters of letters, digits and _+=,.@- are "
            "expected",
        )


def _check_target(target: str) -> None:
    if not IDENTITY_PATTERN.fullmatch(target):
        raise IotRefusal(
            "InvalidRequestException",
            f"target is {target!r}; a Cognito identity id is expected, region:uuid (certificates "
            "and thing groups are not emulated)",
        )
