"""When each ImageCopy has its next tick. Why this and no timer of kopf's: docs/adr/0016.

The watch tells of objects, each tick tells when the next one is due, and whatever else happens to an object (its turn
for a slot came, its image was seen) asks for one at once. So many ticks are made at a time and no more: of a burst the
first objects are done before the last are begun, and nobody waits for an API server that all of them call. Ticks of
copies that run come first: they end something.
"""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from imagecopy.copies.record import Record

WORKERS: Final = 500
"""So many ticks at a time. Most of the time of most of them is waiting for the cloud."""

Step = Callable[[Record], Awaitable[float | None]]
"""Makes one tick; returns the seconds until the next, None when there is nothing to do until somebody edits the object.
Never raises."""


@dataclass(slots=True, eq=False)
class _Entry:
    memory: Record
    due: float = 0.0
    """By the clock of the event loop; infinity while it is in a worker's hands."""
    asked: bool = False
    """Another tick was asked for while one was made."""


class Timers:
    """The objects that have work, by uid."""

    def __init__(self, step: Step, *, workers: int = WORKERS) -> None:
        self._step = step
        self._workers = workers
        self._entries: dict[str, _Entry] = {}
        self._later: list[tuple[float, int, str]] = []
        self._ready: asyncio.PriorityQueue[tuple[bool, float, int, str]] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def __len__(self) -> int:
        """Return how many objects have work."""
        return len(self._entries)

    def knows(self, uid: str) -> bool:
        """Tell whether an object has work, as far as we know."""
        return uid in self._entries

    def add(self, uid: str, memory: Record, seconds: float = 0.0) -> None:
        """Make a tick of an object so many seconds from now, or sooner if one is planned, and more as that says."""
        entry = self._entries.get(uid)
        if entry is None:
            entry = self._entries[uid] = _Entry(memory, float("inf"))
            self._plan(uid, entry, seconds)
        elif entry.due == float("inf"):
            entry.asked = True
        else:
            self._plan(uid, entry, seconds)

    def prompt(self, uid: str) -> None:
        """Make a tick of an object as soon as may be, if it is known."""
        entry = self._entries.get(uid)
        if entry is not None:
            self.add(uid, entry.memory)

    def forget(self, uid: str) -> None:
        """Make no further tick of an object; one that is made now comes to its end."""
        self._entries.pop(uid, None)

    async def run(self) -> None:
        """Make ticks until cancelled or stopped."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            self.stop()

    def stop(self) -> None:
        """Make no further tick, and break off those that are made, but for what must not be broken off."""
        for task in self._tasks:
            task.cancel()
        if self._alarm is not None:
            self._alarm.cancel()

    def _plan(self, uid: str, entry: _Entry, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        due = now + seconds
        if due >= entry.due:
            return
        entry.due = due
        if seconds <= 0:
            self._ready.put_nowait((not entry.memory.is_in_flight, due, next(self._numbers), uid))
        else:
            heapq.heappush(self._later, (due, next(self._numbers), uid))
            if self._later[0][2] == uid:
                self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_at(self._later[0][0], self._ring) if self._later else None

    def _ring(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._later and self._later[0][0] <= now:
            due, number, uid = heapq.heappop(self._later)
            entry = self._entries.get(uid)
            if entry is not None and entry.due == due:  # else it was planned anew since
                self._ready.put_nowait((not entry.memory.is_in_flight, due, number, uid))
        self._set_alarm()

    async def _work(self) -> None:
        while True:
            _, due, _, uid = await self._ready.get()
            entry = self._entries.get(uid)
            if entry is None or entry.due != due:
                continue
            entry.due = float("inf")
            pause = await self._step(entry.memory)
            if self._entries.get(uid) is not entry:
                continue
            if entry.asked:
                entry.asked, pause = False, 0.0
            if pause is None:
                del self._entries[uid]
            else:
                self._plan(uid, entry, pause)
