"""Pictures made worse: each way does what it says, to any picture, always the same."""

import numpy as np
import pytest
from PIL import Image, ImageStat

from tests.unit.pictures import quarters
from training.data.pictures import decoded
from training.evaluation.degrade import DEGRADATIONS, at_working_size, degraded
from vehiclevision.image_gate import WORKING_SIDE, encode, model_input

SHAPES = [(224, 224), (32, 32), (4000, 16), (16, 320), (640, 480), (120, 213)]


@pytest.fixture(scope="module")
def textured() -> bytes:
    """A picture with colours, edges, corners and fine detail, as the gate hands it on."""
    pixels = np.asarray(quarters(224)).astype(int)
    pixels = pixels + np.random.default_rng(1).integers(-60, 61, (56, 56, 1)).repeat(4, axis=0).repeat(4, axis=1)
    return encode(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", DEGRADATIONS)
def test_any_picture_comes_out_as_the_gate_would_hand_it_on(name: str, shape: tuple[int, int], textured: bytes) -> None:
    """Of every shape that the gate lets through, and the same again from the same picture."""
    first, second = (degraded(name, textured, shape) for _ in range(2))

    assert decoded(first).shape == (224, 224, 3)
    assert first == second


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_each_way_changes_a_photo(name: str, textured: bytes) -> None:
    """A picture with colours, edges and corners is another one afterwards."""
    worse = degraded(name, textured)

    assert np.abs(decoded(worse).astype(int) - decoded(textured).astype(int)).mean() > 2


def test_a_photo_gets_its_proportions_back() -> None:
    """What is round in an upload is round where it is made worse, whatever the gate squashed it to."""
    squashed = model_input(Image.new("RGB", (600, 300)))

    assert at_working_size(squashed, (600, 300)).size == (WORKING_SIDE, WORKING_SIDE // 2)
    assert at_working_size(squashed).size == (WORKING_SIDE, WORKING_SIDE)


def test_a_preview_has_so_many_pixels_and_a_crop_loses_a_third() -> None:
    """Their strengths are what they say."""
    image = Image.new("RGB", (256, 192))

    assert DEGRADATIONS["64 pixels"].apply(image).size == (64, 48)
    assert DEGRADATIONS["crop"].apply(image).size == (256 - 256 // 3, 192)


def test_a_post_hides_a_fifth() -> None:
    """The rest of the picture is untouched."""
    image = at_working_size(quarters())

    changed = (np.asarray(DEGRADATIONS["behind a post"].apply(image)) != np.asarray(image)).any(axis=(0, 2))

    assert changed.mean() == pytest.approx(0.2, abs=0.01)


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

    quarter, half = WORKING_SIDE // 4, WORKING_SIDE // 2
    middle = page.crop((quarter, quarter, quarter + half, quarter + half))
    assert np.abs(np.asarray(middle).astype(int) - np.asarray(image.resize((half, half))).astype(int)).mean() < 3
