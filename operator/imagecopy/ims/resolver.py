"""Resolves names with the system's resolver, in a bounded number of threads.

The system's resolver blocks for half a minute if a DNS server does not answer, and can't be cancelled. So it runs in a
few threads of its own, and only once for each name, however many callers wait for it. Other work does not wait behind
it, and neither does the end of the process.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterable

from imagecopy.ims.addresses import Address, as_address

_THREADS = 8

Lookup = Callable[[str], Iterable[str]]
"""Resolves a name to addresses; blocks, and raises OSError."""


def system_lookup(host: str) -> list[str]:
    """Resolve a name as every other program does. The addresses are in the system's order, best first (RFC 6724).

    Raises:
        OSError: it knows no address.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Resolver:
    """Resolves names. Nothing is cached: a name is resolved for each connection."""

    def __init__(self, lookup: Lookup = system_lookup, threads: int = _THREADS) -> None:
        self._lookup = lookup
        self._free = asyncio.Semaphore(threads)
        self._under_way: dict[str, asyncio.Task[tuple[Address, ...]]] = {}

    async def addresses(self, host: str) -> tuple[Address, ...]:
        """Return all addresses of ``host``, at least one, without duplicates, best first. The caller limits the time.

        Raises:
            OSError: there are none.
        """
        task = self._under_way.get(host)
        if task is None:
            task = asyncio.create_task(self._ask(host))
            self._under_way[host] = task
            task.add_done_callback(lambda done: self._forget(host, done))
        return await asyncio.shield(task)

    def _forget(self, host: str, done: "asyncio.Task[tuple[Address, ...]]") -> None:
        self._under_way.pop(host, None)
        if not done.cancelled():
            done.exception()  # has been asked for, even if nobody waits any more

    async def _ask(self, host: str) -> tuple[Address, ...]:
        async with self._free:
            texts = await self._in_thread(host)
        found = {address: None for text in texts if (address := as_address(text)) is not None}
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        return tuple(found)

    async def _in_thread(self, host: str) -> Iterable[str]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Iterable[str]] = loop.create_future()

        def tell(set_it: Callable[[], None]) -> None:
            if not answer.done():
                set_it()

        def work() -> None:
            try:
                found = list(self._lookup(host))
                say = lambda: answer.set_result(found)  # noqa: E731
            except Exception as exc:
                error = exc
                say = lambda: answer.set_exception(error)  # noqa: E731
            with contextlib.suppress(RuntimeError):  # the loop is gone, and so is whoever waited
                loop.call_soon_threadsafe(tell, say)

        threading.Thread(target=work, name="imagecopy-resolve", daemon=True).start()
        return await answer
