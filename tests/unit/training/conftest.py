"""Drawn pictures to train on in seconds: vehicles, and things that are neither."""

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from training.data.extract import extract
from training.data.pictures import LabelledImages

SIDE = 32
PICTURES_PER_CLASS = 60
CLASSES = ("bicycle", "house", "motorcycle", "tree")


@pytest.fixture(scope="session")
def drawn_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per class with drawn pictures, 32 x 32 PNG."""
    folder = tmp_path_factory.mktemp("drawn")
    for name in CLASSES:
        (folder / name).mkdir()
        for number in range(PICTURES_PER_CLASS):
            draw_picture(name, number).save(folder / name / f"{number:03}.png")
    return folder


@pytest.fixture(scope="session")
def drawn(drawn_folder: Path) -> LabelledImages:
    """The same pictures, extracted."""
    return extract(drawn_folder)


def draw_picture(name: str, number: int) -> Image.Image:
    """One picture of its class, each number another one."""
    chance = random.Random(f"{name} {number}")  # noqa: S311 - pictures, not secrets
    noise = np.random.default_rng(abs(hash_of(name, number))).integers(0, 60, (SIDE, SIDE, 3), np.uint8)
    image = Image.fromarray(noise + np.uint8(chance.randrange(60, 190)))
    pen, x, y = ImageDraw.Draw(image), chance.randrange(3, 7), chance.randrange(12, 17)
    dark = tuple(chance.randrange(0, 50) for _ in range(3))
    if name == "bicycle":
        pen.ellipse((x, y, x + 10, y + 10), outline=dark)
        pen.ellipse((x + 14, y, x + 24, y + 10), outline=dark)
        pen.line((x + 5, y + 5, x + 10, y - 4, x + 19, y + 5), fill=dark)
    elif name == "motorcycle":
        pen.ellipse((x, y, x + 10, y + 10), fill=dark)
        pen.ellipse((x + 14, y, x + 24, y + 10), fill=dark)
        pen.rectangle((x + 6, y - 5, x + 18, y + 4), fill=dark)
    elif name == "house":
        pen.rectangle((x + 2, y - 6, x + 20, y + 12), fill=dark)
    else:
        pen.line((x + 12, y - 8, x + 12, y + 14), fill=dark, width=4)
    return image


def hash_of(name: str, number: int) -> int:
    """The same number in every process, unlike hash()."""
    return sum(ord(letter) for letter in name) * 1000 + number
