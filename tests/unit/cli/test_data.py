"""The `data` commands as they are typed: results on standard output, sentences on standard error, no traceback."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from cli import samples
from cli.commands.data import fetch, load
from cli.target import Target
from tests.unit.cli.answers import Called, Command, known
from tests.unit.training.archives import accepted
from tests.unit.training.mirror import serving, sign_in_page, well, with_status, without_ranges
from training.data.fingerprint import fingerprint
from training.data.photos import UPSTREAM, read_list
from training.data.pictures import normalised

CONTENT = b"an archive" * 1000
ARCHIVE = accepted("archive.tar.gz", CONTENT)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's drawings of vehicles, a folder per class, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, sample in enumerate(sample for sample in samples.of() if sample.label in ("bicycle", "motorcycle")):
        (folder / str(sample.label)).mkdir(exist_ok=True)
        (folder / str(sample.label) / f"{number}.png").write_bytes(sample.content)
    (folder / "bicycle" / "odd\x1b[2J.png").write_bytes(b"no picture")
    return folder


def test_transform_says_what_it_made(command: Command, pictures: Path, tmp_path: Path) -> None:
    """For people in sentences, with refusals shown harmlessly; for scripts as one JSON object; both succeed."""
    said = command("data", "transform", pictures, "--out", tmp_path / "out")
    again = command("data", "transform", pictures, "--out", tmp_path / "out", "--json")

    assert (said.code, again.code) == (0, 0), said.err
    assert "Refused: bicycle/odd\\x1b[2J.png: NOT_AN_IMAGE" in said.err
    assert "is complete" in said.out
    (fields,) = again.json_lines()
    assert fields["written"] == 0
    assert fields["refused"] == [{"file": "bicycle/odd\\x1b[2J.png", "reason": "NOT_AN_IMAGE"}]
    assert fields["data_hash"] in said.out
    assert fields["builtin"]["num_training_samples"] == fields["parts"]["train"]


def test_a_refusal_is_a_sentence_and_a_hint(command: Command, pictures: Path, tmp_path: Path) -> None:
    """Wrong folders end with exit code 1 and words, whichever command is given them."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.png").touch()

    for arguments, words in (
        (("transform", tmp_path / "nowhere", "--out", tmp_path / "out"), "There is no"),
        (("transform", pictures, "--out", tmp_path / "mine"), "holds something else"),
        (("fetch", "--out", tmp_path / "out", "--mirror", "nonsense"), "is no web address"),
    ):
        answer = command("data", *arguments)
        assert (answer.code, answer.out) == (1, "")
        assert words in answer.err
        assert "Traceback" not in answer.err


def test_load_wants_a_place_to_work_on(command: Command, tmp_path: Path) -> None:
    """Without a local AWS that runs, and without --stack, nothing is sent anywhere."""
    answer = command("data", "load", tmp_path, "--bucket", "anything")

    assert answer.code == 1
    assert "The local AWS is not running." in answer.err


def test_load_says_where_the_data_lies(
    command: Command, called: Called, deployed: Target, pictures: Path, tmp_path: Path
) -> None:
    """The address and the channels come out for the next program; a second run sends nothing."""
    command("data", "transform", pictures, "--out", tmp_path / "out")
    bucket, application = deployed.output("BucketName"), known(deployed)

    first, second = (
        called(
            partial(
                load.command,
                folder=tmp_path / "out",
                bucket=bucket,
                application=application,
                prefix="data",
                as_json=as_json,
            )
        )
        for as_json in (True, False)
    )

    (fields,) = first.json_lines()
    assert fields["uri"] == f"s3://{bucket}/{fields['prefix']}"
    assert set(fields["channels"]) == {"train", "validation", "train_lst", "validation_lst"}
    assert fields["uploaded"] > 0
    assert f"0 files were sent (0.0 MB), {fields['uploaded']:,} were there already." in second.out
    assert fields["uri"] in second.out


def test_fetch_says_where_the_archive_lies(called: Called, tmp_path: Path) -> None:
    """The path comes out for the next program, and the next command for a person."""
    with serving(CONTENT, well) as good:
        first = called(lambda: fetch.fetch_archive(tmp_path, [good.address], as_json=True, archive=ARCHIVE))
        second = called(lambda: fetch.fetch_archive(tmp_path, [good.address], as_json=False, archive=ARCHIVE))

    path = str(tmp_path / "archive.tar.gz")
    assert json.loads(first.out) == {"path": path, "sha256": ARCHIVE.sha256, "downloaded": True}
    assert f"{path} was there already and is right." in second.out
    assert f"data transform {path} --out DIR" in second.out


def test_photos_that_are_missing_are_told_and_count_as_failure(
    command: Command, called: Called, tmp_path: Path
) -> None:
    """Names and reasons for people, all of them for scripts; the exit code says that the folder is not complete."""
    few = [photo for photo in read_list() if photo.source.licence_basis == UPSTREAM][:12]
    with serving(b"", with_status(404)) as empty:
        base = empty.address.rpartition("/")[0]
        said = called(lambda: fetch.fetch_listed(tmp_path, few, base, as_json=False, pause_seconds=0))
        asked = called(lambda: fetch.fetch_listed(tmp_path, few, base, as_json=True, pause_seconds=0))

    assert (said.code, asked.code) == (1, 1)
    assert f"Missing: {few[0].file} is answered with HTTP 404." in said.err
    assert "12 of 12 are missing" in said.err
    (fields,) = asked.json_lines()
    assert (fields["photos"], fields["downloaded"], fields["unchanged"]) == (12, 0, 0)
    assert [each["file"] for each in fields["missing"]] == [photo.file for photo in few]


def test_photos_that_are_there_make_a_complete_folder(called: Called, tmp_path: Path) -> None:
    """The folder and its attribution are named."""
    (photo, *_) = read_list()
    content = next(sample.content for sample in samples.of() if sample.label == "bicycle")
    drawn = replace(photo, fingerprint=fingerprint(normalised(content)))
    with serving(content, without_ranges) as good:
        base = good.address.rpartition("/")[0]
        said = called(lambda: fetch.fetch_listed(tmp_path, [drawn], base, as_json=False))

    assert said.code == 0
    assert "Photos downloaded: 1; there already: 0." in said.out
    assert f"{tmp_path} is complete; {tmp_path / 'ATTRIBUTION.csv'} says whose each photo is." in said.out


def test_options_of_photos_belong_to_photos(command: Command, tmp_path: Path) -> None:
    """Terms without photos, and photos from several places, are a matter of usage."""
    for arguments in (("--licence-basis", "upstream"), ("--photos", "--mirror", "http://a", "--mirror", "http://b")):
        answer = command("data", "fetch", "--out", tmp_path, *arguments)
        assert (answer.code, answer.out) == (2, "")


def test_a_network_with_a_sign_in_page_is_named(command: Command, tmp_path: Path) -> None:
    """The commonest reason for a wrong download is told as what it is."""
    with serving(CONTENT, sign_in_page) as hotel:
        answer = command("data", "fetch", "--out", tmp_path, "--mirror", hotel.address)

    assert answer.code == 1
    assert "is there a sign-in to this network?" in answer.err
    assert answer.err.count("\n") <= 3
