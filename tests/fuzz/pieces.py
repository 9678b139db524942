"""Files put together from their formats' own pieces, in any order, number and state of damage."""

from functools import cache

from hypothesis import strategies as st
from PIL import Image

from tests.unit.heifs import coded, file_of, grid_item, picture_item
from tests.unit.hostile import LARGEST, chunk
from tests.unit.pictures import encoded, quarters


@cache
def pieces() -> dict[str, list[bytes]]:
    """What files of each format consist of: segments, chunks, boxes, as encoders write them."""
    jpeg = encoded(quarters(), "JPEG", progressive=True, restart_marker_blocks=2)
    png = encoded(quarters().convert("P"), "PNG", transparency=1)
    webp = encoded(quarters().convert("RGBA"), "WEBP", lossless=False)
    lossless = encoded(quarters(), "WEBP", lossless=True)
    items = [picture_item(coded(Image.new("RGB", (64, 64), colour), "HEIF")) for colour in ("red", "blue")]
    heic = file_of([*items, grid_item(1, 2, (128, 64), [1, 2])], primary=3)
    avif = encoded(quarters(), "AVIF")
    exif = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"
    return {
        "JPEG": [b"\xff\xd8", *(b"\xff" + part for part in jpeg.split(b"\xff")[2:]), b"\xff\xe1\0\x24" + exif],
        "PNG": [png[:8], png[8:33], *split_chunks(png), chunk(b"eXIf", exif[6:])],
        "WebP": [webp[:12], webp[12:30], webp[30:], lossless[12:], b"EXIF\x20\0\0\0" + exif, b"ANMF" + bytes(20)],
        "HEIC": [heic[at : at + 40] for at in range(0, 1_200, 40)] + [heic[1_200:]],
        "AVIF": [avif[at : at + 40] for at in range(0, 400, 40)] + [avif[400:]],
    }


def split_chunks(png: bytes) -> list[bytes]:
    """The chunks of a PNG after its header."""
    chunks, at = [], 33
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big") + 12
        chunks.append(png[at : at + length])
        at += length
    return chunks


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """The pieces of one format in their order, some left out, repeated, exchanged or damaged."""
    parts = list(pieces()[draw(st.sampled_from(sorted(pieces())))])
    for _ in range(draw(st.integers(0, 4))):
        at, other = draw(st.integers(0, len(parts) - 1)), draw(st.integers(0, len(parts) - 1))
        match draw(st.sampled_from(["leave out", "repeat", "exchange", "overwrite", "insert", "cut", "number"])):
            case "leave out":
                parts[at] = b""
            case "repeat":
                parts[at] = parts[at][: LARGEST // 2_000] * draw(st.sampled_from([2, 65, 2_000]))
            case "exchange":
                parts[at], parts[other] = parts[other], parts[at]
            case "overwrite":
                place = draw(st.integers(0, max(0, len(parts[at]) - 1)))
                damage = draw(st.binary(min_size=1, max_size=4))
                parts[at] = parts[at][:place] + damage + parts[at][place + len(damage) :]
            case "insert":
                parts[at] += draw(st.binary(max_size=16)) * draw(st.sampled_from([1, 1_000]))
            case "cut":
                parts[at] = parts[at][: draw(st.integers(0, len(parts[at])))]
            case "number":
                place = draw(st.integers(0, max(0, len(parts[at]) - 4)))
                number = draw(st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\xff\xff"]))
                parts[at] = parts[at][:place] + number + parts[at][place + 4 :]
    return b"".join(parts)[:LARGEST]
