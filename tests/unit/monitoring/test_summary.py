"""A window's captures in one pass: counts, an even sample, and the pictures worth showing."""

import hashlib
import io
import math
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monitoring.captures.source import Window, open_source
from monitoring.measure import MEASURES, measure_arrays
from monitoring.summary import COLUMNS, EXAMPLES, EXTREMES, MAX_NAMES, PICTURES, SAMPLE_SIZE, Hour, Summary, summarise
from tests.unit.monitoring.capture_lines import NOON, line, lines, png, record, write
from vehiclevision.answer import Answer
from vehiclevision.image_gate import MAX_JPEG_BYTES
from vehiclevision.labels import MODEL_INPUT_SIDE

THRESHOLD = 0.85
HOUR = timedelta(hours=1)


def summary(folder: Path, found: Iterable[Any] = (), **options: Any) -> Summary:
    """What is said of a folder, after these records have been put into it."""
    if written := [each if isinstance(each, bytes) else line(each) for each in found]:
        write(folder, NOON, "a", b"\n".join(written) + b"\n")
    return summarise(open_source(str(folder)), threshold=THRESHOLD, **options)


def same(one: Summary, other: Summary) -> bool:
    """Whether two summaries are equal to the last bit."""
    for name, value in vars(one).items():
        counterpart = getattr(other, name)
        if name == "sample":
            if value.digest != counterpart.digest:
                return False
            if any(not np.array_equal(value[column], counterpart[column], equal_nan=True) for column in COLUMNS):
                return False
        elif name == "confidences":
            if any(not np.array_equal(value[label], counterpart[label]) for label in value):
                return False
        elif value != counterpart:
            return False
    return True


def digest(picture: bytes) -> str:
    return hashlib.sha256(picture).hexdigest()


def test_every_line_is_counted_once(tmp_path: Path) -> None:
    """Read or unreadable; and of the read ones, what they lack."""
    found = summary(
        tmp_path,
        [
            record(png(1), (0.9, 0.05)),
            record(png(2), None),
            record(None, (0.1, 0.2)),
            record(b"no picture", (0.05, 0.9), at=None),
            record(None, "1,2,3"),
            b"{broken",
            b"",
        ],
    )

    assert (found.records_read, found.records_unreadable, found.unreadable) == (5, 2, {"not_json": 1, "empty": 1})
    assert (found.without_answer, found.without_picture, found.broken_pictures, found.without_time) == (2, 2, 1, 1)
    assert (found.files, found.bytes) == (1, next(tmp_path.rglob("*.jsonl")).stat().st_size)
    assert found.endpoints == {"vehiclevision/AllTraffic": 5}
    assert found.total == Hour(5, Counter(bicycle=1, motorcycle=1), review=1, confidence_parts=2_000_000_000)
    assert len(found.sample) == 4


def test_hours_hold_what_was_asked_and_answered_in_them(tmp_path: Path) -> None:
    """Passed at the threshold, in review below it; a record without a time belongs to its file's hour."""
    found = summary(
        tmp_path,
        [
            record(None, (THRESHOLD, 0.0), NOON),
            record(None, (THRESHOLD - 1e-6, 0.0), NOON + timedelta(minutes=59, seconds=59)),
            record(None, (0.1, 0.9), NOON + HOUR),
            record(None, None, NOON + HOUR),
            record(None, (0.5, 0.5), None),
        ],
    )

    assert list(found.hours) == [NOON, NOON + HOUR]
    assert found.hours[NOON].by_label == {"bicycle": 1, "motorcycle": 0, "review": 2}
    assert (found.hours[NOON].n, found.hours[NOON].passed, found.hours[NOON].answered) == (3, 1, 3)
    assert (found.hours[NOON + HOUR].n, found.hours[NOON + HOUR].answered) == (2, 1)
    assert found.hours[NOON + HOUR].confidence_sum == pytest.approx(0.9)
    assert (found.first, found.last) == (NOON, NOON + HOUR)
    assert found.confidences["bicycle"].sum() == 3
    assert found.confidences["motorcycle"][[50, 90]].tolist() == [0, 1]


def test_a_confidence_of_one_is_in_the_last_bin(tmp_path: Path) -> None:
    """Nothing falls off the end of the histogram."""
    assert summary(tmp_path, [record(None, (1, 0))]).confidences["bicycle"][99] == 1


def test_a_window_counts_its_own_records_only_and_says_how_many_others_it_met(tmp_path: Path) -> None:
    """From its start on, and before its end."""
    times = [NOON - timedelta(seconds=1), NOON, NOON + HOUR - timedelta(seconds=1), NOON + HOUR]

    found = summary(tmp_path, [record(png(1), at=at) for at in times], window=Window(NOON, NOON + HOUR))

    assert (found.records_read, found.outside_window, found.records, found.total.n) == (4, 2, 2, 2)
    assert (found.first, found.last, len(found.sample)) == (times[1], times[2], 2)


