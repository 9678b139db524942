"""Train a model; it takes PyTorch, which `make setup-training` installs.

The data is a folder with a folder of pictures per class, the vehicles' labels among them, or CIFAR-100's binary
archive. Ctrl-C saves where it is; the same command goes on from there.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from cli.errors import CommandError
from cli.options import flag, option
from local.place import CHECKOUT

TRAINING_PYTHON: Final = CHECKOUT / ".venv-training" / "bin" / "python"


class Start(StrEnum):
    """Where a network's weights begin."""

    CHAMPION = "champion"
    PUBLISHED = "published"
    RANDOM = "random"


def command(
    *,
    data: Annotated[list[Path], option("--data", "DIR", "A folder per class, or the archive; again for another set.")],
    out: Annotated[Path, option("--out", "DIR", "Where model, run record and checkpoints go.")],
    quick: Annotated[bool, flag("--quick", "A head of your own on a model that there is: minutes.")] = False,
    backbone: Annotated[str | None, option("--backbone", "NAME", "Any network that timm has.")] = None,
    start: Annotated[
        Start | None, flag("--start", "A model (with --quick), weights published for ImageNet, or random ones.")
    ] = None,
    champion: Annotated[
        Path | None, option("--champion", "FILE", "With --quick: the model to begin at, instead of the shipped one.")
    ] = None,
    seed: Annotated[
        list[int] | None, option("--seed", "N", "Another draw of all that is random; several: their weights' average.")
    ] = None,
    steps: Annotated[int | None, option("--steps", "N", "Steps of tuning.", min=0)] = None,
    leave_out: Annotated[
        list[str] | None, option("--leave-out", "SOURCE", "Measure on photos of this source, never learn from them.")
    ] = None,
    photos: Annotated[Path | None, option("--photos", "DIR", "Real photos: measured, never learnt from.")] = None,
    wrong_cost: Annotated[float | None, option("--wrong-cost", "X", "What a wrong route costs.")] = None,
    review_cost: Annotated[float | None, option("--review-cost", "Y", "What a look by a person costs.")] = None,
    threshold: Annotated[float | None, option("--threshold", "T", "The threshold, instead of the cheapest.")] = None,
) -> int:
    """Run training.train with the options that were given, by the Python that has PyTorch; its exit code is ours."""
    given = {**locals(), "start": start and start.value}
    path = os.pathsep.join(str(folder) for folder in (CHECKOUT, CHECKOUT / "functions"))
    environment = {**os.environ, "PYTHONPATH": path}
    words = [_interpreter(), "-m", "training.train", *_words(given)]
    with subprocess.Popen(words, env=environment) as process:  # noqa: S603 - our own module, no shell
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # Ctrl-C reaches the training too: it saves where it is and says how to go on.
                continue


def _interpreter() -> str:
    if importlib.util.find_spec("torch") is not None:
        return sys.executable
    if TRAINING_PYTHON.is_file():
        return str(TRAINING_PYTHON)
    raise CommandError(
        "PyTorch is not installed; it takes some GB.", "Install it beside this checkout: make setup-training"
    )


def _words(options: Mapping[str, object]) -> list[str]:
    """Options as words: flags alone, those that were not given left out, several one after another."""
    words: list[str] = []
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            if each is None or each is False:
                continue
            words.append(f"--{name.replace('_', '-')}")
            if each is not True:
                words.append(str(each))
    return words
