"""vehicles.toml: the one place that says which vehicles there are, in which order, and where each sends its rider."""

import re
from pathlib import Path

import pytest

from vehiclevision.labels import LABELS, MOST_LABELS, RESERVED, ROUTES, VehiclesError, either, read_vehicles
from vehiclevision.settings import SettingsError


def written(folder: Path, text: str | bytes) -> Path:
    """A file of that text."""
    file = folder / "vehicles.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def vehicle(label: object, route: str = "nearby") -> str:
    return f"[[vehicle]]\nlabel = {label!r}\nroute = {route!r}\n"


def test_bicycle_and_motorcycle_are_the_default() -> None:
    """The shipped file is what the shipped model was trained for: bicycles to nearby orders, motorcycles to distant."""
    assert dict(ROUTES) == {"bicycle": "nearby", "motorcycle": "distant"}
    assert tuple(ROUTES) == LABELS


def test_the_files_order_is_the_models_order(tmp_path: Path) -> None:
    """Labels are not sorted; comments and blank lines are nobody's business; two labels may share a route."""
    file = written(tmp_path, "# ours\n\n" + vehicle("scooter") + vehicle("car", "distant") + vehicle("bicycle"))

    assert list(read_vehicles(file).items()) == [("scooter", "nearby"), ("car", "distant"), ("bicycle", "nearby")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "something else than"),
        ("vehicle = 3", "something else than"),
        (vehicle("bicycle") + vehicle("car") + "[other]", "something else than"),
        (vehicle("bicycle"), "names 1 vehicle."),
        ("".join(vehicle(f"v{number}") for number in range(MOST_LABELS + 1)), "names 21 vehicles."),
        ("vehicle = [1, 2]", "a label and a route"),
        ('[[vehicle]]\nlabel = "a"\n[[vehicle]]\nlabel = "b"', "a label and a route"),
        (vehicle("bicycle") + vehicle("car") + "colour = 'red'", "a label and a route"),
        (vehicle("bicycle") + vehicle("bicycle"), "'bicycle' twice"),
        (vehicle("bicycle") + vehicle("Car"), "the label 'Car'"),
        (vehicle("bicycle") + vehicle("cargo bike"), "the label 'cargo bike'"),
        (vehicle("bicycle") + vehicle(""), "the label ''"),
        (vehicle("bicycle") + vehicle("../up"), "the label '../up'"),
        (vehicle("bicycle") + vehicle("${Arn}"), "the label '${Arn}'"),
        (vehicle("bicycle") + vehicle("x" * 33), "the label 'x"),
        (vehicle("bicycle") + vehicle("1"), "the label '1'"),
        (vehicle("bicycle") + vehicle(1), "the label '1'"),
        (vehicle("bicycle") + vehicle(["a"]), "the label"),
        (vehicle("bicycle") + vehicle("car", "{% x %}"), "the route"),
        (vehicle("bicycle") + vehicle("car", ""), "the route ''"),
        (vehicle("bicycle") + vehicle("neither"), "'neither', which results"),
        ("[[vehicle]\n", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
        ("a = " + "[" * 5000, "is no TOML"),
        ("#" * 20_000, "larger than"),
    ],
)
def test_a_file_that_cannot_mean_it_is_refused_by_name(tmp_path: Path, text: str | bytes, says: str) -> None:
    """Two to twenty vehicles, each with a plain name of its own and a plain route; else one sentence and a hint."""
    with pytest.raises(VehiclesError, match=re.escape(says)) as caught:
        read_vehicles(written(tmp_path, text))

    assert "vehicles.toml" in caught.value.message
    assert caught.value.hint.endswith(".")
    assert isinstance(caught.value, SettingsError)


def test_without_a_file_nothing_starts(tmp_path: Path) -> None:
    """A function whose artefact lacks the file says so at its cold start."""
    with pytest.raises(VehiclesError, match="cannot be read"):
        read_vehicles(tmp_path / "vehicles.toml")


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_names_that_stand_beside_labels_are_no_labels(tmp_path: Path, name: str) -> None:
    """What reports, samples and captures call something else could not be told from a vehicle."""
    with pytest.raises(VehiclesError, match="which results and reports use"):
        read_vehicles(written(tmp_path, vehicle("bicycle") + vehicle(name)))


def test_labels_read_as_a_person_says_them() -> None:
    """Two are joined by `or`, more by commas before it."""
    assert either(("bicycle", "motorcycle")) == "bicycle or motorcycle"
    assert either(["scooter"]) == "scooter"
    assert either(("bicycle", "scooter", "car")) == "bicycle, scooter or car"


def test_the_file_lies_beside_the_package_wherever_it_runs(root: Path) -> None:
    """Every folder that a Lambda function is built from has the very same vehicles.toml beside its `vehiclevision`."""
    rooms = (path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    packages = [path for room in rooms for path in room.glob("**/vehiclevision") if ".aws-sam" not in path.parts]

    assert root / "functions" / "vehiclevision" in packages
    for package in packages:
        assert (package.parent / "vehicles.toml").resolve() == (root / "functions" / "vehicles.toml").resolve()
