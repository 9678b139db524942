"""A transformed folder holds the same data as its source, says so file by file, and is the same every time."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.unit.training.archives import members, write_archive
from tests.unit.training.conftest import draw_picture
from training.data.errors import DataRefusedError
from training.data.extract import extract
from training.data.manifest import CHANNELS, MANIFEST, Manifest, read_manifest
from training.data.pictures import LabelledImages
from training.data.split import split
from training.data.transform import Transformed, transform, write
from vehiclevision.image_gate import encode, normalise
from vehiclevision.labels import LABELS

MADE = (*CHANNELS, "rest", MANIFEST)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def touched(folder: Path) -> dict[str, tuple[int, int]]:
    """What would tell that a file was written again."""
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def transformed(drawn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Transformed]:
    """The drawn pictures, transformed; not to be changed."""
    out = tmp_path_factory.mktemp("transformed")
    return out, transform(drawn_folder, out)


@pytest.fixture
def folder(transformed: tuple[Path, Transformed], tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(transformed[0], tmp_path / "copy"))


def test_it_is_the_same_data_as_its_source(drawn: LabelledImages, transformed: tuple[Path, Transformed]) -> None:
    """Training reads the folder as it reads the source: same pictures, same order, same hash, same split."""
    again = extract(transformed[0])

    assert again.data_hash() == drawn.data_hash() == transformed[1].manifest.data_hash
    assert again.class_names == drawn.class_names
    assert split(again).validation.tolist() == split(drawn).validation.tolist()


def test_every_layout_gives_the_same_bytes(
    drawn_folder: Path, transformed: tuple[Path, Transformed], tmp_path: Path
) -> None:
    """From the archive and from a folder per class, pictures and lists are the same to the byte."""
    archive = write_archive(tmp_path / "archive.tar.gz", members(drawn_folder))

    transform(tmp_path / "archive.tar.gz", tmp_path / "out", archive=archive)

    ours, theirs = contents(tmp_path / "out"), contents(transformed[0])
    assert {name for name in theirs if ours[name] != theirs[name]} == {MANIFEST}
    assert ours.keys() == theirs.keys()


def test_a_second_run_changes_nothing(drawn_folder: Path, folder: Path) -> None:
    """With the same source no file is written, removed or even replaced by its like."""
    before = touched(folder)

    again = transform(drawn_folder, folder)

    assert (again.written, again.removed) == (0, 0)
    assert again.unchanged == len(again.manifest.entries)
    assert touched(folder) == before


def test_the_lists_are_what_the_builtin_algorithm_reads(transformed: tuple[Path, Transformed]) -> None:
    """Index, class and path, tab-separated; 0 is bicycle, 1 is motorcycle; a channel holds what its list names."""
    out, done = transformed
    for channel in ("train", "validation"):
        rows = [line.split("\t") for line in (out / f"{channel}_lst" / f"{channel}.lst").read_text().splitlines()]

        assert [int(index) for index, _, _ in rows] == list(range(len(rows)))
        assert {(number, path.split("/")[0]) for _, number, path in rows} == {("0", "bicycle"), ("1", "motorcycle")}
        in_channel = {path.relative_to(out / channel).as_posix() for path in (out / channel).rglob("*.jpg")}
        assert {path for _, _, path in rows} == in_channel
        # Classes are mixed: batches in the list's order must not show one class only.
        assert {number for _, number, _ in rows[:10]} == {"0", "1"}
    assert done.manifest.facts["builtin"] == {
        "num_classes": 2,
        "num_training_samples": len((out / "train_lst" / "train.lst").read_text().splitlines()),
        "image_shape": "3,224,224",
        "classes": list(LABELS),
    }


def test_the_lists_can_name_all_classes(
    drawn_folder: Path, transformed: tuple[Path, Transformed], folder: Path
) -> None:
    """With all classes, the vehicles are still 0 and 1; no picture is left aside, and the data hash stays."""
    done = transform(drawn_folder, folder, all_classes=True)

    rows = [line.split("\t") for line in (folder / "train_lst" / "train.lst").read_text().splitlines()]
    numbers = {(number, path.split("/")[0]) for _, number, path in rows}
    assert numbers == {("0", "bicycle"), ("1", "motorcycle"), ("2", "house"), ("3", "tree")}
    assert done.manifest.facts["builtin"]["num_classes"] == 4
    assert not (folder / "rest").exists()
    assert extract(folder).data_hash() == transformed[1].manifest.data_hash
    assert done.manifest.version != transformed[1].manifest.version


def test_every_written_picture_is_as_the_gate_made_it(
    drawn: LabelledImages, transformed: tuple[Path, Transformed]
) -> None:
    """What the pictures were extracted as lies in the folder byte for byte."""
    written = [(transformed[0] / entry.path).read_bytes() for entry in transformed[1].manifest.entries if entry.part]

    assert sorted(written) == sorted(drawn.files)


def test_sources_go_along(two_kinds: Path, tmp_path: Path) -> None:
    """The folder's files are named by their content; where each photo came from stands in the manifest."""
    for path in sorted((two_kinds / LABELS[0]).iterdir()):
        path.rename(path.with_name(f"web__{path.name}"))

    done = transform(two_kinds, tmp_path / "out")

    assert done.manifest.facts["sources"] == {"web": 10}
    again, before = extract(tmp_path / "out"), extract(two_kinds)
    assert again.sources == before.sources
    assert set(again.sources) == {"web", ""}


