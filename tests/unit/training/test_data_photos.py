"""Listed photos are fetched one by one: each is what the list says or is told as missing, and none stops the others."""

import csv
import fcntl
import hashlib
import io
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from tests.unit.training import mirror
from tests.unit.training.conftest import draw_picture
from tests.unit.training.mirror import Answer, Mirror, Request, serving
from training.data.errors import DataNotFetchedError, DataRefusedError
from training.data.extract import extract
from training.data.fetch import BLOCK_BYTES
from training.data.fingerprint import agrees, fingerprint
from training.data.photos import (
    MOST_CUT_OFF,
    NOT_TRIED,
    RECORD,
    TRIES,
    UPLOADER,
    UPSTREAM,
    FetchedPhotos,
    Photo,
    Source,
    fetch_photos,
    read_list,
    source_of,
)
from training.data.pictures import normalised
from vehiclevision.image_gate import Limits, normalise

OPEN = Source("web", "someone/photos", "a" * 40, "CC BY 4.0", UPSTREAM)
SAID = replace(OPEN, source="said", licence="MIT", licence_basis=UPLOADER)
NAMES = ("bicycle", "bicycle", "motorcycle", "motorcycle", "house", "tree")
LABELS = ("bicycle", "bicycle", "motorcycle", "motorcycle", "neither", "neither")


