"""`vehiclevision baseline`: from pictures or from captures, one file, and words for what cannot be done."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.main import main
from monitoring.drift import making
from monitoring.drift.baseline import CONFIDENCE, load
from monitoring.drift.calibrated import PLAIN
from monitoring.drift.embedding import NAME
from monitoring.drift.making import TRIED, Most, from_pictures
from monitoring.measure import MEASURES
from tests.unit.pictures import encoded
from tests.unit.serving.tiny_model import ONNX_WITH_MAP, write_model
from training.artefact import load_model
from vehiclevision.labels import LABELS


def picture(seed: int) -> Image.Image:
    """Coloured noise."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures in a folder per class: 52 of each vehicle, 26 of neither."""
    for number, name in enumerate((*LABELS, "tree")):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for index in range(52 if name in LABELS else 26):
            picture(1000 * number + index).save(tmp_path / "pictures" / name / f"{index}.png")
    return tmp_path / "pictures"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that is asked in no time, with features and a map."""
    return write_model(tmp_path / "model.tar.gz", ONNX_WITH_MAP)


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    """150 captured records of different pictures, and each tenth of them twice."""
    place = tmp_path / "captured" / "vehiclevision" / "AllTraffic" / "2026" / "11" / "20" / "10"
    place.mkdir(parents=True)
    (place / "a.jsonl").write_text("".join(record(index) for index in [*range(150), *range(0, 150, 10)]))
    return tmp_path / "captured"


@pytest.fixture
def places(folder: Path, captures: Path, tmp_path: Path) -> dict[str, Path]:
    """What a command can be given."""
    return {"captures": captures, "folder": folder, "tmp": tmp_path}


def record(index: int, version: str = "m1") -> str:
    """One captured line, as SageMaker writes it."""
    import base64

    sure = 0.5 + (index % 50) / 100
    return (
        json.dumps(
            {
                "captureData": {
                    "endpointInput": {
                        "observedContentType": "image/png",
                        "mode": "INPUT",
                        "data": base64.b64encode(encoded(picture(index), "PNG")).decode(),
                        "encoding": "BASE64",
                    },
                    "endpointOutput": {
                        "observedContentType": "application/json",
                        "mode": "OUTPUT",
                        "data": json.dumps([sure, 1 - sure]),
                        "encoding": "JSON",
                    },
                },
                "eventMetadata": {"eventId": f"{version}-{index}", "inferenceTime": "2026-11-20T10:05:00Z"},
                "eventVersion": "0",
            }
        )
        + "\n"
    )


def run(*arguments: str | Path) -> int:
    """The command's exit code."""
    return main(["baseline", *map(str, arguments)])


def test_from_pictures(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vehicles and the asked-for share of others make it, with the model's version and threshold."""
    out = tmp_path / "baseline.json"
    # All ten would take half a minute.
    monkeypatch.setattr(making, "TRIED", TRIED[:2])

    assert run("--from", folder, "--out", out, "--neither", "0.2", "--model", model) == 0
    found, manifest = load(out), load_model(model).manifest

    assert (found.model_version, found.threshold) == (manifest.version, manifest.threshold)
    assert {len(values) for values in found.columns.values()} == {130}
    assert set(found.columns) == {*MEASURES, CONFIDENCE}
    assert found.calibration is not None
    assert set(found.calibration.kinds) == {PLAIN, *TRIED[:2]}
    assert "130 pictures; answers from 130 that the model never learnt from" in capsys.readouterr().out


def test_of_very_many_pictures_an_even_part_is_taken(
    folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is asked about no more of them than the limits say; how far it is can be followed to the end."""
    monkeypatch.setattr(making, "TRIED", TRIED[:2])
    told: list[tuple[int, int]] = []

    found = from_pictures(
        folder,
        load_model(model),
        lambda done, total: told.append((done, total)),
        neither=0.2,
        most=Most(pictures=100, judged=10),
    )

    assert len(found.columns[CONFIDENCE]) == 100
    assert {total for _, total in told} == {2 * 100 + (1 + 2) * 20}
    assert told[-1][0] == told[-1][1]
    # Too few vehicles to calibrate on.
    assert not found.calibration


def test_pictures_that_the_model_never_knew_lie_at_unseen_distances(tmp_path: Path, model: Path) -> None:
    """The embedding is fitted to one half of them and the distances are the other half's, as later ones' will be."""
    for name in LABELS:
        (tmp_path / "many" / name).mkdir(parents=True)
        for index in range(110):
            colour = tuple(np.random.default_rng([len(name), index]).integers(0, 256, 3).tolist())
            Image.new("RGB", (32, 32), colour).save(tmp_path / "many" / name / f"{index}.png")

    found = from_pictures(tmp_path / "many", load_model(model), lambda done, total: None, most=Most(judged=5))

    assert found.embedding is not None
    assert len(found.columns[NAME]) == 110
    assert len(found.columns[CONFIDENCE]) == 220
    assert found.columns[NAME].mean() == pytest.approx(1, abs=0.2)


def test_from_captures(captures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each picture counts once, and the threshold is the one asked for."""
    out = tmp_path / "baseline.json"

    assert run("--from", captures, "--out", out, "--threshold", "0.8", "--json") == 0
    found, told = load(out), json.loads(capsys.readouterr().out)

    assert told["values"][CONFIDENCE] == 150
    assert found.threshold == 0.8
    assert found.mix == {"bicycle": 60, "motorcycle": 0, "review": 90, "neither": 0}
    assert told["estimates"] is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "{captures}", "--until", "2026-01-01"], "The captures hold 0 answers"),
        (["--from", "{captures}", "--out", "{tmp}"], "cannot be the baseline"),
        (["--from", "{folder}", "--since", "2026-01-01"], "choose among captured data"),
        (["--from", "{folder}", "--threshold", "0.5"], "the threshold is the model's"),
        (["--from", "{folder}", "--neither", "0.8"], "Ask for a smaller share"),
        (["--from", "{tmp}/nothing"], "There is no"),
        (["--from", " "], "--from names nothing"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    places: dict[str, Path], capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """No traceback, no file, another exit code than 0."""
    tmp_path = places["tmp"]
    given = [argument.format(**places) for argument in arguments]
    out = [] if "--out" in given else ["--out", str(tmp_path / "b.json")]

    code = run(*given, *out)
    told = " ".join(capsys.readouterr().err.split())

    assert code != 0
    assert said in told
    assert "Traceback" not in told
    assert not (tmp_path / "b.json").exists()
