"""Limits the size of replies: of their bodies, and of all bytes that a server sends in answer to a request."""

import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpcore
import httpx

MAX_REPLY_BYTES = 2 * 1024 * 1024
"""Limit of a body, as the client reads it."""
MAX_REPLY_PIECES = 20_000
"""Limit of the pieces of a body: one that comes byte by byte costs far more to read than its size suggests."""
MAX_ANSWER_BYTES = MAX_REPLY_BYTES + 256 * 1024
"""Limit of everything: all heads, also those before the final reply (status 1xx), and the framing of chunks."""


class ReplyTooLarge(Exception):
    """A reply exceeded the limit; the rest was not read."""


class BoundedBody(httpx.AsyncByteStream):
    """A body that raises ReplyTooLarge when it exceeds the limits."""

    def __init__(self, stream: httpx.AsyncByteStream, limit: int = MAX_REPLY_BYTES) -> None:
        self._stream = stream
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = pieces = 0
        async for piece in self._stream:
            seen, pieces = seen + len(piece), pieces + 1
            if seen > self._limit:
                raise ReplyTooLarge(f"the reply has more than {self._limit} bytes")
            if pieces > MAX_REPLY_PIECES:
                raise ReplyTooLarge(f"the reply comes in more than {MAX_REPLY_PIECES} pieces")
            yield piece

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()


class _BoundedStream(httpcore.AsyncNetworkStream):
    """A connection that raises ReplyTooLarge when too much was read since the last write."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._seen = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        data = await self._stream.read(max_bytes, timeout)
        self._seen += len(data)
        if self._seen > self._limit:
            raise ReplyTooLarge(f"the answer has more than {self._limit} bytes, heads included")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._seen = 0
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        return _BoundedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._limit)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class BoundedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections with ``inner``, and limits what is read from them."""

    def __init__(self, inner: httpcore.AsyncNetworkBackend, limit: int = MAX_ANSWER_BYTES) -> None:
        self._inner = inner
        self._limit = limit

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to ``host``."""
        stream = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return _BoundedStream(stream, self._limit)

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await self._inner.sleep(seconds)
