"""Champion against challenger: right about who is better, and about not knowing."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retraining import staging
from tests.unit.serving.tiny_model import ONNX, write_model
from training import compare
from training.artefact import load_model
from training.comparison import (
    ACCEPTED,
    NOT_BETTER,
    SIGNIFICANCE,
    TOO_FEW,
    WORSE_ON_BASE,
    Comparison,
    Paired,
    Rule,
    read,
)
from training.data.pictures import LabelledImages
from training.evaluation.scores import judge
from vehiclevision.image_gate import encode
from vehiclevision.labels import TRUTHS

RULE = Rule(threshold=0.856, least=10)
# To the tiny model bright pictures are bicycles and dark ones motorcycles; 0.95 is as sure as it gets.
UNSURE = ONNX.replace(struct.pack("<f", 0.95), struct.pack("<f", 0.8))
SWAPPED = ONNX.replace(b"\x0a\x02a1\x0a\x02b1", b"\x0a\x02b1\x0a\x02a1")


def pictures(count: int, seed: int = 0) -> LabelledImages:
    """So many of each: bright, dark, grey."""
    draw = np.random.default_rng(seed)
    middles = np.repeat([240, 12, 128], count)
    levels = (middles[:, None] + draw.integers(-12, 12, (3 * count, 3))).clip(0, 255)
    files = tuple(encode(Image.new("RGB", (224, 224), tuple(colour))) for colour in levels.tolist())
    return LabelledImages(files, np.repeat([0, 1, 2], count), TRUTHS, "test")


def result_of(folder: Path, champion: bytes, challenger: bytes, *, count: int = 10) -> Comparison:
    first = load_model(write_model(folder / "champion.tar.gz", champion))
    second = load_model(write_model(folder / "challenger.tar.gz", challenger))
    return compare.compare(first, second, pictures(20, 1), pictures(count, 2), RULE)


def test_a_better_model_is_accepted(tmp_path: Path) -> None:
    """Sure instead of never sure, and as right: cheaper on both sets, with the figures that say so."""
    result = result_of(tmp_path, UNSURE, ONNX)

    assert (result.accepted, result.reason) == (True, ACCEPTED)
    reviewed = result.reviewed
    assert (reviewed.champion, round(reviewed.challenger, 3)) == (1.0, 0.333)
    assert reviewed.low < reviewed.difference < reviewed.high < 0
    assert (reviewed.handled_better, reviewed.handled_worse) == (20, 0)
    assert reviewed.p_mcnemar == pytest.approx(0.5**20, rel=1e-3)
    assert "costs 0.333 each instead of 1.000" in result.words


def test_the_same_model_is_not_better(tmp_path: Path) -> None:
    """Where every answer is the same there is nothing to test, and nothing is claimed."""
    result = result_of(tmp_path, ONNX, ONNX)

    assert (result.accepted, result.reason) == (False, NOT_BETTER)
    assert (result.reviewed.p_better, result.reviewed.difference) == (1.0, 0.0)


def test_a_surer_and_wrong_model_is_refused(tmp_path: Path) -> None:
    """What an answer costs decides, not how many answers pass."""
    result = result_of(tmp_path, UNSURE, SWAPPED)

    assert result.reason == NOT_BETTER
    assert result.reviewed.challenger > 6


def test_too_few_pictures_decide_nothing(tmp_path: Path) -> None:
    """However clear it looks."""
    result = result_of(tmp_path, UNSURE, ONNX, count=3)

    assert (result.accepted, result.reason) == (False, TOO_FEW)
    assert "9 held-out reviewed pictures are too few, 10 are needed" in result.words


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Whoever registers the challenger has all that the job had; what is none, or another release's, is refused."""
    result = result_of(tmp_path, UNSURE, ONNX)
    written = json.dumps(result.as_json()).encode()

    assert read(written) == result
    for broken in (b"", b"[]", b"{}", b'{"format": 1}', b'{"format": 2}', b"[" * 100_000):
        with pytest.raises(ValueError, match=r"[\s\S]"):
            read(broken)
    for name, value in (("n", "many"), ("champion", None), ("p_better", True)):
        with pytest.raises(ValueError, match=name):
            read(json.dumps({**result.as_json(), "reviewed": {**result.as_json()["reviewed"], name: value}}).encode())


def compared(n: int = 100, p_better: float = 0.01, p_worse: float = 0.9) -> Paired:
    return Paired(n, 1.0, 0.5, -0.5, -0.6, -0.4, p_better, p_worse, 10, 1, 0.01)


