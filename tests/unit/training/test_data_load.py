"""What lies in the bucket afterwards is the folder, whole and checked, and nothing is sent twice."""

import base64
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from moto import mock_aws

from training.data.errors import DataNotLoadedError, DataRefusedError
from training.data.extract import extract
from training.data.load import DEFAULT_PREFIX, Destination, Loaded, load
from training.data.manifest import MANIFEST, read_manifest
from training.data.pictures import LabelledImages
from training.data.transform import write

BUCKET = "training-pictures"


class Bucket:
    """A bucket in moto, and the requests that were made of it, in order."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.s3.meta.events.register("provide-client-params.s3", self._note)

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.asked.append((model.name, params))

    def puts(self) -> list[dict[str, Any]]:
        """The uploads so far, which are forgotten."""
        found = [params for name, params in self.asked if name == "PutObject"]
        self.asked.clear()
        return found

    def names(self) -> set[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {found["Key"] for page in pages for found in page.get("Contents", [])}


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    """An empty bucket."""
    with mock_aws():
        yield Bucket()


@pytest.fixture(scope="module")
def few(drawn: LabelledImages) -> LabelledImages:
    """Ten drawn pictures of each class."""
    return drawn.part(np.arange(0, len(drawn), 6))


@pytest.fixture(scope="module")
def transformed(few: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those pictures, transformed; not to be changed."""
    out = tmp_path_factory.mktemp("transformed")
    write(few, "few", out)
    return out


@pytest.fixture
def folder(transformed: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(transformed, tmp_path / "copy"))


def test_the_folder_lies_under_its_version(bucket: Bucket, transformed: Path) -> None:
    """Each file is there, with its SHA-256 for S3 to check, and the answer names SageMaker's channels."""
    loaded = load(transformed, bucket.s3, Destination(BUCKET))

    manifest = read_manifest(transformed)
    assert loaded.prefix == f"{DEFAULT_PREFIX}/{manifest.version}/"
    assert manifest.version.startswith(manifest.data_hash[:12])
    assert bucket.names() == {loaded.prefix + entry.path for entry in manifest.entries} | {loaded.prefix + MANIFEST}
    for put in bucket.puts():
        digest = hashlib.sha256((transformed / put["Key"].removeprefix(loaded.prefix)).read_bytes()).digest()
        assert put["ChecksumSHA256"] == base64.b64encode(digest).decode()
    assert loaded.channels["train_lst"] == f"s3://{BUCKET}/{loaded.prefix}train_lst/"
    assert f"{loaded.prefix}train_lst/train.lst" in bucket.names()


def test_the_manifest_goes_last(bucket: Bucket, transformed: Path) -> None:
    """A prefix with a manifest is complete: everything else has been taken before."""
    load(transformed, bucket.s3, Destination(BUCKET))

    assert [put["Key"].endswith(MANIFEST) for put in bucket.puts()].index(True) == len(bucket.names()) - 1


def test_a_second_run_sends_nothing(bucket: Bucket, transformed: Path) -> None:
    """What is there with the same content is left as it is, by the listing alone."""
    first = load(transformed, bucket.s3, Destination(BUCKET))
    bucket.puts()

    second = load(transformed, bucket.s3, Destination(BUCKET))

    assert {name for name, _ in bucket.asked} == {"ListObjectsV2"}
    assert (second.uploaded, second.uploaded_bytes, second.unchanged) == (0, 0, first.uploaded)


def test_an_interrupted_run_is_gone_on_with(bucket: Bucket, transformed: Path) -> None:
    """Ctrl-C leaves a prefix without a manifest; the next run sends only what is missing."""

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(transformed, bucket.s3, Destination(BUCKET), stop)
    there = bucket.names()
    bucket.puts()
    loaded = load(transformed, bucket.s3, Destination(BUCKET))

    assert 5 <= len(there) < len(bucket.names())
    assert loaded.prefix + MANIFEST not in there
    assert {put["Key"] for put in bucket.puts()} == bucket.names() - there


def test_what_was_changed_in_the_bucket_is_mended(bucket: Bucket, transformed: Path) -> None:
    """An object that is gone, or has other content of the same length, is sent again, and only that."""
    loaded = load(transformed, bucket.s3, Destination(BUCKET))
    gone, spoilt = sorted(bucket.names())[5:7]
    bucket.s3.delete_object(Bucket=BUCKET, Key=gone)
    size = bucket.s3.head_object(Bucket=BUCKET, Key=spoilt)["ContentLength"]
    bucket.s3.put_object(Bucket=BUCKET, Key=spoilt, Body=b"x" * size)
    bucket.puts()

    again = load(transformed, bucket.s3, Destination(BUCKET))

    assert {put["Key"] for put in bucket.puts()} == {gone, spoilt}
    assert (again.uploaded, again.prefix) == (2, loaded.prefix)


