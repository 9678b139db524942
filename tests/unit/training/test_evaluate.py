"""From a folder to figures and a page: with a model small enough to know what it will say.

The model of these tests calls bright pictures bicycles and dark ones motorcycles.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from cli.main import main
from tests.unit.pages import Page
from tests.unit.pictures import encoded, png_header
from tests.unit.serving.tiny_model import ONNX_WITH_MAP, write_model
from training.data.pictures import LabelledImages
from training.evaluation.degrade import DEGRADATIONS
from training.evaluation.report import CLEAN
from vehiclevision.image_gate import Limits

# What `--json` has had since its first release; scripts rely on it.
EVER_PUBLISHED = (
    "format n accuracy accuracy_count accuracy_low accuracy_high threshold coverage coverage_count coverage_low "
    "coverage_high accuracy_covered accuracy_covered_count accuracy_covered_low accuracy_covered_high covered_n "
    "neither_n neither_passed neither_passed_count neither_passed_low neither_passed_high ece ece_vehicles "
    "ece_balanced labels confusion model_version model_versions model endpoint latency_milliseconds "
    "milliseconds_per_image threshold_from machine measured_at data_hash data robustness costs reliability curve "
    "pictures"
)
EVER_PUBLISHED_OF_COSTS = (
    "wrong_route review vehicle_share uploads n neither_n threshold threshold_low threshold_high cost cost_low "
    "cost_high cost_all_reviewed curve"
)

WHITE, BLACK, GREY = (255, 255, 255), (0, 0, 0), (128, 128, 128)
HOSTILE = '<script>alert(1)<script>"&{{7*7}}.png'


@pytest.fixture(autouse=True)
def few_degradations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is tried in test_degrade.py; here all of them would take a minute and a half."""
    for name in [*DEGRADATIONS][3:]:
        monkeypatch.delitem(cast("dict[str, Any]", DEGRADATIONS), name)


