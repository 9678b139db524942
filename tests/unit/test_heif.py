"""HEIC and AVIF at the image gate: what phones send comes out right, what misleads is refused."""

import functools
import io
import random
import struct
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.gated import peak
from tests.unit.heifs import ALPHA, FORMATS, Item, box, coded, file_of, grid_item, mirrored, picture_item, turned
from tests.unit.pictures import (
    BOTTOM_LEFT,
    BOTTOM_RIGHT,
    TOP_LEFT,
    TOP_RIGHT,
    close,
    corners,
    damaged,
    encoded,
    quarters,
)
from vehiclevision.boxes import Tile
from vehiclevision.errors import InvalidImageError, Reason
from vehiclevision.image_gate import normalise

UPRIGHT = [TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT]


@functools.cache
def tile(file_format: str = "HEIC", side: int = 512, colour: tuple[int, int, int] | None = None) -> Tile:
    """The four quarters, or one colour, as one coded picture."""
    picture = quarters(side) if colour is None else Image.new("RGB", (side, side), colour)
    return coded(picture, FORMATS[file_format])


def refusal(data: bytes) -> Reason:
    with pytest.raises(InvalidImageError) as caught:
        normalise(data)
    return caught.value.reason


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_picture_in_one_piece_comes_out_as_it_is(file_format: str) -> None:
    """HEIC and AVIF as programs write them leave with their colours in place, and are recorded as what they are."""
    coded(quarters(), "HEIF")

    image = normalise(encoded(quarters(200), FORMATS[file_format], quality=90))

    assert close(corners(image.jpeg), UPRIGHT)
    assert (image.measurements.format, image.measurements.width) == (file_format, 200)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_phone_photo_in_tiles_is_put_together(file_format: str) -> None:
    """Four tiles of one colour each become the four quarters, the last row and column cut to the photo's size."""
    items = [picture_item(tile(file_format, 512, colour)) for colour in UPRIGHT]
    whole = grid_item(2, 2, (1000, 900), [1, 2, 3, 4])

    image = normalise(file_of([*items, whole], primary=5))

    assert close(corners(image.jpeg), UPRIGHT)
    assert (image.measurements.width, image.measurements.height) == (1000, 900)


@pytest.mark.parametrize(
    ("properties", "colours"),
    [
        ([turned(1)], [TOP_RIGHT, BOTTOM_RIGHT, TOP_LEFT, BOTTOM_LEFT]),
        ([turned(2)], [BOTTOM_RIGHT, BOTTOM_LEFT, TOP_RIGHT, TOP_LEFT]),
        ([turned(3)], [BOTTOM_LEFT, TOP_LEFT, BOTTOM_RIGHT, TOP_RIGHT]),
        ([mirrored(0)], [BOTTOM_LEFT, BOTTOM_RIGHT, TOP_LEFT, TOP_RIGHT]),
        ([mirrored(1)], [TOP_RIGHT, TOP_LEFT, BOTTOM_RIGHT, BOTTOM_LEFT]),
        ([turned(1), mirrored(1)], [BOTTOM_RIGHT, TOP_RIGHT, BOTTOM_LEFT, TOP_LEFT]),
    ],
)
def test_a_turned_photo_comes_out_upright(properties: list[bytes], colours: list[tuple[int, int, int]]) -> None:
    """Turns and mirrors, which HEIC keeps beside EXIF, are carried out as libheif itself carries them out."""
    import pillow_heif

    data = file_of([picture_item(tile(), *properties)])

    image = normalise(data)

    assert close(corners(image.jpeg), colours)
    assert close(corners(encoded(pillow_heif.open_heif(data).to_pillow(), "PNG")), colours)


@pytest.mark.parametrize("file_format", FORMATS)
def test_what_is_transparent_becomes_white(file_format: str) -> None:
    """A picture whose transparency says that nothing of it is seen is a white page."""
    alpha = picture_item(tile(file_format, 512, (0, 0, 0)), box(b"auxC", ALPHA))
    alpha.references[b"auxl"] = [1]

    image = normalise(file_of([picture_item(tile(file_format)), alpha]))

    assert close(corners(image.jpeg), [(255, 255, 255)] * 4, tolerance=3)


