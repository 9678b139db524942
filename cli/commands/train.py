"""Train a model from the command line, with the Python that has PyTorch."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

from cli.errors import CommandError
from local.place import CHECKOUT

TRAINING_PYTHON: Final = CHECKOUT / ".venv-training" / "bin" / "python"


def train(options: Mapping[str, object]) -> int:
    """Run training.train with the options that were given; its exit code is the command's."""
    command = [_interpreter(), "-m", "training.train", *_words(options)]
    path = os.pathsep.join(str(folder) for folder in (CHECKOUT, CHECKOUT / "functions"))
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(command, env=environment) as process:  # noqa: S603 - our own module, no shell
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
