"""Files to records: every line is read or counted, whatever lies in the folder."""

import gzip
import os
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from monitoring.captures.reader import MAX_LINE_BYTES, Tally, read
from monitoring.captures.record import Captured, Unreadable
from monitoring.captures.source import ALL, KeyParts, Selection, Window, key_parts, open_source
from monitoring.errors import SourceError
from tests.unit.monitoring.capture_lines import NOON, key, line, lines, png, record, write

HOUR = timedelta(hours=1)


def outcome(address: Path, selection: Selection = ALL) -> tuple[list[Captured], Counter[str], Tally]:
    """The records, the reasons of the unreadable lines, and what became of the files."""
    tally = Tally()
    found = list(read(open_source(str(address)), selection, tally))
    records = [each for each in found if isinstance(each, Captured)]
    return records, Counter(each.reason for each in found if isinstance(each, Unreadable)), tally


def ids(records: list[Captured]) -> list[str]:
    return [each.event_id for each in records]


def test_every_line_is_read_or_unreadable(tmp_path: Path) -> None:
    """Several lines a file, an empty one, a broken one and one without a newline: five lines, five results."""
    good = lines(3)
    write(tmp_path, NOON, "a", b"\n".join([good[0], b"", b"{broken", good[1] + b"\r", good[2]]))

    records, reasons, tally = outcome(tmp_path)

    assert ids(records) == ["event-0", "event-1", "event-2"]
    assert reasons == {"empty": 1, "not_json": 1}
    assert (tally.files, tally.files_skipped) == (1, 0)


def test_a_file_that_is_still_written_ends_in_an_unfinished_line(tmp_path: Path) -> None:
    """The cut line is counted, with a reason of its own."""
    good = lines(2)
    write(tmp_path, NOON, "a", good[0] + b"\n" + good[1][:1000])

    records, reasons, _ = outcome(tmp_path)

    assert ids(records) == ["event-0"]
    assert reasons == {"unfinished": 1}


def test_a_line_that_is_too_long_is_counted_and_not_held(tmp_path: Path) -> None:
    """What follows it is read; so are lines as long as SageMaker's longest."""
    good = lines(3)
    longest = line(record(bytes(6 * 1024**2), event_id="longest"))
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(good[0] + b"\n" + longest + b"\n" + b"x" * (MAX_LINE_BYTES + 1) + b"\n" + good[1] + b"\n")
        file.write(b"y" * (3 * MAX_LINE_BYTES) + b"\n" + good[2] + b"\n" + b"z" * (2 * MAX_LINE_BYTES))

    records, reasons, _ = outcome(path)

    assert ids(records) == ["event-0", "longest", "event-1", "event-2"]
    assert reasons == {"too_long": 3}


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a", "a.log"])
def test_gzip_is_known_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    """Packed or not, in one stream or several, whatever the name."""
    good = lines(5)
    packed = gzip.compress(b"\n".join(good[:2]) + b"\n") + gzip.compress(b"\n".join(good[2:]) + b"\n") + bytes(100)
    (tmp_path / name).write_bytes(packed)

    records, reasons, tally = outcome(tmp_path)

    assert ids(records) == [f"event-{number}" for number in range(5)]
    assert not reasons
    assert tally.files == 1


@pytest.mark.parametrize("cut", [1, 9, 12, 5000, -9, -1])
def test_a_damaged_gzip_gives_what_it_holds_and_one_unreadable_line(tmp_path: Path, cut: int) -> None:
    """Cut short anywhere, the rest of the file counts as one line."""
    good = lines(5)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"\n".join(good) + b"\n")[:cut])

    records, reasons, tally = outcome(tmp_path)

    assert ids(records) == [f"event-{number}" for number in range(len(records))]
    assert len(records) < 5 or cut < 0
    assert sum(reasons.values()) == 1
    assert tally.files == 1


def test_a_flipped_byte_in_a_gzip_is_noticed(tmp_path: Path) -> None:
    """The check sum is looked at."""
    packed = bytearray(gzip.compress(b"\n".join(lines(5)) + b"\n"))
    packed[-6] ^= 0xFF
    (tmp_path / "a.jsonl.gz").write_bytes(packed)

    assert outcome(tmp_path)[1] == {"damaged_gzip": 1}


def test_a_gzip_bomb_is_left_alone_soon(tmp_path: Path) -> None:
    """A hundred kilobytes that unpack to a hundred megabytes of newlines are no hundred million records."""
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"{}" + b" " * 100 * 1024**2, 9))

    records, reasons, _ = outcome(tmp_path)

    assert not records
    assert reasons == {"gzip_bomb": 1}


def test_what_holds_no_json_lines_is_skipped_and_counted(tmp_path: Path) -> None:
    """Notes, pictures, archives and empty markers are no captured data; a file without a suffix may be."""
    (tmp_path / "README.md").write_text("# Captures\n")
    (tmp_path / "picture.png").write_bytes(png(1))
    (tmp_path / "empty").touch()
    (tmp_path / "archive.tar.gz").write_bytes(gzip.compress(b"ustar" * 100))
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8bnothing")
    (tmp_path / "without-suffix").write_bytes(b" \n" + lines(1)[0] + b"\n")
    (tmp_path / "empty.jsonl").touch()

    records, reasons, tally = outcome(tmp_path)

    assert ids(records) == ["event-0"]
    assert reasons == {"empty": 1}
    assert (tally.files, tally.files_skipped) == (2, 5)


