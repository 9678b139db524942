"""LitServe: `python -m bench.rivals.with_litserve PORT`."""

import sys
from typing import Annotated

import litserve
from fastapi import Depends, Request

from bench.rivals.work import THREADS, answer


async def body(request: Request) -> bytes:
    """The picture as it was sent; LitServe's own ways, JSON with base64 and forms, cost more."""
    return await request.body()


class Classifier(litserve.LitAPI):
    """The model as a LitAPI; its workers load it with this module."""

    def setup(self, device: str) -> None:
        """Nothing is left to do."""

    def decode_request(self, request: Annotated[bytes, Depends(body)]) -> bytes:
        """The picture goes to the worker as it came."""
        return request

    def predict(self, x: bytes) -> list[float]:
        """Decode and predict."""
        return answer(x)

    def encode_response(self, output: list[float]) -> list[float]:
        """A JSON list."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        Classifier(api_path="/invocations"), accelerator="cpu", workers_per_device=THREADS, fast_queue=True
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
