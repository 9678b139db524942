"""Pictures made worse: each way does what it says, to any picture, always the same."""

import numpy as np
import pytest
from PIL import Image, ImageStat

from tests.unit.pictures import quarters
from training.evaluation.degrade import DEGRADATIONS, at_working_size
from vehiclevision.image_gate import WORKING_SIDE

SIZES = [(256, 256), (32, 32), (16, 16), (256, 13), (13, 256), (255, 129), (1, 1), (20, 1)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DEGRADATIONS)
def test_any_picture_gets_worse_and_keeps_its_shape(name: str, size: tuple[int, int]) -> None:
    """Of every shape that the gate lets through, and the same again from the same picture."""
    image = at_working_size(quarters().resize(size))

    first, second = (DEGRADATIONS[name].apply(image.copy()) for _ in range(2))

    assert (first.size, first.mode) == (image.size, "RGB")
    assert max(first.size) == WORKING_SIDE
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_each_way_changes_a_photo(name: str) -> None:
    """A picture with colours, edges and corners is another one afterwards."""
    image = at_working_size(quarters())

    worse = DEGRADATIONS[name].apply(image)

    assert np.abs(np.asarray(worse).astype(int) - np.asarray(image).astype(int)).mean() > 2


def test_the_dark_is_dark_and_the_sun_is_bright() -> None:
    """Three tenths of the light are left in the dark, fewer at night; glare and haze brighten."""
    grey = Image.new("RGB", (256, 256), (120, 120, 120))

    light = {name: np.asarray(DEGRADATIONS[name].apply(grey)).mean() / 120 for name in DEGRADATIONS}

    assert light["dark"] == pytest.approx(0.3, abs=0.01)
    assert light["night"] < light["dark"]
    assert min(light["glare"], light["haze"]) > 1.1


def test_night_is_yellow() -> None:
    """Street lamps leave less blue than red."""
    red, _, blue = ImageStat.Stat(DEGRADATIONS["night"].apply(Image.new("RGB", (256, 256), (200, 200, 200)))).mean

    assert red > 1.5 * blue


def test_a_small_object_stands_in_the_middle() -> None:
    """The whole picture, at half its size, is there."""
    image = at_working_size(quarters())

    page = DEGRADATIONS["small object"].apply(image)

    middle = page.crop((64, 64, 192, 192))
    assert np.abs(np.asarray(middle).astype(int) - np.asarray(image.resize((128, 128))).astype(int)).mean() < 3