def put(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (40, 30), file_format: str = "PNG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(Image.new("RGB", size, colour), file_format))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that answers by brightness alone, with a threshold of 0.7."""
    return write_model(tmp_path / "model.tar.gz")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three bicycles, of which it knows two; two motorcycles; two others, of which one passes."""
    root = tmp_path / "photos"
    for number, colour in enumerate((WHITE, WHITE, BLACK)):
        put(root / "bicycle" / f"{number}.jpg", colour, file_format="JPEG")
    put(root / "motorcycle" / "0.png", BLACK)
    put(root / "motorcycle" / "1.png", GREY)
    put(root / "cat" / "0.png", GREY)
    put(root / "tree" / "deeper" / "1.webp", WHITE, file_format="WEBP")
    return root


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str], model: Path) -> Callable[..., dict[str, Any]]:
    """The JSON that the command prints."""

    def run(*arguments: str | Path) -> dict[str, Any]:
        assert main(["evaluate", *map(str, arguments), "--model", str(model), "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return run


def test_a_folder_gives_its_figures(report: Callable[..., dict[str, Any]], folder: Path) -> None:
    """Labels are the folders' names, all others are neither, and every figure follows from what the model says."""
    found = report(folder)

    assert (found["n"], found["neither_n"], found["threshold"]) == (5, 2, 0.7)
    assert (found["accuracy"], found["coverage"], found["accuracy_covered"]) == (0.6, 0.8, 0.75)
    assert (found["neither_passed"], found["neither_passed_count"]) == (0.5, 1)
    assert found["accuracy_low"] < 0.6 < found["accuracy_high"]
    assert found["confusion"]["motorcycle"] == {"bicycle": 1, "motorcycle": 1, "neither": 0}
    assert found["pictures"]["wrong"][0]["shows"] in ("bicycle", "neither")
    assert found["data"]["classes"] == ["bicycle", "cat", "motorcycle", "tree"]
    assert found["milliseconds_per_image"] > 0
    assert len(found["curve"]) > 100


def test_what_scripts_read_is_there(report: Callable[..., dict[str, Any]], folder: Path) -> None:
    """Each key that was ever published is in the JSON, of whatever folder."""
    told = report(folder, "--wrong-cost", "10", "--review-cost", "1")

    assert set(EVER_PUBLISHED.split()) - told.keys() == set()
    assert set(EVER_PUBLISHED_OF_COSTS.split()) - told["costs"].keys() == set()


def test_few_pictures_of_a_kind_are_counted_and_no_more(report: Callable[..., dict[str, Any]], folder: Path) -> None:
    """All are small, three are black; of so few no share is given, and sources are those that the names tell."""
    (folder / "bicycle" / "0.jpg").rename(folder / "bicycle" / "shop__0.jpg")

    told = report(folder)["kinds"]

    by_kind = {each["kind"]: each for each in told["slices"]}
    assert (by_kind["small"]["n"], by_kind["small"]["neither_n"], by_kind["dark"]["n"]) == (5, 2, 2)
    assert by_kind["all"]["accuracy"] is None
    assert [(each["kind"], each["n"]) for each in told["sources"]] == [("shop", 1)]


def test_a_threshold_is_also_counted_on_pictures_that_did_not_choose_it(
    report: Callable[..., dict[str, Any]], folder: Path
) -> None:
    """Beside the flattering cost stand those of the other half's choice, if both halves show everything, and in use."""
    costs = ("--wrong-cost", "10", "--review-cost", "1")
    few = report(folder, "--threshold", "0.6", *costs)["costs"]
    put(folder / "motorcycle" / "2.png", BLACK)
    put(folder / "motorcycle" / "3.png", BLACK)

    enough = report(folder, "--threshold", "0.6", *costs)["costs"]

    assert few["chosen_on_the_same_pictures"]
    assert few["in_use"]["threshold"] == 0.6
    assert enough["cross_fitted"]["halves"] == "of every other picture"
    assert enough["cross_fitted"]["cost"] >= enough["cost"]


def test_pictures_go_through_the_gate_of_the_product(report: Callable[..., dict[str, Any]], folder: Path) -> None:
    """What the product would refuse is refused here: named with its reason, and in no figure."""
    bicycles = folder / "bicycle"
    (bicycles / "broken.jpg").write_bytes(b"\xff\xd8\xff but no photo")
    (bicycles / "bomb.png").write_bytes(png_header(9_000, 9_000))
    (bicycles / "notes.txt").write_text("no picture")
    (bicycles / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(Limits().max_bytes))
    (bicycles / "empty.png").touch()
    (bicycles / ".DS_Store").write_bytes(b"x")
    (folder / "loose.png").write_bytes(b"x")

    found = report(folder)

    assert found["n"] == 5
    assert found["data"]["refused"] == 6
    assert {item["file"]: item["reason"] for item in found["data"]["refused_files"]} == {
        "bicycle/broken.jpg": "CANNOT_DECODE",
        "bicycle/bomb.png": "TOO_MANY_PIXELS",
        "bicycle/notes.txt": "NOT_AN_IMAGE",
        "bicycle/large.jpg": "TOO_MANY_BYTES",
        "bicycle/empty.png": "EMPTY",
        "loose.png": "NO_CLASS",
    }
    assert found["data"]["refused_reasons"]["EMPTY"] == 1


def test_what_is_no_file_of_the_folder_is_not_read(
    report: Callable[..., dict[str, Any]], folder: Path, tmp_path: Path
) -> None:
    """Links that lead out, pipes that would wait for ever, and links to nothing are refused by name."""
    put(tmp_path / "outside" / "secret.png", WHITE)
    (folder / "bicycle" / "link.png").symlink_to(tmp_path / "outside" / "secret.png")
    (folder / "bicycle" / "gone.png").symlink_to(folder / "nothing")
    (folder / "bicycle" / "same.jpg").symlink_to(folder / "bicycle" / "0.jpg")
    (folder / "elsewhere").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "bicycle" / "pipe.png")

    found = report(folder)

    assert found["n"] == 6
    assert {item["file"]: item["reason"] for item in found["data"]["refused_files"]} == {
        "bicycle/gone.png": "UNREADABLE",
        "bicycle/link.png": "LINK",
        "bicycle/pipe.png": "NOT_A_FILE",
        "elsewhere": "LINK",
    }


