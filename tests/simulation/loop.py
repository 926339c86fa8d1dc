"""An event loop in virtual time: nothing sleeps, the clock jumps to the next timer."""

import asyncio
import selectors
from typing import Any


class Deadlock(AssertionError):
    """Nothing is left to run, and no timer is set."""


class _NoWaiting(selectors.BaseSelector):
    """A selector without files. It never blocks."""

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("nothing is left to run, and no timer is set")
        return []

    def get_map(self) -> Any:
        return {}


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its clock starts at 0 and only moves while nothing is ready to run."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_NoWaiting())

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self._now = max(self._now, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]
