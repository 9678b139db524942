"""Extraction of training data: every layout, and whatever may lie in a folder or an archive that someone sent."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.unit.training.archives import accepted, binary_records, member, members, write_archive
from training.data.cifar100 import CLASS_NAMES, FOLDER, OFFICIAL
from training.data.errors import DataRefusedError
from training.data.extract import extract
from training.data.pictures import SIDE, LabelledImages, decoded, is_normalised
from vehiclevision.image_gate import MAX_JPEG_BYTES, encode, normalise
from vehiclevision.labels import LABELS


def test_the_same_pictures_have_one_hash_in_every_layout(
    drawn: LabelledImages, drawn_folder: Path, tmp_path: Path
) -> None:
    """A folder per class, the binary folder, the archive and a folder with the archive in it are the same data."""
    records, names = binary_records(drawn_folder)
    folder, beside = tmp_path / FOLDER, tmp_path / "fetched"
    folder.mkdir()
    beside.mkdir()
    (folder / "train.bin").write_bytes(records)
    (folder / CLASS_NAMES).write_bytes(names)
    archive = write_archive(beside / OFFICIAL.name, members(drawn_folder))

    hashes = {extract(tmp_path).data_hash(), extract(folder).data_hash()}
    hashes |= {extract(path, archive=archive).data_hash() for path in (beside, beside / OFFICIAL.name)}

    assert hashes == {drawn.data_hash()}


@pytest.fixture
def two_pictures(drawn_folder: Path, tmp_path: Path) -> Path:
    """A folder with one picture of each vehicle."""
    for label in LABELS:
        (tmp_path / label).mkdir()
        (tmp_path / label / "good.png").write_bytes((drawn_folder / label / "000.png").read_bytes())
    return tmp_path


def test_labels_agree_with_the_product(drawn: LabelledImages) -> None:
    """The first classes are the product's labels in the product's order, whatever the folders' order is."""
    assert drawn.class_names == (*LABELS, "house", "tree")
    assert set(drawn.counts().values()) == {60}


def test_other_pictures_have_another_hash(drawn: LabelledImages) -> None:
    """One picture for another, or the same one in another class, changes the data hash."""
    swapped = replace(drawn, files=(drawn.files[1], *drawn.files[1:]))
    moved = replace(drawn, classes=np.array([1, *drawn.classes[1:]]))

    assert len({images.data_hash() for images in (drawn, swapped, moved)}) == 3


def test_every_picture_is_what_the_gate_makes_of_the_upload(drawn: LabelledImages, drawn_folder: Path) -> None:
    """Training sees the files that the endpoint is sent; no pixel comes by another way."""
    uploads = [path.read_bytes() for path in drawn_folder.rglob("*.png")]

    assert sorted(drawn.files) == sorted(normalise(upload).jpeg for upload in uploads)


def test_what_the_gate_made_is_not_encoded_again(drawn: LabelledImages, tmp_path: Path) -> None:
    """A folder of the gate's own files is the data that they came from, byte for byte."""
    for index, number in enumerate(drawn.classes):
        folder = tmp_path / drawn.class_names[number]
        folder.mkdir(exist_ok=True)
        (folder / f"{index}.jpg").write_bytes(drawn.files[index])

    assert extract(tmp_path).files == drawn.files


def turned(file: bytes) -> bytes:
    """The same pixels, with a block of metadata that says to turn them."""
    orientation = Image.Exif()
    orientation[0x0112] = 6
    buffer = io.BytesIO()
    Image.open(io.BytesIO(file)).save(buffer, "JPEG", quality=95, exif=orientation)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "spoil",
    [
        turned,
        lambda file: file[: len(file) // 2],
        lambda file: file + b"what trails",
        lambda file: encode(Image.new("RGB", (SIDE, SIDE - 1))),
        lambda file: encode(Image.effect_noise((SIDE, SIDE), 9).convert("RGB")) + bytes(MAX_JPEG_BYTES),
    ],
)
def test_a_file_that_only_looks_like_one_of_the_gate_goes_through_it(
    drawn: LabelledImages, spoil: Callable[[bytes], bytes]
) -> None:
    """Metadata, a cut, something behind the end, another size: none of it is taken as it is."""
    assert is_normalised(drawn.files[0])
    assert not is_normalised(spoil(drawn.files[0]))


def test_pictures_are_decoded_a_few_at_a_time(drawn: LabelledImages) -> None:
    """Batches hold all pictures in their order, and none more than was asked for."""
    batches = list(drawn.batches(100))

    assert [len(batch) for batch in batches] == [100, 100, 40]
    assert np.array_equal(batches[1][3], decoded(drawn.files[103]))


