"""Bring what an identity holds on AWS in line with its latest login, or with a revocation.

AWS cannot be asked cheaply what is attached, so the directory remembers. Whatever is about to be
attached stands there first: a login that dies half way is finished by the next one, and nothing is
ever attached that a revocation would not find.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bellwire.errors import BellwireError, TooMany, Unauthenticated
from bellwire.grants import Grant
from bellwire.identity_ports import Directory, Grants, Person

if TYPE_CHECKING:
    from bellwire.logins import Login

TRIES: Final = 8
"""As many logins of one identity as may come at the same moment. Ours."""


def settle(
    identity_id: str,
    login: "Login",
    wanted: Mapping[str, Grant],
    directory: Directory,
    grants: Grants,
) -> None:
    """Attach exactly `wanted`, by name, to an identity; one that has it already costs one read.

    Raises:
        Unauthenticated: the login is older than a revocation, even one that came meanwhile.
        TooMany: too many others changed the same identity, or AWS is asked too often.
        Upstream: AWS does not answer. After either the next login goes on from there.
    """
    for _ in range(TRIES):
        person = _find(identity_id, login, directory)
        target = replace(_after(person, login), attached=tuple(sorted(wanted)), unsettled=())
        if (person.revision and person == target) or _change(
            person, target, wanted, directory, grants
        ):
            return
    raise _too_many()


def settle_without_attaching(
    identity_id: str,
    login: "Login",
    applicable: Collection[str],
    directory: Directory,
    grants: Grants,
) -> None:
    """Take away what no longer applies to an identity, and attach nothing. Raises as `settle`."""
    for _ in range(TRIES):
        person = _find(identity_id, login, directory)
        target = replace(
            _after(person, login),
            attached=_only(applicable, person.attached),
            unsettled=_only(applicable, person.unsettled),
        )
        if (person.revision and person == target) or _change(person, target, {}, directory, grants):
            return
    raise _too_many()


def revoke(person: Person, revoked_before_s: int, directory: Directory, grants: Grants) -> bool:
    """Take everything away from somebody, and refuse what was issued before.

    Returns:
        False if somebody else has changed them meanwhile: read again.
    """
    before_s = max(person.revoked_before_s, revoked_before_s)
    target = replace(person, attached=(), unsettled=(), revoked_before_s=before_s, is_revoked=True)
    return _change(person, target, {}, directory, grants)


def check_not_revoked(issued_at_s: int | None, person: Person) -> None:
    """Refuse what was issued before somebody's last revocation.

    Args:
        issued_at_s: None for what does not tell, which counts as new.

    Raises:
        Unauthenticated: it was.
    """
    if issued_at_s is not None and issued_at_s < person.revoked_before_s:
        raise Unauthenticated("access was revoked since: log in again")


def _find(identity_id: str, login: "Login", directory: Directory) -> Person:
    found = directory.find(identity_id)
    person = found or Person(identity_id, login.user or identity_id)
    check_not_revoked(login.issued_at_s, person)
    return person


def _after(person: Person, login: "Login") -> Person:
    user = login.user or person.user
    return replace(person, user=user, groups=login.groups, is_revoked=False)


def _change(
    person: Person,
    target: Person,
    wanted: Mapping[str, Grant],
    directory: Directory,
    grants: Grants,
) -> bool:
    """Make somebody what they are to be; False if somebody else has changed them meanwhile."""
    gone = set(person.attached) - set(target.attached)
    sure = set(person.attached) - set(person.unsettled)
    new = [name for name in target.attached if name in wanted and name not in sure]
    unsettled = {*gone, *new}
    plan = replace(
        target,
        attached=_sorted(person.attached, target.attached),
        unsettled=_sorted(unsettled, target.unsettled),
    )
    if unsettled:
        if plan != person:  # else somebody died, or is just at the same work
            if not directory.save(plan):
                return False
            target = replace(target, revision=plan.revision + 1)
        _perform(target, gone, [wanted[name] for name in new], directory, grants)
    if directory.save(target):
        return True
    _reconcile(target.identity_id, gone, set(new), directory, grants)
    return False


def _perform(
    target: Person,
    gone: Set[str],
    new: Sequence[Grant],
    directory: Directory,
    grants: Grants,
) -> None:
    """Take away first, since AWS attaches ten policies at most; what was done is not done again."""
    left = [*sorted(gone), *(grant.name for grant in new)]
    try:
        for name in sorted(gone):
            grants.detach(target.identity_id, name)
            left.remove(name)
        for grant in new:
            grants.attach(target.identity_id, grant)
            left.remove(grant.name)
    except BellwireError:
        attached = _sorted(target.attached, gone & {*left})
        with suppress(BellwireError):  # then the plan stands there, and all of it is done again
            unsettled = _sorted(target.unsettled, left)
            if not directory.save(replace(target, attached=attached, unsettled=unsettled)):
                names = {grant.name for grant in new}
                _reconcile(target.identity_id, gone, names, directory, grants)
        raise


def _reconcile(
    identity_id: str, gone: Set[str], new: Set[str], directory: Directory, grants: Grants
) -> None:
    """Somebody else has changed an identity while we did: mend what our changes came on top of.

    What we have taken away and stands in the directory is no longer sure, and the next login
    attaches it again; what we have attached and does not stand there is taken away.
    """
    for _ in range(TRIES):
        person = directory.find(identity_id)
        if person is None:
            return
        stray, doubtful = new - set(person.attached), gone & set(person.attached)
        if not stray and not doubtful:
            return
        unsettled = _sorted(person.unsettled, doubtful)
        marked = replace(
            person,
            attached=_sorted(person.attached, stray),
            unsettled=_sorted(unsettled, stray),
        )
        if not directory.save(marked):
            continue
        for name in sorted(stray):
            grants.detach(identity_id, name)
        gone = gone | stray
        if directory.save(replace(person, unsettled=unsettled, revision=person.revision + 1)):
            return


def _sorted(*names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for some in names for name in some}))


def _only(names: Collection[str], of: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in of if name in names)


def _too_many() -> TooMany:
    return TooMany("too many logins of one user at the same moment: come back")
