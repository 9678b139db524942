"""runs/lifecycle.sh, as one would run it: nothing is left out, training neither."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from local import stack
from local.place import CHECKOUT

CLASSES = {"bicycle": 235, "motorcycle": 20, "house": 128}
PICTURES = 40
STEPS = ("Data", "Train", "Evaluate", "Up", "Deploy", "Drop", "Report", "Monitor", "Retrain", "Down")

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        not (CHECKOUT / ".venv-training" / "bin" / "python").exists(),
        reason="PyTorch is not installed: make setup-training",
    ),
]


def pictures(folder: Path) -> Path:
    """A folder per class, told apart by how bright they are."""
    draw = np.random.default_rng(13)
    for kind, middle in CLASSES.items():
        (folder / kind).mkdir(parents=True)
        for number in range(PICTURES):
            coarse = draw.integers(-20, 21, (16, 16, 3)) + middle
            pixels = coarse.repeat(16, axis=0).repeat(16, axis=1).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{number}.jpg", quality=95)
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """The folder of a local AWS, which is stopped even where the script ends early."""
    yield tmp_path / "state"
    stack.stop(tmp_path / "state")


def test_a_model_s_life(root: Path, state: Path, tmp_path: Path) -> None:
    """Ten steps from pictures to nothing left; each ends well, and leaves what it promises."""
    out = tmp_path / "out"
    environment = {**os.environ, "VEHICLEVISION_DIRECTORY": str(state), "NO_COLOR": "1"}

    run = subprocess.run(
        [root / "runs" / "lifecycle.sh", pictures(tmp_path / "pictures"), out],
        env=environment, capture_output=True, text=True, check=False, timeout=3600,
    )  # fmt: skip

    told = run.stdout + run.stderr
    assert run.returncode == 0, told
    assert tuple(re.findall(r"^── (\w+):", told, re.MULTILINE)) == STEPS
    for name in ("data/manifest.json", "model/model.tar.gz", "evaluation.html", "report.html", "baseline.json"):
        assert (out / name).stat().st_size > 0, name
    evaluation = json.loads((out / "evaluation.json").read_text())
    report = json.loads((out / "report.json").read_text())
    assert evaluation["coverage"] > 0
    assert report["answers"] == PICTURES * len(CLASSES)
    assert "HELD_BACK" in told
    assert stack.running(state) is None
