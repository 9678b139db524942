"""What every server does for a request: the product's own decoding and the artefact's own session."""

import os
from pathlib import Path

from serving.container import decode
from training.artefact import DEFAULT_MODEL, load_model

THREADS = int(os.environ.get("BENCH_THREADS", "2"))
MODEL = load_model(Path(os.environ.get("BENCH_MODEL", DEFAULT_MODEL)))


def answer(data: bytes) -> list[float]:
    """The probabilities of one picture."""
    probabilities: list[float] = MODEL.predict(decode(data)[None])[0].tolist()
    return probabilities
