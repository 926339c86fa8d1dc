"""Timers: when each ImageCopy is reconciled next.

Every object that is not finished has one timer. Each reconcile says when the next one is due; an edit, a free slot or
an image that was listed makes the timer fire at once. A bounded number of workers reconciles: in a burst the first
objects are through before the last ones begin, and they don't call the API server all together. Running copies come
before those that wait to start, as they free slots.

These are not kopf's timers, because those fire on a fixed interval, share a throttled pool of workers, end permanently
after a failed write, and can't be made to fire early (docs/adr/0016).
"""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

WORKERS: Final = 500
"""How many objects are reconciled at a time. Most of them wait for the cloud most of the time."""


class Timer:
    """The timer of one object: set to a time, firing, or idle."""

    __slots__ = ("_due", "_fire_again", "_firing", "_stop")

    def __init__(self) -> None:
        self._due: float | None = None
        self._firing = False
        self._fire_again = False
        self._stop = False

    @property
    def is_active(self) -> bool:
        """Whether it is set, or fires right now and may be set again."""
        return self._due is not None or (self._firing and not self._stop)

    def cancel(self) -> None:
        """Make it idle. A reconcile that is under way goes on to its end."""
        self._due = None
        self._fire_again = False
        self._stop = self._firing


class Timed(Protocol):
    """An object with a timer."""

    @property
    def timer(self) -> Timer: ...  # noqa: D102
    @property
    def is_in_flight(self) -> bool: ...  # noqa: D102


T = TypeVar("T", bound=Timed)


class Timers(Generic[T]):
    """Fires the timers of all objects, by the clock of the event loop."""

    def __init__(self, reconcile: Callable[[T], Awaitable[float | None]], *, workers: int = WORKERS) -> None:
        """``reconcile`` never raises; it returns the seconds until the timer fires again, None to leave it idle."""
        self._reconcile = reconcile
        self._workers = workers
        self._later: list[tuple[float, int, T]] = []
        self._ready: asyncio.PriorityQueue[tuple[bool, float, int, T]] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False

    def set(self, owner: T, seconds: float = 0.0) -> None:
        """Set the timer to fire in so many seconds, unless it is set to fire sooner.

        While it fires, it is set to fire once more right after.
        """
        timer = owner.timer
        if timer._firing:
            timer._fire_again, timer._stop = True, False
        else:
            self._plan(owner, seconds)

    def hasten(self, owner: T) -> None:
        """Make the timer fire at once, if it is active."""
        if owner.timer.is_active:
            self.set(owner)

    async def run(self) -> None:
        """Fire timers until cancelled or stopped.

        Raises:
            Exception: what a worker raised, which is a bug: the others are stopped.
        """
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]
        try:
            await asyncio.gather(*self._tasks)
        except asyncio.CancelledError:
            if not self._stopped:
                raise
        finally:
            self.stop()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop(self) -> None:
        """Fire no further timer, and cancel the reconciles that are under way."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        if self._alarm is not None:
            self._alarm.cancel()

    def _plan(self, owner: T, seconds: float) -> None:
        timer = owner.timer
        due = asyncio.get_running_loop().time() + seconds
        if timer._due is not None and due >= timer._due:
            return
        timer._due = due
        if seconds <= 0:
            self._ready.put_nowait((not owner.is_in_flight, due, next(self._numbers), owner))
        else:
            entry = (due, next(self._numbers), owner)
            heapq.heappush(self._later, entry)
            if self._later[0] is entry:
                self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_at(self._later[0][0], self._ring) if self._later else None

    def _ring(self) -> None:
        """Hand over to the workers what is due by now."""
        now = asyncio.get_running_loop().time()
        while self._later and self._later[0][0] <= now:
            due, number, owner = heapq.heappop(self._later)
            if owner.timer._due == due:  # else it was cancelled or set anew since
                self._ready.put_nowait((not owner.is_in_flight, due, number, owner))
        self._set_alarm()

    async def _work(self) -> None:
        while True:
            _, due, _, owner = await self._ready.get()
            if owner.timer._due == due:  # else it was cancelled or set anew since
                await self._fire(owner)

    async def _fire(self, owner: T) -> None:
        timer = owner.timer
        timer._due, timer._firing = None, True
        pause: float | None = None
        try:
            pause = await self._reconcile(owner)
        finally:
            timer._firing = False
            again, stop = timer._fire_again, timer._stop
            timer._fire_again = timer._stop = False
        if stop:
            return
        if again:
            pause = 0.0
        if pause is not None:
            self._plan(owner, pause)