def test_file_names_tell_the_source(two_pictures: Path) -> None:
    """`SOURCE__NAME` comes from SOURCE, all else from nowhere that has a name; a part keeps what belongs to it."""
    photo = two_pictures / "bicycle" / "good.png"
    photo.rename(photo.with_name("oi_vehicles__1ef__77c.png"))

    images = extract(two_pictures)

    assert images.sources == ("oi_vehicles", "")
    assert images.part(np.array([1])).sources == ("",)


def test_only_the_official_archive_is_read(tmp_path: Path, drawn_folder: Path) -> None:
    """By default every other archive is refused before anything in it is looked at, whatever its size."""
    write_archive(tmp_path / OFFICIAL.name, members(drawn_folder))

    with pytest.raises(DataRefusedError, match="checksums differ"):
        extract(tmp_path / OFFICIAL.name)


@pytest.mark.parametrize("field", ["md5", "sha256"])
def test_both_checksums_must_be_right(tmp_path: Path, drawn_folder: Path, field: str) -> None:
    """An archive with the right size and one right checksum is not the archive."""
    archive = write_archive(tmp_path / "archive.tar.gz", members(drawn_folder))

    wrong: dict[str, Any] = {field: "0" * 32}
    with pytest.raises(DataRefusedError, match="checksums differ"):
        extract(tmp_path / "archive.tar.gz", archive=replace(archive, **wrong))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_only_a_plain_file_of_an_archive_is_read(tmp_path: Path, drawn_folder: Path, kind: bytes) -> None:
    """An archive whose records are a link to a file of this machine, or no file at all, is refused."""
    link = tarfile.TarInfo(f"{FOLDER}/train.bin")
    link.type, link.linkname = kind, "/etc/hostname"
    archive = write_archive(tmp_path / "links.tar.gz", [(link, b""), members(drawn_folder)[1]])

    with pytest.raises(DataRefusedError, match="no plain file"):
        extract(tmp_path / "links.tar.gz", archive=archive)


def test_an_archive_writes_nothing(tmp_path: Path, drawn_folder: Path) -> None:
    """Members that point out of the archive, or are not asked for, never reach the disk."""
    inside = tmp_path / "inside"
    inside.mkdir()
    outside = [(tarfile.TarInfo("../escaped"), b"x"), (tarfile.TarInfo(str(tmp_path / "absolute")), b"x")]
    archive = write_archive(inside / "tricks.tar.gz", [*outside, *members(drawn_folder)])

    images = extract(inside / "tricks.tar.gz", archive=archive)

    assert len(images) == 240
    assert [path.name for path in tmp_path.rglob("*")] == ["inside", "tricks.tar.gz"]


def test_a_bomb_is_stopped_before_it_fills_the_memory(tmp_path: Path) -> None:
    """An archive of 100 KB that unpacks to gigabytes is refused at 200 MB."""
    record = tarfile.TarInfo("other/zeros")
    record.size = 8 * 1024**3
    zeros = gzip.compress(bytes(4 * 1024**2), compresslevel=1)
    content = gzip.compress(record.tobuf()) + zeros * 60
    (tmp_path / "bomb.tar.gz").write_bytes(content)

    with pytest.raises(DataRefusedError, match=r"no readable \.tar\.gz"):
        extract(tmp_path / "bomb.tar.gz", archive=accepted("bomb.tar.gz", content))


@pytest.mark.parametrize(
    "content", [b"", b"no archive at all", gzip.compress(b"no tar", mtime=0), gzip.compress(b"x" * 9999, mtime=0)[:-9]]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    """Rubbish with the right checksums is still refused, in a sentence."""
    (tmp_path / "rubbish.tar.gz").write_bytes(content)

    with pytest.raises(DataRefusedError):
        extract(tmp_path / "rubbish.tar.gz", archive=accepted("rubbish.tar.gz", content))


def test_an_archive_without_the_records_is_refused(tmp_path: Path, drawn_folder: Path) -> None:
    """The archive for another program, such as the one with pickles, is refused by what it lacks."""
    archive = write_archive(tmp_path / "other.tar.gz", [member("train", b"a pickle"), members(drawn_folder)[1]])

    with pytest.raises(DataRefusedError, match=r"no cifar-100-binary/train\.bin"):
        extract(tmp_path / "other.tar.gz", archive=archive)


@pytest.mark.parametrize("link", ["bicycle/photo.png", "secrets"])
def test_a_link_out_of_the_data_folder_is_refused(tmp_path: Path, link: str) -> None:
    """A picture or a class that is a link to somewhere else is refused, by name."""
    for label in LABELS:
        (tmp_path / "data" / label).mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "data" / link).symlink_to(tmp_path / "outside")

    with pytest.raises(DataRefusedError, match=f"^{link} leads out of the data folder"):
        extract(tmp_path / "data")


