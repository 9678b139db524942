"""The model loader: what is exactly one artefact loads, everything else is refused without being unpacked."""

import gzip
import io
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.serving import tiny_model
from tests.unit.serving.tiny_model import ONNX, ONNX_THAT_READS, manifest, packed, write_model
from training import artefact
from training.artefact import load_model
from training.errors import ModelRefusedError
from training.session import INPUT_SHAPE, gives_features, gives_maps


def refusal(path: Path) -> str:
    with pytest.raises(ModelRefusedError) as caught:
        load_model(path)
    return caught.value.message


def test_a_sound_artefact_predicts_probabilities_for_a_batch(tmp_path: Path) -> None:
    """A bright and a dark image get their own probabilities, in order."""
    found = load_model(write_model(tmp_path / "model.tar.gz"))

    answers = found.predict(np.stack([np.full(INPUT_SHAPE, 255, np.uint8), np.zeros(INPUT_SHAPE, np.uint8)]))

    assert answers.dtype == np.float32
    assert answers == pytest.approx(np.array([[0.95, 0.0], [0.0, 0.95]]))
    assert found.manifest.version == found.manifest.sha256[:12]


@pytest.mark.parametrize("count", [0, 1, 7, 40])
def test_answers_do_not_depend_on_the_batch(tmp_path: Path, count: int) -> None:
    """Any number of images, none included, is answered in order, however they are divided."""
    found = load_model(write_model(tmp_path / "model.tar.gz"))
    images = np.random.default_rng(1).integers(0, 256, (count, *INPUT_SHAPE), np.uint8)

    answers = found.predict(images, batch=3)

    assert answers.shape == (count, 2)
    assert answers == pytest.approx(found.predict(images))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", 3),
        ("format", True),
        ("input_shape", [3, 32, 32]),
        ("input_dtype", "float32"),
        ("metrics", ["0.99"]),
        ("costs", "none"),
        ("threshold", 1.5),
        ("threshold", "0.7"),
        ("threshold", True),
        ("version", "two words"),
        ("version", "line\r\nbreak"),
        ("version", ""),
        ("sha256", 5),
    ],
)
def test_a_manifest_that_does_not_fit_this_release_is_refused(tmp_path: Path, field: str, value: object) -> None:
    """Each field of the contract is checked, and the refusal names it."""
    changes: dict[str, Any] = {field: value}
    path = write_model(tmp_path / "model.tar.gz", **changes)

    message = refusal(path)

    assert field in message


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        (["motorcycle", "bicycle"], "motorcycle, bicycle"),
        (["car"], "car"),
        (["\x1b[31m" + "x" * 500], "\\x1b[31mx"),
        (None, "nothing that it names"),
        ([], "nothing that it names"),
        ([1, 2], "nothing that it names"),
        ("bicycle", "nothing that it names"),
    ],
)
def test_a_model_of_other_labels_is_refused_by_their_names(tmp_path: Path, labels: object, named: str) -> None:
    """The refusal says what the model tells apart and what vehicles.toml names; the order is part of it."""
    message = refusal(write_model(tmp_path / "model.tar.gz", labels=labels))

    assert f"The model tells {named}" in message
    assert "vehicles.toml names bicycle, motorcycle." in message
    assert len(message) < 600


def test_a_model_of_an_earlier_release_is_refused_by_name(tmp_path: Path) -> None:
    """What looked at 32 x 32 pixels would misread every picture of today: it is said what it is."""
    path = write_model(tmp_path / "model.tar.gz", format=1, input_shape=[32, 32, 3])

    assert "earlier release, which looked at 32 x 32 pixels" in refusal(path)


@pytest.mark.parametrize("name", ["ONNX", "ONNX_WITH_MAP"])
def test_a_model_may_say_where_it_looked(tmp_path: Path, name: str) -> None:
    """Features and map are welcome, and so is a model without them."""
    model = load_model(write_model(tmp_path / "model.tar.gz", onnx=getattr(tiny_model, name)))

    assert gives_maps(model.session) == gives_features(model.session) == (name == "ONNX_WITH_MAP")


def test_a_network_other_than_the_described_one_is_refused(tmp_path: Path) -> None:
    """The manifest's digest must be the digest of the network."""
    path = write_model(tmp_path / "model.tar.gz", sha256="0" * 64)

    assert "sha256" in refusal(path)


def test_a_network_that_reads_other_files_is_refused(tmp_path: Path) -> None:
    """ONNX can keep weights in files by name; such a network never reaches onnxruntime."""
    path = write_model(tmp_path / "model.tar.gz", onnx=ONNX + artefact.EXTERNAL_DATA_MARK)

    assert "other files" in refusal(path)


def test_a_network_that_hides_what_it_reads_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even from the folder in which a command runs, however it names the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.txt").write_bytes(b"Zq")

    assert "cannot be loaded" in refusal(write_model(tmp_path / "model.tar.gz", onnx=ONNX_THAT_READS))


