"""An even sample of a source's files, and how far a share that was counted in it may be off.

Files are drawn by the hash of their names while they are listed: the same files give the same sample, and what is held
does not grow with how many there are.
"""

import hashlib
import heapq
import math
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Final

import numpy as np

from monitoring.captures.reader import Tally, blocks, records
from monitoring.captures.record import Captured
from monitoring.captures.source import File, Selection, Source

# What a check reads at most: as many records as its sample holds, even where each lies in a file of its own, and what a
# function of two gigabytes measures in a few minutes where many lie in one.
MAX_FILES: Final = 10_000
MAX_BYTES: Final = 600_000_000
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class Drawn:
    """A source of which at most so many files are read, and no more once so many bytes are reached."""

    def __init__(self, source: Source, max_files: int = MAX_FILES, max_bytes: float = MAX_BYTES) -> None:
        self.address, self.readers = source.address, source.readers
        self._source, self._max_files, self._max_bytes = source, max_files, max_bytes
        # How many files there are, and which of them was begun last.
        self.listed = 0
        self.newest: File | None = None
        self.left_out = 0

    def files(self, selection: Selection) -> Iterator[File]:
        """The drawn files in the order of their names, after all were listed; all of them where they are few."""
        self.listed, self.newest = 0, None
        held: list[tuple[int, str, File]] = []
        held_bytes = 0
        for file in self._source.files(selection):
            self.listed += 1
            self.newest = max(self.newest or file, file, key=_begun)
            heapq.heappush(held, (-_order(file.name), file.name, file))
            held_bytes += file.size
            while len(held) > self._max_files or held_bytes - held[0][2].size >= self._max_bytes:
                held_bytes -= heapq.heappop(held)[2].size
        self.left_out = self.listed - len(held)
        yield from (file for _, _, file in sorted(held, key=lambda entry: entry[1]))

    def chunks(self, file: File) -> Iterator[bytes]:
        """The file's bytes as stored."""
        return self._source.chunks(file)

    def last(self, counted: datetime | None) -> datetime | None:
        """When the last record was captured, of those counted and of the newest file, which may not have been drawn."""
        times = [counted] if counted else []
        if self.left_out and self.newest:
            for block in blocks(self._source, self.newest, Tally()):
                times += [each.at for each in records(block) if isinstance(each, Captured) and each.at]
        return max(times, default=None)


def _order(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(errors="replace"), digest_size=8).digest())


def _begun(file: File) -> tuple[datetime, str]:
    """A name in SageMaker's layout begins with minute and second."""
    return (file.parts.hour if file.parts else _LONG_AGO, file.name)


def interval(by_file: Collection[tuple[int, int]]) -> tuple[float, float]:
    """The 95 % interval of the share of answers that pass, from each drawn file's answers and passing ones.

    It is Wilson's, for as many answers as those would be worth if each had been drawn by itself. What lies in one file
    was asked within minutes and is alike: their worth is told by how much the files differ (the ratio estimator of
    cluster sampling), and is never more than their number.
    """
    # Here, and not above: it takes 60 MB, which processes that only measure pictures need not hold.
    from scipy import stats  # noqa: PLC0415

    answered, passed = np.array(list(by_file) or [(0, 0)], np.float64).T
    n, files = float(answered.sum()), len(answered)
    if not n or files < 2:
        return 0.0, 1.0
    share = float(passed.sum()) / n
    alone = share * (1 - share) / n
    between = files / (files - 1) * float(((passed - share * answered) ** 2).sum()) / n**2
    worth = n / max(1.0, between / alone) if alone else min(n, files)
    z = float(stats.t.ppf(0.975, files - 1))
    middle, scale = (share + z * z / (2 * worth)), 1 + z * z / worth
    half = z * math.sqrt(share * (1 - share) / worth + (z / (2 * worth)) ** 2)
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