def test_nothing_but_the_picture_reaches_the_decoder() -> None:
    """EXIF, profiles and whatever else the file holds is left out of what is decoded."""
    from vehiclevision.boxes import heif

    profile, exif = box(b"colr", b"prof" + b"SECRET" * 10), Item(b"Exif", b"SECRET" * 10)
    data = file_of([picture_item(tile(), profile), exif], extra=box(b"xml ", b"SECRET"))

    files = [one.file() for one in heif(data).tiles]

    assert b"SECRET" in data
    assert not any(b"SECRET" in file for file in files)


def places_without_bytes(items: int) -> bytes:
    """An iloc that counts 65,535 places for each item, in fields of no bytes."""
    counts = b"".join(struct.pack(">HHH", item, 0, 65_535) for item in range(1, items + 1))
    return box(b"iloc", bytes(6) + struct.pack(">H", items) + counts)


def many_sets(small: Item) -> bytes:
    """A grid whose tiles share one configuration: 60,000 messages of no bytes, which no picture needs."""
    head, arrays, sets = small.properties[0][8:30], small.properties[0][30], small.properties[0][31:]
    messages = b"\x27" + struct.pack(">H", 60_000) + bytes(2 * 60_000)
    configuration = box(b"hvcC", head + bytes([arrays + 1]) + sets + messages)
    one = Item(small.kind, small.content, (configuration, *small.properties[1:]))
    tiles = file_of([one, grid_item(16, 16, (1_024, 1_024), [1] * 256)], primary=2)
    return tiles + bytes(256 * len(small.content))


def misleading() -> dict[str, bytes]:
    """Files that say other things than they hold, or the same thing too often."""
    one, small = picture_item(tile()), picture_item(tile("HEIC", 64))
    # The boxes promise 64 x 64 pixels; the coded picture has 512 x 512.
    promise = next(body for body in small.properties if body[4:8] == b"ispe")
    larger = Item(one.kind, one.content, tuple(promise if p[4:8] == b"ispe" else p for p in one.properties))
    whole = file_of([one])
    return {
        "coded larger than promised": file_of([larger]),
        "a grid of itself": file_of([grid_item(1, 1, (512, 512), [1])]),
        "a grid of grids": file_of([grid_item(1, 1, (512, 512), [2]), grid_item(1, 1, (512, 512), [1])]),
        "a grid with too few tiles": file_of([one, grid_item(2, 2, (1024, 1024), [1, 1])], primary=2),
        "a grid smaller than its tiles": file_of([one, grid_item(2, 2, (300, 300), [1] * 4)], primary=2),
        "the same item 65,535 times": file_of([one, grid_item(256, 256, (9_000, 9_000), [1] * 65_535)], primary=2),
        "the same item 256 times": file_of([one, grid_item(16, 16, (8_192, 8_192), [1] * 256)], primary=2),
        "tiles of two sizes": file_of([one, small, grid_item(1, 2, (1024, 512), [1, 2])], primary=3),
        "no such primary item": file_of([one], primary=9),
        "half of the picture": whole[: -len(one.content) // 2],
        "no parameter sets": file_of([Item(one.kind, one.content, one.properties[1:])]),
        "two pictures in one": file_of([Item(one.kind, one.content * 2, one.properties)]),
        "a million boxes": whole[:24] + box(b"free", b"") * 1_000_000 + whole[24:],
        "an iloc that counts to the end": whole.replace(b"\x84\0\0\1", b"\x84\0\xff\xff"),
        "an ipma that counts to the end": whole.replace(b"ipma\0\0\0\1\0\0\0\1", b"ipma\0\0\0\1\xff\xff\xff\xff"),
        "a description of a megabyte": file_of([one], extra=box(b"free", bytes(1024 * 1024))),
        "30,000 empty boxes in it": file_of([one], extra=box(b"free", b"") * 30_000),
        "65,535 places without a byte for each": file_of([one], extra=places_without_bytes(items=200)),
        "16 MiB of empty units": file_of([Item(one.kind, bytes(16_700_000), one.properties)]),
        "16 MiB of units that nobody needs": file_of([Item(b"av01", b"\x12\0" * 8_350_000, tile("AVIF").properties)]),
        "60,000 empty sets in each of 256 tiles": many_sets(small),
    }


def test_a_file_that_misleads_is_refused() -> None:
    """What the boxes promise is held against what is coded, and counted, before anything is decoded."""
    for name, data in misleading().items():
        assert refusal(data) in (Reason.CANNOT_DECODE, Reason.UNSUPPORTED_FORMAT), name


def test_files_that_mislead_stay_within_memory_and_time(root: Path, tmp_path: Path) -> None:
    """None of them takes more than 300 MiB and a second."""
    for name, data in misleading().items():
        (tmp_path / name).write_bytes(data)

    memory, seconds = peak(root, sorted(tmp_path.iterdir()))

    assert memory <= 300
    assert seconds <= 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (box(b"ftyp", b"avis\0\0\0\0avifavis") + bytes(40), Reason.ANIMATED),
        (box(b"ftyp", b"heic\0\0\0\0mif1heic"), Reason.CANNOT_DECODE),
        (box(b"ftyp", b"isom\0\0\0\0isomavc1") + bytes(40), Reason.NOT_AN_IMAGE),
        (file_of([Item(b"avc1", b"x" * 99)]), Reason.UNSUPPORTED_FORMAT),
    ],
)
def test_what_is_not_taken_has_a_true_reason(data: bytes, reason: Reason) -> None:
    """A sequence, an empty file, a video and another codec are told apart."""
    assert refusal(data) is reason


