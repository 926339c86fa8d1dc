"""A gateway before a server: it passes everything on, and holds, drops or spoils what it is told to.

One stands before the API server (watches are streamed through) and one before the cloud. A trap holds one request
before it is passed on, or its reply after that; whoever set the trap then decides, for instance when the client is
dead, whether the request is passed on after all.
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

HOST: Final = "127.0.0.1"
_OURS: Final = frozenset(
    {"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "accept-encoding"}
)
_SERVER_SECONDS: Final = 120.0
_MAX_BODY: Final = 16 * 1024**2


@dataclass(frozen=True)
class Request:
    """A request on its way."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        """Its body, None if it is no JSON."""
        return _json(self.body)


@dataclass(frozen=True)
class Reply:
    """A reply on its way."""

    status: int
    headers: dict[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        """Its body, None if it is no JSON."""
        return _json(self.body)


Matches = Callable[[Request, Reply | None], bool]


class Moment(Enum):
    """When a request is held: before it is passed on, or when its reply (None if it was lost) is there."""

    BEFORE = auto()
    AFTER = auto()


class Fate(Enum):
    """What becomes of a held request: it gets lost, or goes on."""

    LOST = auto()
    GOES_ON = auto()


@dataclass(eq=False)
class Trap:
    """Holds the first request that matches, after ``skip`` others that do."""

    matches: Matches
    moment: Moment
    skip: int = 0
    caught: Request | None = None
    sprung: asyncio.Event = field(default_factory=asyncio.Event)
    _decided: asyncio.Event = field(default_factory=asyncio.Event)
    _fate: Fate = Fate.LOST

    def springs(self, moment: Moment, request: Request, reply: Reply | None) -> bool:
        """Tell whether this request is the one to hold; counts it."""
        if self.caught is not None or moment is not self.moment or not self.matches(request, reply):
            return False
        self.skip -= 1
        if self.skip >= 0:
            return False
        self.caught = request
        self.sprung.set()
        return True

    def release(self, fate: Fate) -> None:
        """Decide about the request that is held; a second decision changes nothing."""
        if not self._decided.is_set():
            self._fate = fate
            self._decided.set()

    async def fate(self) -> Fate:
        """Wait until it is decided."""
        await self._decided.wait()
        return self._fate


@dataclass(eq=False)
class Spoiler:
    """Spoils the next ``count`` requests that match: another answer, or none, before or after they are carried out."""

    matches: Matches
    moment: Moment
    count: int
    status: int | None = None
    """The status of the answer; None cuts the connection."""
    answer: Mapping[str, object] | None = None
    """Its body; a Status where there is none."""

    def spoils(self, moment: Moment, request: Request, reply: Reply | None) -> bool:
        """Tell whether this request is spoilt; counts it."""
        if self.count <= 0 or moment is not self.moment or not self.matches(request, reply):
            return False
        self.count -= 1
        return True


class Gateway:
    """One gateway; ``upstream`` may be changed at any time."""

    def __init__(self, upstream: str, *, context: ssl.SSLContext | None = None) -> None:
        self.upstream = upstream
        self.trap: Trap | None = None
        self.spoilers: list[Spoiler] = []
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
        self.forget()
        self.cut_streams()
        if self._runner:
            await self._runner.cleanup()
        if self._http:
            await self._http.close()

    def set_trap(self, matches: Matches, moment: Moment, skip: int = 0) -> Trap:
        """Set a trap, instead of the one that was set before."""
        self.trap = Trap(matches, moment, skip)
        self._set.append(self.trap)
        return self.trap

    def forget(self) -> None:
        """Take traps and spoilers away; what is still held gets lost."""
        self.trap, self.spoilers = None, []
        for trap in self._set:
            trap.release(Fate.LOST)
        self._set.clear()

    def cut_streams(self) -> None:
        """Cut all watches."""
        for stream in self._streams:
            stream.cancel()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.read()
        except (OSError, aiohttp.ClientError, web.RequestPayloadError):
            return _cut(request)  # the client was killed in the middle of it
        asked = Request(request.method, request.path, dict(request.query), body)
        if self.down:
            return _cut(request)
        if "watch" in asked.query:
            return await self._watch(request)
        spoiler = self._spoiler(Moment.BEFORE, asked, None)
        if spoiler is not None:
            return _spoilt(request, spoiler)
        if await self._held(Moment.BEFORE, asked, None):
            return _cut(request)
        reply = await self._pass_on(request, body)
        self.on_reply(asked, reply)
        lost = await self._held(Moment.AFTER, asked, reply)
        spoiler = self._spoiler(Moment.AFTER, asked, reply)
        if spoiler is not None:
            return _spoilt(request, spoiler)
        if lost or reply is None or self.down:
            return _cut(request)
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    async def _held(self, moment: Moment, request: Request, reply: Reply | None) -> bool:
        """Hold the request if the trap is for it; return whether it gets lost."""
        trap = self.trap
        if trap is None or not trap.springs(moment, request, reply):
            return False
        self.trap = None
        return await trap.fate() is Fate.LOST

    def _spoiler(self, moment: Moment, request: Request, reply: Reply | None) -> Spoiler | None:
        return next((spoiler for spoiler in self.spoilers if spoiler.spoils(moment, request, reply)), None)

    async def _pass_on(self, request: web.Request, body: bytes) -> Reply | None:
        try:
            async with asyncio.timeout(_SERVER_SECONDS), self._ask(request, body) as answer:
                headers = {key: value for key, value in answer.headers.items() if key.lower() not in _OURS}
                return Reply(answer.status, headers, await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    def _ask(self, request: web.Request, body: bytes) -> "aiohttp.client._RequestContextManager":
        assert self._http is not None
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _OURS}
        url = URL(self.upstream + request.raw_path, encoded=True)
        skip = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
        return self._http.request(
            request.method, url, headers=headers, data=body or None, skip_auto_headers=skip, allow_redirects=False
        )

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        """Pass a stream through until either side ends it, or it is cut."""
        answered: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()

        async def flow() -> None:
            async with self._ask(request, b"") as answer:
                headers = {key: value for key, value in answer.headers.items() if key.lower() not in _OURS}
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


def _spoilt(request: web.Request, spoiler: Spoiler) -> web.Response:
    if spoiler.status is None:
        return _cut(request)
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": spoiler.status, "message": "spoilt"}
    return web.json_response(spoiler.answer or status, status=spoiler.status)


def _cut(request: web.Request) -> web.Response:
    """Cut the client's connection; the response is for nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
