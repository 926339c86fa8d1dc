"""HTTP sessions for kopf's watches that report what the watches receive, and count all calls of the Kubernetes API.

kopf passes no bookmarks to handlers and reports no failing requests. But it accepts a session of ours, which has hooks:
traces around each request, and the class of its responses, through which the stream of a watch runs.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, Final, Protocol, cast

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from yarl import URL

from imagecopy.api.base import GROUP

OnCall = Callable[[str, str], None]
"""Called for each call, with its verb as RBAC has it, and its HTTP status or ``error`` if no answer came."""

_IDLE_SECONDS: Final = 0.005
_LONGEST_BUSY_SECONDS: Final = 5.0
_NO_ANSWER: Final = "error"
_LONGEST_PAUSE_SECONDS: Final = 30.0
_QUICK_SECONDS: Final = 60.0
"""A login so soon after the last one means that the API server refused that one."""


class Listener(Protocol):
    """Callbacks for what the watches receive. ``path`` is that of the list, from ``/apis/`` on."""

    def listed(self, path: str) -> None:
        """A list was answered."""

    def opened(self, path: str) -> None:
        """A watch was answered."""

    def heard(self, path: str, data: bytes) -> None:
        """Data came over the stream of a watch."""

    def ended(self, path: str) -> None:
        """The stream of a watch ended, or its connection was lost."""

    def failed(self, path: str, why: str) -> None:
        """A list or watch was refused or not answered."""


class Sessions:
    """Opens the sessions that kopf logs in with, one after the other."""

    def __init__(
        self,
        configuration: Configuration,
        listener: Listener,
        on_call: OnCall,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self._configuration = configuration
        self._listener = listener
        self._on_call = on_call
        self._clock = clock
        self._sleep = sleep
        self._opened_at: float | None = None
        self._refused = 0
        self._last: aiohttp.ClientSession | None = None

    async def open(self) -> aiohttp.ClientSession:
        """Return a new session with the current token: the kubelet replaces a service account's token now and then.

        When logins are refused in a row, each waits longer, up to half a minute.
        """
        quick = self._opened_at is not None and self._clock() - self._opened_at < _QUICK_SECONDS
        self._refused = self._refused + 1 if quick else 0
        if self._refused:
            await self._sleep(min(2.0 ** (self._refused - 1), _LONGEST_PAUSE_SECONDS))
        bearer = await self._configuration.get_api_key_with_prefix("BearerToken")
        self._last = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=RESTClientObject(self._configuration).ssl_context),
            headers={"Authorization": bearer} if bearer else None,
            proxy=self._configuration.proxy,
            trust_env=False,  # as in kube.connection
            response_class=_reporting_responses(self._listener),
            trace_configs=[counting(self._on_call), _reporting_trace(self._listener), _page_by_page()],
        )
        self._opened_at = self._clock()
        return self._last

    async def aclose(self) -> None:
        """Close the last session, if kopf has not."""
        if self._last is not None:
            await self._last.close()


def counting(on_call: OnCall) -> aiohttp.TraceConfig:
    """Return a trace that reports every call."""

    async def answered(_: object, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        on_call(_verb(params.method, params.url), str(params.response.status))

    async def unanswered(_: object, __: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams) -> None:
        on_call(_verb(params.method, params.url), _NO_ANSWER)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(unanswered)
    return trace


def _reporting_trace(listener: Listener) -> aiohttp.TraceConfig:
    """Return a trace that reports the results of lists and watches to the listener."""

    async def answered(_: object, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        verb, path = _verb(params.method, params.url), _path(params.url)
        if path is None or verb not in ("list", "watch"):
            return
        if params.response.status != 200:
            listener.failed(path, f"{params.response.status} {params.response.reason or ''}".rstrip())
        elif verb == "list":
            listener.listed(path)
        else:
            listener.opened(path)

    async def unanswered(_: object, __: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams) -> None:
        path = _path(params.url)
        if path is not None and _verb(params.method, params.url) in ("list", "watch"):
            exc = params.exception
            listener.failed(path, f"the API server does not answer ({type(exc).__name__} {exc}".rstrip() + ")")

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(unanswered)
    return trace


def _page_by_page() -> aiohttp.TraceConfig:
    """Return a trace that delays the next page of a list until the work of the last page is done.

    kopf starts a task with a queue for each object of a page. Otherwise it would have those of all pages at once.
    """

    async def before(_: object, __: SimpleNamespace, params: aiohttp.TraceRequestStartParams) -> None:
        if "continue" in params.url.query:
            await until_idle()

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(before)
    return trace


async def until_idle(seconds: float = _LONGEST_BUSY_SECONDS) -> None:
    """Wait until the event loop is idle, for ``seconds`` at most."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    late = True
    while late and loop.time() < until:
        due = loop.time() + _IDLE_SECONDS
        await asyncio.sleep(_IDLE_SECONDS)
        late = loop.time() - due > _IDLE_SECONDS


def _reporting_responses(listener: Listener) -> type[aiohttp.ClientResponse]:
    """Return a class of responses that reports to the listener what comes over the stream of a watch."""

    class Response(aiohttp.ClientResponse):
        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            await super().start(connection)
            path = _path(self.url)
            if path is not None and self.status == 200 and _verb(self.method, self.url) == "watch":
                self.content = cast("aiohttp.StreamReader", _ReportingStream(self.content, path, listener))
            return self

    return Response


class _ReportingStream:
    """A stream that reports the chunks that are read from it, as kopf does; otherwise like the stream itself."""

    def __init__(self, stream: aiohttp.StreamReader, path: str, listener: Listener) -> None:
        self._stream = stream
        self._path = path
        self._listener = listener

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def iter_chunked(self, size: int) -> "_Chunks":
        """Return an iterator over the data, as it comes."""
        return _Chunks(self._stream.iter_chunked(size), self._path, self._listener)


class _Chunks:
    def __init__(self, chunks: AsyncIterator[bytes], path: str, listener: Listener) -> None:
        self._chunks = chunks
        self._path = path
        self._listener = listener

    def __aiter__(self) -> "_Chunks":
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await anext(self._chunks)
        except (StopAsyncIteration, aiohttp.ClientError, OSError):
            self._listener.ended(self._path)
            raise
        self._listener.heard(self._path, data)
        return data


def _verb(method: str, url: URL) -> str:
    """Return the verb as RBAC has it. A list is recognised by its page size, which all our lists have."""
    if method == "GET":
        return "watch" if "watch" in url.query else "list" if "limit" in url.query else "get"
    return {"POST": "create", "PUT": "update"}.get(method, method.lower())


def _path(url: URL) -> str | None:
    """Return the path from our API group on, whatever the server has before it; None for another group."""
    ours = f"/apis/{GROUP}/"
    return ours + url.path.partition(ours)[2] if ours in url.path else None
