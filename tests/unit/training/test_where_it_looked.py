"""The shipped model's map lies where the vehicle is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cli.samples import bicycle, motorcycle
from cli.samples.drawing import Canvas, Colour, Pose
from training.artefact import Model, load_model
from training.evaluation import by_model
from vehiclevision.image_gate import encode, model_input
from vehiclevision.labels import LABELS

DRAWINGS: dict[str, Callable[[Canvas, Colour], None]] = {"bicycle": bicycle, "motorcycle": motorcycle}
RED: Colour = (190, 28, 30)
# Each half of the picture's width and height: -1 is left or above, 1 is right or below.
QUARTERS = ((-1, -1), (1, -1), (-1, 1), (1, 1))
# A map that says nothing has a quarter of its mass in each.
LEAST_EACH, LEAST_MEAN = 0.5, 0.65


@pytest.fixture(scope="module")
def model(root: Path) -> Model:
    """The model that comes with the checkout."""
    return load_model(root / "training" / "model" / "model.tar.gz")


def plain(canvas: Canvas) -> None:
    """A light wall."""
    canvas.gradient(0, 1, (240, 240, 238), (216, 216, 214))


def textured(canvas: Canvas) -> None:
    """A meadow under the sky."""
    canvas.gradient(0, 0.3, (150, 186, 224), (206, 222, 234))
    canvas.gradient(0.3, 1, (116, 146, 74), (88, 120, 56))
    canvas.speckle((0.3, 1), [(92, 128, 58), (108, 140, 70), (74, 106, 48)], 900, 0.01, 1)
    canvas.blur(0.004)


def scene(label: str, quarter: tuple[int, int], background: Callable[[Canvas], None]) -> bytes:
    """A vehicle that fills one quarter of the picture, as the gate hands it on."""
    canvas = Canvas()
    background(canvas)
    canvas.pose = Pose(0.5, right=0.25 * quarter[0], down=0.25 * quarter[1])
    DRAWINGS[label](canvas, RED)
    return encode(model_input(canvas.photo(1)))


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
    model: Model, label: str, background: Callable[[Canvas], None]
) -> None:
    """Of what speaks for a drawn vehicle, more than half lies in its own quarter, and two thirds on average."""
    maps = by_model.maps(model, [scene(label, quarter, background) for quarter in QUARTERS])
    assert maps is not None

    shares = [mass_in(quarter, each[LABELS.index(label)]) for quarter, each in zip(QUARTERS, maps, strict=True)]

    assert min(shares) > LEAST_EACH, shares
    assert np.mean(shares) > LEAST_MEAN, shares
