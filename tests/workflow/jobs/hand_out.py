"""A job program that needs no PyTorch: it hands out a model instead of training one; all else is the real entry."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from entry_of_ours import main

from training.compare import main as compare

HERE = Path(__file__).parent


def hand_out(arguments: Sequence[str]) -> int:
    """What training leaves, if it had come to this model."""
    given = list(arguments)
    assert Path(given[given.index("--reviewed") + 1], "bicycle").is_dir(), given
    out = Path(given[given.index("--out") + 1])
    shutil.copyfile(HERE / "challenger.tar.gz", out / "model.tar.gz")
    (out / "run.json").write_text("{}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, hand_out, compare))
