"""A receiver of webhooks that does as little as can be: it answers 200 and says how many it has taken."""

import asyncio
import socket
import sys
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiver(asyncio.Protocol):
    """Takes requests with a Content-Length over kept connections."""

    transport: asyncio.Transport
    waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while True:
            head, found, rest = self.waiting.partition(b"\r\n\r\n")
            if not found:
                return
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(rest) < length:
                return
            self.waiting = rest[length:]
            self.transport.write(ANSWER)


async def serve(listening: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(Receiver, sock=listening)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(socket.socket(fileno=int(sys.argv[1]))))