def test_photos_go_through_the_gate(two_kinds: Path, tmp_path: Path) -> None:
    """A large turned photo becomes what the product would see of it."""
    photo = Image.new("RGB", (1200, 900), "white")
    photo.paste("red", (0, 0, 600, 450))
    turned = Image.Exif()
    turned[0x0112] = 6
    path = two_kinds / LABELS[0] / "photo.jpg"
    photo.save(path, exif=turned)

    transform(two_kinds, tmp_path / "out")

    expected = normalise(path.read_bytes()).jpeg
    assert expected in contents(tmp_path / "out").values()


def test_the_manifest_tells_everything(two_kinds: Path, tmp_path: Path) -> None:
    """Hash, counts, parts, refusals with reasons, source, versions and each file's hash; no path of this machine."""
    (two_kinds / LABELS[0] / "broken.png").write_bytes(b"no picture")

    transform(two_kinds, tmp_path / "out")

    manifest: dict[str, Any] = json.loads((tmp_path / "out" / MANIFEST).read_bytes())
    assert manifest["source"] == "two_kinds"
    assert manifest["refused"] == [{"file": "bicycle/broken.png", "reason": "NOT_AN_IMAGE"}]
    assert manifest["classes"] == {"bicycle": 10, "motorcycle": 10}
    assert manifest["parts"] == {
        "train": {"bicycle": 8, "motorcycle": 8},
        "validation": {"bicycle": 2, "motorcycle": 2},
    }
    assert set(manifest["versions"]) == {"numpy", "pillow"}
    assert manifest["near_duplicates"] == split(extract(two_kinds)).near_duplicates
    assert len(manifest["files"]) == 22
    assert str(tmp_path) not in (tmp_path / "out" / MANIFEST).read_text()
    assert [refused.reason for refused in extract(tmp_path / "out").refused] == ["NOT_AN_IMAGE"]


def test_near_duplicates_lie_in_one_channel(two_kinds: Path, tmp_path: Path) -> None:
    """A mirrored copy of each picture lies on its original's side, and an exact copy counts as a picture of its own."""
    for label in LABELS:
        for path in sorted((two_kinds / label).iterdir()):
            with Image.open(path) as image:
                image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path.with_stem(f"{path.stem}-mirrored"))
            shutil.copy(path, path.with_stem(f"{path.stem}-again"))

    done = transform(two_kinds, tmp_path / "out")

    assert done.manifest.facts["pictures"] == 60
    assert done.manifest.facts["near_duplicates"] >= 40
    assert len([entry for entry in done.manifest.entries if entry.path.endswith("-2.jpg")]) == 20
    assert extract(tmp_path / "out").data_hash() == extract(two_kinds).data_hash()
    channels = {content: path.split("/")[0] for path, content in contents(tmp_path / "out").items()}
    for path in two_kinds.rglob("?.png"):
        twin = path.with_stem(f"{path.stem}-mirrored")
        channel, other = (channels[normalise(upload.read_bytes()).jpeg] for upload in (path, twin))
        assert channel == other