def original(number: int, kind: str = "JPEG", side: int = 640) -> bytes:
    """A photo as it lies upstream."""
    stream = io.BytesIO()
    draw_picture(NAMES[number], number).resize((side, side * 3 // 4), Image.Resampling.BICUBIC).save(stream, kind)
    return stream.getvalue()


def listed(number: int, source: Source = OPEN) -> Photo:
    """The photo's line in a list that was made from a smaller copy of it."""
    copy = original(number, side=284)
    return Photo(
        f"{LABELS[number]}/{source.source}__{number}.jpg",
        f"all photos/{NAMES[number]} ({number}).jpg",
        fingerprint(normalised(copy)),
        hashlib.sha256(copy).hexdigest(),
        source,
    )


LIST = [listed(number) for number in range(len(NAMES))]
UPSTREAM_FILES = {f"/{photo.source.repository}/{'a' * 40}/{photo.path}": original(i) for i, photo in enumerate(LIST)}


def well(request: Request, _: bytes) -> None:
    """Each photo at its own address."""
    content = UPSTREAM_FILES.get(unquote(request.path))
    request.give(content or b"404: Not Found", 200 if content else 404)


def but(number: int, answer: Answer) -> Answer:
    """A good server but for one photo."""

    def give(request: Request, content: bytes) -> None:
        (answer if f"({number})" in unquote(request.path) else well)(request, content)

    return give


def fetched(out: Path, server: Mirror, photos: list[Photo] | None = None) -> FetchedPhotos:
    base = server.address.rpartition("/")[0]
    return fetch_photos(out, LIST if photos is None else photos, mirror=base, pause_seconds=0)


def record(out: Path) -> list[dict[str, str]]:
    with (out / RECORD).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_photos_come_through_the_gate_with_their_terms(tmp_path: Path) -> None:
    """Each photo lies in its class as the product would see it, and the record says whose it is and what came."""
    out = tmp_path / "new" / "folder"
    with serving(b"", well) as server:
        done = fetched(out, server)

    assert done == FetchedPhotos(len(LIST), 0, ())
    for number, (photo, row) in enumerate(zip(LIST, record(out), strict=True)):
        picture = (out / photo.file).read_bytes()
        assert picture == normalise(original(number)).jpeg
        assert row == {
            "file": photo.file,
            "sha256": hashlib.sha256(picture).hexdigest(),
            "original_sha256": hashlib.sha256(original(number)).hexdigest(),
            "repository": "someone/photos",
            "commit": "a" * 40,
            "path": photo.path,
            "licence": "CC BY 4.0",
            "licence_basis": UPSTREAM,
        }
    assert {path.name for path in out.iterdir()} == {"bicycle", "motorcycle", "neither", RECORD}


def test_the_folder_is_training_data_with_sources(tmp_path: Path) -> None:
    """Extraction takes the photos as they are, and knows where each is from."""
    with serving(b"", well) as server:
        fetched(tmp_path, server)

    images = extract(tmp_path)

    assert images.counts() == {"bicycle": 2, "motorcycle": 2, "neither": 2}
    assert set(images.sources) == {"web"}
    assert set(images.files) == {(tmp_path / photo.file).read_bytes() for photo in LIST}


def test_a_second_run_asks_for_nothing(tmp_path: Path) -> None:
    """What lies there as it was accepted is kept; two runs, and two machines, have the same record."""
    with serving(b"", well) as server:
        fetched(tmp_path / "one", server)
        asked = len(server.requests)
        again = fetched(tmp_path / "one", server)
        assert len(server.requests) == asked
        fetched(tmp_path / "two", server, LIST[::-1])

    assert again == FetchedPhotos(0, len(LIST), ())
    assert (tmp_path / "one" / RECORD).read_bytes() == (tmp_path / "two" / RECORD).read_bytes()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (mirror.with_status(404), "HTTP 404"),
        (lambda request, _: request.give(original(5)), "fingerprint differs"),
        (lambda request, _: request.give(original(1)[:900]), "no usable picture (CANNOT_DECODE)"),
        (mirror.sign_in_page, "no usable picture (NOT_AN_IMAGE)"),
        (lambda request, _: request.give(b"version https://git-lfs.github.com/spec/v1"), "NOT_AN_IMAGE"),
        (lambda request, _: request.give(b""), "no usable picture (EMPTY)"),
        (lambda request, _: request.give(b"x" * (Limits().max_bytes + 1)), "has more than 16,777,216 bytes"),
        (mirror.redirecting("file:///etc/passwd"), "less safe"),
        (mirror.redirecting("/again"), "HTTP 404"),
        (mirror.with_status(503), "too busy (HTTP 503)"),
        (mirror.with_status(429), "too busy (HTTP 429)"),
        (lambda request, _: request.start(200, Content_Length=10_000), "not given"),
        (lambda request, _: request.wfile.write(b"not even HTTP\r\n\r\n"), "cannot be reached"),
    ],
)
def test_one_missing_photo_is_told_and_ends_nothing(tmp_path: Path, answer: Answer, words: str) -> None:
    """Whatever a server gives for one photo, the others come, and nothing lies under its name."""
    with serving(b"", but(1, answer)) as server:
        done = fetched(tmp_path, server)
        assert not (tmp_path / LIST[1].file).exists()
        server.answer = well
        mended = fetched(tmp_path, server)

    ((file, why),) = [(missing.file, missing.reason) for missing in done.missing]
    assert (file, done.downloaded) == (LIST[1].file, len(LIST) - 1)
    assert words in why
    assert why.isprintable()
    assert mended == FetchedPhotos(1, len(LIST) - 1, ())


def test_endless_content_is_cut(tmp_path: Path) -> None:
    """A server that never stops sending is left at the gate's limit."""
    with serving(b"x" * 100_000, but(1, mirror.endless)) as server:
        done = fetched(tmp_path, server)

    assert "has more than" in done.missing[0].reason
    assert server.sent < 60_000_000


def test_slow_content_is_cut(tmp_path: Path) -> None:
    """A photo that drips in is given up after a while, however often a byte comes."""

    def drip(request: Request, _body: bytes) -> None:
        request.start(200)
        try:
            for _ in range(100):
                request.wfile.write(b"x" * BLOCK_BYTES)
                time.sleep(0.01)
        except OSError:
            return

    with serving(b"", drip) as server:
        base = server.address.rpartition("/")[0]
        done = fetch_photos(tmp_path, LIST[:1], mirror=base, pause_seconds=0, most_seconds=0.05)

    assert done.missing[0].reason == "came too slowly"


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    """A connection that breaks or is put off gets a few more tries."""
    asked: list[str] = []

    def at_last(request: Request, content: bytes) -> None:
        asked.append(request.path)
        answer = mirror.with_status(503) if asked.count(request.path) < TRIES else well
        answer(request, content)

    with serving(b"", at_last) as server:
        done = fetched(tmp_path, server)

    assert done == FetchedPhotos(len(LIST), 0, ())


