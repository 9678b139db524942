"""Rekognition and Bedrock on loopback: they speak both APIs, and hold each request to AWS's own description of it."""

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import botocore.session
from botocore.model import Shape
from PIL import Image, ImageStat

TOKENS_IN, TOKENS_OUT = 588, 20
# What the service answers to a picture: its status, and its body.
Answering = Callable[[bytes], tuple[int, dict[str, Any]]]


class Services(ThreadingHTTPServer):
    """What was asked about which picture, and what answers; `before` is called with the number of each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.pictures: list[bytes] = []
        self.models: list[str] = []
        self.wrong: list[str] = []
        self.rekognition: Answering = rekognition_by_brightness
        self.bedrock: Answering = bedrock_by_brightness
        self.before: Callable[[int], None] = lambda number: None
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where they listen."""
        return f"http://127.0.0.1:{self.server_port}"


class _Request(BaseHTTPRequestHandler):
    server: Services

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("X-Amz-Target") == "RekognitionService.DetectLabels":
            strangers = _strangers(body, _input("rekognition", "DetectLabels"))
            picture, answering = base64.b64decode(body["Image"]["Bytes"]), self.server.rekognition
        else:
            _, model, model_id, call = self.path.split("/")
            strangers = _strangers(body, _input("bedrock-runtime", "Converse"))
            if (model, call) != ("model", "converse"):
                strangers.append(self.path)
            picture = base64.b64decode(body["messages"][0]["content"][0]["image"]["source"]["bytes"])
            answering = self.server.bedrock
            self.server.models.append(unquote(model_id))
        with self.server.lock:
            self.server.pictures.append(picture)
            self.server.wrong += strangers
            number = len(self.server.pictures)
        self.server.before(number)
        status, answer = answering(picture)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Nobody reads it."""


@contextmanager
def services() -> Iterator[Services]:
    """Both, until the end."""
    server = Services()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def brightness(picture: bytes) -> float:
    """From 0, black, to 1, white."""
    with Image.open(io.BytesIO(picture)) as image:
        return float(ImageStat.Stat(image.convert("L")).mean[0] / 255)


def rekognition_by_brightness(picture: bytes) -> tuple[int, dict[str, Any]]:
    """Bright is a mountain bike, which is a bicycle; dark a motorcycle; what lies between is a cat."""
    light = brightness(picture)
    known = {
        light > 0.9: {
            "Name": "Mountain Bike",
            "Confidence": 97.0,
            "Parents": [{"Name": "Bicycle"}, {"Name": "Vehicle"}],
        },
        light < 0.1: {"Name": "Motorcycle", "Confidence": 91.0, "Aliases": [{"Name": "Motorbike"}]},
    }
    label = known.get(True, {"Name": "Cat", "Confidence": 99.0})
    return 200, {"Labels": [label, {"Name": "Vehicle", "Confidence": 99.0}], "LabelModelVersion": "3.0"}


def bedrock_by_brightness(picture: bytes) -> tuple[int, dict[str, Any]]:
    """Bright is a bicycle, dark a motorcycle, what lies between neither."""
    light = brightness(picture)
    shows = "bicycle" if light > 0.9 else "motorcycle" if light < 0.1 else "neither"
    return says(json.dumps({"shows": shows, "sure": 95}))


def says(text: str, stop: str = "end_turn") -> tuple[int, dict[str, Any]]:
    """What Converse answers when the model writes this."""
    return 200, {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": stop,
        "usage": {"inputTokens": TOKENS_IN, "outputTokens": TOKENS_OUT, "totalTokens": TOKENS_IN + TOKENS_OUT},
        "metrics": {"latencyMs": 321},
    }


def refuses(code: str, status: int = 400) -> tuple[int, dict[str, Any]]:
    """What both answer when they do not answer; Rekognition names the error in `__type`, and so may Bedrock."""
    return status, {"__type": code, "message": "told by the service"}


def _input(service: str, operation: str) -> Shape:
    shape = botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
    assert shape is not None
    return shape


def _strangers(value: Any, shape: Any) -> list[str]:
    """Fields that AWS's description of the request does not have."""
    if shape.type_name == "structure" and isinstance(value, dict):
        named = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        return [name for name in value if name not in named] + [
            stranger for name in value.keys() & named for stranger in _strangers(value[name], named[name])
        ]
    if shape.type_name == "list" and isinstance(value, list):
        return [stranger for each in value for stranger in _strangers(each, shape.member)]
    return []
