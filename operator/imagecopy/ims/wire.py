"""The HTTP client: how requests are sent, how replies are limited, and which error a failure stands for.

It never retries, follows a redirect or keeps a cookie. A reply is read up to a limit and never decompressed.
"""

import asyncio
import functools
import json
import logging
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from imagecopy.ims.addresses import AddressRules
from imagecopy.ims.bounded import BoundedBody, ReplyTooLarge
from imagecopy.ims.classify import Call, clean, request_id_of, words_of
from imagecopy.ims.endpoints import Allowlist
from imagecopy.ims.errors import ImsError, Misconfigured, OutcomeUnknown, TryLater, Unreachable
from imagecopy.ims.guard import Guard
from imagecopy.ims.proxies import Proxies
from imagecopy.ims.resolver import Resolver
from imagecopy.ims.tls import TLS_ALERT, tls_failure
from imagecopy.ims.transport import CloudTransport

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

_log = logging.getLogger(__name__)

# httpcore logs reply headers at DEBUG, and a login's reply has the token in one.
logging.getLogger("httpcore").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Timeouts, in seconds. ``call_seconds`` limits one exchange from its first to its last byte."""

    connect_seconds: float = 5.0
    write_seconds: float = 10.0
    read_seconds: float = 30.0
    """Until the first piece of a reply, and between two pieces."""
    pool_seconds: float = 10.0
    """Until a connection of the pool is free."""
    call_seconds: float = 60.0

    def httpx(self) -> httpx.Timeout:
        """Return the part that httpx watches over."""
        return httpx.Timeout(
            connect=self.connect_seconds,
            write=self.write_seconds,
            read=self.read_seconds,
            pool=self.pool_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call, for logs and metrics. Nothing in it is secret."""

    call: Call
    method: str
    path: str
    """Without host and query."""
    status: int | None
    """HTTP status, None if no reply came."""
    seconds: float
    request_id: str | None
    error: str | None
    """Name of the error's class, None if the call worked."""
    code: str | None = None
    """The cloud's code."""


OnCall = Callable[[CallRecord], None]
"""The hook for logs and metrics, called once after each call."""


async def _bound(response: httpx.Response) -> None:
    # We ask for no compression. A body that is compressed all the same must not unfold to any size, so it stays
    # as it is and is then no JSON.
    response.headers.pop("content-encoding", None)
    if isinstance(response.stream, httpx.AsyncByteStream):
        response.stream = BoundedBody(response.stream)


