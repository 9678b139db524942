"""The server of one model answers what SageMaker asks of a container; asked here without a socket."""

import asyncio
import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
from PIL import Image

from serving.container import ACTIVATION_MAP
from serving.server import CUSTOM_ATTRIBUTES, MAX_PAYLOAD_BYTES, PayloadTooLargeError, Server, read_body
from tests.unit.serving.asking import PNG, ask
from tests.unit.serving.tiny_model import write_model
from training.artefact import load_model


def black() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), "black").save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The application itself, of a model that cannot say where it looked."""
    return Server(load_model(write_model(tmp_path_factory.mktemp("model") / "model.tar.gz")))


def test_it_answers_as_a_container_must(server: Server) -> None:
    """GET /ping is 200; POST /invocations gives a JSON list of probabilities and the model's version."""
    ping = ask(server, "GET", "/ping")
    answer = ask(server, "POST", "/invocations", black())

    assert ping.status == 200
    assert json.loads(answer.body) == pytest.approx([0.0, 0.95])
    assert answer.headers[CUSTOM_ATTRIBUTES].startswith("model_version=")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"no picture", PNG, 400),
        (black(), {**PNG, CUSTOM_ATTRIBUTES: ACTIVATION_MAP}, 400),
        (black(), {"content-type": "text/csv"}, 415),
        (bytes(MAX_PAYLOAD_BYTES + 1), PNG, 413),
    ],
    ids=["undecodable", "no map to give", "foreign type", "too long"],
)
def test_what_it_refuses_it_refuses_with_a_sentence(
    server: Server, body: bytes, headers: Mapping[str, str], status: int
) -> None:
    """By status, in plain text."""
    answer = ask(server, "POST", "/invocations", body, headers)

    assert (answer.status, answer.headers["content-type"]) == (status, "text/plain")
    assert answer.body


@pytest.mark.parametrize(("method", "path"), [("POST", "/ping"), ("GET", "/invocations"), ("GET", "/")])
def test_anything_else_is_not_there(server: Server, method: str, path: str) -> None:
    """Other paths and methods are 404."""
    assert ask(server, method, path).status == 404


def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    """Nothing of the body is read once its length is known to be too much."""

    async def receive() -> dict[str, Any]:
        raise AssertionError("read")

    with pytest.raises(PayloadTooLargeError, match="exceeded"):
        asyncio.run(read_body(receive, {"content-length": str(MAX_PAYLOAD_BYTES + 1)}))
