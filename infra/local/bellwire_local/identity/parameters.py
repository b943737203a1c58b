"""Reading the JSON of Cognito's operations: types, lengths and forms as AWS declares them.

Source: https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_Operations.html
"""

import json
import re
from collections.abc import Mapping

from bellwire_local.identity.quotas import LOGINS_PER_CALL, PRINCIPAL_TAGS
from bellwire_local.identity.refusals import CognitoRefusal, invalid_parameter

Parameters = Mapping[str, object]

_ID_FORM = re.compile(r"[\w-]+:[0-9a-f-]+", re.ASCII)
_PROVIDER_FORM = re.compile(r"[\w._-]+", re.ASCII)


def read_parameters(body: bytes | None, body_bytes: int) -> Parameters:
    """Read a request's body.

    Raises:
        CognitoRefusal: it is not a JSON object, or was too large to be kept.
    """
    if body is None:
        raise CognitoRefusal("SerializationException", f"The body has {body_bytes} bytes")
    try:
        parameters = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise CognitoRefusal("SerializationException", f"The body is not JSON: {error}") from error
    if not isinstance(parameters, dict):
        raise CognitoRefusal("SerializationException", "The body is not a JSON object")
    return parameters


def read_id(parameters: Parameters, name: str) -> str:
    """Read an identity's or a pool's id, `us-east-1:<guid>`."""
    value = read_text(parameters, name, 55)
    if not _ID_FORM.fullmatch(value):
        raise invalid_parameter(f"{name} is {value!r}; REGION:GUID is expected")
    return value


def read_optional_id(parameters: Parameters, name: str) -> str | None:
    """Read an id that may be left out."""
    return None if parameters.get(name) is None else read_id(parameters, name)


def read_provider_name(parameters: Parameters, name: str) -> str:
    """Read the name of a developer provider."""
    value = read_text(parameters, name, 128)
    if not _PROVIDER_FORM.fullmatch(value):
        raise invalid_parameter(f"{name} is {value!r}; letters, digits and . _ - are expected")
    return value


def read_text(parameters: Parameters, name: str, longest: int) -> str:
    """Read a text of 1 to `longest` characters."""
    return _check_text(parameters.get(name), name, longest)


def read_optional_text(parameters: Parameters, name: str, longest: int) -> str | None:
    """Read a text that may be left out."""
    return None if parameters.get(name) is None else read_text(parameters, name, longest)


def read_whole(parameters: Parameters, name: str, default: int, longest: int) -> int:
    """Read a whole number of 1 to `longest` that may be left out."""
    value = parameters.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= longest:
        raise invalid_parameter(
            f"{name} is {value!r:.40}; a whole number of 1 to {longest} is expected"
        )
    return value


def read_logins(parameters: Parameters) -> dict[str, str]:
    """Read `Logins`: provider → token, or user id in the case of a developer's own provider."""
    return _read_texts(parameters, "Logins", LOGINS_PER_CALL, (128, 50_000))


def read_principal_tags(parameters: Parameters) -> dict[str, str]:
    """Read `PrincipalTags`."""
    return _read_texts(parameters, "PrincipalTags", PRINCIPAL_TAGS, (128, 256))


def read_names(parameters: Parameters, name: str) -> tuple[str, ...]:
    """Read a list of provider names."""
    value = parameters.get(name)
    if not isinstance(value, list) or not value:
        raise invalid_parameter(f"{name} is {value!r:.80}; a list of names is expected")
    return tuple(_check_text(entry, name, 128) for entry in value)


def _read_texts(
    parameters: Parameters, name: str, most: int, longest: tuple[int, int]
) -> dict[str, str]:
    value = parameters.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > most:
        raise invalid_parameter(f"{name} must be an object of at most {most} entries")
    return {
        _check_text(key, f"a key of {name}", longest[0]): _check_text(
            text, f"{name}[{key!r:.80}]", longest[1]
        )
        for key, text in value.items()
    }


def _check_text(value: object, name: str, longest: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= longest or _has_surrogate(value):
        raise invalid_parameter(
            f"{name} is {value!r:.80}; a text of 1 to {longest} characters is expected"
        )
    return value


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)
