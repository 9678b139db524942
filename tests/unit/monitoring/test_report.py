"""From captured files to figures: every number of the report follows from lines that a test can count."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from monitoring.report.comparison import compare
from monitoring.report.figures import HourCounts
from monitoring.report.plots import columns_of, step_in_words
from monitoring.report.recorded import Recorded
from monitoring.report.report import Compared, Gathered, pictures, report
from monitoring.summary import Sample
from tests.unit.monitoring.capture_lines import NOON, line, png, record
from tests.unit.monitoring.reports import answered, baseline, found, labels_of, told, write
from training.evaluation.scores import wilson


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "captured"
    found.mkdir()
    return found


def test_every_line_is_read_or_unreadable_and_every_answer_counts_once(folder: Path) -> None:
    """Lines, answers, verdicts and shares add up."""
    write(folder, [*answered([(0.9, 0.05), (0.1, 0.85), (0.4, 0.3)]), b"no json", line(record(png(9), None))])

    figures = told(found(folder))

    assert (figures["records_read"], figures["records_unreadable"]) == (4, 1)
    assert figures["unreadable"] == {"not_json": 1}
    assert (figures["answers"], figures["passed"], figures["without_answer"]) == (3, 2, 1)
    assert figures["mix"] == {"bicycle": 1, "motorcycle": 1, "review": 1}
    assert (figures["coverage"], figures["review_share"]) == (0.6667, 0.3333)
    assert (figures["coverage_low"], figures["coverage_high"]) == tuple(round(edge, 4) for edge in wilson(2, 3))
    assert sum(map(sum, figures["confidence"].values())) == 3
    assert [hour["answers"] for hour in figures["hours"]] == [3]
    assert figures["hours_of_day"][12]["passed"] == 2
    assert len(figures["hours_of_day"]) == 24


def test_nothing_is_null_not_nan(folder: Path) -> None:
    """Without a single record there is a whole report, in strict JSON."""
    figures = told(found(folder))

    json.dumps(figures, allow_nan=False)
    assert (figures["records_read"], figures["coverage"], figures["mean_confidence"]) == (0, None, None)
    assert figures["measures"] == []
    assert figures["standing"]["sentence"] == "Nothing was captured here"


def test_foreign_records_are_read_and_said_to_be_of_no_use(folder: Path) -> None:
    """Tabular captures are not skipped: they count, and the report says that it cannot judge them."""
    tabular = record(None, "0.73", output_encoding="CSV")
    tabular["captureData"]["endpointInput"] = {"data": "1,2,3", "encoding": "CSV", "observedContentType": "text/csv"}
    write(folder, [line(tabular)] * 50)

    figures = told(found(folder))

    assert (figures["records_read"], figures["without_answer"], figures["without_picture"]) == (50, 50, 50)
    assert figures["standing"]["level"] == "watch"
    assert "a probability for each label" in figures["standing"]["reasons"][0]


def test_labels_give_the_true_accuracy_of_answers_that_pass(folder: Path) -> None:
    """A surer label that a person gave too is right; a picture of neither vehicle that passes is wrong."""
    write(folder, answered([(0.9, 0.05), (0.1, 0.85), (0.95, 0.01), (0.9, 0.02), (0.3, 0.2)]))
    truths = {0: "bicycle", 1: "motorcycle", 2: "motorcycle", 3: "neither"}

    figures = told(found(folder, labels_of(truths)))

    own = figures["accuracy"]["passed"]["reviewed"]
    assert (own["accuracy"], own["right"], own["n"]) == (0.5, 2, 4)
    assert (own["accuracy_low"], own["accuracy_high"]) == tuple(round(edge, 4) for edge in wilson(2, 4))
    assert figures["accuracy"]["all"]["reviewed"] is None
    assert "answers that do not" in figures["accuracy"]["all"]["reviewed_why"]
    assert [item["label"] for item in figures["pictures"]["mistakes"]] == ["motorcycle", "neither"]
    assert figures["hours_of_day"][12]["accuracy"] == 0.5


def test_of_all_answers_each_kind_weighs_as_much_as_there_is_of_it(folder: Path) -> None:
    """Unsure answers are reviewed more often than sure ones, which must not pull the whole down."""
    sure, unsure = [(0.9, 0.05)] * 8, [(0.5, 0.4)] * 2
    write(folder, answered([*sure, *unsure]))
    truths = {0: "bicycle", 1: "bicycle", 8: "motorcycle", 9: "motorcycle"}

    own = told(found(folder, labels_of(truths)))["accuracy"]["all"]["reviewed"]

    assert (own["accuracy"], own["n"]) == (0.8, 4)
    assert own["accuracy_low"] < 0.8 < own["accuracy_high"] <= 1


def test_pictures_that_somebody_asked_about_are_shown_but_not_counted(folder: Path) -> None:
    """They were chosen because they were wrong: counting them would make the model look worse than it is."""
    write(folder, answered([(0.9, 0.05), (0.95, 0.01)]))

    figures = told(found(folder, labels_of({0: "bicycle", 1: "motorcycle"}, asked=[1])))

    assert figures["accuracy"]["passed"]["reviewed"]["accuracy"] == 1
    assert figures["labels"] == {
        "given": 2,
        "asked": 1,
        "matched": 2,
        "by_label": {"bicycle": 1, "motorcycle": 0, "neither": 0},
    }
    assert len(figures["pictures"]["mistakes"]) == 1


def test_a_picture_that_was_sent_often_counts_once(folder: Path) -> None:
    """A demonstration's one picture, sent a hundred times, is one label and not a hundred."""
    write(folder, [line(record(png(0), (0.9, 0.05), NOON + timedelta(seconds=number))) for number in range(100)])

    figures = told(found(folder, labels_of({0: "bicycle"})))

    assert figures["accuracy"]["passed"]["reviewed"]["n"] == 1
    assert figures["answers"] == 100


