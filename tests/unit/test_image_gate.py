"""The image gate: valid photos of every kind come out right, everything else is refused with a reason."""

import base64
import io
import random
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from tests.unit.gated import peak
from tests.unit.heifs import FORMATS as IN_BOXES
from tests.unit.hostile import FILES, jpeg_of_scans, webp_of_tables
from tests.unit.pictures import (
    BOTTOM_LEFT,
    BOTTOM_RIGHT,
    TOP_LEFT,
    TOP_RIGHT,
    close,
    corners,
    damaged,
    encoded,
    noise,
    png_header,
    quarters,
    webp_header,
)
from vehiclevision.errors import InvalidImageError, Reason
from vehiclevision.image_gate import JPEG_QUALITIES, TAKEN, Limits, encode, model_input, normalise
from vehiclevision.labels import MODEL_INPUT_SIDE
from vehiclevision.requests import MAX_IMAGE_DATA_CHARACTERS

IN_ONE_PIECE = ("JPEG", "PNG", "WEBP")
UPRIGHT = [TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT]


def refusal(data: bytes, limits: Limits = Limits()) -> Reason:
    with pytest.raises(InvalidImageError) as caught:
        normalise(data, limits)
    return caught.value.reason


def test_every_format_that_is_taken_is_tried() -> None:
    """Here, and in test_heif.py."""
    assert {name.upper() for name in TAKEN} == {*IN_ONE_PIECE, *IN_BOXES}


@pytest.mark.parametrize("file_format", IN_ONE_PIECE)
def test_each_accepted_format_comes_out_as_the_model_input(file_format: str) -> None:
    """JPEG, PNG and WebP leave as an RGB JPEG of the model's size, with their colours in place."""
    image = normalise(encoded(quarters(200), file_format))

    result = Image.open(io.BytesIO(image.jpeg))
    assert (result.format, result.mode, result.size) == ("JPEG", "RGB", (MODEL_INPUT_SIDE, MODEL_INPUT_SIDE))
    assert close(corners(image.jpeg), UPRIGHT)
    assert image.measurements.format == file_format


@pytest.mark.parametrize("file_format", IN_ONE_PIECE)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation: int, file_format: str) -> None:
    """A photo stored in any of the eight EXIF orientations ends upright, and its sides are reported upright."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    upright = quarters(128).resize((160, 128))
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation

    image = normalise(encoded(stored, file_format, exif=exif))

    assert close(corners(image.jpeg), UPRIGHT)
    assert (image.measurements.width, image.measurements.height) == (160, 128)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA-like", "RGB", "RGBA", "I;16", "CMYK"])
def test_every_colour_mode_keeps_light_and_dark(mode: str) -> None:
    """Bilevel, grey, 16-bit, palette, transparent and CMYK files keep what was light light and what was dark dark."""
    grey = Image.new("L", (64, 64), 10)
    grey.paste(245, (0, 0, 64, 32))
    if mode == "I;16":
        wide = Image.new("I;16", (64, 64), 10 * 257)
        wide.paste(245 * 257, (0, 0, 64, 32))
        data = encoded(wide, "PNG")
    elif mode == "CMYK":
        data = encoded(grey.convert("RGB").convert("CMYK"), "JPEG", quality=95)
    elif mode == "PA-like":
        data = encoded(grey.convert("RGB").convert("P"), "PNG", transparency=3)
    else:
        data = encoded(grey.convert(mode), "PNG")

    top_left, _, bottom_left, _ = corners(normalise(data).jpeg)

    assert close([top_left, bottom_left], [(245, 245, 245), (10, 10, 10)], tolerance=12)


def test_what_is_transparent_becomes_white() -> None:
    """A transparent background ends as a white page, not as black or as hidden colours."""
    image = Image.new("RGBA", (64, 64), (200, 0, 0, 0))

    assert close(corners(normalise(encoded(image, "PNG")).jpeg), [(255, 255, 255)] * 4, tolerance=0)


def test_the_model_input_is_not_resampled() -> None:
    """A picture of the model's size only goes through JPEG: what left the gate leaves it again next to unchanged."""
    photo = normalise(encoded(Image.effect_noise((300, 200), 40).convert("RGB"), "PNG")).jpeg

    again = normalise(photo).jpeg

    first, second = (Image.open(io.BytesIO(picture)) for picture in (photo, again))
    assert max(ImageStat.Stat(ImageChops.difference(first, second)).mean) < 1


def checkerboard(side: int, field: int) -> Image.Image:
    """Black and white fields of so many pixels."""
    even = Image.new("L", (2 * field, 2 * field))
    even.paste(255, (0, 0, field, field))
    even.paste(255, (field, field, 2 * field, 2 * field))
    board = Image.new("L", (side, side))
    for left in range(0, side, 2 * field):
        for top in range(0, side, 2 * field):
            board.paste(even, (left, top))
    return board.convert("RGB")


