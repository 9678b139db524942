"""How good a model artefact is on pictures that it never saw; the answer is JSON on standard output.

    python -m training.evaluate --data DIR [--model model.tar.gz] [--threshold 0.7] [--out scores.json]

DIR has a folder per class (classes other than the two labels count as neither), or is the data the model was trained
on: then only its validation part is measured.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from training.artefact import Artefact, ArtefactRefusedError, read_artefact
from training.data.extract import extract
from training.data.pictures import DataRefusedError, LabelledImages
from training.data.split import split
from training.evaluation.scores import Scores, score
from training.export import INPUT_NAME, OUTPUT_NAME, open_onnx, run_onnx
from vehiclevision.labels import MODEL_INPUT_SIDE

DEFAULT_MODEL: Final = Path(__file__).parent / "model" / "model.tar.gz"
_TIMED_IMAGES: Final = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when the scores are out, 2 when model or data were refused."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate", description="Score a model on pictures it never saw."
    )
    parser.add_argument("--data", type=Path, required=True, help="a folder per class, or CIFAR-100's binary archive")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="a model.tar.gz (default: the shipped one)")
    parser.add_argument("--threshold", type=float, help="confidence from which an answer counts (default: the model's)")
    parser.add_argument("--out", type=Path, help="write the JSON here as well")
    options = parser.parse_args(arguments)
    try:
        report = evaluate(read_artefact(options.model), extract(options.data), options.threshold)
    except (ArtefactRefusedError, DataRefusedError) as refusal:
        print(refusal, file=sys.stderr)
        return 2
    text = json.dumps(report, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    print(text)
    return 0


def evaluate(model: Artefact, images: LabelledImages, threshold: float | None = None) -> dict[str, Any]:
    """Scores, data and speed as plain JSON."""
    seen = images.data_hash() == model.manifest.get("data_hash")
    measured = images.part(split(images).validation) if seen else images
    chosen = float(model.manifest["threshold"]) if threshold is None else threshold
    return {
        "model_version": model.version,
        "data": {
            "part": "validation part of the training data" if seen else "all",
            "pictures": len(measured),
            "refused": len(images.refused),
            "data_hash": measured.data_hash(),
        },
        "scores": scores(model.onnx, measured, chosen).as_json(),
        "milliseconds_per_image": milliseconds_per_image(model.onnx),
        "machine": platform.machine(),
    }


def scores(onnx: bytes, images: LabelledImages, threshold: float) -> Scores:
    """Scores of the exported graph itself, run as it is served."""
    return score(run_onnx(onnx, images.pixels), images.classes, threshold)


def milliseconds_per_image(onnx: bytes) -> float:
    """Median time of one picture alone on one thread, without decoding."""
    session = open_onnx(onnx)
    picture = np.random.default_rng(0).integers(0, 256, (1, MODEL_INPUT_SIDE, MODEL_INPUT_SIDE, 3), np.uint8)
    taken = []
    for _ in range(_TIMED_IMAGES):
        started = time.perf_counter()
        session.run([OUTPUT_NAME], {INPUT_NAME: picture})
        taken.append(time.perf_counter() - started)
    return round(1000 * float(np.median(taken)), 3)


if __name__ == "__main__":
    sys.exit(main())
