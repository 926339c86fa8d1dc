"""Servers on real sockets for the tests, with certificates of every kind."""

import asyncio
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from support.certificates import self_signed
from unit.ims.cloud import JOB, PROJECT

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]

LOGIN = {
    "token": {
        "issued_at": "2026-09-01T00:00:00Z",
        "expires_at": "2026-09-02T00:00:00Z",
        "project": {"id": PROJECT, "name": "eu-de"},
    }
}
AHEAD = b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 8000 + b"\r\n\r\n"
"""What a server may send ahead of its reply, as often as it likes."""


def reply(body: bytes, *, status: str = "200 OK", extra: str = "", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{extra}\r\n".encode() + body


async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    """Answer a copy with its job, and anything else in the same way."""
    writer.write(reply(json.dumps({"job_id": JOB, "id": "i"}).encode()))


async def plain_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a TLS handshake as a server without TLS does."""
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await reader.read()


def endless(head: bytes, piece: bytes, pause_seconds: float = 0) -> Serve:
    """Return a server function whose reply begins with ``head`` and repeats ``piece`` without end."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_seconds)

    return serve


class Server:
    """Answers logins by itself and lets a test answer, or not answer, everything else."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode("latin-1").lower().split("\r\n")
            length = next((int(x.split(":")[1]) for x in lines if x.startswith("content-length:")), 0)
            await reader.readexactly(length)
            if b"/v3/auth/tokens" in head:
                body = json.dumps(LOGIN).encode()
                writer.write(reply(body, status="201 Created", extra="X-Subject-Token: s3cr3t-token\r\n"))
            else:
                self.requests.append(head)
                await self._serve(reader, writer, head)
            await writer.drain()


@asynccontextmanager
async def listening(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Accept connections at the port that is yielded, and leave none of them behind."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    handler = Server(serve)
    async with listening(handler, tls) as handler.port:
        yield handler


def own_certificate(
    *, names: tuple[str, ...] = ("127.0.0.1",), valid_days: tuple[int, int] = (-1, 1)
) -> tuple[ssl.SSLContext, str]:
    """Return what a server with a certificate of its own needs, and the certificate.

    ``names``: addresses and names that it is for; ``valid_days``: from and until when, counted from now.
    """
    private, certificate = self_signed(*names, valid_days=valid_days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as both:
        both.write(private + certificate)
        both.flush()
        context.load_cert_chain(both.name)
    return context, f"# Müller's own CA\n{certificate}"