def test_a_run_that_was_cut_off_is_gone_on_with(drawn_folder: Path, tmp_path: Path) -> None:
    """Until all of it is there nobody reads it as data; the same command again completes it."""

    def stop(done: int, total: int) -> None:
        if done == 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transform(drawn_folder, tmp_path / "out", writing=stop)
    with pytest.raises(DataRefusedError, match=r"no manifest\.json"):
        extract(tmp_path / "out")
    done = transform(drawn_folder, tmp_path / "out")

    assert done.unchanged == 100
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(MADE)


def test_what_the_source_no_longer_holds_is_removed(drawn: LabelledImages, folder: Path) -> None:
    """After a change of the source the folder holds the new data and nothing else; what stayed is not written again."""
    (folder / "train" / "bicycle" / "stray.jpg").write_bytes(b"x")
    fewer = drawn.part(split(drawn).train)

    done = write(fewer, "fewer", folder)

    assert done.removed > 0
    assert done.written < done.unchanged
    assert set(contents(folder)) == {entry.path for entry in done.manifest.entries} | {MANIFEST}
    assert extract(folder).data_hash() == fewer.data_hash()


@pytest.mark.parametrize("manifest", [None, b"{}", b'{"format": "something else", "files": []}'])
def test_a_folder_of_something_else_is_left_alone(drawn_folder: Path, tmp_path: Path, manifest: bytes | None) -> None:
    """A folder that this program did not make is refused, whatever it holds, and nothing in it is touched."""
    (tmp_path / "mine" / "train").mkdir(parents=True)
    (tmp_path / "mine" / "train" / "photo.png").write_bytes(b"mine")
    if manifest:
        (tmp_path / "mine" / MANIFEST).write_bytes(manifest)
    before = touched(tmp_path)

    with pytest.raises(DataRefusedError, match="holds something else"):
        transform(drawn_folder, tmp_path / "mine")

    assert touched(tmp_path) == before


def test_source_and_folder_must_lie_apart(two_kinds: Path) -> None:
    """A folder within the source would be its next class; one around it, or itself, is refused as well."""
    for out in (two_kinds / "out", two_kinds, two_kinds.parent):
        with pytest.raises(DataRefusedError, match="lie in each other"):
            transform(two_kinds, out)


@pytest.mark.parametrize("link", ["train", "train/bicycle"])
def test_nothing_is_written_through_a_link(drawn_folder: Path, folder: Path, tmp_path: Path, link: str) -> None:
    """If a folder of ours was replaced by a link, what it leads to stays as it is."""
    shutil.rmtree(folder / link)
    (tmp_path / "elsewhere").mkdir()
    (folder / link).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(DataRefusedError, match="is a link"):
        transform(drawn_folder, folder)

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_changed_picture_is_refused(folder: Path) -> None:
    """A picture that is missing, other, or a link is not learnt from."""
    entry = next(entry for entry in read_manifest(folder).entries if entry.is_picture)
    path, content = folder / entry.path, (folder / entry.path).read_bytes()

    for spoil in (
        lambda: path.write_bytes(content[:-1] + b"x"),
        lambda: path.write_bytes(content + b"x"),
        path.unlink,
        lambda: path.symlink_to(folder / MANIFEST),
    ):
        spoil()
        with pytest.raises(DataRefusedError) as refusal:
            extract(folder)
        assert refusal.value.hint


def test_a_manifest_of_other_pictures_is_refused(folder: Path) -> None:
    """If files and hashes agree with each other but not with the data hash, it is not that data."""
    manifest = read_manifest(folder)
    (folder / MANIFEST).write_bytes(Manifest(manifest.facts, (), manifest.entries[1:]).to_bytes())

    with pytest.raises(DataRefusedError, match="does not hold the pictures"):
        extract(folder)


