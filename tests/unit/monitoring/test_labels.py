"""Reviewed pictures in a folder or a bucket: named by what is in them, held out by their hash."""

from pathlib import Path

import pytest

from monitoring import labels
from monitoring.errors import SourceError

DIGEST = labels.digest_of(b"picture")


def test_labels_are_read_from_names_and_nothing_else_counts(tmp_path: Path) -> None:
    """A file counts under a label's folder and with a hash as its name; whatever else lies there is no label."""
    other = labels.digest_of(b"other")
    for name in (
        labels.key_of("bicycle", DIGEST),
        labels.key_of("neither", other, asked=True),
        "reviewed/bicycle/holiday.jpg",
        f"reviewed/car/{DIGEST}.jpg",
        f"reviewed/motorcycle/{DIGEST}.gif",
        "reviewed/motorcycle/notes.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    found = labels.read(str(tmp_path / "reviewed"))

    assert found.by_digest == {DIGEST: "bicycle", other: "neither"}
    assert found.drawn == {DIGEST: "bicycle"}


def test_labels_of_earlier_releases_still_count(tmp_path: Path) -> None:
    """They are PNGs, asked about or not, and stay PNGs."""
    (tmp_path / "bicycle").mkdir()
    (tmp_path / "bicycle" / f"{DIGEST}.png").touch()

    assert labels.read(str(tmp_path)).by_digest == {DIGEST: "bicycle"}
    assert labels.parse(f"reviewed/neither/{DIGEST}.asked.png") == ("neither", DIGEST, True, ".png")
    assert labels.parse(labels.key_of("neither", DIGEST)) == ("neither", DIGEST, False, ".jpg")


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """With what it should look like."""
    with pytest.raises(SourceError, match="no folder") as caught:
        labels.read(str(tmp_path / "nothing"))

    assert "bicycle/" in caught.value.hint


def test_one_picture_in_five_is_held_out_for_ever() -> None:
    """By its hash alone, so whoever asks, whenever, gets the same answer."""
    found = [labels.held_out(labels.digest_of(str(number).encode())) for number in range(10_000)]

    assert sum(found) == pytest.approx(10_000 * 51 / 256, abs=200)