@pytest.mark.parametrize("file_format", FORMATS)
def test_random_damage_never_escapes_as_another_error(file_format: str) -> None:
    """Of 300 files with flipped, cut or doubled bytes each is either normalised or refused with a reason."""
    rng = random.Random(5)  # noqa: S311 - damage, not secrets
    items = [picture_item(tile(file_format, 64, colour)) for colour in UPRIGHT]
    original = file_of([*items, grid_item(2, 2, (128, 120), [1, 2, 3, 4])], primary=5)
    refused = 0
    for _ in range(300):
        try:
            normalise(damaged(original, rng, 4))
        except InvalidImageError:
            refused += 1
    assert 0 < refused <= 300


def test_phones_largest_photos_stay_within_memory(root: Path, tmp_path: Path) -> None:
    """A HEIC of 48 megapixels in tiles takes no more memory than a small one: at most 150 MiB, and 5 s of CPU."""
    detail = Image.effect_noise((512, 512), 30).convert("RGB")
    items = [picture_item(coded(detail, "HEIF"))]
    photo = file_of([*items, grid_item(12, 16, (8064, 6048), [1] * 192)], primary=2)
    (tmp_path / "48.heic").write_bytes(photo + bytes(len(items[0].content) * 192))

    memory, seconds = peak(root, [tmp_path / "48.heic"])

    assert memory <= 150
    assert seconds <= 5


def test_photos_of_real_phones_are_taken(data: Path) -> None:
    """HEIC files of iPhones come out as libheif shows them."""
    import pillow_heif

    for path in sorted((data / "hostile").glob("heic__*")):
        shown = pillow_heif.open_heif(path).to_pillow().convert("RGB")
        image = normalise(path.read_bytes())

        assert (image.measurements.width, image.measurements.height) == shown.size
        assert close(corners(image.jpeg), corners(encoded(shown.resize((224, 224)), "PNG")), tolerance=60)
        with Image.open(io.BytesIO(image.jpeg)) as left:
            assert left.size == (224, 224)
