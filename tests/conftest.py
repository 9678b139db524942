"""What every suite shares: where real data may lie, and an environment without a stray AWS account."""

import functools
import os
from pathlib import Path

import botocore.session
import pytest

ROOT = Path(__file__).resolve().parents[1]
# These take longest, so side by side they begin first: no process is left alone with them in the end.
SLOWEST_FILES = ("test_retraining.py", "test_sagemaker_path.py")
SLOWEST_FOLDERS = ("workflow", "browser")

# Read at cold start by the entry points; a test that needs others starts an interpreter of its own.
os.environ.update(
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_EC2_METADATA_DISABLED="true",
    ENDPOINT_NAME="vehiclevision",
    CONFIDENCE_THRESHOLD="0.7",
    POWERTOOLS_SERVICE_NAME="vehiclevision",
)
for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
    os.environ.pop(name, None)
# Each session of botocore's reads the descriptions of its services anew, which takes longer than most tests: what one
# has read serves all.
vars(botocore.session).update(create_loader=functools.cache(botocore.session.create_loader))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first, then the slowest folders."""
    items.sort(key=lambda item: (item.path.name not in SLOWEST_FILES, item.path.parent.name not in SLOWEST_FOLDERS))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data() -> Path:
    """Real photos and hostile files, where someone has them; tests that need them skip elsewhere."""
    folder = os.environ.get("VEHICLEVISION_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("VEHICLEVISION_DATA names no folder with real data")
    return Path(folder)
