"""Work in a few threads at a time, with results in order."""

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeAlias, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Is told how much is done, of how much.
Listener: TypeAlias = Callable[[int, int], None]

# Pillow works outside Python's lock. Each thread holds one photo, at most 200 MiB of it.
THREADS: Final = min(4, os.cpu_count() or 1)
_AHEAD_PER_THREAD: Final = 4


def in_threads(work: Callable[[_Item], _Result], items: Iterable[_Item], threads: int) -> Iterator[_Result]:
    """The result for each item, in order; few are worked on ahead, and after an error or Ctrl-C none is begun."""
    coming = iter(items)
    waiting: deque[Future[_Result]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        waiting.extend(pool.submit(work, item) for item in islice(coming, threads * _AHEAD_PER_THREAD))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(coming, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def all_in_threads(
    work: Callable[[_Item], _Result], items: Collection[_Item], threads: int, listener: Listener
) -> list[_Result]:
    """All results, in order, while the listener hears how many there are."""
    results: list[_Result] = []
    for result in in_threads(work, items, threads):
        results.append(result)
        listener(len(results), len(items))
    return results
