"""Where the model looked is drawn only by the model that answered, and what is oddest is what lies furthest."""

import io
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monitoring.captures.source import open_source
from monitoring.drift.embedding import NAME
from monitoring.labels import digest_of
from monitoring.report import looking
from monitoring.report.comparison import ODDEST, oddest
from monitoring.report.looking import look
from monitoring.summary import Example, Sample, Summary, summarise
from tests.unit.monitoring.capture_lines import NOON, line, png, record
from tests.unit.pictures import encoded
from tests.unit.serving.tiny_model import ONNX_WITH_MAP, write_model
from training.artefact import load_model
from vehiclevision.answer import Answer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that looks for bicycles where it is bright, and for motorcycles where it is dark."""
    return write_model(tmp_path_factory.mktemp("model") / "model.tar.gz", ONNX_WITH_MAP)


def half_bright() -> bytes:
    """Bright on the left, dark on the right."""
    pixels = np.full((100, 200, 3), 250, np.uint8)
    pixels[:, 100:] = 5
    return encoded(Image.fromarray(pixels), "PNG")


def example(answers: tuple[float, float] | None, picture: bytes) -> Example:
    stream = io.BytesIO()
    Image.open(io.BytesIO(picture)).save(stream, "JPEG", quality=95)
    return Example(stream.getvalue(), answers and Answer(answers), NOON, digest_of(picture), None, 0.9)


def tint(shown: bytes) -> tuple[float, float]:
    """How much redder than blue the left and the right half of a picture are."""
    pixels = np.asarray(Image.open(io.BytesIO(shown))).astype(float)
    redder = pixels[..., 0] - pixels[..., 2]
    return float(redder[:, :80].mean()), float(redder[:, 120:].mean())


@pytest.mark.parametrize(("answers", "bright"), [((0.9, 0.05), True), ((0.05, 0.9), False)])
def test_the_map_of_the_surer_label_is_drawn(model: Path, answers: tuple[float, float], *, bright: bool) -> None:
    """In the picture's own shape, and where that label was seen."""
    looked = look([example(answers, half_bright())], {load_model(model).manifest.version}, model)

    assert looked.why == ""
    shown = looked.pictures[digest_of(half_bright())]
    assert Image.open(io.BytesIO(shown), formats=["JPEG"]).size == (200, 100)
    left, right = tint(shown)
    assert (left > 60) == bright
    assert (right > 60) != bright


def test_another_model_than_the_one_that_answered_is_not_asked(model: Path, tmp_path: Path) -> None:
    """One sentence says why nothing is drawn."""
    asked = [example((0.9, 0.05), half_bright())]
    version = load_model(model).manifest.version

    assert look(asked, {"another"}, model).why == f"Only model {version} is at hand, and another model answered."
    assert "several models" in look(asked, {version, "another"}, model).why
    assert "do not say which model" in look(asked, (), model).why
    assert look(asked, {version}, tmp_path / "nothing.tar.gz").why == looking.NO_MODEL
    without = write_model(tmp_path / "model.tar.gz")
    assert look(asked, {load_model(without).manifest.version}, without).why == looking.NO_MAPS


def test_nothing_to_ask_about_is_no_trouble(tmp_path: Path) -> None:
    """Without a picture that was answered no model is opened."""
    looked = look([example(None, half_bright())], {"m"}, tmp_path / "nothing.tar.gz")

    assert (looked.why, looked.pictures) == ("", {})


def captured(folder: Path, count: int) -> Summary:
    """So many records of different pictures, the first of them labelled."""
    lines = [
        line(record(png(number), (0.9, 0.05), NOON + timedelta(seconds=number), f"{number}")) for number in range(count)
    ]
    (folder / "a.jsonl").write_bytes(b"\n".join(lines))
    return summarise(open_source(str(folder)), threshold=0.8, labels={digest_of(png(0)): "neither"}, workers=1)


def test_the_oddest_lie_furthest_from_what_the_model_knows(tmp_path: Path) -> None:
    """The furthest first, with answer, time and label; what was not measured is not odd."""
    summary = captured(tmp_path, 20)
    by_digest = {digest_of(png(number)): float(20 - number) for number in range(20)}
    by_digest[digest_of(png(1))] = float("nan")
    distances = np.array([by_digest[digest] for digest in summary.sample.digest])
    sample = Sample({**summary.sample.columns, NAME: distances}, summary.sample.digest)

    odd = oddest(summary, sample)

    assert [each.digest for each in odd] == [digest_of(png(number)) for number in (0, *range(2, ODDEST + 1))]
    assert (odd[0].answer, odd[0].at, odd[0].label, odd[0].value) == (Answer((0.9, 0.05)), NOON, "neither", 20.0)
    assert oddest(summary, summary.sample) == ()