def many(folder: Path, name: str, brightness: float = 0.5, count: int = 300, first: int = 0) -> None:
    """So many records of different pictures and answers."""
    lines = []
    for number in range(first, first + count):
        answers = (0.9 + number % 10 / 200, 0.01) if number % 2 else (0.01, 0.9 + number % 10 / 200)
        lines.append(line(record(png(number, brightness=brightness), answers, NOON + timedelta(minutes=number))))
    write(folder, lines, name)


def test_a_change_is_named_with_pictures_of_the_end_it_moved_to(folder: Path, tmp_path: Path) -> None:
    """Darker pictures are found, called so in the sentence at the top, and shown."""
    before = tmp_path / "before"
    before.mkdir()
    many(before, "before.jsonl")
    many(folder, "now.jsonl", brightness=0.35, first=1000)
    summary = found(folder).summary

    all_found = found(folder, compared=compare(summary, baseline(before)))
    figures = told(all_found)

    assert figures["standing"]["level"] == "act"
    assert "pictures are darker" in figures["standing"]["sentence"]
    column = next(column for column in figures["measures"] if column["name"] == "brightness")
    assert column["changed"]
    assert column["shift"] < 0
    assert sum(column["now"]) == pytest.approx(1, abs=1e-3)
    assert len(pictures(all_found, report(all_found))["brightness"]) == 4
    assert figures["baseline"]["mix"]["bicycle"] == 150


def test_what_only_a_model_measures_is_drawn_too(folder: Path) -> None:
    """Where the model says how far pictures lie from what it knows, that stands beside the other measurements."""
    many(folder, "now.jsonl", count=30)
    sample = found(folder).summary.sample
    distances = Sample({**sample.columns, "embedding": np.linspace(1, 2, len(sample))}, sample.digest)

    figures = told(found(folder, compared=Compared("", sample=distances)))

    assert [column["title"] for column in figures["measures"]][-2:] == ["Distance", "Confidence"]


