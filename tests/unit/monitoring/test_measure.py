"""Measures mean what the image gate's mean, and nothing that is captured can break them."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monitoring.measure import MEASURES, measure, measure_arrays, see
from tests.unit.monitoring.capture_lines import png
from tests.unit.pictures import encoded, png_header, webp_canvas
from vehiclevision.image_gate import normalise


@pytest.mark.parametrize("seed", range(20))
def test_light_is_measured_as_the_image_gate_measures_it(seed: int) -> None:
    """Brightness, contrast and sharpness agree to the gate's last digit, clipped edges and all."""
    chance = np.random.default_rng(seed)
    noise = chance.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    picture = encoded(Image.fromarray(noise if seed % 2 else (noise // 128 * 255).astype(np.uint8)), "PNG")

    found = measure_arrays(np.asarray(Image.open(io.BytesIO(picture)))[None])

    gate = normalise(picture).measurements
    for name in ("brightness", "contrast", "sharpness"):
        assert round(float(found[name][0]), 4) == pytest.approx(getattr(gate, name), abs=1.01e-4)


def test_colour_and_size_mean_what_their_names_say() -> None:
    """Red is saturated and warm, blue saturated and cold, grey neither; size is on a scale of tens."""
    red, blue, grey = ((255, 0, 0), (0, 0, 255), (90, 90, 90))
    pictures = np.array([np.full((32, 32, 3), colour) for colour in (red, blue, grey)], np.uint8)

    found = measure_arrays(pictures)

    assert found["saturation"].tolist() == [1, 1, 0]
    assert found["warmth"].tolist() == [1, -1, 0]
    assert found["pixels"].tolist() == pytest.approx([math.log10(1024)] * 3)
    assert tuple(found) == MEASURES


def test_a_large_picture_is_measured_on_the_models_input_but_keeps_its_size() -> None:
    """A 320 x 200 photo and its 32 x 32 version differ in size alone."""
    large = Image.open(io.BytesIO(png(1, side=320))).crop((0, 0, 320, 200))

    seen = see(encoded(large, "PNG"))

    assert seen is not None
    assert seen.small.shape == (32, 32, 3)
    assert max(seen.thumbnail.size) == 96
    assert measure([seen])["pixels"][0] == pytest.approx(math.log10(64000))


def test_no_pictures_have_no_measures() -> None:
    """An empty batch gives empty columns."""
    assert {name: len(values) for name, values in measure([]).items()} == dict.fromkeys(MEASURES, 0)


@pytest.mark.parametrize(
    "content", [b"", b"text", png(1)[:200], png_header(50_000, 50_000), webp_canvas(16_383, 16_383)]
)
def test_what_is_no_picture_is_none(content: bytes) -> None:
    """Broken, huge and foreign content is told apart, not raised."""
    assert see(content) is None


@pytest.mark.parametrize("side", [1, 2, 15])
def test_a_tiny_picture_of_another_endpoint_is_measured(side: int) -> None:
    """What is too small for this application's uploads may still have been sent to an endpoint."""
    seen = see(encoded(Image.new("RGB", (side, side), (200, 100, 50)), "PNG"))

    assert seen is not None
    assert np.isfinite([values[0] for values in measure([seen]).values()]).all()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_hostile_pictures_never_raise(data: Path) -> None:
    """Every file that somebody made to break decoders is either measured or refused."""
    files = [path for path in (data / "hostile").iterdir() if path.is_file()]

    seen = [found for path in files if (found := see(path.read_bytes()))]

    assert 0 < len(seen) < len(files)
    assert all(np.isfinite(values).all() for values in measure(seen).values())
