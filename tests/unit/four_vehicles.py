"""A copy of the project that differs in one file: vehicles.toml names four vehicles."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.unit.serving.tiny_model import ONNX_OF_FOUR, write_model

FOUR = ("bicycle", "motorcycle", "scooter", "car")
VEHICLES = "".join(
    f'[[vehicle]]\nlabel = "{label}"\nroute = "{route}"\n'
    for label, route in zip(FOUR, ("nearby", "distant", "nearby", "far-out"), strict=True)
)
NOT_COPIED = {"tests", "bench", "docs"}


@dataclass(frozen=True)
class Copy:
    """The copy's folder, and what runs in it."""

    folder: Path

    def python(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python on the copy's own rooms and on nothing else of the checkout."""
        own = f"{self.folder}{os.pathsep}{self.folder / 'functions'}"
        ran = subprocess.run(
            [sys.executable, "-P", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": own, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or ran.returncode == 0, ran.stderr
        return ran

    def says(self, code: str, *arguments: str, **environment: str) -> Any:
        """What a few lines of Python print last, as JSON."""
        return json.loads(self.python("-c", code, *arguments, check=True, **environment).stdout.splitlines()[-1])


def copied(root: Path, folder: Path) -> Copy:
    """The rooms of the checkout as they are, with another vehicles.toml."""
    rooms = {path.parent.name for path in root.glob("*/__init__.py")} - NOT_COPIED
    for room in ("functions", *sorted(rooms)):
        left_out = shutil.ignore_patterns(".aws-sam", "__pycache__")
        shutil.copytree(root / room, folder / room, symlinks=True, ignore=left_out)
    (folder / "functions" / "vehicles.toml").write_text(VEHICLES)
    return Copy(folder)


def bright_quarter(number: int | None, seed: int, side: int = 224) -> Image.Image:
    """To the model of `tiny` a photo of the vehicle of that number; None is a photo that shows none of the four."""
    pixels = np.random.default_rng([seed, number or 0]).integers(0, 60, (side, side, 3), np.uint8)
    if number is not None:
        row, column = divmod(number, 2)
        half = side // 2
        pixels[row * half : (row + 1) * half, column * half : (column + 1) * half] += 180
    return Image.fromarray(pixels)


def photos(folder: Path, each: int = 6) -> Path:
    """A folder per vehicle, and one of other things."""
    for number, name in enumerate((*FOUR, "tree")):
        (folder / name).mkdir(parents=True)
        for seed in range(each):
            bright_quarter(number if name in FOUR else None, seed).save(folder / name / f"{seed:03}.png")
    return folder


def tiny(path: Path) -> Path:
    """A model of the four that needs no training: the brightest quarter of a photo says which it is."""
    return write_model(path, ONNX_OF_FOUR, labels=list(FOUR))
