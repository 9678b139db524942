"""The list of what AWS says is whole: each sentence has a source and a date, and a test that holds us to it."""

import ast
import re
import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest

SAYS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("aws_says.toml").read_text("utf-8"))["says"]
FIELDS = {"claim", "words", "source", "read", "test"}


@pytest.mark.parametrize("says", SAYS, ids=lambda says: says["claim"])
def test_a_claim_is_whole_and_held(says: dict[str, Any], root: Path) -> None:
    """Nothing is missing, the source is AWS's, the date has been, and the test that is named exists."""
    file, _, name = says["test"].partition("::")

    assert set(says) == FIELDS
    assert says["claim"].endswith(".")
    assert len(says["words"]) > 40
    assert says["source"].startswith(("https://docs.aws.amazon.com/", "https://aws.amazon.com/", "botocore "))
    assert date(2026, 1, 1) <= says["read"] <= date.today()
    assert name in {node.name for node in ast.parse((root / file).read_text("utf-8")).body if hasattr(node, "name")}


@pytest.mark.parametrize(
    "says", [says for says in SAYS if says["source"].startswith("botocore ")], ids=lambda says: says["source"]
)
def test_the_words_are_still_in_the_api_reference(says: dict[str, Any]) -> None:
    """Whoever updates the SDK hears of it when AWS says something else."""
    _, service, place = says["source"].split()

    assert says["words"] in documentation(service, place)


def documentation(service: str, place: str) -> str:
    """The API reference of an operation, a shape or one of its members, as plain text."""
    model = _model(service)
    name, _, member = place.partition(".")
    shape = model["operations"].get(name) or model["shapes"][name]
    text = (shape["members"][member] if member else shape)["documentation"]
    return " ".join(re.sub(r"<[^>]+>", " ", text).split()).replace(" :", ":").replace(" .", ".").replace(" ,", ",")


@cache
def _model(service: str) -> dict[str, Any]:
    loader = botocore.session.get_session().get_component("data_loader")
    found: dict[str, Any] = loader.load_service_model(service, "service-2")
    return found
