"""What waits to be written elsewhere, and is never in the way of whoever makes it: captures, metrics, lines of logs.

A thread of its own hands on all that waits every few seconds. What nobody takes now waits for the next time; what there
is no room for is counted and said.
"""

import sys
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

MAX_WAITING = 20_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
# As soon as so many wait, it is time.
MANY = 200
STOP_SECONDS = 5.0

T = TypeVar("T")


class Waiting(Generic[T]):
    """The queue, and the thread that empties it: `hand_on` gives back what it could not hand on."""

    def __init__(
        self, name: str, hand_on: Callable[[list[T]], list[T]], seconds: float, size: Callable[[T], int] = lambda _: 0
    ) -> None:
        self._name = name
        self._hand_on = hand_on
        self._seconds = seconds
        self._size = size
        self._items: list[T] = []
        self._bytes = self._lost = 0
        self._lock, self._handing = threading.Lock(), threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def take(self, item: T) -> bool:
        """Keep it if there is room, and say whether there was; returns at once."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name=self._name)
                self._thread.start()
            kept = self._add(item)
            if len(self._items) == MANY:
                self._wake.set()
            return kept

    def _add(self, item: T) -> bool:
        if len(self._items) >= MAX_WAITING or self._bytes + self._size(item) > MAX_WAITING_BYTES:
            self._lost += 1
            return False
        self._items.append(item)
        self._bytes += self._size(item)
        return True

    def flush(self) -> None:
        """Hand on all that waits."""
        with self._handing:
            with self._lock:
                items, self._items, self._bytes = self._items, [], 0
            left = self._hand_on(items) if items else []
            with self._lock:
                newer, self._items, self._bytes = self._items, [], 0
                for item in [*left, *newer]:
                    self._add(item)
                lost, self._lost = self._lost, 0
            self._say(lost)

    def stop(self) -> None:
        """Hand on what waits, and end; within some seconds."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        self._say(len(self._items))

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._seconds)
            self._wake.clear()
            self.flush()
        self.flush()

    def _say(self, lost: int) -> None:
        if lost:
            print(f"{self._name} lost {lost} records.", file=sys.stderr, flush=True)
