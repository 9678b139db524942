"""Train the model: one command, seeded, that can be interrupted and goes on where it stopped.

    python -m training.train --data DIR --out DIR [--quick] [--seed N] [--epochs N] [--photos DIR]

--data is a folder per class (with `bicycle`, `motorcycle` and as many others as there are: they are what the model
learns to leave alone) or CIFAR-100's official binary archive. --out gets model.tar.gz, run.json and data.json.
`vehiclevision train` is the same command.
"""

import argparse
import importlib.metadata
import json
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from training.artefact import Artefact, compose, write_artefact
from training.calibrate import calibrate, cross_fitted
from training.data.errors import DataError
from training.data.extract import extract
from training.data.pictures import DataRefusedError, LabelledImages, data_manifest
from training.data.reviewed import joined, read_reviewed
from training.data.split import Split, split
from training.errors import ModelError
from training.evaluation.costs import VEHICLE_SHARE, Costs, cheapest_threshold
from training.evaluation.scores import figures
from training.export import check_export, to_onnx
from training.fit import CheckpointRefusedError, EpochResult, Run, best_precision, fit
from training.machine import machine
from training.network import parameter_count
from training.published import PACKAGE as PUBLISHED_WEIGHTS
from training.published import PublishedWeightsMissingError
from training.recipe import (
    MIXED_PRECISION,
    PUBLISHED_START,
    RANDOM_START,
    SINGLE_PRECISION,
    Recipe,
    quick_recipe,
)
from training.serving import logits_in_batches, served
from training.session import milliseconds_per_image, open_onnx, run_onnx
from vehiclevision.labels import LABELS

# A rider sent the wrong way costs as much as ten looks by a person: an assumption, to be replaced by one's own figures.
WRONG_COST: Final = 10.0
REVIEW_COST: Final = 1.0
CHECKPOINT: Final = "checkpoint.pt"
REFUSED: Final = 2
# Graph and network are compared on so many pictures.
CHECKED: Final = 2_000
INTERRUPTED: Final = 130
PACKAGES: Final = ("torch", "onnx", "onnxruntime", "numpy", "pillow")


@dataclass(frozen=True)
class Job:
    """What is to be done: a recipe on pictures, measured at a threshold."""

    recipe: Recipe
    images: LabelledImages
    parts: Split
    photos: LabelledImages | None
    costs: Costs
    threshold: float | None
    command: str


