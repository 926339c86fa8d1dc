"""Waiting for a condition with a deadline, in threads and in asyncio."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

STOP: Final = threading.Event()
"""Set when a test session is interrupted: whoever waits in a thread gives up."""
_THREAD_POLL_SECONDS: Final = 0.25
_ASYNC_POLL_SECONDS: Final = 0.1

T = TypeVar("T")


class NotInTime(AssertionError):
    """A condition did not hold before its deadline. Deadlines are generous, so it would never have held."""


def wait_for(check: Callable[[], T | None], what: str, seconds: float = 60.0, every: float = _THREAD_POLL_SECONDS) -> T:
    """Call `check` repeatedly until it returns something true; return that.

    Raises:
        NotInTime: the deadline passed, or the session was interrupted.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {seconds:g} s: {what}")
        if STOP.wait(every):
            raise NotInTime(f"interrupted while waiting: {what}")


async def until(
    check: Callable[[], Awaitable[T | None]], what: str, seconds: float, every: float = _ASYNC_POLL_SECONDS
) -> T:
    """Await `check` repeatedly until it returns something true; return that.

    Raises:
        NotInTime: the deadline passed.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        found = await check()
        if found:
            return found
        if loop.time() > deadline:
            raise NotInTime(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(every)
