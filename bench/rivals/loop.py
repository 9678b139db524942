"""The limit: decode and predict in a loop, with no server at all, in as many processes as wanted at once."""

import itertools
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

from serving.container import decode
from training.artefact import Model, load_model

_PROCESS: dict[str, Any] = {}


def rates(count: int, model: Path, pictures: Sequence[bytes], seconds: float) -> list[tuple[float, float]]:
    """Images per second of each loop, and the share of a core it got; they begin together."""
    context = multiprocessing.get_context("spawn")
    given = model, context.Barrier(count)
    with ProcessPoolExecutor(count, context, initializer=_begin, initargs=given) as processes:
        return list(processes.map(_loop, [pictures] * count, [seconds] * count))


def _begin(model: Path, ready: Barrier) -> None:
    _PROCESS.update(model=load_model(model), ready=ready)


def _loop(pictures: Sequence[bytes], seconds: float) -> tuple[float, float]:
    model: Model = _PROCESS["model"]
    turns = itertools.cycle(pictures)
    for _ in range(10):
        model.predict(decode(next(turns))[None])
    _PROCESS["ready"].wait()
    began, cpu, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        model.predict(decode(next(turns))[None])
        count += 1
    taken = time.perf_counter() - began
    return count / taken, (time.process_time() - cpu) / taken