@pytest.mark.parametrize(
    "picture",
    [
        noise(224),
        noise(256),
        noise(1000),
        noise(112).resize((224, 224), Image.Resampling.NEAREST),
        noise(16),
        *(checkerboard(224, field) for field in (1, 2, 3, 5, 7, 8)),
        checkerboard(999, 13),
    ],
    ids=lambda picture: f"{picture.size[0]} pixels",
)
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_nothing_leaves_the_gate_larger_than_the_next_step_takes(picture: Image.Image, mode: str) -> None:
    """Noise and checkerboards of every size in every mode leave as at most 64 KiB of base64."""
    stored = picture.convert("L" if mode == "I;16" else mode)
    if mode == "RGBA":
        stored.putalpha(picture.getchannel("G"))
    if mode == "I;16":
        stored = stored.convert("I").point(lambda level: level * 257).convert("I;16")

    jpeg = normalise(encoded(stored, "JPEG" if mode == "CMYK" else "PNG")).jpeg

    assert len(base64.b64encode(jpeg)) <= MAX_IMAGE_DATA_CHARACTERS


def test_an_ordinary_picture_keeps_the_best_quality() -> None:
    """What is not mostly noise is encoded at the first quality; noise at a lower one, and still fits."""
    calm, wild = (model_input(quarters()), noise(MODEL_INPUT_SIDE))

    assert encode(calm) == encoded(calm, "JPEG", quality=JPEG_QUALITIES[0])
    assert encode(wild) in [encoded(wild, "JPEG", quality=quality) for quality in JPEG_QUALITIES[1:]]


def test_nothing_but_pixels_leaves_the_gate() -> None:
    """EXIF, comments, colour profiles and appended data stay behind."""
    exif = Image.Exif()
    exif[0x010E] = "SECRET-DESCRIPTION"
    data = encoded(quarters(), "JPEG", exif=exif, comment=b"SECRET-COMMENT", icc_profile=b"SECRET-PROFILE" * 20)

    jpeg = normalise(data + b"<?php SECRET ?>").jpeg

    assert b"SECRET" not in jpeg
    with Image.open(io.BytesIO(jpeg)) as left:
        assert not left.getexif()
        assert left.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert [name for name, _ in left.applist] == ["APP0"]  # type: ignore[attr-defined]
    assert jpeg.endswith(b"\xff\xd9")


def test_measurements_follow_light_contrast_and_blur() -> None:
    """Brightness, contrast and sharpness move the way their names say, and lie between 0 and 1."""
    checks = Image.effect_noise((256, 256), 60).convert("RGB")
    dark = checks.point(lambda level: level // 3)
    soft = checks.resize((32, 32)).resize((256, 256))

    plain, darker, softer = (normalise(encoded(i, "PNG")).measurements for i in (checks, dark, soft))

    assert darker.brightness < plain.brightness / 2
    assert darker.contrast < plain.contrast
    assert softer.sharpness < plain.sharpness / 2
    assert all(0 <= v <= 1 for m in (plain, darker, softer) for v in (m.brightness, m.contrast, m.sharpness))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"hello", Reason.NOT_AN_IMAGE),
        (b"GIF89a" + b"\0" * 40, Reason.UNSUPPORTED_FORMAT),
        (b"II*\0" + b"\0" * 40, Reason.UNSUPPORTED_FORMAT),
        (encoded(quarters(), "JPEG").replace(b"\xff\xc0", b"\xff\xc3"), Reason.UNSUPPORTED_FORMAT),
        (b"RIFF\0\0\0\0WAVEfmt ", Reason.NOT_AN_IMAGE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Reason.NOT_AN_IMAGE),
        (b"\xff\xd8\xff", Reason.CANNOT_DECODE),
        (b"\x89PNG\r\n\x1a\n", Reason.CANNOT_DECODE),
        (b"RIFF\x04\0\0\0WEBP", Reason.CANNOT_DECODE),
        (b"RIFF\x0c\0\0\0WEBPVP8L\0", Reason.CANNOT_DECODE),
        (encoded(quarters(), "JPEG")[:-40], Reason.CANNOT_DECODE),
        (encoded(quarters(), "PNG")[:-60], Reason.CANNOT_DECODE),
        (png_header(20_000, 900), Reason.SIDE_TOO_LONG),
        (png_header(9_000, 9_000), Reason.TOO_MANY_PIXELS),
        (png_header(8_000, 300), Reason.TOO_ELONGATED),
        (png_header(200, 8), Reason.SIDE_TOO_SHORT),
        (png_header(300, 300), Reason.CANNOT_DECODE),
        (png_header(0, 0), Reason.CANNOT_DECODE),
        (webp_header(16_384, 16_384), Reason.SIDE_TOO_LONG),
        (webp_header(9_000, 9_000), Reason.TOO_MANY_PIXELS),
        (jpeg_of_scans(64, 65), Reason.TOO_MANY_SCANS),
        (jpeg_of_scans(4000, 64), Reason.TOO_MANY_SCANS),
    ],
    ids=lambda value: value.value if isinstance(value, Reason) else f"{len(value)}-bytes",
)
def test_unusable_files_are_refused_with_their_reason(data: bytes, reason: Reason) -> None:
    """Every kind of unusable file has its own reason code."""
    assert refusal(data) is reason