def test_a_server_that_is_gone_is_not_asked_thousands_of_times(tmp_path: Path) -> None:
    """After some photos in a row without an answer the others are not tried, and are told as missing too."""
    many = [replace(LIST[0], file=f"bicycle/web__{number}.jpg") for number in range(60)]
    with serving(b"", mirror.with_status(503)) as server:
        done = fetched(tmp_path, server, many)

    reasons = [missing.reason for missing in done.missing]
    assert len(reasons) == 60
    assert reasons[-1] == NOT_TRIED
    assert len(server.requests) < (MOST_CUT_OFF + 8) * TRIES


def test_an_interrupted_run_is_gone_on_with(tmp_path: Path) -> None:
    """Ctrl-C keeps what has come, with its attribution; the next run asks only for the others."""

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with serving(b"", well) as server:
        with pytest.raises(KeyboardInterrupt):
            fetch_photos(tmp_path, LIST, mirror=server.address.rpartition("/")[0], listener=stop)
        assert len(record(tmp_path)) == 3
        done = fetched(tmp_path, server)

    assert done == FetchedPhotos(3, 3, ())


def test_a_crash_costs_at_most_the_photo_that_was_coming(tmp_path: Path) -> None:
    """What a killed run had noted counts; a line that was cut off does not, and its photo is fetched again."""
    with serving(b"", well) as server:
        fetched(tmp_path, server)
        lines = (tmp_path / RECORD).read_text().splitlines(keepends=True)
        (tmp_path / RECORD).unlink()
        (tmp_path / f"{RECORD}.part").write_text("".join(lines[1:-1]) + lines[-1][:40])
        done = fetched(tmp_path, server)

    assert done == FetchedPhotos(1, len(LIST) - 1, ())
    assert (tmp_path / RECORD).read_text() == "".join(lines)


def test_another_original_is_not_taken_for_one_that_was_accepted(tmp_path: Path) -> None:
    """A photo that is gone from the folder, or changed there, comes back only as what it was."""
    with serving(b"", well) as server:
        fetched(tmp_path, server)
        (tmp_path / LIST[1].file).write_bytes(b"spoilt")
        server.answer = but(1, lambda request, _: request.give(original(1, "PNG")))
        done = fetched(tmp_path, server)
        server.answer = well
        mended = fetched(tmp_path, server)

    assert [missing.reason for missing in done.missing] == ["is not what was accepted before: its SHA-256 differs"]
    assert mended == FetchedPhotos(1, len(LIST) - 1, ())


def test_photos_on_an_uploader_s_word_are_not_left_among_the_others(tmp_path: Path) -> None:
    """A folder that holds some is refused when they were to be left out, and nothing in it is changed."""
    mixed = [*LIST[:5], listed(5, SAID)]
    with serving(b"", well) as server:
        fetched(tmp_path, server, mixed)
        with pytest.raises(DataRefusedError, match="uploader's word") as refusal:
            fetched(tmp_path, server, LIST[:5])
        (tmp_path / mixed[5].file).unlink()
        done = fetched(tmp_path, server, LIST[:5])

    assert refusal.value.hint
    assert done == FetchedPhotos(0, 5, ())


def test_two_runs_do_not_work_on_one_folder(tmp_path: Path) -> None:
    """While another run fetches, this one ends at once."""
    with (tmp_path / f"{RECORD}.part").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DataNotFetchedError, match="Another run"):
            fetch_photos(tmp_path, LIST)


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    """A file where the folder should be is named."""
    (tmp_path / "file").touch()

    with pytest.raises(DataNotFetchedError, match="cannot be written"):
        fetch_photos(tmp_path / "file", LIST)


