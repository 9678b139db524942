"""The page, its PNGs and its JSON: whole whatever the figures are, and nothing in it that came from outside as code."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monitoring.report.comparison import ODDEST
from monitoring.report.figures import Judged, OddPicture, PicturesShown
from monitoring.report.page import MAX_THUMBNAIL_BYTES, THUMBNAIL_SIDE, page, thumbnail, write
from monitoring.report.plots import NAMES, plots
from monitoring.report.report import LOOKED, Facts, Gathered, pictures, report, report_json
from monitoring.summary import EXAMPLES
from tests.unit.monitoring.capture_lines import line, png, record
from tests.unit.monitoring.reports import HOSTILE, answered, everything, found
from tests.unit.monitoring.reports import write as write_lines
from tests.unit.pages import Page
from training.evaluation.colours import LIGHT, vehicle_styles
from vehiclevision.image_gate import encode
from vehiclevision.labels import MODEL_INPUT_SIDE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "captured"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    """A report that has every part there is, made once: no test changes it."""
    return everything(tmp_path_factory.mktemp("captured"))


@pytest.fixture(scope="module")
def whole_page(whole: Gathered) -> Page:
    """Its page, taken apart."""
    return shown(whole)


def shown(all_found: Gathered) -> Page:
    figures = report(all_found)
    return Page(page(figures, pictures(all_found, figures)))


def test_the_page_has_every_part(whole_page: Page) -> None:
    """What the issue of a report asks for is there: charts, drift, mistakes, least sure, accuracy twice, latency."""
    assert not whole_page.open
    for part in ("Is it right?", "Confidence of the answers", "Class mix", "Answers over time", "By hour of day"):
        assert part in whole_page.text
    for part in (
        "Has what comes in changed?",
        "How long it takes",
        "Surest mistakes",
        "Least like what the model knows",
        "Least sure",
        "tinted where the model saw the label",
        "20 of the pictures have 32 × 32 pixels, as earlier releases sent them",
        "could not be read",
    ):
        assert part in whole_page.text
    charts = [attributes for tag, attributes in whole_page.tags if tag == "svg" and attributes.get("role") == "img"]
    assert len(charts) == 6 + 7
    assert all(chart["aria-label"] for chart in charts)


def test_the_page_needs_nothing_but_itself(whole_page: Page) -> None:
    """No scripts, no links out, no pictures from elsewhere; and a policy that forbids them."""
    assert not {"script", "link", "iframe", "object", "embed", "form", "a"} & {tag for tag, _ in whole_page.tags}
    for tag, attributes in whole_page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "img":
            assert (attributes["src"] or "").startswith("data:image/jpeg;base64,")
        for name in ("href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    policies = [attributes["content"] for _, attributes in whole_page.tags if "http-equiv" in attributes]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_hostile_text_is_text(folder: Path, tmp_path: Path) -> None:
    """Names, versions, paths and words from outside appear as they are, and never as markup."""
    hostile = tmp_path / "<script>alert(1)<marquee>"
    hostile.mkdir()
    made = everything(folder, made_from="<marquee>pictures</marquee>")
    made.summary.model_versions[HOSTILE] = 3
    made.summary.unreadable[HOSTILE] = 2
    facts = Facts(**{**made.facts.__dict__, "source": str(hostile), "threshold_from": HOSTILE, "variant": HOSTILE})

    taken_apart = shown(Gathered(made.summary, facts, made.compared, made.recorded, made.labels))

    assert "script" not in {tag for tag, _ in taken_apart.tags}
    assert "marquee" not in {tag for tag, _ in taken_apart.tags}
    assert "onerror" not in {name for _, attributes in taken_apart.tags for name in attributes}
    assert taken_apart.text.count("<script>alert(1)</script>") >= 6
    assert "{{7*7}}" in taken_apart.text


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="nothing"),
        pytest.param([b"{}", b"junk", b""], id="unreadable"),
        pytest.param([line(record(None, "0.5"))] * 3, id="tabular"),
        pytest.param([line(record(png(1), (0.6, 0.3)))], id="one"),
        pytest.param([line(record(None, (0.6, 0.3)))] * 2, id="no picture"),
        pytest.param([line(record(b"\x89PNG broken", (0.6, 0.3)))], id="broken picture"),
        pytest.param([line(record(png(1), None))], id="no answer"),
        pytest.param([line(record(png(1), (0.9, 0.1), at=None))], id="no time"),
        pytest.param([line(record(png(1), (0.0, 0.0)))], id="nothing at all"),
    ],
)
def test_any_captured_data_makes_a_page(folder: Path, lines: list[bytes]) -> None:
    """However little there is, the page is whole, and says how it stands."""
    write_lines(folder, lines)

    made = found(folder)
    taken_apart = shown(made)

    assert not taken_apart.open
    assert any(tag == "h1" for tag, _ in taken_apart.tags)


def test_how_it_stands_is_not_said_by_colour_alone(whole: Gathered) -> None:
    """Three levels, three words, three shapes."""
    drifted = report(whole)
    assert drifted.drift is not None
    nobody_knows = replace(drifted.accuracy, passed=Judged(None, None, ""))
    quiet = replace(drifted, drift=replace(drifted.drift, drifted=False, findings=()), accuracy=nobody_knows)
    assert quiet.drift is not None
    too_few = replace(quiet, drift=replace(quiet.drift, enough=False))
    marks = set()
    for figures, word in ((quiet, "All well"), (too_few, "Worth a look"), (drifted, "Act on this")):
        text = page(figures, None)
        assert word in text
        marks.add(text.split('<p class="mark">')[1].split("</svg>")[0])

    assert len(marks) == 3


def test_without_images_no_captured_picture_is_on_the_page(whole: Gathered) -> None:
    """Pictures may be nobody's business; figures stay."""
    taken_apart = Page(page(report(whole), None))

    assert "img" not in {tag for tag, _ in taken_apart.tags}
    assert "left out on request" in taken_apart.text


