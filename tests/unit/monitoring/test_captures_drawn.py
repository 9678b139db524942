"""A sample of captured files: even, bounded, the same every time, and honest about how far it may be off."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from monitoring.captures.drawn import Drawn, interval
from monitoring.captures.source import ALL, File, Folder, Selection, key_parts
from monitoring.summary import summarise
from tests.unit.monitoring.capture_lines import NOON, line, png, record

HOURS, FILES_AN_HOUR = 24, 50
CERTAINTY = 0.95


class Listed:
    """A source of many files of equal size that nobody reads."""

    address, readers = "s3://captures/", 8

    def __init__(self, count: int, size: int = 40_000) -> None:
        start = datetime(2026, 11, 20, tzinfo=UTC)
        begun = [start + timedelta(minutes=number % 1440) for number in range(count)]
        names = sorted(f"e/v/{minute:%Y/%m/%d/%H/%M}-{number}.jsonl" for number, minute in enumerate(begun))
        self.all = [File(name, size, key_parts(name)) for name in names]

    def files(self, selection: Selection) -> Iterator[File]:
        """All of them."""
        yield from self.all

    def chunks(self, file: File) -> Iterator[bytes]:
        """Nothing."""
        yield b""


def test_few_files_are_all_read() -> None:
    """Where neither limit is reached nothing is left out, and nothing is said of a sample."""
    drawn = Drawn(Listed(300))

    assert len(list(drawn.files(ALL))) == drawn.listed == 300
    assert drawn.left_out == 0
    assert drawn.last(NOON) == NOON


@pytest.mark.parametrize(("max_files", "max_bytes", "count"), [(500, 10**9, 500), (5000, 40_000 * 700, 700)])
def test_the_sample_is_bounded_by_files_and_by_bytes(max_files: int, max_bytes: int, count: int) -> None:
    """Whichever comes first; the same files whatever the order of the listing, in the order of their names."""
    listed = Listed(20_000)
    drawn = Drawn(listed, max_files, max_bytes)

    names = [file.name for file in drawn.files(ALL)]

    assert (len(names), drawn.left_out) == (count, 20_000 - count)
    assert names == sorted(names)
    listed.all.reverse()
    assert [file.name for file in drawn.files(ALL)] == names


def test_the_sample_is_even_over_the_day() -> None:
    """Of 2,400 files drawn from 24,000 each hour has its hundred, within what chance allows."""
    drawn = Drawn(Listed(24_000), max_files=2_400)

    hours = np.bincount([file.parts.hour.hour for file in drawn.files(ALL) if file.parts], minlength=HOURS)

    assert ((hours - 100) ** 2 / 100).sum() < 52  # chi-squared with 23 degrees of freedom: once in 2,000 is more


def test_a_drawn_summary_counts_its_files_and_knows_the_newest(tmp_path: Path) -> None:
    """Shares have an interval; when capture was last at work comes from the newest file, drawn or not."""
    hour = tmp_path / "e" / "v" / "2026" / "11" / "20" / "12"
    hour.mkdir(parents=True)
    for minute in range(40):
        made = record(png(minute), (0.9, 0.05) if minute % 4 else (0.5, 0.3), NOON + timedelta(minutes=minute))
        (hour / f"{minute:02}-00.jsonl").write_bytes(line(made))
    drawn = Drawn(Folder(tmp_path), max_files=10)

    summary = summarise(drawn, threshold=0.8, workers=1)

    assert (summary.files, summary.files_left_out, summary.records) == (10, 30, 10)
    assert sum(passed for _, passed in summary.by_file.values()) == summary.total.passed
    low, high = summary.drawn_interval or (1, 0)
    assert low < 0.75 < high
    assert drawn.last(summary.last) == NOON + timedelta(minutes=39)
    everything = summarise(Folder(tmp_path), threshold=0.8, workers=1)
    assert (everything.files_left_out, everything.by_file, everything.drawn_interval) == (0, {}, None)


@pytest.mark.parametrize("lines", [1, 40])
def test_the_stated_interval_holds(lines: int) -> None:
    """In 600 made-up days 95 % of the intervals hold the day's own share, also where a file's answers are alike."""
    chance = np.random.default_rng(5)
    held = 0
    for _ in range(600):
        # How easy the photos are changes with the hour, and from file to file: with many lines each they are clusters.
        ease = np.repeat(chance.beta(20, 2, HOURS), FILES_AN_HOUR) * chance.beta(30, 2, HOURS * FILES_AN_HOUR)
        answered = chance.poisson(lines, ease.size) if lines > 1 else np.ones(ease.size, int)
        passed = chance.binomial(answered, ease)
        sample = chance.choice(ease.size, 150, replace=False)
        low, high = interval(list(zip(answered[sample], passed[sample], strict=True)))
        held += bool(low <= passed.sum() / answered.sum() <= high)

    assert held / 600 > CERTAINTY - 3 * np.sqrt(CERTAINTY * (1 - CERTAINTY) / 600)


def test_files_that_are_alike_within_count_for_less() -> None:
    """A hundred files of a hundred equal answers say no more than a hundred answers; mixed ones say more."""
    low, high = interval([(100, 100)] * 80 + [(100, 0)] * 20)
    narrow_low, narrow_high = interval([(100, 80)] * 100)

    assert high - low > 0.14
    assert narrow_high - narrow_low < 0.02
    assert interval([(1, 1)] * 100)[0] > 0.95
    assert interval([(100, 100)] * 10)[0] < 0.9
    assert interval([]) == interval([(10, 9)]) == (0.0, 1.0)
