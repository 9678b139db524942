"""What takes longer than a page may wait for: made in the background, kept for a while, made anew when it is old."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class Slow(Generic[T]):
    """Something slow: `make` makes it, in one thread at a time, which the end of the program does not wait for."""

    make: Callable[[], T]
    kept_seconds: float
    _being_made: Future[T] | None = None
    _last: Future[T] | None = None
    _began: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, patience_seconds: float = 0.0) -> T | None:
        """What was made last, or None where after so long there is nothing yet; raises what went wrong in making it."""
        with self._lock:
            if self._being_made is None and (self._last is None or self._is_old()):
                self._being_made, self._began = Future(), time.monotonic()
                threading.Thread(target=self._work, args=(self._being_made,), daemon=True).start()
            asked = self._last or self._being_made
        try:
            return asked.result(patience_seconds) if asked else None
        except TimeoutError:
            return None

    def is_being_made(self) -> bool:
        """Whether there is more to come."""
        return self._being_made is not None

    def _is_old(self) -> bool:
        return time.monotonic() - self._began > self.kept_seconds

    def _work(self, made: Future[T]) -> None:
        try:
            made.set_result(self.make())
        except BaseException as error:
            made.set_exception(error)
        with self._lock:
            self._last, self._being_made = made, None
