"""Train the model: one command, seeded, that can be interrupted and goes on where it stopped.

    python -m training.train --data DIR --out DIR [--quick] [--seed N] [--epochs N] [--photos DIR]

--data is a folder per class (with `bicycle`, `motorcycle` and as many others as there are: they are what the model
learns to leave alone) or CIFAR-100's official binary archive. --out gets model.tar.gz, run.json and data.json.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from training.artefact import Artefact, compose, write_artefact
from training.calibrate import VEHICLE_SHARE, calibrate
from training.data.extract import extract
from training.data.pictures import DataRefusedError, LabelledImages, data_manifest
from training.data.split import Split, split, thinned
from training.evaluate import milliseconds_per_image, scores
from training.export import check_export, to_onnx
from training.fit import CheckpointRefusedError, EpochResult, Run, fit
from training.network import parameter_count
from training.recipe import QUICK_KEEPS_ONE_OF, Recipe, quick_recipe
from training.serving import logits_in_batches, served
from vehiclevision.labels import LABELS

DEFAULT_THRESHOLD: Final = 0.7
CHECKPOINT: Final = "checkpoint.pt"
PACKAGES: Final = ("torch", "onnx", "onnxruntime", "numpy", "pillow")


@dataclass(frozen=True)
class Job:
    """What is to be done: a recipe on pictures, measured at a threshold."""

    recipe: Recipe
    images: LabelledImages
    parts: Split
    photos: LabelledImages | None
    threshold: float
    command: str


@dataclass(frozen=True)
class Finished:
    """What a run came to."""

    artefact: Artefact
    record: Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when a model lies in --out, 2 when something was refused, 130 after Ctrl-C."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _options(given)
    try:
        job = _job(options, _command(given))
        with Display() as display:
            run = fit(job.recipe, job.images, job.parts, options.out / CHECKPOINT, display)
    except (DataRefusedError, CheckpointRefusedError) as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped before there was anything to save.")
        return 130
    if run is None:
        print(f"Stopped; the run so far is in {options.out / CHECKPOINT}. Go on with the same command.")
        return 130
    finished = finish(run, job)
    write(finished, job, options.out)
    print(json.dumps(finished.artefact.manifest["metrics"], indent=2))
    print(f"Model {finished.artefact.version} is in {options.out / 'model.tar.gz'}")
    return 0


def load(source: Path, expected_hash: str | None = None) -> LabelledImages:
    """The training data, refused where a model learnt from it could not know what it does not know."""
    images = extract(source)
    if expected_hash and images.data_hash() != expected_hash:
        raise DataRefusedError(f"The data has the hash {images.data_hash()}, not {expected_hash}. Fetch it again.")
    if len(images.class_names) == len(LABELS):
        raise DataRefusedError(
            "The data shows the two vehicles and nothing else: such a model is sure of anything. "
            "Add a folder with pictures of other things."
        )
    return images


def finish(run: Run, job: Job) -> Finished:
    """Fold, calibrate, export, check and measure a trained network."""
    model = served(run.average)
    held_out = job.images.part(job.parts.calibration)
    all_logits = logits_in_batches(model, torch.from_numpy(held_out.pixels))
    calibration = calibrate(all_logits, torch.from_numpy(held_out.classes))
    onnx = to_onnx(model, calibration)
    validation = job.images.part(job.parts.validation)
    difference = check_export(onnx, model, calibration, validation.pixels)
    facts = {
        "data_hash": job.images.data_hash(),
        "seed": job.recipe.seed,
        "calibration": {**vars(calibration), "vehicle_share": VEHICLE_SHARE},
        "metrics": _metrics(onnx, {"validation": validation, "photos": job.photos}, job.threshold),
        "versions": _versions(),
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": job.command,
    }
    artefact = compose(onnx, job.threshold, facts)
    record = {
        "model_version": artefact.version,
        "sha256": artefact.manifest["sha256"],
        **facts,
        "recipe": job.recipe.as_json(),
        "hardware": _hardware(job.recipe.threads),
        "parameters": parameter_count(run.average),
        "training_seconds": round(run.seconds, 1),
        "curve": [vars(epoch) for epoch in run.curve],
        "largest_difference_onnx_torch": difference,
        "onnx_bytes": len(onnx),
        "milliseconds_per_image": milliseconds_per_image(onnx),
    }
    return Finished(artefact, record)


def write(finished: Finished, job: Job, out: Path) -> None:
    """The artefact, the run record and the data manifest, side by side."""
    sizes = {name: len(part) for name, part in vars(job.parts).items() if name != "near_duplicates"}
    data = {**data_manifest(job.images), "parts": sizes, "near_duplicates": job.parts.near_duplicates}
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
            f"epoch {result.epoch}: loss {result.loss:.3f}, calibration part: all classes "
            f"{result.accuracy_all_classes:.3f}, vehicles {result.accuracy_vehicles:.3f}"
        )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.train", description="Train the model.")
    parser.add_argument("--data", type=Path, required=True, help="a folder per class, or CIFAR-100's binary archive")
    parser.add_argument("--out", type=Path, required=True, help="where model, run record and checkpoint go")
    parser.add_argument("--quick", action="store_true", help="a small network and few epochs: minutes, not an hour")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--epochs", type=int, help="passes over the training part")
    parser.add_argument("--threads", type=int, default=Recipe.threads, help="part of what makes a run repeatable")
    parser.add_argument("--threshold", type=float, default=DEFAULT_THRESHOLD, help="confidence that the scores are for")
    parser.add_argument("--photos", type=Path, help="real photos, a folder per class: measured once, never learnt from")
    parser.add_argument("--data-hash", help="refuse data with another hash than this")
    return parser.parse_args(arguments)


def _job(options: argparse.Namespace, command: str) -> Job:
    images = load(options.data, options.data_hash)
    photos = extract(options.photos) if options.photos else None
    recipe = (quick_recipe if options.quick else Recipe)(seed=options.seed, threads=options.threads)
    if options.epochs is not None:
        recipe = replace(recipe, epochs=options.epochs)
    parts = split(images)
    if options.quick:
        parts = thinned(parts, images.classes, QUICK_KEEPS_ONE_OF)
    return Job(recipe, images, parts, photos, options.threshold, command)


def _command(given: Sequence[str]) -> str:
    """The command as the artefact tells it, with absolute paths cut to their last name: an artefact travels."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in given]
    return shlex.join(["python", "-m", "training.train", *words])


def _metrics(onnx: bytes, sets: Mapping[str, LabelledImages | None], threshold: float) -> dict[str, Any]:
    """Scores of the exported graph on each set of pictures, with what the set is."""
    return {
        name: {
            "pictures": len(images),
            "refused": len(images.refused),
            "data_hash": images.data_hash(),
            **scores(onnx, images, threshold).as_json(),
        }
        for name, images in sets.items()
        if images is not None
    }


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}


def _hardware(threads: int) -> dict[str, object]:
    return {"processor": _processor(), "cores": os.cpu_count(), "threads": threads, "system": platform.system()}


def _processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
