"""Bad weather for functions in the rehearsal: they crash, or a service refuses them.

Python imports this by itself where the folder is on PYTHONPATH. What is to go wrong stands in the
JSON file that WEATHER names, read at each call: `{"crash": 0.05, "refused": ["dynamodb"]}`. A
service that is `broken` fails as a fault of the code would. With `only`, all this is for one
function alone.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

WATCHED = ("bellwire.functions.observing", "bellwire.functions.clients")


def weather() -> dict[str, Any]:
    """Read what is to go wrong now."""
    try:
        found: dict[str, Any] = json.loads(Path(os.environ["WEATHER"]).read_text())
    except (OSError, ValueError):
        return {}
    here = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    return found if here.endswith(found.get("only", "")) else {}


class Crashed(Exception):
    """The function ended as if its machine had."""


def crashing(observed: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Have functions crash now and then, before their work or after it."""

    def decorate(handle: Any) -> Any:
        whole = observed(handle)

        def handler(event: Any, context: Any) -> Any:
            luck, chance = random.random(), weather().get("crash", 0)
            if luck < chance / 2:
                raise Crashed("before the work")
            answer = whole(event, context)
            if luck < chance:
                raise Crashed("after the work")
            return answer

        return handler

    return decorate


def refusing(client: Callable[..., Any]) -> Callable[..., Any]:
    """Have a service refuse calls as it does when there are too many."""

    def make(service: str, **words: Any) -> Any:
        made = client(service, **words)

        def refuse(**_: Any) -> None:
            now = weather()
            if service in now.get("broken", ()):
                raise RuntimeError(f"{service} is broken")
            if service in now.get("refused", ()):
                from botocore.exceptions import ClientError  # noqa: PLC0415 - it is there by now

                error = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
                raise ClientError(error, service)  # type: ignore[arg-type]  # as AWS answers

        made.meta.events.register("before-send", refuse)
        made.meta.events.register("before-parameter-build", note_call)
        return made

    return make


def note_call(params: Any, model: Any, **_: Any) -> None:
    """Write down which actions a call takes, one line each: `wire-poll dynamodb:Query`."""
    service, name = model.service_model.signing_name, model.name
    if "TransactItems" in params:
        names = {f"{kind}Item" for item in params["TransactItems"] for kind in item}
    else:
        names = {name}
    here = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    with Path(os.environ["CALLS"]).open("a") as calls:
        calls.writelines(f"{here} {service}:{one}\n" for one in names)


class Changed(importlib.abc.Loader):
    """Loads a module and changes one function of it."""

    def __init__(self, inner: importlib.abc.Loader) -> None:
        self._inner = inner

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """See `importlib.abc.Loader`."""
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """See `importlib.abc.Loader`."""
        self._inner.exec_module(module)
        if module.__name__.endswith("observing"):
            module.observed = crashing(module.observed)  # type: ignore[attr-defined]
        else:
            module.client = refusing(module.client)  # type: ignore[attr-defined]


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that are changed."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:  # noqa: ARG002
        """See `importlib.abc.MetaPathFinder`."""
        if name not in WATCHED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = Changed(spec.loader)
        return spec


sys.meta_path.insert(0, Finder())
