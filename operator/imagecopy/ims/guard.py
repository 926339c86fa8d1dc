"""Opens connections only to addresses that were checked.

:class:`Guard` resolves a name once, checks all addresses it resolves to, and connects to these addresses only. There is
no second lookup that could return another address (DNS rebinding). TLS and the Host header still use the name.
"""

import asyncio
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore

from imagecopy.ims.addresses import Address, AddressRules, as_address
from imagecopy.ims.endpoints import SETTING, Allowlist
from imagecopy.ims.errors import EndpointNotAllowed
from imagecopy.ims.resolver import Resolver

_NEXT_ADDRESS_SECONDS = 0.25
"""How long one address may take before the next one is tried, too (RFC 8305, "Happy Eyeballs")."""
_API_SERVER_SECONDS = 60.0
"""How long the resolved addresses of the API server are kept."""
_API_SERVER_WAIT_SECONDS = 1.0


class Guard(httpcore.AsyncNetworkBackend):
    """Opens connections for a pool, and refuses addresses at which no cloud can be (see ``addresses``).

    A host that the allowlist names in full is not checked: the administrator allowed it whatever its address is.
    """

    def __init__(
        self,
        allowlist: Allowlist,
        rules: AddressRules,
        resolver: Resolver,
        inner: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        """``inner`` makes the connections; it gets addresses, never a name."""
        self._allowlist = allowlist
        self._rules = rules
        self._resolver = resolver
        self._inner = inner or httpcore.AnyIOBackend()
        literals = [as_address(host) for host in rules.api_servers]
        self._api_addresses = frozenset(address for address in literals if address is not None)
        self._api_names = tuple(host for host in rules.api_servers if as_address(host) is None)
        self._api_fresh_until = float("-inf")

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to ``host``; ``timeout`` bounds all of it, in seconds.

        Raises:
            EndpointNotAllowed: it has an address that must not be called.
            httpcore.ConnectError: it does not resolve, or no address takes the connection.
            httpcore.ConnectTimeout: it took too long.
        """
        doing = "resolving the name"
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._judged(host, port)
                doing = f"connecting to {_listed(addresses)}"
                return await self._connect(addresses, port, local_address, list(socket_options or ()))
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{doing} took more than {timeout:g} s") from None

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await self._inner.sleep(seconds)

    async def check_literal(self, host: str, port: int) -> None:
        """Check ``host`` if it is an address; used for hosts that a proxy resolves.

        Raises:
            EndpointNotAllowed: it must not be called.
        """
        if as_address(host) is not None:
            await self._judged(host, port)

    async def _judged(self, host: str, port: int) -> Sequence[Address]:
        literal = as_address(host)
        try:
            addresses = (literal,) if literal is not None else await self._resolver.addresses(host)
        except OSError as exc:
            raise httpcore.ConnectError(f"the name {host} does not resolve: {exc.strerror or exc}") from exc
        if not self._allowlist.names_in_full(host, port):
            api_addresses = await self._addresses_of_api_servers()
            for address in addresses:
                if why := self._rules.why_refused(address, api_addresses):
                    raise EndpointNotAllowed(_refusal(host, port, address, why))
        return addresses

    async def _addresses_of_api_servers(self) -> frozenset[Address]:
        """Return the addresses of the API servers; the last known ones if their names can't be resolved now."""
        now = asyncio.get_running_loop().time()
        if self._api_names and now >= self._api_fresh_until:
            self._api_fresh_until = now + _API_SERVER_SECONDS
            for name in self._api_names:
                try:
                    async with asyncio.timeout(_API_SERVER_WAIT_SECONDS):
                        self._api_addresses |= set(await self._resolver.addresses(name))
                except OSError:  # TimeoutError is one
                    continue
        return self._api_addresses

    async def _connect(
        self, addresses: Sequence[Address], port: int, local_address: str | None, options: list[Any]
    ) -> httpcore.AsyncNetworkStream:
        """Return the first connection that is established; the others are cancelled."""
        waiting = list(_interleaved(addresses))
        failed: list[str] = []
        under_way: dict[asyncio.Task[httpcore.AsyncNetworkStream], Address] = {}
        won: httpcore.AsyncNetworkStream | None = None
        try:
            while waiting or under_way:
                if waiting:
                    address = waiting.pop(0)
                    attempt = self._inner.connect_tcp(str(address), port, None, local_address, options)
                    under_way[asyncio.ensure_future(attempt)] = address
                done, _ = await asyncio.wait(
                    under_way,
                    timeout=_NEXT_ADDRESS_SECONDS if waiting else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    if (error := task.exception()) is None:
                        won = task.result()
                        return won
                    failed.append(f"{under_way.pop(task)}: {error}")
            raise httpcore.ConnectError(f"no connection to port {port}: {'; '.join(failed[:3])}")
        finally:
            await _give_up(under_way, won)


async def _give_up(
    tasks: Iterable[asyncio.Task[httpcore.AsyncNetworkStream]], won: httpcore.AsyncNetworkStream | None
) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, httpcore.AsyncNetworkStream) and result is not won:
            await result.aclose()


def _interleaved(addresses: Sequence[Address]) -> Iterable[Address]:
    """Yield addresses of the two families alternately, so that a family without a route costs only one wait."""
    first = [address for address in addresses if address.version == addresses[0].version]
    second = [address for address in addresses if address.version != addresses[0].version]
    for pair in itertools.zip_longest(first, second):
        yield from filter(None, pair)


def _listed(addresses: Sequence[Address]) -> str:
    return ", ".join(map(str, addresses[:4])) + (" ..." if len(addresses) > 4 else "")


def _refusal(host: str, port: int, address: Address, why: str) -> str:
    literal = as_address(host)
    shown = f"[{literal}]" if literal is not None and literal.version == 6 else host
    named = shown if port == 443 else f"{shown}:{port}"
    what = f"{shown} is" if literal is not None else f"{host} resolves to {address}, which is"
    return (
        f"{what} {why}: such an address is called only where the operator's administrator names {named} in full, "
        f"without a wildcard, in {SETTING}; nothing was sent"
    )
