"""Training data into the local AWS's S3, as into AWS's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local import credentials, place
from local.engine import process as engine
from tests.unit.training.conftest import draw_picture
from training.data.extract import extract
from training.data.load import Destination, load
from training.data.transform import transform
from vehiclevision.labels import LABELS

BUCKET = "training-pictures"


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Any]:
    """The engine's S3, with a bucket."""
    directory = tmp_path / "engine"
    url, root = engine.server(directory).launch().ready(), credentials.of(directory)
    try:
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name=place.REGION,
            aws_access_key_id=root.access_key_id,
            aws_secret_access_key=root.secret_access_key,
        )
        client.create_bucket(Bucket=BUCKET)
        yield client
    finally:
        engine.server(directory).stop()


def test_training_data_lies_in_the_local_bucket(s3: Any, tmp_path: Path) -> None:
    """The local engine takes checksums and tells ETags as S3 does: what is there is not sent again, and is the data."""
    for label in (*LABELS, "house"):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(10):
            draw_picture(label, number).save(tmp_path / "pictures" / label / f"{number}.png")
    transform(tmp_path / "pictures", tmp_path / "out")

    first = load(tmp_path / "out", s3, Destination(BUCKET))
    second = load(tmp_path / "out", s3, Destination(BUCKET))

    assert first.uploaded == 33
    assert second.uploaded == 0
    for found in s3.list_objects_v2(Bucket=BUCKET, Prefix=first.prefix)["Contents"]:
        path = tmp_path / "channel" / found["Key"].removeprefix(first.prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(BUCKET, found["Key"], str(path))
    assert extract(tmp_path / "channel").data_hash() == first.manifest.data_hash