@dataclass(frozen=True)
class Finished:
    """What a run came to."""

    artefact: Artefact
    record: Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when a model lies in --out, 2 when something was refused, 130 after Ctrl-C."""
    given = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(given)
    return reported(lambda: _train(options, command("training.train", given)))


def reported(work: Callable[[], int]) -> int:
    """The exit code of the work, with what stopped it said in a sentence."""
    try:
        return work()
    except (DataError, ModelError, CheckpointRefusedError, PublishedWeightsMissingError) as refusal:
        print(refusal, file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("Stopped before there was anything to save.")
        return INTERRUPTED


def _train(options: argparse.Namespace, words: str) -> int:
    wanted = job(options, words)
    finished = run(wanted, options.out)
    if finished is None:
        return INTERRUPTED
    print(json.dumps(finished.artefact.manifest["metrics"], indent=2))
    print(f"Model {finished.artefact.version} is in {options.out / 'model.tar.gz'}")
    return 0


def run(wanted: Job, out: Path) -> Finished | None:
    """Train, finish and write one model; None when Ctrl-C stopped it."""
    with Display() as display:
        learnt = fit(wanted.recipe, wanted.images, wanted.parts, out / CHECKPOINT, display)
    if learnt is None:
        print(f"Stopped; the run so far is in {out}. Go on with the same command.")
        return None
    finished = finish(learnt, wanted)
    write(finished, wanted, out)
    return finished


def load(source: Path, expected_hash: str | None = None) -> LabelledImages:
    """The training data; that a model learnt from it could not know what it does not know is said aloud."""
    images = extract(source)
    if expected_hash and images.data_hash() != expected_hash:
        raise DataRefusedError(f"The data has the hash {images.data_hash()}, not {expected_hash}. Fetch it again.")
    if len(images.class_names) == len(LABELS):
        print(
            "The data shows the two vehicles and nothing else: such a model is sure of anything. "
            "A folder with pictures of other things would help.",
            file=sys.stderr,
        )
    return images


def finish(learnt: Run, wanted: Job) -> Finished:
    """Fold, calibrate, export, check and measure a trained network, and choose its threshold."""
    model = served(learnt.average.cpu())
    validation = wanted.images.part(wanted.parts.validation)
    all_logits = logits_in_batches(model, torch.from_numpy(validation.pixels))
    classes = torch.from_numpy(validation.classes)
    calibration = calibrate(all_logits, classes)
    onnx = to_onnx(model, calibration)
    difference = check_export(onnx, model, calibration, validation.pixels[:CHECKED])
    answers = cross_fitted(all_logits, classes).numpy()
    cheapest = cheapest_threshold(answers, validation.classes, wanted.costs)
    threshold = cheapest.threshold if wanted.threshold is None else wanted.threshold
    measured = {"validation": (validation, answers)}
    if wanted.photos is not None:
        measured["photos"] = (wanted.photos, run_onnx(onnx, wanted.photos.pixels))
    facts = {
        "data_hash": wanted.images.data_hash(),
        "seed": wanted.recipe.seed,
        "calibration": {**vars(calibration), "vehicle_share": VEHICLE_SHARE},
        "metrics": {name: _measured(images, found, threshold) for name, (images, found) in measured.items()},
        "costs": {name: value for name, value in cheapest.as_json().items() if name != "curve"},
        "versions": _versions(wanted.recipe),
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": wanted.command,
    }
    artefact = compose(onnx, threshold, facts)
    record = {
        "model_version": artefact.version,
        "sha256": artefact.manifest["sha256"],
        **facts,
        "recipe": wanted.recipe.as_json(),
        "hardware": {"machine": machine(), "threads": wanted.recipe.threads},
        "parameters": parameter_count(learnt.average),
        "training_seconds": round(learnt.seconds, 1),
        "curve": [vars(epoch) for epoch in learnt.curve],
        "largest_difference_onnx_torch": difference,
        "onnx_bytes": len(onnx),
        "milliseconds_per_image": milliseconds_per_image(open_onnx(onnx)),
    }
    return Finished(artefact, record)


def write(finished: Finished, wanted: Job, out: Path) -> None:
    """The artefact, the run record and the data manifest, side by side."""
    sizes = {name: len(part) for name, part in vars(wanted.parts).items() if name != "near_duplicates"}
    data = {**data_manifest(wanted.images), "parts": sizes, "near_duplicates": wanted.parts.near_duplicates}
    write_artefact(finished.artefact, out / "model.tar.gz")
    (out / "run.json").write_text(json.dumps(finished.record, indent=2) + "\n")
    (out / "data.json").write_text(json.dumps(data, indent=2) + "\n")


class Display:
    """A progress bar with the time left; on no terminal, one line an epoch."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            speed_estimate_period=120,
        )
        self._task = self._progress.add_task("training", total=None, loss=0.0)

    def __enter__(self) -> "Display":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def step(self, done: int, total: int, loss: float) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=done, total=total, loss=loss)

    def epoch(self, result: EpochResult) -> None:
        """One line for an epoch."""
        self._progress.console.print(
            f"epoch {result.epoch}: loss {result.loss:.3f}, validation part: all classes "
            f"{result.accuracy_all_classes:.3f}, vehicles {result.accuracy_vehicles:.3f}"
        )


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    found = argparse.ArgumentParser(description="Train the model.")
    found.add_argument("--data", type=Path, required=True, help="a folder per class, or CIFAR-100's binary archive")
    found.add_argument("--out", type=Path, required=True, help="where model, run record and checkpoint go")
    found.add_argument("--quick", action="store_true", help="few and short epochs: minutes, not an hour")
    found.add_argument(
        "--start",
        choices=(PUBLISHED_START, RANDOM_START),
        default=Recipe.start,
        help="begin from weights published for ImageNet, or from random ones (which takes far longer)",
    )
    found.add_argument("--seed", type=int, default=Recipe.seed)
    found.add_argument("--epochs", type=int, help="passes over the training part")
    found.add_argument("--threads", type=int, default=Recipe.threads, help="part of what makes a run repeatable")
    found.add_argument(
        "--precision",
        choices=(SINGLE_PRECISION, MIXED_PRECISION),
        help="what is computed in (default: mixed where the processor is fast at it)",
    )
    found.add_argument("--wrong-cost", type=float, default=WRONG_COST, help="what a wrong route costs")
    found.add_argument("--review-cost", type=float, default=REVIEW_COST, help="what a look by a person costs")
    found.add_argument("--threshold", type=float, help="the model's threshold (default: the one that costs least)")
    found.add_argument("--photos", type=Path, help="real photos, a folder per class: measured once, never learnt from")
    found.add_argument("--data-hash", help="refuse data with another hash than this")
    found.add_argument("--reviewed", type=Path, help="pictures that people labelled: learnt from beside the data")
    found.add_argument("--held-out", type=Path, help="reviewed pictures of which none like it may be learnt from")
    return found


def job(options: argparse.Namespace, words: str) -> Job:
    """What the options ask for, with its data read and split."""
    costs = Costs(options.wrong_cost, options.review_cost)
    images = load(options.data, options.data_hash)
    photos = extract(options.photos) if options.photos else None
    precision = options.precision or best_precision()
    recipe = Recipe(seed=options.seed, start=options.start, threads=options.threads, precision=precision)
    if options.quick:
        recipe = quick_recipe(recipe)
    if options.epochs is not None:
        recipe = replace(recipe, epochs=options.epochs)
    parts = split(images)
    if options.reviewed:
        held_out = read_reviewed(options.held_out) if options.held_out else None
        images, parts = joined(images, parts, read_reviewed(options.reviewed), held_out)
    return Job(recipe, images, parts, photos, costs, options.threshold, words)


def command(module: str, given: Sequence[str]) -> str:
    """The command as the artefact tells it, with absolute paths cut to their last name: an artefact travels."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in given]
    return shlex.join(["python", "-m", module, *words])


def _measured(images: LabelledImages, answers: npt.NDArray[np.float32], threshold: float) -> dict[str, Any]:
    """The figures of answers to a set of pictures, with what the set is."""
    return {
        "pictures": len(images),
        "refused": len(images.refused),
        "data_hash": images.data_hash(),
        **figures(answers, images.classes, threshold),
    }


def _versions(recipe: Recipe) -> dict[str, str]:
    names = (*PACKAGES, PUBLISHED_WEIGHTS) if recipe.start == PUBLISHED_START else PACKAGES
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}


if __name__ == "__main__":
    sys.exit(main())
