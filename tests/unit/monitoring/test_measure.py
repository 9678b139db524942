"""Measures mean what the image gate's mean, and nothing that is captured can break them."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from monitoring.measure import MEASURED_SIDE, MEASURES, is_earlier, measure, measure_arrays, measure_pixels, see
from tests.unit.monitoring.capture_lines import png
from tests.unit.pictures import encoded, png_header, webp_header
from vehiclevision.image_gate import normalise
from vehiclevision.labels import MODEL_INPUT_SIDE


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


def test_a_large_picture_is_measured_on_the_same_square_but_keeps_its_size() -> None:
    """A 320 x 200 photo is shown in its own shape, no larger than the model's input."""
    large = Image.open(io.BytesIO(png(1, side=320))).crop((0, 0, 320, 200))

    seen = see(encoded(large, "PNG"))

    assert seen is not None
    assert seen.small.shape == (MEASURED_SIDE, MEASURED_SIDE, 3)
    assert Image.open(io.BytesIO(seen.to_show())).size == (224, 140)
    assert Image.open(io.BytesIO(seen.as_model_sees_it())).size == (MODEL_INPUT_SIDE, MODEL_INPUT_SIDE)
    assert measure([seen])["pixels"][0] == pytest.approx(math.log10(64000))


def scene(seed: int) -> Image.Image:
    """Something with edges of all sizes, 300 x 240."""
    chance = np.random.default_rng(seed)
    image = Image.new("RGB", (300, 240), tuple(chance.integers(60, 200, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        x, y, size = chance.integers(0, 300), chance.integers(0, 240), chance.integers(2, 80)
        draw.ellipse((float(x), float(y), float(x + size), float(y + size)), tuple(chance.integers(0, 256, 3).tolist()))
    return image


def test_what_earlier_releases_captured_compares_with_what_is_captured_now() -> None:
    """The same photos as 32 x 32 PNGs and as the gate's JPEGs: light, colour and sharpness agree, only size differs."""
    photos = [scene(seed) for seed in range(60)]
    earlier = [encoded(photo.resize((256, 205)).resize((32, 32), Image.Resampling.BICUBIC), "PNG") for photo in photos]
    now = [normalise(encoded(photo, "PNG")).jpeg for photo in photos]

    before, after = (measure([seen for file in files if (seen := see(file))]) for files in (earlier, now))

    for name in set(MEASURES) - {"pixels"}:
        assert abs(after[name].mean() - before[name].mean()) < 0.1 * before[name].std(), name
    assert is_earlier(before["pixels"]).all()
    assert not is_earlier(after["pixels"]).any()


def test_pixels_are_measured_as_if_they_had_been_captured() -> None:
    """A baseline of pictures means the same as one of captures."""
    photos = [scene(seed).resize((MODEL_INPUT_SIDE, MODEL_INPUT_SIDE)) for seed in range(5)]

    measured = measure_pixels(np.stack([np.asarray(photo) for photo in photos]))
    captured = measure([seen for photo in photos if (seen := see(encoded(photo, "PNG")))])

    assert {name: values.tolist() for name, values in measured.items()} == {
        name: values.tolist() for name, values in captured.items()
    }


def test_no_pictures_have_no_measures() -> None:
    """An empty batch gives empty columns."""
    assert {name: len(values) for name, values in measure([]).items()} == dict.fromkeys(MEASURES, 0)


@pytest.mark.parametrize(
    "content", [b"", b"text", png(1)[:200], png_header(50_000, 50_000), webp_header(16_383, 16_383)]
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
