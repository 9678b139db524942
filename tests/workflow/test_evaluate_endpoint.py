"""An endpoint evaluated over the wire: the local SageMaker's own server, asked by boto3."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.session import Session
from PIL import Image

from local import credentials
from local.place import REGION
from local.sagemaker import servers as sagemaker
from tests.unit.pictures import encoded
from tests.unit.serving.tiny_model import ONNX_WITH_MAP, write_model
from training.errors import EndpointFailedError
from training.evaluate import Endpoint, Request, evaluate
from training.evaluation.plain import plain


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """What the endpoint serves."""
    return write_model(tmp_path / "model.tar.gz")


@pytest.fixture
def endpoint(tmp_path: Path, model: Path) -> Iterator[Endpoint]:
    """A running server with that model behind an endpoint."""
    directory = tmp_path / "aws"
    file = sagemaker.endpoints_file(directory)
    file.parent.mkdir(parents=True)
    file.write_text(
        json.dumps({"endpoints": {"tiny": {"variants": [{"name": "AllTraffic", "model": str(model), "weight": 1.0}]}}})
    )
    url = sagemaker.runtime(directory).launch().ready()
    session = Session()
    root = credentials.of(directory)
    session.set_credentials(root.access_key_id, root.secret_access_key)
    client: Any = session.create_client(
        # As the command's own client: while pictures are made worse, the server may close an idle connection.
        "sagemaker-runtime",
        REGION,
        endpoint_url=url,
        config=Config(proxies={}, retries={"total_max_attempts": 3}),
    )
    try:
        yield Endpoint("tiny", client)
    finally:
        sagemaker.runtime(directory).stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures from black to white in three classes."""
    for name in ("bicycle", "cat", "motorcycle"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for level in range(0, 256, 60):
            image = Image.new("RGB", (50, 40), (level, level, level))
            (tmp_path / "photos" / name / f"{level}.png").write_bytes(encoded(image, "PNG"))
    return tmp_path / "photos"


def test_an_endpoint_is_judged_as_its_model_is(endpoint: Endpoint, model: Path, folder: Path) -> None:
    """The same pictures give the same figures through the endpoint as from the file, worse pictures included."""
    through = plain(evaluate(Request(folder, model=model, endpoint=endpoint, robustness=True)).report)
    direct = plain(evaluate(Request(folder, model=model)).report)

    about = {"endpoint", "model", "latency_milliseconds", "milliseconds_per_image", "measured_at"}
    assert {name: value for name, value in through.items() if name not in about} == {
        name: value for name, value in direct.items() if name not in about
    }
    assert 0 < through["latency_milliseconds"]["p50"] <= through["latency_milliseconds"]["p99"]
    assert (through["endpoint"], direct["endpoint"]) == ("tiny", None)


def test_an_endpoint_that_is_not_there_is_named(endpoint: Endpoint, model: Path, folder: Path) -> None:
    """No figures, but a sentence that says which endpoint is missing."""
    with pytest.raises(EndpointFailedError, match="There is no endpoint other"):
        evaluate(Request(folder, model=model, endpoint=Endpoint("other", endpoint.runtime)))


def test_the_page_tells_of_the_endpoint(endpoint: Endpoint, model: Path, folder: Path, tmp_path: Path) -> None:
    """Its name and its latency stand on the page."""
    page, _ = evaluate(Request(folder, model=model, endpoint=endpoint)).write(tmp_path / "page.html")

    text = page.read_text()
    assert "asked through the endpoint tiny" in text
    assert "p99" in text


def test_where_it_looked_is_only_told_of_the_model_at_hand(endpoint: Endpoint, folder: Path, tmp_path: Path) -> None:
    """An endpoint answers with numbers alone: maps are those of the model file, if that is what it serves."""
    other = write_model(tmp_path / "other.tar.gz", ONNX_WITH_MAP)

    told = evaluate(Request(folder, model=other, endpoint=endpoint, threshold=0.7)).report.where_it_looked

    assert not told["shown"]
    assert "did not give the answers" in (told["why_not"] or "")