def test_no_change_is_all_well(folder: Path, tmp_path: Path) -> None:
    """The same kind of pictures and answers gives no alarm."""
    before = tmp_path / "before"
    before.mkdir()
    many(before, "before.jsonl", count=600)
    many(folder, "now.jsonl", count=600, first=1000)

    compared = compare(found(folder).summary, baseline(before))
    figures = told(found(folder, compared=compared))

    assert figures["drift"]["drifted"] is False
    assert "nothing seems to have changed" in figures["standing"]["sentence"]


def test_another_threshold_than_the_baselines_does_not_compare_the_mix(folder: Path, tmp_path: Path) -> None:
    """Counted with another threshold, shares that pass say nothing about a change."""
    many(folder, "now.jsonl", count=100)

    compared = compare(found(folder).summary, baseline(folder, threshold=0.5))

    assert told(found(folder, compared=compared))["baseline"]["mix"] is None


def test_answers_of_an_unknown_model_are_not_held_against_the_shipped_baseline(folder: Path) -> None:
    """Comparing two models' answers would raise false alarms; the report says what it would take instead."""
    many(folder, "now.jsonl", count=50)
    summary = found(folder).summary

    unknown, other = compare(summary, None), compare(summary, None, {"another": 50})

    assert unknown.decision is None
    assert "vehiclevision baseline" in unknown.why
    assert other.decision is None
    assert "another" in other.why
    assert told(found(folder, compared=unknown))["standing"]["level"] == "watch"


def test_a_named_baseline_of_another_model_is_used_and_said(folder: Path) -> None:
    """Whoever names a baseline gets the comparison, with a note where it is of another model."""
    many(folder, "now.jsonl", count=50)

    compared = compare(found(folder).summary, baseline(folder, model_version="m1"), {"m2": 50})

    assert compared.decision is not None
    assert "m1" in compared.why


def test_labels_that_contradict_the_estimate_are_the_first_thing_to_see(folder: Path) -> None:
    """What people found counts more than what was expected."""
    from monitoring.estimate import Estimate

    write(folder, answered([(0.95, 0.01)] * 40))
    wrong = labels_of(dict.fromkeys(range(40), "motorcycle"))
    compared = Compared(passed=Estimate(0.98, 0.96, 1.0, 40, True, ""))

    standing = told(found(folder, wrong, compared))["standing"]

    assert standing["level"] == "act"
    assert "fewer than the estimate" in standing["reasons"][0]


@pytest.mark.parametrize(
    ("hours", "step", "columns"),
    [
        (1, "an hour", 1),
        (48, "an hour", 48),
        (100, "3 hours", 34),
        (24 * 40, "a day", 40),
        (24 * 365 * 80, "2 years", 40),
    ],
)
def test_any_span_of_time_fits_the_chart(hours: int, step: str, columns: int) -> None:
    """From an hour to as many years as a wrong clock can make: at most sixty columns, and every answer in one."""
    start = datetime(2015, 1, 1, 0, tzinfo=UTC)
    times = [(start + timedelta(hours=at)).isoformat() for at in {0, hours // 2, hours - 1}]
    entries = [HourCounts(1, 1, 1, {"bicycle": 1, "motorcycle": 0, "review": 0}, 0.9, time) for time in times]

    length, found_columns = columns_of(entries)

    assert (step_in_words(length), len(found_columns)) == (step, columns)
    assert sum(column["answers"] for column in found_columns.values()) == len(entries)


def test_versions_come_from_the_results_where_the_records_name_none(folder: Path) -> None:
    """The application knows which model answered even if the captured request does not say."""
    write(folder, answered([(0.9, 0.05)]))
    plain = found(folder)

    figures = told(Gathered(plain.summary, plain.facts, plain.compared, Recorded(model_versions=Counter({"m7": 1}))))

    assert (figures["model_versions"], figures["model_versions_from"]) == ({"m7": 1}, "results")
