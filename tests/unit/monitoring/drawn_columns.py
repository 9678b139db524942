"""Columns as captures give them, drawn from plain distributions."""

import numpy as np

from monitoring.drift.baseline import CONFIDENCE, Baseline, compose
from monitoring.measure import MEASURES, Numbers
from monitoring.summary import Sample
from vehiclevision.labels import LABELS

THRESHOLD = 0.8


def columns(n: int, seed: int, *, shift: dict[str, float] | None = None, others: float = 0.0) -> dict[str, Numbers]:
    """Measurements around 0.5 with a spread of 0.1, moved by so many spreads; a share of answers names no vehicle."""
    chance = np.random.default_rng([seed, n])
    found = {name: chance.normal(0.5 + 0.1 * (shift or {}).get(name, 0.0), 0.1, n) for name in MEASURES}
    found["pixels"] = np.full(n, np.log10(1024))
    surer = np.where(chance.random(n) < others, chance.uniform(0, 0.3, n), 1 - chance.beta(1, 12, n))
    left = chance.random(n) < 0.5
    found[LABELS[0]] = np.where(left, surer, (1 - surer) / 2)
    found[LABELS[1]] = np.where(left, (1 - surer) / 2, surer)
    found[CONFIDENCE] = np.maximum(found[LABELS[0]], found[LABELS[1]])
    return found


def baseline(n: int = 1000, seed: int = 1) -> Baseline:
    """A baseline of such columns."""
    rows = columns(n, seed)
    kept = {name: rows[name] for name in (*MEASURES, CONFIDENCE)}
    return compose(kept, rows, threshold=THRESHOLD, model_version="m1", made_from="a draw", made_at="2026-11-21")


def sample(rows: dict[str, Numbers]) -> Sample:
    """The columns as a sample of different pictures."""
    n = len(rows[CONFIDENCE])
    return Sample(rows, tuple(f"{number:064x}" for number in range(n)))