def test_windows_side_by_side_count_every_record_once(tmp_path: Path) -> None:
    """Records with and without a time, in files of one hour and of the next."""
    for number, each in enumerate(lines(40, NOON, timedelta(minutes=7))):
        write(tmp_path, NOON + HOUR * (number // 8), f"{number}", each)
    write(tmp_path, NOON + HOUR, "untimed", line(record(None, at=None)))

    parts = [summary(tmp_path, window=Window(NOON + HOUR * n, NOON + HOUR * (n + 1))) for n in range(6)]

    assert sum(part.records for part in parts) == 41


def test_the_sample_holds_measures_and_answers_side_by_side(tmp_path: Path) -> None:
    """One row a record; what a record lacks is not a number."""
    found = summary(tmp_path, [record(png(1), (0.2, 0.7)), record(None, (0.9, 0.1), at=None), record(png(3), None)])

    rows = {found.sample.digest[n]: {name: found.sample[name][n] for name in COLUMNS} for n in range(3)}
    row = rows[digest(png(1))]
    expected = measure_arrays(np.asarray(Image.open(io.BytesIO(png(1))))[None])
    assert {name: row[name] for name in MEASURES} == {name: values[0] for name, values in expected.items()}
    assert (row["bicycle"], row["motorcycle"], row["confidence"], row["at"]) == (0.2, 0.7, 0.7, NOON.timestamp())
    assert all(math.isnan(rows[""][name]) for name in (*MEASURES, "at"))
    assert rows[""]["confidence"] == 0.9
    assert math.isnan(rows[digest(png(3))]["confidence"])


def test_the_sample_is_even_and_of_fixed_size(tmp_path: Path) -> None:
    """Of three times as many records as it holds, each third gets a third of it; examples stay few."""
    size = 3 * SAMPLE_SIZE
    content = [
        line(record(None, (round(number / size, 6), 0.0), NOON + timedelta(seconds=number), f"{number}"))
        for number in range(size)
    ]

    found = summary(tmp_path, content)

    assert len(found.sample) == SAMPLE_SIZE
    thirds = np.histogram(found.sample["bicycle"], 3, (0, 1))[0] / SAMPLE_SIZE
    assert np.abs(thirds - 1 / 3).max() < 0.03


def test_of_many_pictures_the_models_input_is_kept_of_few(tmp_path: Path) -> None:
    """An even part of them, whatever else the summary holds."""
    found = summary(tmp_path, [record(png(seed, side=8), event_id=f"{seed}") for seed in range(2 * PICTURES + 200)])

    assert len(found.pictures) == PICTURES
    assert set(found.pictures) < set(found.sample.digest)
    assert len(found.sample) == 2 * PICTURES + 200


def test_records_without_an_id_are_sampled_one_by_one(tmp_path: Path) -> None:
    """The same content in several places is several records."""
    content = [record(None, (0.5, 0.1), None, event_id=None)] * 50

    assert len(summary(tmp_path, content).sample) == 50


def test_the_same_files_give_the_same_summary_however_the_work_is_shared(tmp_path: Path) -> None:
    """In one process, in two, in three, and with the same lines in other files: equal to the last bit."""
    one, other = tmp_path / "one", tmp_path / "other"
    content = lines(350, NOON, timedelta(seconds=20))
    labels = {digest(png(seed)): ("bicycle", "motorcycle", "neither")[seed % 3] for seed in range(0, 350, 7)}
    for number in range(7):
        write(one, NOON, f"{number}", b"\n".join(content[number * 50 : (number + 1) * 50]))
    write(other, NOON, "all", b"\n".join(reversed(content)))

    alone = summary(one, labels=labels, workers=1)

    assert alone.labelled and alone.mistakes and alone.least_sure
    assert same(alone, summary(one, labels=labels, workers=2))
    assert same(alone, summary(one, labels=labels, workers=3))
    again = summary(other, labels=labels, workers=2)
    again.files, again.bytes = alone.files, alone.bytes
    assert same(alone, again)


def test_the_least_sure_are_shown_once_each_the_least_sure_first(tmp_path: Path) -> None:
    """A picture that was sent a hundred times is one picture."""
    content = [record(png(seed), (0.2 + seed / 100, 0.1)) for seed in range(40) for _ in range(3)]

    found = summary(tmp_path, content)

    assert [example.digest for example in found.least_sure] == [digest(png(seed)) for seed in range(EXAMPLES)]
    assert found.least_sure[0].answer == Answer((0.2, 0.1))
    assert Image.open(io.BytesIO(found.least_sure[0].picture)).size == (32, 32)


def test_mistakes_need_a_label_and_the_surest_come_first(tmp_path: Path) -> None:
    """Another vehicle, or a vehicle where there is none and the answer passed."""
    labels = {digest(png(seed)): label for seed, label in enumerate(["motorcycle", "bicycle", "neither", "neither"])}
    answers = [(0.9, 0.05), (0.95, 0.02), (0.99, 0.0), (0.3, 0.3), (0.99, 0.0)]

    found = summary(tmp_path, [record(png(seed), each) for seed, each in enumerate(answers)], labels=labels)

    assert [(example.digest, example.label) for example in found.mistakes] == [
        (digest(png(2)), "neither"),
        (digest(png(0)), "motorcycle"),
    ]
    assert {(each.label, each.answer.confidences) for each in found.labelled} == {
        (label, answers[seed]) for seed, label in enumerate(labels.values())
    }


def test_of_several_answers_to_a_labelled_picture_the_last_counts(tmp_path: Path) -> None:
    """A picture that was sent again says nothing more about accuracy than it did."""
    content = [record(png(1), (n / 10, 0.1), NOON + timedelta(seconds=(n * 7) % 5)) for n in range(5)]

    found = summary(tmp_path, content, labels={digest(png(1)): "bicycle"})

    assert [(each.answer.confidences, each.at) for each in found.labelled] == [
        ((0.2, 0.1), NOON + timedelta(seconds=4))
    ]


def test_extremes_of_each_measure_are_kept(tmp_path: Path) -> None:
    """The darkest and the brightest, the darkest first."""
    content = [record(png(number, brightness=0.2 + number / 100)) for number in range(60)]

    found = summary(tmp_path, content).extremes

    assert set(found) == set(MEASURES)
    assert [example.digest for example in found["brightness"].low] == [
        digest(png(number, brightness=0.2 + number / 100)) for number in range(EXTREMES)
    ]
    assert found["brightness"].high[0].value > found["brightness"].high[-1].value > 0.7


def test_large_pictures_are_shown_as_large_as_the_models_input(tmp_path: Path) -> None:
    """Whatever was captured, what is kept of it is a JPEG of bounded size; for the model it is the model's square."""
    found = summary(tmp_path, [record(png(1, side=400))])

    kept = [found.least_sure[0].picture, *found.pictures.values()]
    for file in kept:
        with Image.open(io.BytesIO(file), formats=["JPEG"]) as image:
            assert image.size == (MODEL_INPUT_SIDE, MODEL_INPUT_SIDE)
        assert len(file) <= MAX_JPEG_BYTES
    assert found.sample["pixels"][0] == pytest.approx(math.log10(400 * 400))


def test_names_from_outside_cannot_fill_the_memory(tmp_path: Path) -> None:
    """A caller that invents a model version for each request is counted, not listed."""
    content = []
    for number in range(MAX_NAMES + 500):
        each = record(None)
        each["eventMetadata"]["customAttributes"] = [f"model_version=v{number}"]
        content.append(each)

    versions = summary(tmp_path, content).model_versions

    assert len(versions) == MAX_NAMES + 1
    assert sum(versions.values()) == MAX_NAMES + 500


def test_nothing_at_all_is_a_summary_too(tmp_path: Path) -> None:
    """An empty folder: no files, no records, empty columns."""
    found = summary(tmp_path)

    assert (found.files, found.records_read, len(found.sample), found.first, found.hours) == (0, 0, 0, None, {})
    assert set(found.sample.columns) == set(COLUMNS)


@pytest.mark.filterwarnings("error")
def test_hostile_pictures_are_counted_and_nothing_is_said(data: Path, tmp_path: Path) -> None:
    """Each is measured or broken; decoders' warnings do not reach the terminal."""
    files = [path for path in sorted((data / "hostile").iterdir()) if path.stat().st_size < 8 * 1024**2]

    found = summary(tmp_path, [record(path.read_bytes()) for path in files])

    assert found.records_read == len(files)
    assert 0 < found.broken_pictures < len(files)


def test_real_captures_are_read_whole(data: Path) -> None:
    """24 files, 31 records, each with a picture that can be measured and with an answer."""
    found = summarise(open_source(str(data / "capture")), threshold=THRESHOLD)

    assert (found.files, found.files_skipped, found.records_read, found.records_unreadable) == (24, 0, 31, 0)
    assert (found.without_answer, found.without_picture, found.broken_pictures) == (0, 0, 0)
    assert all(np.isfinite(found.sample[name]).all() for name in COLUMNS)
    assert found.total.answered == 31