def test_a_file_over_the_byte_limit_is_refused_unread() -> None:
    """More bytes than the limit are refused before any decoder sees them."""
    assert refusal(b"\xff\xd8\xff" + b"\0" * 100, Limits(max_bytes=50)) is Reason.TOO_MANY_BYTES


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_animations_are_refused(file_format: str) -> None:
    """Of several frames nobody can say which one is meant."""
    frames = [quarters(), quarters().rotate(90)]

    assert refusal(encoded(frames[0], file_format, save_all=True, append_images=frames[1:])) is Reason.ANIMATED


def test_a_phone_photo_with_a_second_picture_inside_is_accepted() -> None:
    """A JPEG that carries a gain map or depth map (MPO) counts as the photo that it shows."""
    data = encoded(quarters(), "MPO", save_all=True, append_images=[quarters().convert("L").convert("RGB")])

    assert close(corners(normalise(data).jpeg), UPRIGHT)


def test_a_damaged_exif_block_does_not_cost_the_photo() -> None:
    """Whatever stands in the EXIF block, the picture itself still counts."""
    rng = random.Random(3)  # noqa: S311 - noise, not secrets
    for _ in range(200):
        junk = b"Exif\0\0" + rng.choice([b"II*\0", b"MM\0*", b""]) + bytes(rng.randrange(256) for _ in range(60))
        image = normalise(encoded(quarters(), "JPEG", exif=junk))
        assert image.measurements.format == "JPEG"


def test_random_damage_never_escapes_as_another_error() -> None:
    """Of 3,000 files with flipped, cut or doubled bytes each is either normalised or refused with a reason."""
    rng = random.Random(11)  # noqa: S311 - damage, not secrets
    originals = [encoded(quarters(48), f, **o) for f, o in (("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}))]
    refused = 0
    for number in range(3000):
        try:
            normalise(damaged(originals[number % 3], rng, 6))
        except InvalidImageError:
            refused += 1
    assert 0 < refused < 3000


def test_the_largest_allowed_pictures_stay_within_memory(root: Path, tmp_path: Path) -> None:
    """The largest file of every costly kind needs at most 300 MiB and a second of CPU."""
    side = 4000
    slope = Image.linear_gradient("L").resize((side, side))
    files = {
        "rgba.png": encoded(slope.convert("RGBA"), "PNG", compress_level=1),
        "grey16.png": encoded(Image.new("I;16", (side, side), 300), "PNG", compress_level=1),
        "greyalpha.png": encoded(Image.new("LA", (side, side)), "PNG", compress_level=1),
        "palette.png": encoded(Image.new("P", (side, side)), "PNG", compress_level=1, transparency=0),
        "cmyk.jpg": encoded(slope.resize((2500, 2500)).convert("CMYK"), "JPEG", progressive=True),
        "progressive.jpg": encoded(slope.convert("RGB"), "JPEG", progressive=True, subsampling=0),
        "of a phone.jpg": encoded(slope.resize((8160, 6120)).convert("RGB"), "JPEG", subsampling=0),
        "lossy.webp": encoded(slope.convert("RGB"), "WEBP", method=0, quality=30),
    }
    for name, data in files.items():
        normalise(data)
        (tmp_path / name).write_bytes(data)

    for name in files:
        memory, seconds = peak(root, [tmp_path / name])
        assert memory <= 300, name
        assert seconds <= 1, name


def test_files_made_to_cost_much_stay_within_memory_and_time(root: Path, tmp_path: Path) -> None:
    """Each file that was made to make a reader unpack, repeat or search too much stays within 300 MiB and a second."""
    for name, make in FILES.items():
        (tmp_path / name).write_bytes(make())

    memory, seconds = peak(root, sorted(tmp_path.iterdir()), max_mebibytes=400)

    assert memory <= 300
    assert seconds <= 1


def test_a_webp_of_tables_stays_within_what_the_function_has(root: Path, tmp_path: Path) -> None:
    """The one kind of file that takes more, a WebP without loss that names 65,536 sets of tables, fits the function."""
    (tmp_path / "tables.webp").write_bytes(webp_of_tables(2800))

    memory, seconds = peak(root, [tmp_path / "tables.webp"], max_mebibytes=1024)

    assert 300 < memory <= 700
    assert seconds <= 2


def test_hostile_files_stay_within_memory_and_time(root: Path, data: Path) -> None:
    """Every hostile file we have is normalised or refused within 300 MiB and a second of CPU."""
    files = sorted(p for p in (data / "hostile").iterdir() if p.name != "MANIFEST.csv")

    memory, seconds = peak(root, files)

    assert len(files) > 100
    assert memory <= 300
    assert seconds <= 1
