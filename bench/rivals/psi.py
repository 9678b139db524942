"""The population stability index as it is commonly used: ten bins, a fixed threshold, and no thought of chance.

Bins are the baseline's deciles, empty ones count as 0.0001, and 0.2 means drift; some alarm at 0.1 already.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from monitoring.drift.baseline import Baseline, mix_of
from monitoring.measure import Numbers
from monitoring.summary import Sample

BINS: Final = 10
EMPTY: Final = 1e-4
USUAL: Final = 0.2
STRICT: Final = 0.1


def largest(baseline: Baseline, sample: Sample) -> float:
    """The largest index of any column: an alarm in one is an alarm."""
    columns = [index(before, sample.columns[name]) for name, before in baseline.columns.items()]
    now = mix_of(sample.columns, baseline.threshold)
    return max(*columns, _of_counts(_array(baseline.mix), _array(now)))


def index(before: Numbers, now: Numbers) -> float:
    """PSI of one column."""
    edges = np.unique(np.quantile(before, np.linspace(0, 1, BINS + 1)[1:-1]))
    old = np.bincount(np.searchsorted(edges, before, side="right"), minlength=len(edges) + 1)
    new = np.bincount(np.searchsorted(edges, now, side="right"), minlength=len(edges) + 1)
    return _of_counts(old.astype(np.float64), new.astype(np.float64))


def _of_counts(old: Numbers, new: Numbers) -> float:
    share, share_now = np.maximum(old / old.sum(), EMPTY), np.maximum(new / new.sum(), EMPTY)
    return float(((share_now - share) * np.log(share_now / share)).sum())


def _array(counts: Mapping[str, int]) -> Numbers:
    return np.array(list(counts.values()), dtype=np.float64)