@functools.lru_cache(maxsize=32)
def ssl_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """Return the TLS settings that trust ``ca_bundle`` (PEM), or the public CAs when it is None.

    Cached per process, because building one takes tens of milliseconds and half a megabyte. A bundle replaces the
    public CAs. Without one, the environment variables ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` count.

    Raises:
        Misconfigured: the bundle has no certificate in it.
    """
    if ca_bundle is None:
        return httpx.create_ssl_context()
    certificates = "\n".join(_CERTIFICATE.findall(ca_bundle))
    if not certificates:
        raise Misconfigured("the CA bundle has no PEM certificate in it")
    try:
        return ssl.create_default_context(cadata=certificates)
    except (ssl.SSLError, ValueError, TypeError) as exc:
        raise Misconfigured(f"the CA bundle can't be read as PEM certificates: {clean(str(exc))}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """How a cloud is reached: allowed hosts and addresses, proxies, timeouts, trusted CAs, and the hook for calls.

    ``context`` is from :func:`ssl_context`. ``transport`` takes the place of all but the timeouts; it is for tests and
    has to survive being closed.
    """

    allowlist: Allowlist
    addresses: AddressRules = field(default_factory=AddressRules)
    proxies: Proxies = field(default_factory=Proxies)
    resolver: Resolver = field(default_factory=Resolver)
    timeouts: Timeouts = Timeouts()
    context: ssl.SSLContext | None = None
    transport: httpx.AsyncBaseTransport | None = None
    on_call: OnCall | None = None

    def client(self, *, max_connections: int = 10, keepalive_seconds: float = 15.0) -> httpx.AsyncClient:
        """Return a client with these settings only; it ignores the environment."""
        limits = httpx.Limits(
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=keepalive_seconds,
        )
        return httpx.AsyncClient(
            transport=self.transport or self._transport(limits),
            timeout=self.timeouts.httpx(),
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "imagecopy-operator"},
            event_hooks={"response": [_bound]},
        )

    def _transport(self, limits: httpx.Limits) -> CloudTransport:
        public = ssl_context()
        guard = Guard(self.allowlist, self.addresses, self.resolver)
        return CloudTransport(guard, self.proxies, self.context or public, limits, proxy_context=public)

    @asynccontextmanager
    async def one_shot_client(self) -> AsyncIterator[httpx.AsyncClient]:
        """Lend a client for one request over a connection of its own."""
        http = self.client(max_connections=1)
        try:
            yield http
        finally:
            try:
                await http.aclose()
            except Exception:
                # The reply is read by now, and may have the only word of a job.
                _log.debug("closing a connection failed", exc_info=True)


async def exchange(
    http: httpx.AsyncClient, request: httpx.Request, *, timeouts: Timeouts, auth: httpx.Auth | None = None
) -> httpx.Response:
    """Send ``request`` and read the whole reply, whatever its status.

    Raises:
        Unreachable: nothing was sent.
        Misconfigured: nothing was sent, as the server can't be trusted.
        EndpointNotAllowed: nothing was sent, because the host or its address is not allowed.
        OutcomeUnknown: something may have been sent, and no whole reply came.
        ImsError: from ``auth``.
    """
    try:
        async with asyncio.timeout(timeouts.call_seconds):
            return await http.send(request, auth=auth)
    except httpx.ProxyError as exc:
        raise Unreachable(f"{request.method} at {request.url.host}: {clean(str(exc), 500)}") from exc
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
        raise tls_failure(request.url.host, exc) or Unreachable(_words(request, exc)) from exc
    except httpx.UnsupportedProtocol as exc:
        raise Misconfigured(_words(request, exc)) from exc
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ReplyTooLarge) as exc:
        # Among these are WriteError and RemoteProtocolError, which also tell of a kept connection that the server
        # had closed before our request came. It can't be told apart from one that was closed after.
        raise OutcomeUnknown(_words(request, exc)) from exc
    except TimeoutError as exc:
        raise OutcomeUnknown(
            f"{request.method} at {request.url.host}: no whole reply within {timeouts.call_seconds:g} s"
        ) from exc
    except OSError as exc:
        raise OutcomeUnknown(_words(request, exc)) from exc


def _words(request: httpx.Request, exc: Exception) -> str:
    said = clean(str(exc), 300)
    if request.url.scheme == "http" and TLS_ALERT in said:
        said = "the server speaks TLS at this port: write https:// in the provider's spec.endpoints"
    return f"{request.method} at {request.url.host}: {type(exc).__name__}{': ' + said if said else ''}"


def json_of(call: Call, response: httpx.Response) -> object:
    """Return the JSON of a successful reply.

    Raises:
        OutcomeUnknown: it is no JSON.
    """
    try:
        data: object = json.loads(response.content)
    except (ValueError, RecursionError):
        raise unusable(call, response, "the reply is no JSON") from None
    return data


def unusable(call: Call, response: httpx.Response, why: str) -> ImsError:
    """Return the error for a successful reply that can't be used."""
    words = words_of(response.content)
    kind = TryLater if call is Call.LOGIN else OutcomeUnknown
    return kind(
        f"{why}: {clean(words.message or 'empty', 300)}",
        code=words.code,
        request_id=request_id(response) or words.request_id,
        http_status=response.status_code,
    )


def request_id(response: httpx.Response) -> str | None:
    """Return the cloud's id of the request."""
    return request_id_of(response.headers)


class Recording:
    """A call that is under way; see :func:`recorded`."""

    def __init__(self) -> None:
        self.response: httpx.Response | None = None


@contextmanager
def recorded(call: Call, method: str, path: str, on_call: OnCall | None) -> Iterator[Recording]:
    """Report the enclosed call to ``on_call``, however it ends. A hook that fails is logged and does no harm."""
    recording = Recording()
    error: BaseException | None = None
    begin = time.perf_counter()
    try:
        yield recording
    except BaseException as exc:
        error = exc
        raise
    finally:
        if on_call is not None:
            record = _record(call, method, path, time.perf_counter() - begin, recording.response, error)
            try:
                on_call(record)
            except Exception:
                _log.exception("the hook for calls failed")


def _record(
    call: Call,
    method: str,
    path: str,
    seconds: float,
    response: httpx.Response | None,
    error: BaseException | None,
) -> CallRecord:
    known = error if isinstance(error, ImsError) else None
    return CallRecord(
        call=call,
        method=method,
        path=path,
        status=(known.http_status if known else None) if response is None else response.status_code,
        seconds=seconds,
        request_id=(known.request_id if known else None) or (request_id(response) if response else None),
        error=None if error is None else type(error).__name__,
        code=None if known is None else known.code,
    )
