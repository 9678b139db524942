"""The shipped model's map lies where the vehicle is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.samples import FOLDER
from training.artefact import Model, load_model
from training.evaluation import by_model
from vehiclevision.image_gate import encode, model_input
from vehiclevision.labels import LABELS

SIDE = 384
# Each half of the picture's width and height: -1 is left or above, 1 is right or below.
QUARTERS = ((-1, -1), (1, -1), (-1, 1), (1, 1))
# A map that says nothing has a quarter of its mass in each.
LEAST_EACH, LEAST_MEAN = 0.5, 0.65


@pytest.fixture(scope="module")
def model(root: Path) -> Model:
    """The model that comes with the checkout."""
    return load_model(root / "training" / "model" / "model.tar.gz")


def plain() -> Image.Image:
    """A light wall."""
    return Image.new("RGB", (SIDE, SIDE), (228, 228, 226))


def textured() -> Image.Image:
    """A meadow, or something like it."""
    green = Image.new("RGB", (SIDE, SIDE), (100, 134, 64))
    return Image.blend(green, Image.effect_noise((SIDE, SIDE), 60).convert("RGB"), 0.3)


def scene(picture: Path, quarter: tuple[int, int], background: Callable[[], Image.Image]) -> bytes:
    """A picture that fills one quarter of another, as the gate hands it on."""
    made = background()
    with Image.open(picture) as vehicle:
        place = SIDE * (1 + quarter[0]) // 4, SIDE * (1 + quarter[1]) // 4
        made.paste(vehicle.convert("RGB").resize((SIDE // 2, SIDE // 2)), place)
    return encode(model_input(made))


def mass_in(quarter: tuple[int, int], activation_map: np.ndarray) -> float:
    """The share of what speaks for the label that lies in this quarter; a middle row or column counts half."""
    positive = np.kron(np.maximum(activation_map, 0), np.ones((2, 2)))
    rows, columns = (half // 2 for half in positive.shape)
    own = positive[slice(rows) if quarter[1] < 0 else slice(rows, None)]
    own = own[:, slice(columns) if quarter[0] < 0 else slice(columns, None)]
    return float(own.sum() / positive.sum())


@pytest.mark.parametrize("background", [plain, textured])
@pytest.mark.parametrize("label", LABELS)
def test_most_of_the_map_lies_where_the_vehicle_is(
    model: Model, label: str, background: Callable[[], Image.Image]
) -> None:
    """Of what speaks for a drawn vehicle, more than half lies in its own quarter, and two thirds on average."""
    picture = FOLDER / "vehicles" / label / f"red {label}.jpg"
    maps = by_model.maps(model, [scene(picture, quarter, background) for quarter in QUARTERS])
    assert maps is not None

    shares = [mass_in(quarter, each[LABELS.index(label)]) for quarter, each in zip(QUARTERS, maps, strict=True)]

    assert min(shares) > LEAST_EACH, shares
    assert np.mean(shares) > LEAST_MEAN, shares
