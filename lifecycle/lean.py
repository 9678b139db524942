"""The lean way to deploy: the environment `lean` of samconfig.toml, of the application's and of those beside it."""

import shlex
import tomllib
from pathlib import Path


def parameters(folder: Path) -> dict[str, str]:
    """What `lean` in a folder's samconfig.toml deploys with; nothing where it has no such environment."""
    return given((folder / "samconfig.toml").read_text("utf-8"))


def given(text: str) -> dict[str, str]:
    """The same from the text of a samconfig.toml."""
    environments = tomllib.loads(text)
    deploy = environments.get("lean", {}).get("deploy", {}).get("parameters", {})
    words = (word.partition("=") for word in shlex.split(deploy.get("parameter_overrides", "")))
    return {name: value for name, _, value in words}