def test_odd_things_in_a_folder_are_listed_and_left_out(two_pictures: Path, drawn_folder: Path) -> None:
    """Pipes, folders, links to nothing and in a ring, empty and huge files each get a reason; none is waited for."""
    folder = two_pictures / LABELS[0]
    os.mkfifo(folder / "pipe.png")
    (folder / "deeper").mkdir()
    (folder / "gone.png").symlink_to(folder / "nothing.png")
    (folder / "ring.png").symlink_to(folder / "ring.png")
    (folder / "empty.png").touch()
    (folder / "text.png").write_bytes(b"no picture at all")
    with (folder / "huge.png").open("wb") as stream:
        stream.write(b"\x89PNG\r\n\x1a\n")
        stream.truncate(50 * 1024**3)
    (folder / os.fsdecode(b"odd \xff\n.png")).write_bytes(b"")
    (folder / "no suffix").write_bytes((drawn_folder / LABELS[0] / "001.png").read_bytes())
    (folder / ".hidden").write_bytes(b"")

    images = extract(two_pictures)

    assert len(images) == 3
    assert {refused.file: refused.reason for refused in images.refused} == {
        "bicycle/deeper": "NOT_A_FILE",
        "bicycle/empty.png": "EMPTY",
        "bicycle/gone.png": "NOT_A_FILE",
        "bicycle/huge.png": "TOO_MANY_BYTES",
        "bicycle/odd \\udcff\\n.png": "EMPTY",
        "bicycle/pipe.png": "NOT_A_FILE",
        "bicycle/ring.png": "NOT_A_FILE",
        "bicycle/text.png": "NOT_AN_IMAGE",
    }


@pytest.mark.parametrize(
    "name", [b"two\nlines", b"tab\there", b"not \xff utf-8", b"back\\slash", b"\xe2\x80\xae", b"x" * 201]
)
def test_a_class_needs_a_plain_name(two_pictures: Path, name: bytes) -> None:
    """A class whose name would break a list, a key or a terminal is refused, its name shown harmlessly."""
    (two_pictures / os.fsdecode(name)).mkdir()

    with pytest.raises(DataRefusedError) as refusal:
        extract(two_pictures)

    assert str(refusal.value).isprintable()
    assert str(refusal.value).endswith("Give it a plain name.")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """A folder without any picture is refused, and so are classes without any."""
    for label in LABELS:
        (tmp_path / "classes" / label).mkdir(parents=True)

    for folder, holds in (
        (tmp_path, "folders with 2 entries, and none of these is a usable picture"),
        (tmp_path / "classes", "no folder with pictures"),
    ):
        with pytest.raises(DataRefusedError, match=rf"holds {holds}\..*folders named bicycle"):
            extract(folder)


def test_progress_is_told(two_pictures: Path) -> None:
    """The listener hears of each picture, in order."""
    heard: list[tuple[int, int]] = []

    extract(two_pictures, listener=lambda done, total: heard.append((done, total)))

    assert heard == [(1, 2), (2, 2)]


def test_data_without_a_label_is_refused(drawn_folder: Path, tmp_path: Path) -> None:
    """A vehicle that is missing is named."""
    (tmp_path / "bicycle").mkdir()
    (tmp_path / "bicycle" / "one.png").write_bytes((drawn_folder / "bicycle" / "000.png").read_bytes())

    with pytest.raises(DataRefusedError, match="no class motorcycle"):
        extract(tmp_path)


def test_cut_records_are_refused(tmp_path: Path, drawn_folder: Path) -> None:
    """A binary file that ends within a record is refused."""
    records, names = binary_records(drawn_folder)
    (tmp_path / "train.bin").write_bytes(records[:-1])
    (tmp_path / "fine_label_names.txt").write_bytes(names)

    with pytest.raises(DataRefusedError, match="do not divide"):
        extract(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """Data that is not there is refused in one sentence and a hint."""
    with pytest.raises(DataRefusedError, match="There is no"):
        extract(tmp_path / "nowhere")
