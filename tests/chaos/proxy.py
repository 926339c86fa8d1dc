"""A proxy in front of a server: it forwards everything, and holds, drops or falsifies the requests it is told to.

One stands in front of the API server (watches are streamed) and one in front of the cloud. A trap holds one request
before it is forwarded, or the reply to it afterwards. Whoever set the trap then decides whether it is forwarded after
all, for instance when the client is dead.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from typing import Any, Final, Self

import aiohttp
from aiohttp import web
from yarl import URL

from support.processes import HOST

_HOP_BY_HOP: Final = frozenset(
    {"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "accept-encoding"}
)
_SERVER_SECONDS: Final = 120.0
_MAX_BODY: Final = 16 * 1024**2


@dataclass(frozen=True)
class Request:
    """A request from the operator."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        """Its body, or None if that is not JSON."""
        return _json(self.body)


@dataclass(frozen=True)
class Reply:
    """A reply of the server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        """Its body, or None if that is not JSON."""
        return _json(self.body)


Matches = Callable[[Request, Reply | None], bool]


class Moment(Enum):
    """When a request is held: before it is forwarded, or after its reply arrived (None if there is no reply)."""

    BEFORE = auto()
    AFTER = auto()


class Decision(Enum):
    """What becomes of a held request."""

    DROP = auto()
    FORWARD = auto()


@dataclass(eq=False)
class Trap:
    """Holds the first request that matches, after `skip` others that match."""

    matches: Matches
    moment: Moment
    skip: int = 0
    caught: Request | None = None
    sprung: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a request is held."""
    _decided: asyncio.Event = field(default_factory=asyncio.Event)
    _decision: Decision = Decision.DROP

    def catches(self, moment: Moment, request: Request, reply: Reply | None) -> bool:
        """Tell whether this is the request to hold. Counts the requests that match."""
        if self.caught is not None or moment is not self.moment or not self.matches(request, reply):
            return False
        self.skip -= 1
        if self.skip >= 0:
            return False
        self.caught = request
        self.sprung.set()
        return True

    def release(self, decision: Decision) -> None:
        """Decide about the held request. Only the first decision counts."""
        if not self._decided.is_set():
            self._decision = decision
            self._decided.set()

    async def decision(self) -> Decision:
        """Wait for the decision."""
        await self._decided.wait()
        return self._decision


@dataclass(eq=False)
class FalseReply:
    """Answers the next `count` requests that match in place of the server, before or after it carries them out."""

    matches: Matches
    moment: Moment
    count: int
    status: int | None = None
    """Status of the answer; None cuts the connection."""
    answer: Mapping[str, object] | None = None
    """Body of the answer; None means a Status object of Kubernetes."""

    def applies(self, moment: Moment, request: Request, reply: Reply | None) -> bool:
        """Tell whether it answers this request. Counts the requests that it answers."""
        if self.count <= 0 or moment is not self.moment or not self.matches(request, reply):
            return False
        self.count -= 1
        return True


class Proxy:
    """One proxy. `upstream`, the URL of the server, may be changed at any time."""

    def __init__(self, upstream: str, *, context: ssl.SSLContext | None = None) -> None:
        self.upstream = upstream
        self.trap: Trap | None = None
        self.false_replies: list[FalseReply] = []
        self.down = False
        self.on_reply: Callable[[Request, Reply | None], None] = lambda _request, _reply: None
        self.streams_opened = 0
        self._context = context
        self._http: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._streams: set[asyncio.Task[None]] = set()
        self._set: list[Trap] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        connector = aiohttp.TCPConnector(ssl=self._context or False, limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        self._http = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        self.url = f"http://{HOST}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drop everything and close."""
        self.reset()
        self.cut_streams()
        if self._runner:
            await self._runner.cleanup()
        if self._http:
            await self._http.close()

    def set_trap(self, matches: Matches, moment: Moment, skip: int = 0) -> Trap:
        """Set a trap in place of the one before."""
        self.trap = Trap(matches, moment, skip)
        self._set.append(self.trap)
        return self.trap

    def reset(self) -> None:
        """Remove traps and false replies; drop the requests that are held."""
        self.trap, self.false_replies = None, []
        for trap in self._set:
            trap.release(Decision.DROP)
        self._set.clear()

    def cut_streams(self) -> None:
        """Cut all watches."""
        for stream in self._streams:
            stream.cancel()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.read()
        except (OSError, aiohttp.ClientError, web.RequestPayloadError):
            return _cut(request)  # the client was killed while it sent
        received = Request(request.method, request.path, dict(request.query), body)
        if self.down:
            return _cut(request)
        if "watch" in received.query:
            return await self._stream(request)
        false_reply = self._false_reply(Moment.BEFORE, received, None)
        if false_reply is not None:
            return _answer(request, false_reply)
        if await self._is_dropped(Moment.BEFORE, received, None):
            return _cut(request)
        reply = await self._forward(request, body)
        self.on_reply(received, reply)
        dropped = await self._is_dropped(Moment.AFTER, received, reply)
        false_reply = self._false_reply(Moment.AFTER, received, reply)
        if false_reply is not None:
            return _answer(request, false_reply)
        if dropped or reply is None or self.down:
            return _cut(request)
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    async def _is_dropped(self, moment: Moment, request: Request, reply: Reply | None) -> bool:
        """Hold the request if the trap catches it; return whether it is dropped."""
        trap = self.trap
        if trap is None or not trap.catches(moment, request, reply):
            return False
        self.trap = None
        return await trap.decision() is Decision.DROP

    def _false_reply(self, moment: Moment, request: Request, reply: Reply | None) -> FalseReply | None:
        return next((false for false in self.false_replies if false.applies(moment, request, reply)), None)

    async def _forward(self, request: web.Request, body: bytes) -> Reply | None:
        try:
            async with asyncio.timeout(_SERVER_SECONDS), self._send(request, body) as answer:
                headers = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP_BY_HOP}
                return Reply(answer.status, headers, await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    def _send(self, request: web.Request, body: bytes) -> "aiohttp.client._RequestContextManager":
        assert self._http is not None
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP}
        url = URL(self.upstream + request.raw_path, encoded=True)
        skip = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
        return self._http.request(
            request.method, url, headers=headers, data=body or None, skip_auto_headers=skip, allow_redirects=False
        )

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Forward a watch until either side ends it, or it is cut."""
        answered: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()

        async def flow() -> None:
            async with self._send(request, b"") as answer:
                headers = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP_BY_HOP}
                response = web.StreamResponse(status=answer.status, headers=headers)
                await response.prepare(request)
                answered.set_result(response)
                self.streams_opened += 1
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()

        stream = asyncio.create_task(flow())
        self._streams.add(stream)
        stream.add_done_callback(self._streams.discard)
        with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError, OSError):
            await stream
            return answered.result()
        return _cut(request)


def _answer(request: web.Request, false: FalseReply) -> web.Response:
    if false.status is None:
        return _cut(request)
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": false.status, "message": "false reply"}
    return web.json_response(false.answer or status, status=false.status)


def _cut(request: web.Request) -> web.Response:
    """Cut the connection to the client. Nobody receives the response."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
