"""One bare AWS engine for the tests of the local SageMaker, and a control plane beside it."""

from collections.abc import Iterator

import pytest

from tests.unit.local.sagemaker.bench import BUCKET, Plane, bare_engine, client, control_plane, point_at


@pytest.fixture(scope="session")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """S3, CloudWatch and the rest, with an empty bucket."""
    with bare_engine(tmp_path_factory.mktemp("engine")) as url:
        client("s3", url).create_bucket(Bucket=BUCKET)
        yield url


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Iterator[Plane]:
    """The control plane of a fresh state folder, one for the tests of a module."""
    directory = tmp_path_factory.mktemp("state")
    point_at(directory, engine_url)
    with control_plane(directory) as url:
        yield Plane(url, engine_url, directory)
