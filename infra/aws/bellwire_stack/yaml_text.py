"""A template as YAML, with CloudFormation's short tags."""

from typing import Any

import yaml

from bellwire_stack.words import Tagged


class _Dumper(yaml.SafeDumper):
    """Writes in the order given, lists indented, no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's words
        return super().increase_indent(flow, False)  # noqa: FBT003

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - as above
        return True


def _tagged(dumper: yaml.SafeDumper, one: Tagged) -> yaml.Node:
    match one.value:
        case list():
            return dumper.represent_sequence(one.tag, one.value)
        case dict():
            return dumper.represent_mapping(one.tag, one.value)
        case _:
            return dumper.represent_scalar(one.tag, str(one.value))


_Dumper.add_representer(Tagged, _tagged)


def to_yaml(template: dict[str, Any]) -> str:
    """Write a template."""
    text: str = yaml.dump(template, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
    return text
