"""How ends and records look: whatever vehicles.toml names, and every outcome there is."""

import dataclasses
import sys
from pathlib import Path

import pytest

from cli.commands.demo import _row
from cli.display import as_typed, ended_line, record_line, what
from cli.drop import Ended
from cli.drop import ended as from_record
from vehiclevision.record import Outcome, Record

OWN = "photos"
FOUR = {"bicycle": "nearby", "motorcycle": "distant", "scooter": "nearby", "car": "far"}


def ended(outcome: Outcome | None, label: str | None = None, confidence: float | None = None) -> Ended:
    """The end of an image, with a reason where nothing was classified."""
    reason = None if label else "SOME_REASON"
    return Ended("uploads/a.jpg", "1", outcome, label, confidence, FOUR.get(label or ""), reason, 1.0)


def record(outcome: Outcome, **fields: object) -> Record:
    """A record with these fields and nothing else."""
    empty = dict.fromkeys((field.name for field in dataclasses.fields(Record)), None)
    return Record(**{**empty, "s3_bucket": OWN, "s3_key": "uploads/a.jpg", "outcome": outcome, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("label", FOUR)
def test_any_label_is_shown_with_its_route(label: str) -> None:
    """In drop's line, in the demo's row, in a record, and where a person decided."""
    end = ended(Outcome.CLASSIFIED, label, 0.93)
    decided = record(Outcome.CLASSIFIED, label=label, route=FOUR[label], confidence=0.4, decided_by="human")

    words = f"{label} 0.93 {FOUR[label]}"
    assert what(end) == words
    assert words in ended_line(end).plain
    assert words in _row("a.jpg", label, "CLASSIFIED", what(end), "1.0")
    assert f"{label}, a person, {FOUR[label]}" in record_line(decided, OWN).plain
    assert "confidence" not in record_line(decided, OWN).plain
    opinion = {"by": "rekognition", "label": label, "confidence": 0.9, "passed": True}
    seconded = record(
        Outcome.CLASSIFIED, label=label, route=FOUR[label], confidence=0.6, inferences=[], second_opinion=opinion
    )
    assert f"{label} 0.60 {FOUR[label]}, rekognition agrees" in record_line(seconded, OWN).plain


def test_a_sentence_names_a_command_as_it_can_be_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With its folder, where the path does not lead there; the stack and the product keep their name."""
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "a folder/vehiclevision")])
    sentence = (
        "vehiclevision is up. See: vehiclevision results --stack vehiclevision, or `vehiclevision sagemaker deploy`."
    )

    program = f"'{tmp_path}/a folder/vehiclevision'"
    assert as_typed(sentence) == (
        f"vehiclevision is up. See: {program} results --stack vehiclevision, or `{program} sagemaker deploy`."
    )
    assert as_typed(as_typed(sentence)) == as_typed(sentence)


@pytest.mark.parametrize("outcome", [*Outcome, None])
def test_every_outcome_has_words_and_a_colour(outcome: Outcome | None) -> None:
    """Those without an answer of the model's too: none is missing, none ends in an error of our own."""
    end = ended_line(ended(outcome))

    assert end.plain.startswith(outcome or "NOT DONE")
    assert "SOME_REASON" in end.plain
    assert end.style
    if outcome is not None:
        assert outcome in record_line(record(outcome, reason="SOME_REASON"), OWN).plain


def test_a_photo_of_another_bucket_is_named_by_its_whole_address() -> None:
    """As it can be given back to a command; one of the application's own by its key."""
    known = record(Outcome.NEEDS_REVIEW, reason="SOME_REASON")

    assert record_line(known, OWN).plain.endswith("  uploads/a.jpg")
    assert record_line(known, "another").plain.endswith("  s3://photos/uploads/a.jpg")


def test_a_refused_photo_says_what_to_do() -> None:
    """In the lists of drop and of results: the code, and behind the key the record's hint."""
    refused = record(Outcome.REJECTED, reason="TOO_MANY_BYTES", hint="send at most 16 MiB")

    for line in (record_line(refused, OWN), ended_line(from_record(refused, 1.0))):
        assert line.plain.endswith("uploads/a.jpg: send at most 16 MiB")
        assert "TOO_MANY_BYTES" in line.plain


def test_what_is_not_sure_enough_says_how_sure() -> None:
    """Instead of a reason."""
    assert what(ended(Outcome.NEEDS_REVIEW, confidence=0.41)) == "only 0.41 sure"