def of_headers(kind: bytes, body: bytes, count: int = 1) -> bytes:
    """A packed archive of extended headers of this kind, and no member."""
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, len(body)
    padded = header.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % tarfile.BLOCKSIZE)
    return gzip.compress(padded * count, 1)


@pytest.mark.parametrize(
    ("kind", "body", "times"),
    [
        (tarfile.XHDTYPE, b"6 a=b\n", 20_000_000),
        (tarfile.XGLTYPE, b"6 a=b\n", 20_000_000),
        (tarfile.GNUTYPE_LONGNAME, b"\0", 100_000_000),
        (tarfile.GNUTYPE_SPARSE, b"\1", 100_000_000),
    ],
    ids=["attributes", "attributes of all", "a long name", "sparse"],
)
def test_what_a_packer_may_say_beside_the_files_costs_nothing(
    tmp_path: Path, kind: bytes, body: bytes, times: int
) -> None:
    """Half a megabyte of extended headers took a tar reader 40 s; here nothing of them is read."""
    (tmp_path / "model.tar.gz").write_bytes(of_headers(kind, body * times))
    started = time.process_time()

    assert "refused" in refusal(tmp_path / "model.tar.gz")
    assert time.process_time() - started < 5


def test_headers_are_counted(tmp_path: Path) -> None:
    """Of 100,000 headers that say nothing a few are read."""
    (tmp_path / "model.tar.gz").write_bytes(of_headers(tarfile.XHDTYPE, b"", 100_000))

    assert "lacks manifest.json and model.onnx" in refusal(tmp_path / "model.tar.gz")


def test_an_archive_with_times_to_the_nanosecond_loads(tmp_path: Path) -> None:
    """Python's own tar and GNU's write such times into extended headers."""
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, content in (("model.onnx", ONNX), ("manifest.json", manifest())):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1.5
            archive.addfile(member, io.BytesIO(content))

    assert load_model(tmp_path / "model.tar.gz").manifest.threshold == 0.7


def test_a_network_whose_names_are_no_text_is_refused(tmp_path: Path) -> None:
    """ONNX keeps names as bytes: those that are not UTF-8 are a refusal, too."""
    onnx = ONNX.replace(b"probabilities", b"prob\x89bilities")

    assert "cannot be loaded" in refusal(write_model(tmp_path / "model.tar.gz", onnx=onnx))


def test_a_damaged_network_is_refused(tmp_path: Path) -> None:
    """What onnxruntime cannot load is a refusal, not a crash."""
    path = write_model(tmp_path / "model.tar.gz", onnx=ONNX[:-40])

    assert "cannot be loaded" in refusal(path)


@pytest.mark.parametrize(
    "members",
    [
        [("manifest.json", manifest())],
        [("model.onnx", ONNX)],
        [("model.onnx", ONNX), ("manifest.json", manifest()), ("more.txt", b"")],
        [("model.onnx", ONNX), ("manifest.json", manifest()), ("manifest.json", manifest())],
        [("../model.onnx", ONNX), ("manifest.json", manifest())],
        [("/model.onnx", ONNX), ("manifest.json", manifest())],
        [("model.onnx", ONNX), ("manifest.json", b"[]")],
        [("model.onnx", ONNX), ("manifest.json", b"[" * 100_000)],
        [("model.onnx", ONNX), ("manifest.json", b"{}" + b" " * artefact.MAX_MANIFEST_BYTES)],
        [],
    ],
    ids=["no network", "no manifest", "one more", "twice", "above", "absolute", "a list", "deep", "large", "empty"],
)
def test_any_other_set_of_members_is_refused(tmp_path: Path, members: list[tuple[str, bytes]]) -> None:
    """Missing, extra, repeated, misnamed and oversized members are refused."""
    path = tmp_path / "model.tar.gz"
    path.write_bytes(packed(members))

    assert refusal(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_member_that_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    """Links, folders, pipes and devices named like a member are refused."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        member = tarfile.TarInfo("model.onnx")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    path = tmp_path / "model.tar.gz"
    path.write_bytes(stream.getvalue())

    assert "unexpected member" in refusal(path)


@pytest.mark.parametrize("data", [b"", b"no gzip", gzip.compress(b"no tar" * 200, mtime=0), gzip.compress(ONNX)[:-9]])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    """Empty, foreign and truncated files are refused."""
    path = tmp_path / "model.tar.gz"
    path.write_bytes(data)

    assert refusal(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The refusal says that the file cannot be read."""
    assert "cannot be read" in refusal(tmp_path / "none.tar.gz")


def test_a_decompression_bomb_is_refused_early(tmp_path: Path) -> None:
    """A quarter of a gigabyte of zeros in a small file is refused within the limit's time and memory."""
    path = tmp_path / "model.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(32):
            file.write(bytes(8 * 1024 * 1024))

    started = time.monotonic()
    message = refusal(path)

    assert "unpacks to more" in message
    assert time.monotonic() - started < 5