@pytest.mark.parametrize(
    "path",
    [
        "../secret.jpg",
        "train/../../x.jpg",
        "/etc/passwd",
        "train/bicycle/a/b.jpg",
        "secret/a/b.jpg",
        "train//b.jpg",
        "",
    ],
)
def test_a_manifest_names_no_file_outside(folder: Path, path: str) -> None:
    """Whatever paths a manifest that someone sent names, only the folder's own pictures and lists are read."""
    manifest = read_manifest(folder)
    hostile = replace(manifest.entries[0], path=path)
    (folder / MANIFEST).write_bytes(Manifest(manifest.facts, (), (hostile,)).to_bytes())

    with pytest.raises(DataRefusedError, match="no data manifest of this release"):
        extract(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"format": "vehiclevision-data-2"}',
        b'{"format": "vehiclevision-data-2", "refused": [], "files": [1], "data_hash": ""}',
        b'{"format": "vehiclevision-data-2", "refused": [], "files": [], "data_hash": "../.."}',
        b'{"format": "vehiclevision-data-2", "x": ' + b"[" * 100_000,
    ],
)
def test_a_damaged_manifest_is_refused(folder: Path, content: bytes) -> None:
    """A manifest that is cut off, or was never one, is refused in a sentence."""
    (folder / MANIFEST).write_bytes(content)

    with pytest.raises(DataRefusedError, match="manifest") as refusal:
        read_manifest(folder)

    assert refusal.value.hint


def test_a_picture_that_the_gate_did_not_make_is_refused(folder: Path) -> None:
    """A manifest that someone sent may vouch for a file of another size; it is not learnt from."""
    manifest = read_manifest(folder)
    entry = next(entry for entry in manifest.entries if entry.is_picture)
    content = encode(Image.new("RGB", (320, 320)))
    (folder / entry.path).write_bytes(content)
    vouched = replace(entry, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    entries = tuple(vouched if each == entry else each for each in manifest.entries)
    (folder / MANIFEST).write_bytes(Manifest(manifest.facts, (), entries).to_bytes())

    with pytest.raises(DataRefusedError, match="no picture that the image gate made"):
        extract(folder)


def test_data_of_an_earlier_release_is_made_anew(drawn_folder: Path, drawn: LabelledImages, tmp_path: Path) -> None:
    """A folder of 32-pixel PNGs is refused by name, with the command that replaces it; that leaves nothing of it."""
    out = tmp_path / "out"
    (out / "train" / "bicycle").mkdir(parents=True)
    (out / "train" / "bicycle" / "0.png").write_bytes((drawn_folder / "bicycle" / "000.png").read_bytes())
    earlier = {"format": "vehiclevision-data-1", "data_hash": "0" * 64, "refused": [], "files": []}
    (out / MANIFEST).write_text(json.dumps(earlier))

    with pytest.raises(DataRefusedError, match="earlier release.* 32 x 32") as refusal:
        extract(out)
    done = transform(drawn_folder, out)

    assert "vehiclevision data transform" in refusal.value.hint
    assert done.removed == 1
    assert extract(out).data_hash() == drawn.data_hash()


def test_a_file_in_the_way_is_told_in_a_sentence(drawn_folder: Path, tmp_path: Path) -> None:
    """Errors of the disk are told as what they are."""
    (tmp_path / "file").touch()

    with pytest.raises(DataRefusedError, match="cannot be written"):
        transform(drawn_folder, tmp_path / "file")


def test_real_pictures_are_transformed(data: Path, tmp_path: Path) -> None:
    """Pictures of three classes of CIFAR-100's training split: none is refused, and their data hash stays."""
    unpack = [sys.executable, str(data / "unpack"), "folders", str(tmp_path / "classes"), *LABELS, "cattle"]
    subprocess.run(unpack, check=True)
    for path in (tmp_path / "classes").rglob("*_[1-4]??.png"):
        path.unlink()

    done = transform(tmp_path / "classes", tmp_path / "out")

    assert done.manifest.facts["classes"] == {"bicycle": 100, "motorcycle": 100, "cattle": 100}
    assert done.manifest.refused == ()
    assert done.manifest.facts["builtin"]["num_training_samples"] == 160
    assert extract(tmp_path / "out").data_hash() == extract(tmp_path / "classes").data_hash()


@pytest.fixture
def two_kinds(tmp_path: Path) -> Path:
    """Ten pictures of each vehicle, and of nothing else."""
    for label in LABELS:
        (tmp_path / "two_kinds" / label).mkdir(parents=True)
        for number in range(10):
            draw_picture(label, number).save(tmp_path / "two_kinds" / label / f"{number}.png")
    return tmp_path / "two_kinds"
