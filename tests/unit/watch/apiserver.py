"""An API server that lists nothing and streams what a test says; and kopf watching it, as in the operator."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Any, Final

import kopf
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from imagecopy.api.base import GROUP, VERSION
from imagecopy.kube.session import Listener, Sessions

PATH: Final = f"/apis/{GROUP}/{VERSION}/imagecopies"
BOOKMARK: Final = {"type": "BOOKMARK", "object": {"kind": "ImageCopy", "metadata": {"resourceVersion": "7"}}}
_SECONDS: Final = 20.0
"""Bound of every wait; what does not happen by then never will."""


class Mood(Enum):
    """How lists and watches are answered."""

    WELL = auto()
    BUSY = auto()
    """503."""
    FORBIDDEN = auto()
    MUTE = auto()
    """Not at all."""
    DEAF = auto()
    """By cutting the connection."""


class ApiServer:
    """Streams begin with ``greeting``, if there is one, and stay open and silent until a test ends them."""

    def __init__(self) -> None:
        self.mood = Mood.WELL
        self.greeting: object = None
        self.url = ""
        self._ends: list[asyncio.Event] = []

    def hang_up(self) -> None:
        """End all streams in good order."""
        for end in self._ends:
            end.set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen on some port."""
        app = web.Application()
        for path in _DISCOVERY:
            app.router.add_get(path, _discover)
        app.router.add_get(PATH, self._copies)
        async with TestServer(app) as server:
            self.url = str(server.make_url("")).rstrip("/")
            yield

    async def _copies(self, request: web.Request) -> web.StreamResponse:
        match self.mood:
            case Mood.BUSY:
                return web.json_response({"kind": "Status", "code": 503}, status=503)
            case Mood.FORBIDDEN:
                return web.json_response({"kind": "Status", "code": 403}, status=403)
            case Mood.DEAF:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case Mood.MUTE:
                await asyncio.Event().wait()
        if "watch" in request.query:
            return await self._stream(request)
        return web.json_response({"items": [], "metadata": {"resourceVersion": "5"}})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        stream, end = web.StreamResponse(), asyncio.Event()
        self._ends.append(end)
        try:
            await stream.prepare(request)
            if self.greeting is not None:
                await stream.write(json.dumps(self.greeting, separators=(",", ":")).encode() + b"\n")
            await end.wait()
        finally:
            self._ends.remove(end)
        return stream


@asynccontextmanager
async def kopf_watching(server: ApiServer, listener: Listener, *, patience: float) -> AsyncIterator[None]:
    """Let kopf watch; it opens a stream anew after ``patience`` seconds without a word."""
    calls: list[tuple[str, str]] = []
    sessions = Sessions(Configuration(host=server.url), listener, lambda *call: calls.append(call))
    registry, settings, stop = kopf.OperatorRegistry(), kopf.OperatorSettings(), asyncio.Event()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.watching.chunk_size = 500
    settings.watching.inactivity_timeout = patience
    settings.watching.reconnect_backoff = 0.01
    settings.networking.error_backoffs = [0.01] * 10_000
    settings.networking.request_timeout = patience

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=server.url, aiohttp_session=await sessions.open())

    @kopf.on.event(GROUP, VERSION, "imagecopies", registry=registry)
    async def event(**_: Any) -> None:
        pass

    operator = asyncio.create_task(
        kopf.operator(registry=registry, settings=settings, standalone=True, clusterwide=True, stop_flag=stop)
    )
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(operator, _SECONDS)
        await sessions.aclose()


_GROUP: Final = {
    "name": GROUP,
    "versions": [{"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}],
    "preferredVersion": {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION},
}


def _resource(plural: str, kind: str, *, namespaced: bool) -> dict[str, object]:
    verbs = ["get", "list", "watch", "patch"]
    return {"name": plural, "singularName": kind.lower(), "namespaced": namespaced, "kind": kind, "verbs": verbs}


_DISCOVERY: Final[dict[str, object]] = {
    "/api": {"versions": ["v1"]},
    "/api/v1": {"resources": [_resource("namespaces", "Namespace", namespaced=False)]},
    "/apis": {"groups": [_GROUP]},
    f"/apis/{GROUP}/{VERSION}": {"resources": [_resource("imagecopies", "ImageCopy", namespaced=True)]},
}


async def _discover(request: web.Request) -> web.Response:
    return web.json_response(_DISCOVERY[request.path])