def test_links_pipes_and_devices_are_not_followed(tmp_path: Path) -> None:
    """Nothing outside the folder is read, nothing twice, and a pipe does not hang the reader."""
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    write(outside, NOON, "a", lines(1)[0] + b"\n")
    write(inside, NOON, "b", lines(2)[1] + b"\n")
    (inside / "link").symlink_to(outside)
    (inside / "file.jsonl").symlink_to(next(outside.rglob("*.jsonl")))
    (inside / "loop").symlink_to(inside)
    os.mkfifo(inside / "pipe.jsonl")

    records, _, tally = outcome(inside)

    assert ids(records) == ["event-1"]
    assert (tally.files, tally.files_skipped, tally.files_refused) == (1, 4, 0)


def test_a_single_file_may_be_named(tmp_path: Path) -> None:
    """Its place in SageMaker's layout is taken from its whole path."""
    path = write(tmp_path, NOON, "a", b"\n".join(lines(2)))

    assert len(outcome(path)[0]) == 2
    assert len(outcome(path, Selection(endpoint="vehiclevision"))[0]) == 2


def test_endpoint_variant_and_window_choose_by_the_files_place(tmp_path: Path) -> None:
    """The hour before and after are read too: a file's hour is not always its records'."""
    for number, (endpoint, variant) in enumerate([("one", "AllTraffic"), ("two", "AllTraffic"), ("two", "Shadow")]):
        for hours in range(-3, 4):
            content = line(record(None, at=NOON + hours * HOUR, event_id=f"{number}{hours:+}"))
            write(tmp_path, NOON + hours * HOUR, "a", content, endpoint=endpoint, variant=variant)

    window = Window(NOON, NOON + HOUR)

    assert len(outcome(tmp_path)[0]) == 21
    assert ids(outcome(tmp_path, Selection(window, "one"))[0]) == ["0-1", "0+0", "0+1"]
    assert ids(outcome(tmp_path, Selection(window, "two", "Shadow"))[0]) == ["2-1", "2+0", "2+1"]
    assert ids(outcome(tmp_path, Selection(variant="Shadow"))[0]) == [f"2{hours:+}" for hours in range(-3, 4)]


@pytest.mark.parametrize("address", ["nowhere", "\0", "s3://", "s3:///prefix", "s3://a b/c", "~nobody-at-all/x"])
def test_an_address_that_is_none_is_an_error_in_words(address: str, tmp_path: Path) -> None:
    """It says what to write instead."""
    with pytest.raises(SourceError) as caught:
        open_source(address if "://" in address else str(tmp_path / address))

    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "place"),
    [
        (f"capture/{key(NOON, '01-02-003-x')}", KeyParts("vehiclevision", "AllTraffic", NOON)),
        ("e/v/2026/11/20/12/a.jsonl", KeyParts("e", "v", NOON)),
        ("v/2026/11/20/12/a.jsonl", None),
        ("e/v/2026/13/20/12/a.jsonl", None),
        ("e/v/0000/01/01/01/a.jsonl", None),
        ("e/v/2026/11/20/24/a.jsonl", None),
        ("e e/v/2026/11/20/12/a.jsonl", None),
        ("e/v/٢٠٢٦/11/20/12/a.jsonl", None),
        ("\udcff/v/2026/11/20/12/a.jsonl", None),
        ("notes.txt", None),
    ],
)
def test_a_place_is_read_from_sagemakers_layout_only(name: str, place: KeyParts | None) -> None:
    """Any other name is no place."""
    assert key_parts(name) == place


def test_real_files_are_read_whole(data: Path) -> None:
    """All 24 files of other projects, all their 31 lines, nothing skipped."""
    records, reasons, tally = outcome(data / "capture")

    assert (len(records), reasons, tally.files, tally.files_skipped) == (31, Counter(), 24, 0)


def test_a_long_file_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    """200 MB of lines are read with some megabytes more than the interpreter needs."""
    path = tmp_path / "a.jsonl"
    block = b"\n".join(lines(200)) + b"\n"
    with path.open("wb") as file:
        for _ in range(200 * 1024**2 // len(block)):
            file.write(block)
    script = (
        "import resource, sys; from monitoring.captures.reader import blocks, Tally; "
        "from monitoring.captures.source import ALL, open_source; source = open_source(sys.argv[1]); "
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; before = peak(); "
        "lines = sum(b.lines.count(10) for f in source.files(ALL) for b in blocks(source, f, Tally())); "
        "print(lines, peak() - before)"
    )

    ran = subprocess.run([sys.executable, "-c", script, path], check=True, capture_output=True, text=True)

    count, kilobytes = (int(word) for word in ran.stdout.split())
    assert count == 200 * (200 * 1024**2 // len(block))
    assert kilobytes * (1 if sys.platform == "linux" else 1 / 1024) < 16 * 1024
