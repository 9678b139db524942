"""What the model tells apart, in the order of its output, and what each answer means for the rider: vehicles.toml."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from vehiclevision.refusal import Refusal
from vehiclevision.settings import SettingsError

Routes: TypeAlias = Mapping[str, str]

FILE: Final = Path(__file__).parents[1] / "vehicles.toml"
MAX_BYTES: Final = 16 * 1024
LEAST_LABELS: Final = 2
# An answer is read up to 4 KB, and more colours than this nobody tells apart.
MOST_LABELS: Final = 20
# A label names a folder, part of a key, a column, and a CSS class: letters, digits, hyphens and underscores suit all.
NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
# What a picture without any of the vehicles, and an answer that is not sure enough, are called in our files.
NEITHER: Final = "neither"
REVIEW: Final = "review"
# Names that stand beside the labels in reports, samples and captured answers.
RESERVED: Final = frozenset(
    {NEITHER, REVIEW, "answer", "answers", "accuracy", "activation_map", "at", "brightness", "confidence", "contrast"}
    | {"coverage", "distance", "embedding", "file", "height", "hour", "image", "label", "labelled", "looked"}
    | {"mean_confidence", "n", "outputs", "passed", "payload_bytes", "pixels", "predictions", "probabilities"}
    | {"saturation", "scores", "sharpness", "shows", "sureness", "warmth", "width"}
)
_WRITE: Final = "Write for each vehicle [[vehicle]], its label and its route."


class VehiclesError(Refusal, SettingsError):
    """vehicles.toml does not say which vehicles there are: what is wrong, and what to write instead."""


def read_vehicles(file: Path) -> Routes:
    """The route of each label, in the file's order; VehiclesError where the file cannot mean that."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise VehiclesError(f"{file} cannot be read ({error.strerror}).", "It lies beside the functions.") from error
    if len(content) > MAX_BYTES:
        raise VehiclesError(f"{file.name} is larger than {MAX_BYTES} bytes.", _WRITE)
    try:
        tables = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise VehiclesError(f"{file.name} is no TOML ({error}).", _WRITE) from error
    return routes_of(tables, file.name)


def routes_of(tables: Mapping[str, Any], file: str) -> Routes:
    """The route of each label of the file's tables; VehiclesError for whatever is not two to twenty vehicles."""
    vehicles = tables.get("vehicle")
    if not isinstance(vehicles, list) or set(tables) != {"vehicle"}:
        raise VehiclesError(f"{file} holds something else than [[vehicle]] tables.", _WRITE)
    if not LEAST_LABELS <= len(vehicles) <= MOST_LABELS:
        count = f"{len(vehicles)} vehicle{'' if len(vehicles) == 1 else 's'}"
        raise VehiclesError(f"{file} names {count}.", f"A model tells {LEAST_LABELS} to {MOST_LABELS} of them apart.")
    routes: dict[str, str] = {}
    for vehicle in vehicles:
        if not isinstance(vehicle, dict) or set(vehicle) != {"label", "route"}:
            raise VehiclesError(f"{file} has a [[vehicle]] with something else than a label and a route.", _WRITE)
        label, route = (_name(vehicle[key], key, file) for key in ("label", "route"))
        if label in RESERVED:
            raise VehiclesError(
                f"{file} calls a vehicle {label!r}, which results and reports use.", "Call it otherwise."
            )
        if label in routes:
            raise VehiclesError(f"{file} names the vehicle {label!r} twice.", "Each label stands there once.")
        routes[label] = route
    return MappingProxyType(routes)


def _name(value: object, key: str, file: str) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise VehiclesError(
            f"{file} has the {key} {str(value)[:40]!r}.",
            "Use at most 32 lower-case letters, digits, hyphens and underscores, a letter first.",
        )
    return value


def either(names: Sequence[str]) -> str:
    """Names as a sentence has them: `bicycle or motorcycle`."""
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


ROUTES: Final[Routes] = read_vehicles(FILE)
LABELS: Final[tuple[str, ...]] = tuple(ROUTES)
# What a person may say that a picture shows.
TRUTHS: Final = (*LABELS, NEITHER)

# Square, RGB: what the published weights learnt from. Training and serving both read it here.
MODEL_INPUT_SIDE: Final = 224