@pytest.mark.parametrize(
    ("reviewed", "base", "reason"),
    [
        (compared(), compared(), ACCEPTED),
        (compared(p_better=0.05), compared(), NOT_BETTER),
        (compared(), compared(p_worse=0.049), WORSE_ON_BASE),
        (compared(n=9), compared(), TOO_FEW),
    ],
)
def test_the_rule(reviewed: Paired, base: Paired, reason: str) -> None:
    """Better on reviewed pictures at 5 %, and not shown to be worse on the base data at 5 %."""
    assert compare.verdict(reviewed, base, RULE) == reason
    assert compare.words(reason, reviewed, base, RULE)


def test_what_an_answer_costs() -> None:
    """Right and passed nothing, unsure a look, wrong or neither and passed ten."""
    answers = np.array([[0.9, 0.05], [0.05, 0.9], [0.5, 0.4], [0.9, 0.05]])

    costs = compare.costs(judge(answers, np.array([0, 0, 0, 2])), RULE)

    assert costs.tolist() == [0, 10, 1, 10]


def test_a_sure_answer_stands_for_those_that_nobody_reviewed() -> None:
    """One in twenty sure answers is reviewed, so each counts twenty times; the mean is still per picture."""
    answers = np.array([[0.9, 0.05], [0.5, 0.4]])

    weights = compare.review_weights(judge(answers, np.array([0, 0])), Rule(0.856, sure_share=0.05))

    assert weights[0] == pytest.approx(20 * weights[1])
    assert weights.mean() == pytest.approx(1)


def test_no_difference_is_rarely_called_better() -> None:
    """500 comparisons of models that are as good: at most one in twenty says otherwise, within its own error."""
    draw, called, times = np.random.default_rng(5), 0, 500

    for _ in range(times):
        difference = draw.choice(np.array([-1.0, 1.0, 10.0, -10.0, 0.0]), 40, p=[0.1, 0.1, 0.01, 0.01, 0.78])
        called += compare.flipped(difference, "less") < SIGNIFICANCE

    assert called / times <= 0.05 + 3 * (0.05 * 0.95 / times) ** 0.5


def test_signs_are_flipped_exactly_where_there_are_few() -> None:
    """Five of five in favour is one case of 32; one of them against is six."""
    assert compare.flipped(-np.ones(5), "less") == pytest.approx(1 / 32)
    assert compare.flipped(np.array([-1, -1, -1, -1, 1.0]), "less") == pytest.approx(6 / 32)
    assert compare.flipped(np.zeros(100), "less") == 1.0
    assert compare.flipped(np.array([-1.0, 0.0]), "less") == 0.5
    assert compare.flipped(np.array([1.0, 0.0]), "less") == 1.0


def test_the_command_writes_what_it_found_and_prints_its_metrics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """comparison.json with the artefact's hash, and a line for each metric that the job's patterns find."""
    import hashlib
    import re

    champion = write_model(tmp_path / "champion.tar.gz", UNSURE)
    challenger = write_model(tmp_path / "challenger.tar.gz", ONNX)
    for folder, each in (("data", pictures(40, 3)), ("held-out", pictures(12, 4))):
        for index, number in enumerate(each.classes):
            target = tmp_path / folder / TRUTHS[number]
            target.mkdir(parents=True, exist_ok=True)
            (target / f"{index}.jpg").write_bytes(each.files[index])
    out = tmp_path / "comparison.json"

    code = compare.main(
        [
            *("--champion", str(champion), "--challenger", str(challenger), "--data", str(tmp_path / "data")),
            *("--held-out", str(tmp_path / "held-out"), "--threshold", "0.856", "--out", str(out), "--least", "10"),
        ]
    )

    result, printed = json.loads(out.read_text()), capsys.readouterr().out
    assert (code, result["accepted"]) == (0, True)
    assert result["challenger"]["artefact_sha256"] == hashlib.sha256(challenger.read_bytes()).hexdigest()
    for definition in staging.metric_definitions():
        line = re.search(definition["Regex"], printed)
        assert line is not None, definition
        float(line.group(1))


def test_a_damaged_model_is_refused_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The job then fails, and nothing passes for a comparison."""
    broken = tmp_path / "model.tar.gz"
    broken.write_bytes(b"nothing")

    code = compare.main(
        [
            *("--champion", str(broken), "--challenger", str(broken), "--data", str(tmp_path)),
            *("--held-out", str(tmp_path), "--threshold", "0.8", "--out", str(tmp_path / "out.json")),
        ]
    )

    assert code == 2
    assert "is refused" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()
