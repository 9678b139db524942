"""FastAPI on uvicorn: `uvicorn bench.rivals.with_fastapi:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI, Request

from bench.rivals.work import THREADS, answer


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """As many threads as ours predicts on."""
    current_default_thread_limiter().total_tokens = THREADS
    yield


app = FastAPI(lifespan=lifespan)


async def body(request: Request) -> bytes:
    """The picture as it was sent."""
    return await request.body()


@app.post("/threads")
def in_a_thread(data: Annotated[bytes, Depends(body)]) -> list[float]:
    """For one process: work that blocks goes to a thread, as FastAPI's documentation says."""
    return answer(data)


@app.post("/processes")
async def in_the_loop(data: Annotated[bytes, Depends(body)]) -> list[float]:
    """For as many processes as cores: without the way to a thread and back this is the faster one there."""
    return answer(data)
