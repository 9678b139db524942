"""How many pictures it takes before 'nothing changed' means something."""

import math
from functools import lru_cache
from typing import Final

from scipy import optimize, stats

from monitoring.drift.compare import TOLERATED_SHARE, TOLERATED_SHIFT

# The smallest changes that a check must not miss: a little more than pictures that are 10 % darker, and one answer in
# seven that comes out differently.
SHIFT_THAT_MATTERS: Final = 0.4
SHARE_THAT_MATTERS: Final = 0.15
POWER: Final = 0.9
# Of Mann and Whitney's test, whose power has a formula, against Cramér–von Mises', which also sees other changes.
_EFFICIENCY: Final = 0.85
# A baseline this much too small is not made up for by waiting: it takes ever more pictures for ever less.
_WORTH_WAITING: Final = 3.0


@lru_cache
def needed_for_numbers(baseline_n: int, level: float) -> int | None:
    """Pictures to find the smallest shift that matters; None where the baseline is too small for it."""
    return _beside(baseline_n, _together(level))


@lru_cache
def needed_for_shares(baseline_n: int, categories: int, level: float) -> int | None:
    """Pictures to find the smallest move between two of the categories that matters, each near a third."""
    freedom = max(1, categories - 1)
    critical = stats.chi2.isf(level, freedom)

    def missing(non_centrality: float) -> float:
        return float(stats.ncx2.sf(critical, freedom, non_centrality)) - POWER

    non_centrality = optimize.brentq(missing, 1e-3, 1e4)
    effect = 2 * (SHARE_THAT_MATTERS - TOLERATED_SHARE) ** 2 * 3
    return _beside(baseline_n, float(non_centrality / effect))


def least_baseline(level: float) -> int:
    """How many values a baseline takes before a check can say that nothing changed."""
    return math.ceil(_together(level) * _WORTH_WAITING / (_WORTH_WAITING - 1))


def _together(level: float) -> float:
    """What old and new numbers must weigh together to show the smallest shift that matters."""
    lead = stats.norm.cdf((SHIFT_THAT_MATTERS - TOLERATED_SHIFT) / math.sqrt(2)) - 0.5
    reach = stats.norm.isf(level / 2) + stats.norm.isf(1 - POWER)
    return float(reach**2 / (12 * lead**2 * _EFFICIENCY))


def _beside(baseline_n: int, together: float) -> int | None:
    """How many new ones, beside these old ones, weigh as much as so many in the harmonic sense mn / (m + n)."""
    if baseline_n <= together:
        return None
    new_n = math.ceil(together * baseline_n / (baseline_n - together))
    return new_n if new_n <= _WORTH_WAITING * together else None
