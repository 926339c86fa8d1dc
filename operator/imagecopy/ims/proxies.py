"""Proxies for calls of the cloud: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, read as curl and Go do.

If a variable is set in both spellings, the one in lower case counts. NO_PROXY is a comma-separated list:
``host`` for it and all below,
``.domain`` for all below, an address, a network such as ``10.0.0.0/8`` (for hosts that are addresses), each with
``:port`` if wanted, or ``*`` for everything. Loopback never goes through a proxy.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import httpx

from imagecopy.ims.addresses import Network, as_address

_PORTS = {"http": 80, "https": 443}


class BadProxy(ValueError):
    """A proxy variable can't be used. The message names it but never quotes it, because it may hold a login."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that speaks HTTP, over TLS if its scheme is https."""

    variable: str
    """The variable that names it."""
    url: httpx.URL
    """Scheme, host and port, nothing else."""
    login: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, variable: str, text: str) -> Self:
        """Parse the URL of a proxy; a host and port alone means http.

        Raises:
            BadProxy: it can't be used.
        """
        expected = "such as http://proxy.example.com:3128"
        hint = "; special characters in its login have to be percent-encoded" if "@" in text else ""
        try:
            url = httpx.URL(text if "://" in text else f"http://{text}")
            login = (url.username, url.password) if url.userinfo else None
            plain = httpx.URL(scheme=url.scheme, host=url.host, port=url.port)
        except (httpx.InvalidURL, ValueError):
            raise BadProxy(f"{variable} is no URL of a proxy, {expected}{hint}") from None
        if url.port is not None and not 1 <= url.port <= 65535:
            raise BadProxy(f"{variable} is no URL of a proxy, {expected}{hint}")
        if url.scheme not in _PORTS:
            raise BadProxy(f"{variable}: proxies of the kind {url.scheme}:// can't be used, only http:// and https://")
        if not url.host or url.path.strip("/") or url.query or url.fragment:
            raise BadProxy(f"{variable} is no scheme, host and port alone, {expected}{hint}")
        return cls(variable, plain, login)

    def __str__(self) -> str:
        host = f"[{self.url.host}]" if ":" in self.url.host else self.url.host
        return f"{host}:{self.url.port or _PORTS[self.url.scheme]} ({self.variable})"


@dataclass(frozen=True, slots=True)
class _Bypass:
    """One entry of NO_PROXY."""

    name: str | None
    below_only: bool = False
    network: Network | None = None
    port: int | None = None

    @classmethod
    def parse(cls, entry: str) -> Self:
        try:
            return cls(None, network=ipaddress.ip_network(entry, strict=False))
        except ValueError:
            pass
        host, _, port = entry.rpartition(":")
        if host and port.isascii() and port.isdigit():
            literal = as_address(host)
            if literal is not None:
                return cls(None, network=ipaddress.ip_network(literal), port=int(port))
        else:
            host, port = entry, ""
        below_only = host.startswith((".", "*."))
        return cls(host.removeprefix("*").strip("."), below_only, port=int(port) if port else None)

    def matches(self, host: str, port: int) -> bool:
        if self.port not in (None, port):
            return False
        if self.network is not None:
            address = as_address(host)
            return address is not None and address in self.network
        return host.endswith(f".{self.name}") or (host == self.name and not self.below_only)


@dataclass(frozen=True, slots=True)
class Proxies:
    """Chooses the proxy for each request, if it needs one."""

    http: Proxy | None = None
    https: Proxy | None = None
    bypasses: tuple[_Bypass, ...] = ()
    bypass_all: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables.

        Raises:
            BadProxy: one can't be used.
        """

        def value(name: str) -> tuple[str, str] | None:
            for spelling in (name.lower(), name):
                if text := environment.get(spelling, "").strip():
                    return spelling, text
            return None

        def proxy(name: str) -> Proxy | None:
            found = value(name) or value("ALL_PROXY")
            return Proxy.parse(*found) if found else None

        found = value("NO_PROXY")
        entries = [part.strip().lower() for part in (found[1] if found else "").split(",")]
        return cls(
            http=proxy("HTTP_PROXY"),
            https=proxy("HTTPS_PROXY"),
            bypasses=tuple(_Bypass.parse(entry) for entry in entries if entry and entry != "*"),
            bypass_all="*" in entries,
        )

    def choose(self, url: httpx.URL) -> Proxy | None:
        """Return the proxy for a request to ``url``, None if it needs none."""
        proxy = self.https if url.scheme == "https" else self.http
        host = url.raw_host.decode("ascii").lower().removesuffix(".")
        port = url.port or _PORTS.get(url.scheme, 0)
        address = as_address(host)
        if proxy is None or self.bypass_all or host == "localhost" or (address is not None and address.is_loopback):
            return None
        if any(bypass.matches(host, port) for bypass in self.bypasses):
            return None
        return proxy