@pytest.mark.parametrize("record_bytes", [b"\x00" * 100, b"file\n", b"\xff\xfe,,,,,,,\n" * 9, b'"' * 200_000])
def test_a_damaged_record_counts_as_none(tmp_path: Path, record_bytes: bytes) -> None:
    """Whatever lies there under that name, the photos are fetched and the record is written anew."""
    (tmp_path / RECORD).write_bytes(record_bytes)
    with serving(b"", well) as server:
        done = fetched(tmp_path, server)

    assert done == FetchedPhotos(len(LIST), 0, ())


def test_the_fingerprint_outlives_scaling_and_encoding() -> None:
    """Other sizes, formats and qualities of a picture agree with its fingerprint; other pictures do not."""
    known = [photo.fingerprint for photo in LIST]
    for number in range(len(LIST)):
        for upload in (original(number, "PNG", 300), original(number, "WEBP", 900), original(number, side=200)):
            assert [agrees(normalised(upload), each) for each in known] == [each == number for each in range(len(LIST))]


def test_a_plain_picture_agrees_with_nothing() -> None:
    """A picture of one colour has no pattern to compare, and is not taken for anything."""
    stream = io.BytesIO()
    Image.new("RGB", (100, 100), "grey").save(stream, "PNG")
    plain = normalised(stream.getvalue())

    assert not agrees(plain, fingerprint(plain))
    assert not agrees(plain, LIST[0].fingerprint)


def test_the_list_is_sound() -> None:
    """Every line has a plain file name of its own, a source with terms, a commit, a fingerprint and a hash."""
    photos = read_list()

    assert len({photo.file for photo in photos}) == len(photos) == 4157
    assert [photo.file for photo in photos] == sorted(photo.file for photo in photos)
    labels = [photo.file.split("/")[0] for photo in photos]
    assert {label: labels.count(label) for label in set(labels)} == {"bicycle": 935, "motorcycle": 832, "neither": 2390}
    assert sum(photo.source.licence_basis == UPSTREAM for photo in photos) == 2561
    for photo in photos:
        assert source_of(photo.file) == photo.source.source
        assert photo.source.licence_basis in {UPSTREAM, UPLOADER}
        assert photo.source.licence
        assert len(photo.fingerprint) == len(photo.learnt_sha256) == 64
        assert set(photo.fingerprint + photo.learnt_sha256 + photo.source.commit) <= set("0123456789abcdef")
        assert len(photo.source.commit) == 40
        assert photo.address.isascii()
        assert not {"", ".", ".."} & set(photo.address.split("/"))
        assert not set(" ?#") & set(photo.address)


@pytest.mark.parametrize(
    "file", ["../x__y.jpg", "bicycle/../x__y.jpg", "bicycle/x.jpg", "C:/x__y.jpg", "bicycle/x__y.py"]
)
def test_a_file_of_another_kind_is_refused(file: str) -> None:
    """The list names no file outside a folder per class."""
    with pytest.raises(DataRefusedError):
        source_of(file)


def test_the_list_is_that_of_the_photos_that_were_learnt_from(data: Path) -> None:
    """The copies that training saw have the listed hashes and fingerprints, and no other photo's fingerprint."""
    photos = read_list()
    chosen = np.random.default_rng(0).choice(len(photos), 40, replace=False)
    accepted = 0
    for index in chosen:
        copy = (data / "photos_learn" / photos[index].file).read_bytes()
        picture = normalised(copy)

        assert hashlib.sha256(copy).hexdigest() == photos[index].learnt_sha256
        assert fingerprint(picture) == photos[index].fingerprint
        accepted += sum(agrees(picture, photos[other].fingerprint) for other in chosen)
    assert accepted == len(chosen)
