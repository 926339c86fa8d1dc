"""httpx's transport: sends a request directly to a checked address, or through a proxy.

httpx's transport accepts no network backend, but the pools of httpcore below it do, in their public API. So the pools
are built here, and one of them replaces the transport's own. If a later httpx keeps its pool elsewhere, its methods
fail for lack of one, and nothing is sent past the guard.
"""

import enum
import ssl
from collections.abc import Mapping
from typing import Any

import httpcore
import httpx

from imagecopy.ims.bounded import BoundedBackend, ReplyTooLarge
from imagecopy.ims.endpoints import default_port
from imagecopy.ims.guard import Guard
from imagecopy.ims.proxies import Proxies, Proxy


class _OverPool(httpx.AsyncHTTPTransport):
    """httpx's transport over a pool of ours. Its constructor is not called, because it would build another pool."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool


class CloudTransport(httpx.AsyncBaseTransport):
    """Sends requests directly through ``guard``, or through the proxy that ``proxies`` chooses.

    A proxy resolves the target's name itself, so the target is checked only if it is an address. The administrator sets
    the proxy, so its own address is not checked.
    """

    def __init__(
        self,
        guard: Guard,
        proxies: Proxies,
        context: ssl.SSLContext,
        limits: httpx.Limits,
        proxy_context: ssl.SSLContext | None = None,
    ) -> None:
        """``context`` is for the cloud, ``proxy_context`` for proxies that are spoken to over TLS."""
        self._guard = guard
        self._proxies = proxies
        self._context = context
        self._proxy_context = proxy_context
        self._limits: dict[str, Any] = {
            "max_connections": limits.max_connections,
            "max_keepalive_connections": limits.max_keepalive_connections,
            "keepalive_expiry": limits.keepalive_expiry,
        }
        self._straight = _OverPool(
            httpcore.AsyncConnectionPool(ssl_context=context, network_backend=BoundedBackend(guard), **self._limits)
        )
        self._through: dict[Proxy, _OverPool] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request``.

        Raises:
            EndpointNotAllowed: it points to an address that must not be called. Nothing was sent.
            httpx.ProxyError: the proxy did not let it through. Nothing was sent to the cloud.
            httpx.TransportError: as httpx says.
        """
        proxy = self._proxies.choose(request.url)
        if proxy is None:
            return await self._straight.handle_async_request(request)
        await self._guard.check_literal(request.url.host, request.url.port or default_port(request.url.scheme))
        return await self._send_through(proxy, request)

    async def _send_through(self, proxy: Proxy, request: httpx.Request) -> httpx.Response:
        way = _Way()
        request.extensions = {**request.extensions, "trace": way}
        try:
            response = await self._transport_through(proxy).handle_async_request(request)
        except httpx.ProxyError as exc:
            raise httpx.ProxyError(f"the proxy {proxy} refuses: {exc}") from exc
        except (httpx.TransportError, ReplyTooLarge) as exc:
            if way.stage is _Stage.TO_PROXY:
                raise httpx.ProxyError(f"the proxy {proxy} can't be reached: {exc}") from exc
            if way.stage is _Stage.ASKED_PROXY:
                why = str(exc) or type(exc).__name__
                raise httpx.ProxyError(f"the proxy {proxy} makes no connection: {why}") from exc
            raise
        if response.status_code == httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
            await response.aclose()
            raise httpx.ProxyError(f"the proxy {proxy} refuses: 407, it wants another login in its URL")
        return response

    def _transport_through(self, proxy: Proxy) -> _OverPool:
        if proxy not in self._through:
            login = (proxy.login[0].encode(), proxy.login[1].encode()) if proxy.login else None
            pool = httpcore.AsyncHTTPProxy(
                str(proxy.url),
                proxy_auth=login,
                ssl_context=self._context,
                proxy_ssl_context=self._proxy_context if proxy.url.scheme == "https" else None,
                network_backend=BoundedBackend(httpcore.AnyIOBackend()),
                **self._limits,
            )
            self._through[proxy] = _OverPool(pool)
        return self._through[proxy]

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in (self._straight, *self._through.values()):
            await transport.aclose()


class _Stage(enum.Enum):
    TO_PROXY = enum.auto()
    ASKED_PROXY = enum.auto()
    BEYOND = enum.auto()
    """The proxy has connected to the cloud: errors from now on are between the operator and the cloud."""


class _Way:
    """How far a request got, as httpcore's trace reports it. Without a report, nothing is concluded."""

    def __init__(self) -> None:
        self.stage: _Stage | None = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        what = event.partition(".")[2]
        if what == "connect_tcp.started":
            self.stage = _Stage.TO_PROXY
        elif what == "send_request_headers.started":
            asking = getattr(info.get("request"), "method", None) == b"CONNECT"
            self.stage = _Stage.ASKED_PROXY if asking else _Stage.BEYOND
        elif what == "start_tls.started" and self.stage is _Stage.ASKED_PROXY:
            self.stage = _Stage.BEYOND
