"""Which kinds of photos fail: how a kind is told, and what is said of few."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.unit.pictures import encoded, quarters
from training.data.extract import source_of
from training.evaluation.kinds import LEAST, MAX_SOURCES, Looks, kinds, looks
from training.evaluation.plain import plain
from training.evaluation.scores import Judged
from vehiclevision.image_gate import normalise

PLAIN = Looks((400, 300), 0.5, 0.25, 0.05, 0.3)


def textured(width: int = 400, height: int = 300) -> Image.Image:
    """A picture with colours and fine detail, of no kind but `all`."""
    noise = np.random.default_rng(2).integers(-90, 90, (height, width, 1))
    return Image.fromarray((np.asarray(quarters().resize((width, height))) + noise).clip(0, 255).astype(np.uint8))


def kinds_of(image: Image.Image) -> set[str]:
    """The kinds that a picture is found to be of."""
    seen = looks(normalise(encoded(image, "PNG")))
    slices = kinds(Judged(np.array([0]), np.array([0.9]), np.array([0])), [seen], [""], 0.7)["slices"]
    return {each["kind"] for each in slices if each["n"]}


@pytest.mark.parametrize(
    ("image", "also"),
    [
        (textured(), set()),
        (textured(130, 100), {"small"}),
        (textured(131, 100), set()),
        (textured(360, 200), {"elongated"}),
        (textured(200, 358), set()),
        (textured().point(lambda level: max(0, level - 70)), {"dark"}),
        (textured().point(lambda level: 100 + level * 0.2), {"low contrast"}),
        (textured().filter(ImageFilter.GaussianBlur(8)), {"blurred"}),
        (textured().convert("L"), {"grey"}),
    ],
    ids=["plain", "small", "not small", "elongated", "not elongated", "dark", "low contrast", "blurred", "grey"],
)
def test_a_kind_is_told_by_what_the_gate_measures(image: Image.Image, also: set[str]) -> None:
    """A picture is of the kind that it was made to be, and of no other."""
    assert kinds_of(image) == {"all", *also}


def test_grey_is_what_has_colour_nowhere() -> None:
    """Colour noise of a sensor does not make a grey picture one of colours; a red spot does."""
    grey = np.asarray(textured().convert("L").convert("RGB")).astype(int)
    noise = np.random.default_rng(3).integers(-12, 13, grey.shape)
    noisy = Image.fromarray((grey + noise).clip(0, 255).astype(np.uint8))
    spotted = noisy.copy()
    spotted.paste((255, 0, 0), (0, 0, 100, 100))

    assert "grey" in kinds_of(noisy)
    assert "grey" not in kinds_of(spotted)


def test_of_too_few_pictures_only_their_number_is_told() -> None:
    """One picture fewer than enough gives no share and no interval; one more gives both."""
    n = 2 * LEAST - 1
    seen = [Looks((100, 100) if index < LEAST else (400, 400), 0.5, 0.25, 0.05, 0.3) for index in range(n)]
    seen += [Looks((400, 400), 0.1, 0.25, 0.05, 0.3)]
    judged = Judged(np.zeros(n + 1, np.int64), np.full(n + 1, 0.9), np.zeros(n + 1, np.int64))

    told = {each["kind"]: each for each in plain(kinds(judged, seen, [""] * (n + 1), 0.7))["slices"]}

    assert (told["small"]["n"], told["small"]["accuracy"]) == (LEAST, 1.0)
    assert told["small"]["accuracy_low"] < 1.0
    assert (told["dark"]["n"], told["dark"]["accuracy"], told["dark"]["accuracy_low"]) == (1, None, None)
    assert told["small"]["neither_passed"] is None


def test_what_is_not_known_of_every_picture_is_named_instead() -> None:
    """Pictures whose upload is gone have no size of their own."""
    judged = Judged(np.array([0, 1]), np.array([0.9, 0.9]), np.array([0, 1]))

    told = plain(kinds(judged, [PLAIN, Looks(None, 0.5, 0.25, 0.05, 0.3)], ["", ""], 0.7))

    assert told["unknown"] == ["small", "elongated"]
    assert not {"small", "elongated"} & {each["kind"] for each in told["slices"]}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("bicycle/office__12.jpg", "office"),
        ("bicycle/a__b__c.jpg", "a"),
        ("bicycle/a_b.jpg", ""),
        ("my__folder/photo.jpg", ""),
        ("bicycle/__x.jpg", ""),
    ],
)
def test_the_source_is_the_first_part_of_the_name(name: str, source: str) -> None:
    """Of the file, not of its folder; a name without that part has none."""
    assert source_of(name) == source


def test_the_largest_sources_are_told_apart_and_the_rest_is_counted() -> None:
    """However many sources a folder names, so many rows are shown; pictures without a source are in none."""
    sources = [f"s{index % (MAX_SOURCES + 5)}" for index in range(200)] + [""]
    judged = Judged(np.zeros(201, np.int64), np.full(201, 0.9), np.zeros(201, np.int64))

    told = plain(kinds(judged, [PLAIN] * 201, sources, 0.7))

    assert (len(told["sources"]), told["sources_total"]) == (MAX_SOURCES, MAX_SOURCES + 5)
    counts = [each["n"] for each in told["sources"]]
    assert counts == sorted(counts, reverse=True)
    assert "" not in {each["kind"] for each in told["sources"]}
