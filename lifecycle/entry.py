"""What SageMaker's PyTorch container runs: our training, between the folders that SageMaker gives a job.

    /opt/ml/input/data/training   what was loaded           SM_CHANNEL_TRAINING
    /opt/ml/input/data/reviewed   of retraining: pictures that people labelled   SM_CHANNEL_REVIEWED
    /opt/ml/input/data/heldout    of retraining: such pictures, never learnt from   SM_CHANNEL_HELDOUT
    /opt/ml/input/data/champion   of retraining: the model that answers now   SM_CHANNEL_CHAMPION
    /opt/ml/checkpoints           goes on after a spot interruption, kept in S3 meanwhile   SM_CHECKPOINT_DIR
    /opt/ml/model                 becomes model.tar.gz      SM_MODEL_DIR
    /opt/ml/output/data           run and data record       SM_OUTPUT_DATA_DIR

The job's hyperparameters arrive as options. Where there is a champion, the new model is held against it, and the
comparison lies in the output with the very artefact that was compared.
"""

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from training.artefact import read_members

RECORDS: Final = ("run.json", "data.json")
ARTEFACT: Final = "model.tar.gz"
COMPARISON: Final = "comparison.json"
Command = Callable[[Sequence[str]], int]


def main(
    arguments: Sequence[str], environment: Mapping[str, str], train: Command, compare: Command | None = None
) -> int:
    """Train, then put the model and the records where SageMaker collects them."""
    options = _options(arguments)
    out = Path(environment.get("SM_CHECKPOINT_DIR", "/opt/ml/checkpoints"))
    out.mkdir(parents=True, exist_ok=True)
    code = train(train_arguments(options, environment, out))
    if code:
        return code
    model = Path(environment["SM_MODEL_DIR"])
    unpack(out / ARTEFACT, model)
    records = Path(environment["SM_OUTPUT_DATA_DIR"])
    records.mkdir(parents=True, exist_ok=True)
    for name in RECORDS:
        if (out / name).exists():
            shutil.copyfile(out / name, records / name)
    # SageMaker reads its metric from this line; so does the tuner.
    print(f"validation:accuracy={accuracy(json.loads((model / 'manifest.json').read_text()))}", flush=True)
    if compare is None or "SM_CHANNEL_CHAMPION" not in environment:
        return 0
    shutil.copyfile(out / ARTEFACT, records / ARTEFACT)
    return compare(compare_arguments(options, environment, records))


def train_arguments(options: argparse.Namespace, environment: Mapping[str, str], out: Path) -> list[str]:
    """The options of `python -m training.train`."""
    given = ["--data", environment["SM_CHANNEL_TRAINING"], "--out", str(out)]
    for name in ("seed", "steps", "threshold", "data_hash"):
        value = getattr(options, name)
        if value is not None:
            given += [f"--{name.replace('_', '-')}", value]
    for option, channel in (("--reviewed", "REVIEWED"), ("--held-out", "HELDOUT")):
        if f"SM_CHANNEL_{channel}" in environment:
            given += [option, environment[f"SM_CHANNEL_{channel}"]]
    if options.quick.lower() not in ("1", "true"):
        return given
    champion = environment.get("SM_CHANNEL_CHAMPION")
    return [*given, "--quick", *(["--champion", str(Path(champion) / ARTEFACT)] if champion else [])]


def compare_arguments(options: argparse.Namespace, environment: Mapping[str, str], records: Path) -> list[str]:
    """The options of `python -m training.compare`."""
    given = {
        "--champion": str(Path(environment["SM_CHANNEL_CHAMPION"]) / ARTEFACT),
        "--challenger": str(records / ARTEFACT),
        "--data": environment["SM_CHANNEL_TRAINING"],
        "--held-out": environment["SM_CHANNEL_HELDOUT"],
        "--threshold": options.threshold,
        "--sure-share": options.sure_share,
        "--least": options.least,
        "--out": str(records / COMPARISON),
    }
    return [word for name, value in given.items() if value is not None for word in (name, value)]


def unpack(artefact: Path, folder: Path) -> None:
    """The artefact's two members as files: SageMaker packs the folder itself."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in read_members(artefact).items():
        (folder / name).write_bytes(content)


def accuracy(manifest: Mapping[str, Any]) -> float:
    """The share of the validation part's vehicles that are named rightly."""
    figure = manifest["metrics"]["validation"]["accuracy"]
    return float(figure["share"] if isinstance(figure, dict) else figure)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", default="0")
    for name in ("--seed", "--steps", "--threshold", "--data-hash", "--sure-share", "--least"):
        parser.add_argument(name)
    # The tuner adds hyperparameters of its own.
    return parser.parse_known_args(arguments)[0]


if __name__ == "__main__":
    # A spot interruption arrives as SIGTERM; training writes a checkpoint when it is interrupted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from training.compare import main as compare_main
        from training.train import main as train_main
    except ModuleNotFoundError as missing:
        sys.exit(f"{missing.name} is not installed. On a machine of your own: make setup-training")

    sys.exit(main(sys.argv[1:], os.environ, train_main, compare_main))
