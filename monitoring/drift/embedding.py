"""How far a picture lies from those that the model learnt from, in the features before the network's last layer.

Mahalanobis distance with few directions: along the strongest ones by their own spread, across all others by one spread
that they share (probabilistic PCA). So a baseline holds some thousand numbers, not a whole matrix.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from monitoring.measure import Numbers, is_earlier
from monitoring.summary import Sample

NAME: Final = "embedding"
DIRECTIONS: Final = 24
# All directions together, 24 of a network with 1,280 features: a baseline is one small file.
MAX_NUMBERS: Final = 32_000
# As many as a model may give (training/artefact.py).
MAX_FEATURES: Final = 4096
MIN_PICTURES: Final = 100
SIGNIFICANT_DIGITS: Final = 5


@dataclass(frozen=True)
class Embedding:
    """Where the learnt pictures lie: `basis` [directions, features] is scaled by the spread along each direction."""

    mean: Numbers
    basis: Numbers
    left_over: float

    def distances(self, features: npt.NDArray[np.floating]) -> Numbers:
        """The distance of each row, 1 being usual; NaN where a row is not finite."""
        centred = np.asarray(features, dtype=np.float64) - self.mean
        along = centred @ self.basis.T
        # The basis is orthogonal: its rows' lengths undo the scaling.
        lengths = np.linalg.norm(self.basis, axis=1)
        across = (centred**2).sum(axis=1) - ((along / lengths) ** 2).sum(axis=1)
        square = (along**2).sum(axis=1) + np.maximum(across, 0) / self.left_over
        distance: Numbers = np.sqrt(square / len(self.mean))
        return np.where(np.isfinite(distance), distance, np.nan)

    def as_json(self) -> dict[str, Any]:
        """Plain lists, rounded."""
        return {
            "mean": _rounded(self.mean),
            "basis": _rounded(self.basis.ravel()),
            "left_over": float(f"{self.left_over:.{SIGNIFICANT_DIGITS}g}"),
        }


def fit(features: npt.NDArray[np.floating]) -> Embedding | None:
    """Where these rows lie; None for fewer than tell, or for rows that do not differ."""
    rows = np.asarray(features, dtype=np.float64)
    if len(rows) < MIN_PICTURES or not np.isfinite(rows).all():
        return None
    mean = rows.mean(axis=0)
    _, lengths, directions = np.linalg.svd(rows - mean, full_matrices=False)
    variances = lengths**2 / (len(rows) - 1)
    count = min(DIRECTIONS, MAX_NUMBERS // len(mean), len(mean) - 1, int((variances > 1e-12 * variances[0]).sum()) - 1)
    if count < 1:
        return None
    left_over = float(variances[count:].sum() / (len(mean) - count))
    return Embedding(mean, directions[:count] / np.sqrt(variances[:count, np.newaxis]), left_over)


def with_distances(
    sample: Sample,
    pictures: Mapping[str, bytes],
    embedding: Embedding,
    features: Callable[[Sequence[bytes]], npt.NDArray[np.floating]],
) -> Sample:
    """The sample with a column `embedding`: the distances of those of its rows whose picture is given, by digest.

    What earlier releases sent has none: a picture of 32 pixels is far from all that the model knows, and no news.
    """
    earlier = {digest for digest, old in zip(sample.digest, is_earlier(sample["pixels"]), strict=True) if old}
    known = [digest for digest in pictures if digest not in earlier]
    if not known:
        return sample
    distances = embedding.distances(features([pictures[digest] for digest in known]))
    by_digest = dict(zip(known, distances.tolist(), strict=True))
    column = np.array([by_digest.get(digest, np.nan) for digest in sample.digest])
    return Sample({**sample.columns, NAME: column}, sample.digest)


def _rounded(values: Numbers) -> list[float]:
    return [float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in values.tolist()]
