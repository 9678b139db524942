"""A server that answers without reading: what the clients themselves can do. `python -m bench.rivals.nothing PORT`."""

import asyncio
import sys
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n[0.5, 0.5]"


class Nothing(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """The clients' requests are small: each arrives whole."""
        self.transport.write(ANSWER)


async def serve(port: int) -> None:
    """Until told to stop."""
    server = await asyncio.get_running_loop().create_server(Nothing, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
