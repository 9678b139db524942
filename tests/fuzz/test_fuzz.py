"""A short run of the fuzzers, the same inputs every time; `make fuzz MINUTES=5` goes on from here."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz import targets
from tests.fuzz.__main__ import CAN_BE_GUIDED, guided
from tests.fuzz.pieces import files, pieces
from tests.fuzz.targets import ALL, TARGETS, gate, within_bounds

# Without a time, `make test` runs the same files every time.
MINUTES = float(os.environ.get("MINUTES", "0"))


@pytest.mark.timeout(60 * MINUTES + 300)
def test_whatever_a_file_is_put_together_from_it_is_taken_or_refused() -> None:
    """Until the time is up, no file ends in another error, takes a second of CPU or 300 MiB."""
    pieces()
    ends = time.monotonic() + 60 * MINUTES
    count = refused = 0

    @settings(
        max_examples=100,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=not MINUTES,
    )
    @given(files())
    def one(data: bytes) -> None:
        nonlocal count, refused
        refused += not within_bounds(gate, data)
        count += 1

    one()
    while time.monotonic() < ends:
        one()

    print(f"{count} files, {refused} of them refused")
    assert 0 < refused < count


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - {"upload"}))
def test_each_target_takes_what_is_sound(name: str) -> None:
    """The fuzzer begins with inputs that pass, so that what it changes in them is what matters."""
    target = TARGETS[name]

    assert all(target.takes(seed) for seed in target.seeds())


@pytest.mark.skipif(not CAN_BE_GUIDED, reason="atheris has no wheel for this machine")
def test_guided_by_coverage_nothing_else_than_a_refusal_comes_out(tmp_path: Path) -> None:
    """Some inputs for every parser, changed until they reach code that none has reached."""
    run = guided(ALL, tmp_path, "-runs=1500", "-seed=1")

    assert run.returncode == 0, run.stderr[-3000:]
    assert len(list((tmp_path / ALL).iterdir())) > 50  # each of them reached what none before had


def test_time_and_memory_are_failures_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What breaks a bound fails, though its answer is right; too slow is what is so three times in a row."""
    monkeypatch.setattr(targets, "MAX_CPU_SECONDS", 0.05)
    slow = [True, True, False]

    def burns(_: bytes) -> bool:
        ends = time.process_time() + (0.1 if slow and slow.pop(0) else 0)
        while time.process_time() < ends:
            pass
        return True

    assert within_bounds(burns, b"")
    slow.extend([True] * 3)
    with pytest.raises(AssertionError, match="s of CPU for 5 bytes"):
        within_bounds(burns, b"bytes")
    if targets.CLEAR.exists():
        monkeypatch.setattr(targets, "MAX_MEBIBYTES", 20)
        with pytest.raises(AssertionError, match="MiB for 5 bytes"):
            within_bounds(lambda _: bool(bytearray(64 * 2**20)), b"bytes")
