"""All wanted files of a source, read side by side where that helps, and shared out between processes.

Blocks of lines travel through pipes: one huge file keeps every process as busy as many small ones, and only the first
process needs to know where the files lie.
"""

import itertools
import multiprocessing
import os
import queue
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Protocol, TypeVar

from monitoring.captures.reader import BLOCK_BYTES, Block, Tally, blocks
from monitoring.captures.source import File, Selection, Source
from monitoring.errors import MonitoringError, SourceError

# Enough files are listed ahead to say how much there is to do.
LISTED_AHEAD: Final = 10_000
MAX_WORKERS: Final = 4
# Less than this is read before another process has started.
WORTH_SHARING_BYTES: Final = 16 * 1024 * 1024
_STOP_CHECK_SECONDS: Final = 0.2
_WAITING_BATCHES: Final = 4

Batch = list[Block]
Progress = Callable[[int, int], None]


class Part(Protocol):
    """What a process makes of its share; it is sent back whole when it has been closed."""

    def take(self, block: Block) -> None:
        """Work one block in."""
        ...

    def close(self) -> None:
        """Finish what waits."""
        ...


P = TypeVar("P", bound=Part)


class Reading:
    """The blocks of all wanted files, each once, and what became of the files."""

    def __init__(self, source: Source, selection: Selection, progress: Progress | None = None) -> None:
        self._source, self._progress = source, progress
        self._files = source.files(selection)
        self._ahead: deque[File] = deque()
        self._lock = threading.Lock()
        self._tallies = [Tally() for _ in range(source.readers)]
        self._stopped = threading.Event()
        self.found_bytes = 0
        self._look_ahead()

    @property
    def tally(self) -> Tally:
        """What became of the files so far."""
        return Tally(*map(sum, zip(*(astuple(each) for each in self._tallies), strict=True)))

    def batches(self) -> Generator[Batch, None, None]:
        """Blocks, some at a time; SourceError when there are files and none of them may be read."""
        alone = self._source.readers == 1
        with closing(self._read(self._tallies[0]) if alone else self._read_side_by_side()) as batches:
            for batch in batches:
                yield batch
                if self._progress:
                    self._progress(self.tally.bytes, self.found_bytes)
        if self.tally.files_refused and not self.tally.files:
            raise SourceError(
                f"None of the files in {self._source.address} may be read.", "Check that you may read them."
            )

    def _look_ahead(self) -> None:
        for file in itertools.islice(self._files, LISTED_AHEAD - len(self._ahead)):
            self._ahead.append(file)
            self.found_bytes += file.size

    def _next(self) -> File | None:
        with self._lock:
            if len(self._ahead) <= LISTED_AHEAD // 2:
                self._look_ahead()
            return self._ahead.popleft() if self._ahead else None

    def _read(self, tally: Tally) -> Generator[Batch, None, None]:
        batch: Batch = []
        size = 0
        while not self._stopped.is_set() and (file := self._next()) is not None:
            for block in blocks(self._source, file, tally):
                batch.append(block)
                size += len(block.lines)
                if size >= BLOCK_BYTES:
                    yield batch
                    batch, size = [], 0
        if batch:
            yield batch

    def _read_side_by_side(self) -> Generator[Batch, None, None]:
        ready: queue.Queue[Batch | BaseException | None] = queue.Queue(_WAITING_BATCHES)

        def put(item: Batch | BaseException | None) -> None:
            while not self._stopped.is_set():
                with suppress(queue.Full):
                    ready.put(item, timeout=_STOP_CHECK_SECONDS)
                    return

        def run(tally: Tally) -> None:
            try:
                for batch in self._read(tally):
                    put(batch)
            except BaseException as error:
                put(error)
            put(None)

        # Daemons: a read that hangs in the network must not keep an interrupted command alive.
        for tally in self._tallies:
            threading.Thread(target=run, args=(tally,), daemon=True, name="captures").start()
        running = len(self._tallies)
        try:
            while running:
                item = ready.get()
                if item is None:
                    running -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            self._stopped.set()


def share_out(reading: Reading, make: Callable[[], P], workers: int | None = None) -> list[P]:
    """Let parts take all blocks: one here, or one in each of several processes; `make` must be picklable for those."""
    count = workers or (_cores() if reading.found_bytes >= WORTH_SHARING_BYTES else 1)
    with closing(reading.batches()) as batches:
        if count == 1:
            with warnings.catch_warnings():
                _silence_decoders()
                return [_alone(batches, make())]
        return _in_processes(batches, make, count)


def _alone(batches: Iterator[Batch], part: P) -> P:
    for batch in batches:
        for block in batch:
            part.take(block)
    part.close()
    return part


def _silence_decoders() -> None:
    """What Pillow has to say about a stranger's picture is nothing for the terminal: it is counted, not told."""
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return min(MAX_WORKERS, len(affinity(0)) if affinity else os.cpu_count() or 1)


def _in_processes(batches: Iterator[Batch], make: Callable[[], P], count: int) -> list[P]:
    """A part of each of several processes, which ask for a batch when they are free.

    Only pipes are used: where there is no shared memory they still work.
    """
    context = multiprocessing.get_context("spawn")
    processes: dict[Connection, Any] = {}
    parts: list[P] = []
    coming: Iterator[Batch | None] = itertools.chain(batches, itertools.repeat(None))
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            processes[ours] = context.Process(target=_work, args=(theirs, make), daemon=True)
            with _uninterrupted():
                processes[ours].start()
            theirs.close()
        working = list(processes)
        while working:
            for connection in wait(working):
                assert isinstance(connection, Connection)  # noqa: S101 - tells the type checker
                answer = _exchanged(connection, coming)
                if answer is not None:
                    parts.append(answer)
                    working.remove(connection)
        return parts
    finally:
        for connection, process in processes.items():
            process.terminate()
            process.join()
            connection.close()


def _exchanged(connection: Connection, coming: Iterator[Batch | None]) -> Any:
    """Give the process its next batch, or hear its part; whatever went wrong there goes wrong here."""
    try:
        answer = connection.recv()
        if answer is None:
            connection.send(next(coming))
    except (ConnectionError, EOFError) as error:
        raise MonitoringError(
            "A process that reads captured data ended before its time.", "If memory is short, use one process."
        ) from error
    if isinstance(answer, BaseException):
        raise answer
    return answer


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """What is started in here never gets Ctrl-C, which reaches a whole group: the first process ends the others."""
    resource_tracker.ensure_running()  # comes with the first process, and would let the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(connection: Connection, make: Callable[[], Any]) -> None:
    """One process: asks for batches until there are none, and sends back its part, or what went wrong."""
    _silence_decoders()
    part = make()
    try:
        connection.send(None)
        while (batch := connection.recv()) is not None:
            for block in batch:
                part.take(block)
            connection.send(None)
        part.close()
    except (ConnectionError, EOFError):
        return
    except Exception as error:
        connection.send(error)
        return
    connection.send(part)
