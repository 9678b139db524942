"""Extraction of training data."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data.extract import CIFAR100_FOLDER, extract
from training.data.pictures import DataRefusedError, LabelledImages, normalised_pixels
from vehiclevision.labels import LABELS


def binary_records(images: LabelledImages, shuffled_by: int = 0) -> tuple[bytes, bytes]:
    """The pictures in CIFAR-100's own record layout, and the file of class names."""
    names = sorted(images.class_names)
    planes = images.pixels.transpose(0, 3, 1, 2).reshape(len(images), -1)
    numbers = np.array([[0, names.index(images.class_names[number])] for number in images.classes], np.uint8)
    records = np.concatenate([numbers, planes], axis=1)
    np.random.default_rng(shuffled_by).shuffle(records)
    return records.tobytes(), "".join(f"{name}\n" for name in names).encode()


def write_archive(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> str:
    """A .tar.gz of the given members; returns its MD5."""
    with tarfile.open(path, "w:gz") as tar:
        for entry, content in members:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def member(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(f"{CIFAR100_FOLDER}/{name}"), content


def test_the_same_pictures_have_one_hash_in_every_layout(drawn: LabelledImages, tmp_path: Path) -> None:
    """A folder per class, the binary folder and the archive of the same pictures are the same data."""
    records, names = binary_records(drawn)
    folder = tmp_path / CIFAR100_FOLDER
    folder.mkdir()
    (folder / "train.bin").write_bytes(records)
    (folder / "fine_label_names.txt").write_bytes(names)
    archive = tmp_path / "cifar-100-binary.tar.gz"
    md5 = write_archive(archive, [member("train.bin", records), member("fine_label_names.txt", names)])

    hashes = {extract(tmp_path).data_hash(), extract(folder).data_hash()}
    hashes.add(extract(archive, archive_md5=md5).data_hash())

    assert hashes == {drawn.data_hash()}


def test_labels_agree_with_the_product(drawn: LabelledImages) -> None:
    """The first classes are the product's labels in the product's order, whatever the folders' order is."""
    assert drawn.class_names == (*LABELS, "house", "tree")
    assert set(drawn.counts().values()) == {60}


def test_other_pictures_have_another_hash(drawn: LabelledImages) -> None:
    """One changed level in one picture changes the data hash."""
    pixels = drawn.pixels.copy()
    pixels[7, 3, 3, 1] ^= 1

    changed = LabelledImages(pixels, drawn.classes, drawn.class_names, drawn.layout)

    assert changed.data_hash() != drawn.data_hash()


def test_the_gate_leaves_model_sized_pictures_alone(drawn: LabelledImages) -> None:
    """A 32 x 32 RGB picture passes the image gate unchanged, so binary records need no trip through it."""
    buffer = io.BytesIO()
    Image.fromarray(drawn.pixels[0]).save(buffer, format="PNG")

    passed = normalised_pixels(buffer.getvalue())

    assert np.array_equal(passed, drawn.pixels[0])


def test_an_archive_with_another_checksum_is_refused(tmp_path: Path, drawn: LabelledImages) -> None:
    """Only the publisher's archive is read: by default any other checksum is refused."""
    records, names = binary_records(drawn)
    archive = tmp_path / "cifar-100-binary.tar.gz"
    write_archive(archive, [member("train.bin", records), member("fine_label_names.txt", names)])

    with pytest.raises(DataRefusedError, match="MD5"):
        extract(archive)


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path, drawn: LabelledImages) -> None:
    """An archive whose records are a link to a file of this machine is refused."""
    link = tarfile.TarInfo(f"{CIFAR100_FOLDER}/train.bin")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    archive = tmp_path / "links.tar.gz"
    md5 = write_archive(archive, [(link, b""), member("fine_label_names.txt", binary_records(drawn)[1])])

    with pytest.raises(DataRefusedError):
        extract(archive, archive_md5=md5)


def test_an_archive_writes_nothing(tmp_path: Path, drawn: LabelledImages) -> None:
    """Members that point out of the archive, or are not asked for, never reach the disk."""
    records, names = binary_records(drawn)
    inside = tmp_path / "inside"
    inside.mkdir()
    outside = [(tarfile.TarInfo("../escaped"), b"x"), (tarfile.TarInfo(str(tmp_path / "absolute")), b"x")]
    archive = inside / "tricks.tar.gz"
    md5 = write_archive(archive, [*outside, member("train.bin", records), member("fine_label_names.txt", names)])

    images = extract(archive, archive_md5=md5)

    assert len(images) == len(drawn)
    assert [path.name for path in tmp_path.rglob("*")] == ["inside", "tricks.tar.gz"]


def test_a_link_out_of_the_data_folder_is_refused(tmp_path: Path) -> None:
    """A picture file that is a link to somewhere else is refused, by name."""
    for label in LABELS:
        (tmp_path / "data" / label).mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(b"x")
    (tmp_path / "data" / LABELS[0] / "photo.png").symlink_to(tmp_path / "secret.png")

    with pytest.raises(DataRefusedError, match=r"photo\.png leads out"):
        extract(tmp_path / "data")


def test_unusable_pictures_are_left_out_and_listed(drawn_folder: Path, tmp_path: Path) -> None:
    """A file that the image gate refuses is not learnt from, and the data manifest says why."""
    for label in LABELS:
        (tmp_path / label).mkdir()
        (tmp_path / label / "good.png").write_bytes((drawn_folder / label / "000.png").read_bytes())
    (tmp_path / LABELS[0] / "broken.png").write_bytes(b"no picture at all")

    images = extract(tmp_path)

    assert len(images) == len(LABELS)
    assert [(refused.file, refused.reason) for refused in images.refused] == [("bicycle/broken.png", "NOT_AN_IMAGE")]


def test_data_without_a_label_is_refused(drawn_folder: Path, tmp_path: Path) -> None:
    """A vehicle that is missing is named."""
    (tmp_path / "bicycle").mkdir()
    (tmp_path / "bicycle" / "one.png").write_bytes((drawn_folder / "bicycle" / "000.png").read_bytes())

    with pytest.raises(DataRefusedError, match="no class motorcycle"):
        extract(tmp_path)


def test_cut_records_are_refused(tmp_path: Path, drawn: LabelledImages) -> None:
    """A binary file that ends within a record is refused."""
    records, names = binary_records(drawn)
    (tmp_path / "train.bin").write_bytes(records[:-1])
    (tmp_path / "fine_label_names.txt").write_bytes(names)

    with pytest.raises(DataRefusedError, match="do not divide"):
        extract(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """Data that is not there is refused in one sentence and a hint."""
    with pytest.raises(DataRefusedError, match="There is no"):
        extract(tmp_path / "nowhere")
