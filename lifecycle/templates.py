"""CloudFormation's templates: as they are written, and as CloudFormation reads them with given parameters."""

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]


def parsed(text: str) -> dict[str, Any]:
    """A template, or another YAML file, with the short forms (!Ref, !Sub) written out, as the caller's own."""
    return copy.deepcopy(_parsed(text))


@cache
def _parsed(text: str) -> dict[str, Any]:
    # A third of a second each.
    template: dict[str, Any] = yaml_parse(text)
    return template


def resolved(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """A template as CloudFormation reads it with these parameters: their values, one side of each choice, and no
    resource whose condition does not hold."""
    values = {name: parameters.get(name, body.get("Default", "")) for name, body in template["Parameters"].items()}
    conditions = template.get("Conditions", {})

    def read(node: Any) -> Any:
        match node:
            case {"Ref": name} if name in values:
                return values[name]
            case {"Fn::Equals": [one, other]}:
                return str(read(one)) == str(read(other))
            case {"Fn::Not": [one]}:
                return not read(one)
            case {"Fn::And": several}:
                return all(map(read, several))
            case {"Fn::Or": several}:
                return any(map(read, several))
            case {"Fn::If": [condition, one, other]}:
                return read(one if read(conditions[condition]) else other)
            case dict():
                return {name: read(each) for name, each in node.items()}
            case list():
                return [read(each) for each in node]
        return node

    made = {
        name: read(body)
        for name, body in template["Resources"].items()
        if "Condition" not in body or read(conditions[body["Condition"]])
    }
    return {"Parameters": values, "Globals": read(template.get("Globals", {})), "Resources": made}
