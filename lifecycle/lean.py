"""The lean way to deploy: the environment `lean` of samconfig.toml, of the application's and of those beside it."""

import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def parameters(folder: Path) -> dict[str, str]:
    """What `lean` in a folder's samconfig.toml deploys with; nothing where it has no such environment."""
    return given((folder / "samconfig.toml").read_text("utf-8"))


def given(text: str) -> dict[str, str]:
    """The same from the text of a samconfig.toml."""
    environments = tomllib.loads(text)
    deploy = environments.get("lean", {}).get("deploy", {}).get("parameters", {})
    words = (word.partition("=") for word in shlex.split(deploy.get("parameter_overrides", "")))
    return {name: value for name, _, value in words}


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