def test_other_data_goes_elsewhere(bucket: Bucket, transformed: Path, few: LabelledImages, tmp_path: Path) -> None:
    """Other lists of the same pictures get a prefix of their own, which still begins with the data hash."""
    write(few, "few", tmp_path / "out", all_classes=True)

    first, second = (load(folder, bucket.s3, Destination(BUCKET, "a/b")) for folder in (transformed, tmp_path / "out"))

    assert first.prefix != second.prefix
    assert first.prefix[:16] == second.prefix[:16] == f"a/b/{first.manifest.data_hash[:12]}"


def test_what_was_loaded_can_be_trained_on(bucket: Bucket, transformed: Path, tmp_path: Path) -> None:
    """A prefix that is copied to disk, as SageMaker does with a channel, is the same data."""
    loaded = load(transformed, bucket.s3, Destination(BUCKET))
    for key in bucket.names():
        path = tmp_path / "channel" / key.removeprefix(loaded.prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        bucket.s3.download_file(BUCKET, key, str(path))

    assert extract(tmp_path / "channel").data_hash() == loaded.manifest.data_hash


def test_a_changed_folder_is_not_sent_as_if_it_were_not(bucket: Bucket, folder: Path) -> None:
    """If a file is no longer what the manifest says, there will be no manifest in the bucket."""
    entry = read_manifest(folder).entries[7]
    (folder / entry.path).write_bytes(b"x" * entry.bytes)

    with pytest.raises(DataRefusedError, match="not what the data manifest says"):
        load(folder, bucket.s3, Destination(BUCKET))

    assert not any(key.endswith(MANIFEST) for key in bucket.names())


def test_an_unfinished_folder_is_not_sent(bucket: Bucket, folder: Path) -> None:
    """Without a manifest there is nothing to load."""
    (folder / MANIFEST).unlink()

    with pytest.raises(DataRefusedError, match=r"no manifest\.json"):
        load(folder, bucket.s3, Destination(BUCKET))

    assert bucket.names() == set()


def test_key_and_owner_are_passed_on(bucket: Bucket, transformed: Path) -> None:
    """With a KMS key each upload names it, and with an owner each request does; a second run still sends nothing."""
    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    destination = Destination(BUCKET, kms_key_id=key, bucket_owner="123456789012")

    load(transformed, bucket.s3, destination)
    assert all(params["ExpectedBucketOwner"] == "123456789012" for _, params in bucket.asked)
    assert all(put["SSEKMSKeyId"] == key and put["ServerSideEncryption"] == "aws:kms" for put in bucket.puts())

    assert load(transformed, bucket.s3, destination).uploaded == 0


def test_under_a_key_the_checksum_decides(bucket: Bucket, transformed: Path) -> None:
    """Where the listing's ETags are no MD5s, as under a KMS key, the stored SHA-256 says what need not be sent."""
    load(transformed, bucket.s3, Destination(BUCKET))
    spoilt = next(key for key in bucket.names() if key.endswith("train.lst"))
    size = bucket.s3.head_object(Bucket=BUCKET, Key=spoilt)["ContentLength"]
    bucket.s3.put_object(Bucket=BUCKET, Key=spoilt, Body=b"x" * size, ChecksumAlgorithm="SHA256")
    bucket.puts()

    def as_under_kms(parsed: dict[str, Any], **_: Any) -> None:
        for found in parsed["Contents"]:
            found["ETag"] = '"0123456789abcdef0123456789abcdef"'

    bucket.s3.meta.events.register("after-call.s3.ListObjectsV2", as_under_kms)
    load(transformed, bucket.s3, Destination(BUCKET))

    assert [put["Key"] for put in bucket.puts()] == [spoilt]


@pytest.mark.parametrize(
    ("destination", "words"),
    [
        (Destination("no-such-bucket"), "There is no bucket no-such-bucket"),
        (Destination("Not A Bucket"), "is no name of a bucket"),
        (Destination(BUCKET, "a//b"), "no plain path"),
        (Destination(BUCKET, "../b"), "no plain path"),
        (Destination(BUCKET, "a\nb"), "no plain path"),
        (Destination(BUCKET, "x" * 301), "no plain path"),
    ],
)
def test_a_wrong_destination_is_refused_in_a_sentence(
    bucket: Bucket, transformed: Path, destination: Destination, words: str
) -> None:
    """Nothing is sent, and the message says what to name instead."""
    with pytest.raises(DataNotLoadedError, match=words) as refusal:
        load(transformed, bucket.s3, destination)

    assert refusal.value.hint
    assert bucket.names() == set()


def test_progress_is_told(bucket: Bucket, transformed: Path) -> None:
    """The listener hears of each file, the manifest included."""
    heard: list[tuple[int, int]] = []

    loaded: Loaded = load(transformed, bucket.s3, Destination(BUCKET), lambda done, total: heard.append((done, total)))

    assert heard == [(number + 1, loaded.uploaded) for number in range(loaded.uploaded)]