def test_labels_are_recognised_however_they_are_written(report: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """A folder called Bicycle does not turn its pictures into something else."""
    put(tmp_path / "photos" / "Bicycle" / "a.png", WHITE)
    put(tmp_path / "photos" / "MOTORCYCLE" / "b.png", BLACK)

    assert report(tmp_path / "photos")["accuracy_count"] == 2


@pytest.mark.parametrize("present", [("bicycle",), ("cat",), ("bicycle", "cat"), ("motorcycle", "bicycle")])
def test_kinds_that_are_not_there_are_null_in_figures_and_on_the_page(
    report: Callable[..., dict[str, Any]], tmp_path: Path, present: tuple[str, ...]
) -> None:
    """Any mix of kinds gives JSON without NaN, and a page without it either."""
    for name in present:
        put(tmp_path / "photos" / name / "a.png", WHITE)
    out = tmp_path / "page.html"

    found = report(tmp_path / "photos", "--out", out, "--wrong-cost", "10", "--review-cost", "1")

    assert (found["accuracy"] is None) == (present == ("cat",))
    assert (found["neither_passed"] is None) == ("cat" not in present)
    assert (found["costs"] is None) == (present == ("cat",))
    text = out.read_text()
    assert "NaN" not in text + json.dumps(found)
    assert Page(text).open == []


def test_every_row_of_the_robustness_table_is_the_same_pictures(
    report: Callable[..., dict[str, Any]], folder: Path
) -> None:
    """Clean is first and equals the figures; this model, which looks at brightness, fails in the dark."""
    found = report(folder)

    rows = {row["condition"]: row for row in found["robustness"]}
    assert list(rows) == [CLEAN, *DEGRADATIONS]
    assert {(row["n"], row["neither_n"]) for row in rows.values()} == {(5, 2)}
    assert (rows[CLEAN]["accuracy"], rows[CLEAN]["neither_passed"]) == (0.6, 0.5)
    assert rows["dark"]["coverage"] != rows[CLEAN]["coverage"]
    assert all(row["strength"] for row in rows.values())
    assert report(folder, "--no-robustness")["robustness"] == []


def test_the_same_folder_gives_the_same_report(
    report: Callable[..., dict[str, Any]], folder: Path, tmp_path: Path
) -> None:
    """But for times, two runs agree; the hash tells the pictures, not the names of their files."""
    first, second = (report(folder, "--wrong-cost", "9", "--review-cost", "1") for _ in range(2))
    (folder / "bicycle" / "0.jpg").rename(folder / "bicycle" / "z.jpg")
    renamed = report(folder)
    put(folder / "bicycle" / "new.png", GREY)
    other = report(folder)

    for name in ("milliseconds_per_image", "measured_at"):
        first.pop(name), second.pop(name)
    assert first == second
    assert renamed["data_hash"] == first["data_hash"] != other["data_hash"]


def test_costs_of_the_command_line_or_of_the_manifest(
    report: Callable[..., dict[str, Any]], folder: Path, tmp_path: Path
) -> None:
    """Given costs count; else those that the model was made for; else there is no cost curve."""
    told = {"wrong_route": 20, "review": 2, "vehicle_share": 0.3, "threshold": 0.9}
    assert report(folder)["costs"] is None
    assert report(folder, "--wrong-cost", "8", "--review-cost", "1")["costs"]["wrong_route"] == 8

    write_model(tmp_path / "model.tar.gz", costs=told)

    found = report(folder)["costs"]
    assert (found["wrong_route"], found["review"], found["vehicle_share"]) == (20, 2, 0.3)
    assert found["cost_all_reviewed"] == 2000


def test_a_threshold_that_is_given_counts(report: Callable[..., dict[str, Any]], folder: Path) -> None:
    """Else it is the model's own."""
    assert report(folder, "--threshold", "0.96")["coverage"] == 0
    assert report(folder, "--threshold", "0.4")["coverage"] == 1


def test_the_page_needs_nothing_but_itself(model: Path, folder: Path, tmp_path: Path) -> None:
    """Well formed, no script, no address to load from, pictures inside, names that do not clash, JSON beside it."""
    out = tmp_path / "deep" / "page.html"

    costs = ["--wrong-cost", "10", "--review-cost", "1"]
    assert main(["evaluate", str(folder), "--model", str(model), "--out", str(out), *costs]) == 0

    text = out.read_text()
    page = Page(text)
    loaded = [attributes.get(name) for _, attributes in page.tags for name in ("src", "srcset", "data", "action")]
    linked = [attributes[name] or "" for _, attributes in page.tags for name in attributes if name.endswith("href")]
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert page.open == []
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    assert all(found.startswith("data:image/jpeg;base64,") for found in loaded if found)
    assert all(found.startswith("#") for found in linked)
    assert "@import" not in text
    assert "url(http" not in text
    assert len(names) == len(set(names))
    assert sum(tag == "svg" for tag, _ in page.tags) == 5
    assert "#0102" not in text, "a stand-in colour was left"
    assert len(text) < 600_000
    assert json.loads(out.with_suffix(".json").read_text())["n"] == 5


def test_the_page_shows_where_the_model_looked(tmp_path: Path, folder: Path) -> None:
    """Beside every surest mistake and right answer the same picture with the map laid over it, and a sentence."""
    out, model = tmp_path / "page.html", write_model(tmp_path / "maps.tar.gz", ONNX_WITH_MAP)

    assert main(["evaluate", str(folder), "--model", str(model), "--out", str(out)]) == 0

    told = json.loads(out.with_suffix(".json").read_text())
    page = Page(out.read_text())
    looked = [attributes for _, attributes in page.tags if attributes.get("alt") == "Where the model looked"]
    assert len(looked) == len(told["pictures"]["wrong"]) + len(told["pictures"]["right"]) == 5
    assert told["where_it_looked"] == {"shown": True, "why_not": None}
    assert "tinted where the model saw the label" in page.text


def test_a_model_without_maps_says_so(model: Path, tmp_path: Path, folder: Path) -> None:
    """The pictures are there all the same."""
    out = tmp_path / "page.html"

    assert main(["evaluate", str(folder), "--model", str(model), "--out", str(out)]) == 0

    assert "This model cannot say where it looked." in Page(out.read_text()).text
    assert not json.loads(out.with_suffix(".json").read_text())["where_it_looked"]["shown"]


def test_hostile_names_stay_words(model: Path, tmp_path: Path) -> None:
    """File and folder names that look like markup, templates or terminal codes are shown as text."""
    root, out = tmp_path / "photos", tmp_path / "page.html"
    put(root / "bicycle" / HOSTILE, BLACK)
    put(root / "<img src=x onerror=alert(1)>" / "\x1b[2J\u202e.png", WHITE)
    put(root / "motorcycle" / os.fsdecode(b"\xff\xfe.png"), BLACK)
    (root / "bicycle" / "<b>refused.png").write_bytes(b"x")

    assert main(["evaluate", str(root), "--model", str(model), "--out", str(out)]) == 0

    page = Page(out.read_text())
    tags = {tag for tag, _ in page.tags}
    assert page.open == []
    assert not {"script", "b>"} & tags
    assert not [attributes for _, attributes in page.tags if "onerror" in attributes]
    words = "".join(page.words)
    assert "<script>alert(1)" in words
    assert "{{7*7}}" in words
    assert "\x1b" not in words
    assert "\u202e" not in words
    assert "<b>refused.png" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "There is no folder"),
        (["empty"], "no folder for any class"),
        (["hollow"], "no usable picture"),
        (["photos", "--model", "nowhere.tar.gz"], "cannot be read"),
        (["--split", "validation", "--data", "nowhere"], "There is no"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """Exit code 2, a sentence and a hint on standard error, nothing on standard output, and no page."""
    monkeypatch.chdir(folder.parent)
    (folder.parent / "empty").mkdir()
    (folder.parent / "hollow" / "bicycle").mkdir(parents=True)

    status = main(["evaluate", *arguments])

    printed = capsys.readouterr()
    assert status == 2
    assert words in printed.err
    assert printed.err.strip().count("\n") == 1
    assert printed.out == ""
    assert not list(folder.parent.glob("*.html"))


def test_the_validation_part_is_measured_of_the_models_own_data_only(
    drawn_folder: Path, drawn: LabelledImages, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the data it learnt from, only the part that was held out counts; with other data, nothing is measured."""
    known = write_model(tmp_path / "known.tar.gz", data_hash=drawn.data_hash())
    strange = write_model(tmp_path / "strange.tar.gz", data_hash="0" * 64)
    asked = ["--split", "validation", "--data", str(drawn_folder), "--json", "--model"]

    status = main(["evaluate", *asked, str(known)])
    found = json.loads(capsys.readouterr().out)
    refused = main(["evaluate", *asked, str(strange)])

    assert (status, refused) == (0, 2)
    assert 0 < found["n"] + found["neither_n"] < 240 / 2
    assert found["data_hash"] == drawn.data_hash()
    assert "learnt from other data" in capsys.readouterr().err
    assert len(found["robustness"]) == 1 + len(DEGRADATIONS)


def test_a_model_that_held_out_other_pictures_is_not_measured_on_what_it_has_seen(
    drawn_folder: Path, drawn: LabelledImages, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The manifest tells which pictures were held out; where this release would hold out others, it is refused."""
    learnt = [{"data_hash": drawn.data_hash(), "held_out_hash": "0" * 64}]
    model = write_model(tmp_path / "old.tar.gz", data_hash=drawn.data_hash(), data=learnt)

    status = main(["evaluate", "--split", "validation", "--data", str(drawn_folder), "--json", "--model", str(model)])

    assert status == 2
    assert "has seen some of these" in capsys.readouterr().err
