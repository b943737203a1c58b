"""From words to settings: limits, faults, TLS and the choices where AWS is unknown."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Final, TypeVar, get_args, get_type_hints

from bellwire_local.accounts import PoolSettings
from bellwire_local.dev.settings import Emulation
from bellwire_local.dev.setup import apply_setup
from bellwire_local.errors import ChoiceRefused
from bellwire_local.identity.quotas import IdentityQuotas
from bellwire_local.iot.admission import EdgeChoices
from bellwire_local.iot.authorization import PolicyChoices
from bellwire_local.iot.choices import Choices
from bellwire_local.iot.limits import OFF, STRICT
from bellwire_local.stand_in import StandInSettings

Chosen = TypeVar("Chosen")

_SAID_BY_SETUP: Final = (
    "unauthenticated_role",
    "authenticated_role",
    "developer_provider",
    "providers",
    "has_classic_flow",
)
"""What AWS lets the owner of a pool decide; the pool's other settings are choices of ours."""

_HOLDERS: Final[Mapping[str, Sequence[str]]] = {
    "choices": [each.name for each in fields(Choices)],
    "edge": [each.name for each in fields(EdgeChoices)],
    "policy_choices": [each.name for each in fields(PolicyChoices)],
    "pool": [each.name for each in fields(PoolSettings) if each.name not in _SAID_BY_SETUP],
}
"""Which choices each of the settings holds; no two have one of the same name."""


def emulate(settings: StandInSettings, emulation: Emulation) -> StandInSettings:
    """Apply what was said on the command line.

    Raises:
        ChoiceRefused: a choice is unknown, or its value is not one of those possible.
        SetupRefused: see `apply_setup`.
    """
    if emulation.setup is not None:
        settings = apply_setup(settings, emulation.setup)
    quotas = IdentityQuotas() if emulation.has_limits else IdentityQuotas.unlimited()
    return replace(
        _choose_all(settings, emulation.choices),
        iot_tls_port=emulation.iot_tls_port,
        identity_quotas=quotas,
        limits=STRICT if emulation.has_limits else OFF,
        faults=emulation.faults,
    )


def _choose_all(settings: StandInSettings, words: Sequence[str]) -> StandInSettings:
    values: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise ChoiceRefused(f"a choice is {word!r}; expected NAME=VALUE")
        values[name] = value
    known = sorted(name for names in _HOLDERS.values() for name in names)
    unknown = next((name for name in values if name not in known), None)
    if unknown is not None:
        raise ChoiceRefused(f"there is no choice {unknown!r}; expected one of: {', '.join(known)}")
    chosen = {
        holder: choose(getattr(settings, holder), _pick(values, names))
        for holder, names in _HOLDERS.items()
    }
    return replace(settings, **chosen)


def _pick(values: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: values[name] for name in names if name in values}


def choose(defaults: Chosen, values: Mapping[str, str]) -> Chosen:
    """Put values in the place of a dataclass's defaults.

    Raises:
        ChoiceRefused: a value is not one of those possible.
    """
    hints = get_type_hints(type(defaults))
    read = {name: _read(name, text, hints[name]) for name, text in values.items()}
    return replace(defaults, **read)  # type: ignore[type-var]  # a dataclass


def _read(name: str, text: str, kind: object) -> object:
    possible: dict[str, object] = {"true": True, "false": False}
    if kind is not bool:
        possible = {str(value): value for value in get_args(kind)}
    if text not in possible:
        raise ChoiceRefused(f"{name} is {text!r}; expected {' or '.join(possible)}")
    return possible[text]
