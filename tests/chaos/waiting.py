"""Waiting for a condition, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

_POLL_SECONDS: Final = 0.1

T = TypeVar("T")


class NotInTime(Exception):
    """Something did not happen within its bound; the bounds are generous, so it would not have happened at all."""


async def until(look: Callable[[], Awaitable[T | None]], what: str, seconds: float, every: float = _POLL_SECONDS) -> T:
    """Look again and again until there is something; return it.

    Raises:
        NotInTime: there was nothing for so long.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        found = await look()
        if found:
            return found
        if loop.time() > deadline:
            raise NotInTime(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(every)


async def first(*events: asyncio.Event, seconds: float) -> bool:
    """Wait until one of the events is set; return False if none is within so long."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for task in tasks:
            task.cancel()
