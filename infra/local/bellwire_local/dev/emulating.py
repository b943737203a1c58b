"""From words to settings: limits, faults, TLS and the choices where AWS is unknown."""

from collections.abc import Mapping, Sequence
from dataclasses import Field, fields, replace
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

from bellwire_local.dev.settings import Emulation
from bellwire_local.errors import ChoiceRefused
from bellwire_local.identity.quotas import IdentityQuotas
from bellwire_local.stand_in import StandInSettings

Chosen = TypeVar("Chosen")

_CHOICE_FIELDS: Final = ("edge", "policy_choices")
"""The settings that hold choices; their names are apart from each other."""


def emulate(settings: StandInSettings, emulation: Emulation) -> StandInSettings:
    """Apply what was said on the command line.

    Raises:
        ChoiceRefused: a choice is unknown, or its value is not one of those possible.
    """
    quotas = IdentityQuotas() if emulation.has_limits else IdentityQuotas.unlimited()
    return replace(
        _choose_all(settings, emulation.choices),
        iot_tls_port=emulation.iot_tls_port,
        identity_quotas=quotas,
        faults=emulation.faults,
    )


def _choose_all(settings: StandInSettings, words: Sequence[str]) -> StandInSettings:
    values: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise ChoiceRefused(f"a choice is {word!r}; expected NAME=VALUE")
        values[name] = value
    known = possible_choices(settings)
    unknown = next((name for name in values if name not in known), None)
    if unknown is not None:
        names = ", ".join(sorted(known))
        raise ChoiceRefused(f"there is no choice {unknown!r}; expected one of: {names}")
    chosen = {name: choose(getattr(settings, name), values) for name in _CHOICE_FIELDS}
    return replace(settings, **chosen)


def possible_choices(settings: StandInSettings) -> Mapping[str, object]:
    """Name every choice, with its default."""
    holders = [getattr(settings, name) for name in _CHOICE_FIELDS]
    return {each.name: getattr(holder, each.name) for holder in holders for each in fields(holder)}


def choose(defaults: Chosen, values: Mapping[str, str]) -> Chosen:
    """Put those of the values that are for this dataclass in the place of its defaults.

    Raises:
        ChoiceRefused: a value is not one of those possible.
    """
    hints = get_type_hints(type(defaults))
    known: tuple[Field[Any], ...] = fields(defaults)  # type: ignore[arg-type]  # a dataclass
    read = {
        each.name: _read(each.name, values[each.name], hints[each.name])
        for each in known
        if each.name in values
    }
    return replace(defaults, **read)  # type: ignore[type-var]  # a dataclass


def _read(name: str, text: str, kind: object) -> object:
    possible = {str(value): value for value in get_args(kind)}
    if kind is bool:
        possible = {"true": True, "false": False}
    elif get_origin(kind) is not Literal and kind is int and text.isascii() and text.isdigit():
        return int(text)
    if text not in possible:
        expected = " or ".join(possible) or "a whole number"
        raise ChoiceRefused(f"{name} is {text!r}; expected {expected}")
    return possible[text]