def test_the_page_is_small_however_many_and_however_noisy_the_pictures_are(folder: Path) -> None:
    """Every picture there can be, each of pure noise and shown twice where that is possible: still less than 2 MB."""
    chance = np.random.default_rng(1)
    noise = [
        encode(Image.fromarray(chance.integers(0, 256, (MODEL_INPUT_SIDE, MODEL_INPUT_SIDE, 3), np.uint8)))
        for _ in range(4)
    ]
    made = report(found(folder))
    odd = OddPicture("", None, {"bicycle": 0.1, "motorcycle": 0.9}, 0.9, True, "", 1.0)
    counts = {"mistakes": EXAMPLES, "least_sure": EXAMPLES, "oddest": ODDEST}
    figures = replace(
        made,
        labels=replace(made.labels, matched=1),
        answers=1,
        mix=dict.fromkeys(made.mix, 1),
        pictures=PicturesShown(**{name: [odd] * count for name, count in counts.items()}),
    )
    shown = {name: [noise[0]] * count for name, count in counts.items()}
    looked = {f"{name}{LOOKED}": shown[name] for name in ("mistakes", "oddest")}

    text = page(figures, {**shown, **looked})

    assert text.count("data:image/jpeg") == 2 * EXAMPLES + EXAMPLES + 2 * ODDEST
    assert len(text) < 2_000_000


def test_a_thumbnail_is_bounded_and_keeps_its_shape() -> None:
    """Noise at the model's size and a long narrow picture."""
    chance = np.random.default_rng(2)
    for shape, size in (((224, 224), (THUMBNAIL_SIDE, THUMBNAIL_SIDE)), ((224, 112), (96, 192)), ((5, 9), (9, 5))):
        small = thumbnail(encode(Image.fromarray(chance.integers(0, 256, (*shape, 3), np.uint8))))

        assert len(small) <= MAX_THUMBNAIL_BYTES
        assert Image.open(io.BytesIO(small), formats=["JPEG"]).size == size


def test_page_json_and_pngs_say_the_same(whole: Gathered, tmp_path: Path) -> None:
    """All three are written side by side, and a drawing that is no more is taken away."""
    figures = report(whole)
    out = tmp_path / "deep" / "today"
    stale = tmp_path / "deep" / "today-plots" / "drift-confidence.png"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"old")
    own = stale.with_name("notes.txt")
    own.write_text("mine")

    written = write(whole, figures, out, images=True)

    assert json.loads(written["JSON"].read_text()) == json.loads(json.dumps(report_json(figures)))
    assert written["Page"].name == "today.html"
    names = {path.stem for path in written["PNGs"].glob("*.png")}
    assert names == {plot.name for plot in plots(figures)}
    assert names <= NAMES
    assert Image.open(io.BytesIO(stale.read_bytes())).width > 300
    assert own.read_text() == "mine"
    empty = tmp_path / "empty"
    empty.mkdir()
    write(found(empty), report(found(empty)), out, images=True)
    assert not list(written["PNGs"].glob("*.png"))


def test_the_same_figures_give_the_same_files(folder: Path) -> None:
    """Neither times nor random names get into page and drawings."""
    write_lines(folder, answered([(0.9, 0.05), (0.4, 0.5)]))
    made = found(folder)
    figures = report(made)

    assert page(figures, pictures(made, figures)) == page(figures, pictures(made, figures))
    assert plots(figures)[0].png() == plots(figures)[0].png()


def test_pngs_have_the_colours_of_the_light_page(root: Path) -> None:
    """What is drawn as a file looks as it does on the page, and each colour stands for one thing."""
    style = vehicle_styles() + (root / "training" / "evaluation" / "style.css").read_text().partition("@media")[0]

    assert len(set(LIGHT.variables().values())) == len(LIGHT.variables())
    for name, colour in LIGHT.variables().items():
        assert f"--{'card' if name == 'paper' else name}: {colour};" in style


def test_summaries_of_many_files_and_of_one_make_the_same_page(tmp_path: Path) -> None:
    """How the captured data is cut into files is nobody's business."""
    lines = answered([(0.9, 0.05), (0.4, 0.5), (0.1, 0.85)] * 4)
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    write_lines(one, lines)
    write_lines(two, lines[:5], "a.jsonl")
    write_lines(two, lines[5:], "b.jsonl")

    def figures(folder: Path) -> dict[str, Any]:
        made = report_json(report(found(folder, source="captured")))
        return {**made, "files": None, "bytes": None}

    assert figures(one) == figures(two)


def test_records_of_a_named_endpoint_say_so(folder: Path) -> None:
    """The page's title and first line name what was asked for."""
    write_lines(folder, answered([(0.9, 0.05)]))
    taken_apart = shown(found(folder, endpoint="north", variant="blue"))

    assert "Endpoint north, variant blue" in taken_apart.text
