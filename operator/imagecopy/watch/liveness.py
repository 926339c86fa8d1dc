"""Liveness and readiness of this process: whether a restart would help. Reasons: docs/adr/0013.

Two things count: how late the event loop is (:class:`LoopMonitor`), and how long each watch has been silent
(:class:`WatchMonitor`). Neither makes a request, so a probe is cheap and an API server that is away does no harm.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

BEAT_SECONDS: Final = 0.25
LAG_LIMIT_SECONDS: Final = 5.0
"""A loop that is this late can't serve watches and timers. While 10 000 copies start, it is half a second late."""
WATCH_LIMIT_SECONDS: Final = 300.0
"""kopf reopens a watch after 70 s of silence, and the API server sends a bookmark every minute: four chances."""

_MEMORY_BEATS: Final = int(60 / BEAT_SECONDS)
_BOOKMARK: Final = b'{"type":"BOOKMARK"'
"""How a bookmark begins on the wire. No field of an object can hold these bytes, because JSON escapes quotes."""


class LoopMonitor:
    """Measures how late the event loop is: it plans a beat four times a second, and compares when it comes."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, on_beat: Callable[[float], None] | None = None
    ) -> None:
        """``clock`` is in seconds and only goes forward; ``on_beat`` is called with the lag of each beat in seconds."""
        self._clock = clock
        self._on_beat = on_beat
        self._due = clock() + BEAT_SECONDS
        self._late: deque[float] = deque([0.0], maxlen=_MEMORY_BEATS)
        self._beats = 0

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self.beat()

    def beat(self) -> None:
        """Record one beat, and plan the next."""
        now = self._clock()
        late = max(0.0, now - self._due)
        self._late.append(late)
        if self._on_beat is not None:
            self._on_beat(late)
        self._due = now + BEAT_SECONDS
        self._beats += 1

    @property
    def lag_seconds(self) -> float:
        """How late the loop is: the last beat was, or the next one already is."""
        return max(self._late[-1], self._clock() - self._due)

    @property
    def worst_lag_seconds(self) -> float:
        """The largest lag of the last minute, so that a scrape now and then does not miss it."""
        return max(*self._late, self.lag_seconds)

    def running_seconds(self) -> float:
        """Return for how long this process ran, counted in beats: while it was stopped, it could receive nothing."""
        return self._beats * BEAT_SECONDS


@dataclass(slots=True)
class _Watch:
    last_sign: float
    is_listed: bool = False
    failure: str = ""
    """Why its last request did not work; empty if it did."""


class WatchMonitor:
    """Records when each watch gave its last sign of life.

    A sign of life is one of these:

    - the list was answered,
    - something came over the stream, even a bookmark,
    - the API server ended the stream,
    - a request failed: the watcher works, and a restart would meet the same API server.

    An open, silent stream is no sign of life, and opening one is none either. The exception is an API server that has
    never sent a bookmark: it sends nothing as long as nothing changes, so there opening a stream counts.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock`` is in seconds and only goes forward."""
        self._clock = clock
        self._watches: dict[str, _Watch] = {}
        self._expected: tuple[str, ...] | None = None
        self._bookmarks_come = False

    def expect(self, paths: Iterable[str] | None) -> None:
        """Set the paths that have to be watched from now on; None if they are not known yet."""
        self._expected = None if paths is None else tuple(sorted(paths))
        self._watches = {path: self._watches.get(path) or _Watch(self._clock()) for path in self._expected or ()}

    def listed(self, path: str) -> None:
        """Record that a list was answered."""
        self._alive(path).failure = ""

    def opened(self, path: str) -> None:
        """Record that a watch was answered; kopf requests one after it has read the whole list."""
        watch = self._watch(path)
        watch.is_listed, watch.failure = True, ""
        if not self._bookmarks_come:
            self._alive(path)

    def heard(self, path: str, data: bytes) -> None:
        """Record that something came over a stream."""
        self._alive(path)
        self._bookmarks_come = self._bookmarks_come or _BOOKMARK in data

    def ended(self, path: str) -> None:
        """Record that the API server ended a stream."""
        self._alive(path)

    def failed(self, path: str, why: str) -> None:
        """Record that a list or watch was refused or not answered."""
        self._alive(path).failure = why

    @property
    def age_seconds(self) -> float:
        """How long ago the most silent watch gave its last sign of life; 0 while there is none."""
        return max((self._clock() - watch.last_sign for watch in self._watches.values()), default=0.0)

    def silent(self) -> list[str]:
        """Return one sentence for each watch that has given no sign of life for too long."""
        ages = {path: self._clock() - watch.last_sign for path, watch in self._watches.items()}
        return [
            f"the watch of {_shown(path)} has given no sign of life for {age:.0f} s (limit {WATCH_LIMIT_SECONDS:.0f} s)"
            for path, age in sorted(ages.items())
            if age > WATCH_LIMIT_SECONDS
        ]

    def unlisted(self) -> list[str]:
        """Return one sentence for each resource that was not listed yet."""
        if self._expected is None:
            return ["the watches have not begun yet"]
        missing = [(path, self._watches[path]) for path in self._expected if not self._watches[path].is_listed]
        return [
            f"{_shown(path)} have not been listed yet" + (f": {watch.failure}" if watch.failure else "")
            for path, watch in missing
        ]

    def _watch(self, path: str) -> _Watch:
        return self._watches.setdefault(path, _Watch(self._clock()))

    def _alive(self, path: str) -> _Watch:
        watch = self._watch(path)
        watch.last_sign = self._clock()
        return watch


class Liveness:
    """What the probes and metrics report about this process."""

    def __init__(self, on_beat: Callable[[float], None] | None = None) -> None:
        self.loop = LoopMonitor(on_beat=on_beat)
        self.watches = WatchMonitor(self.loop.running_seconds)
        self.stopping = False
        self.failure: str | None = None
        """Why a background task ended, so that this process ends; None while all run."""

    def failures(self) -> list[str]:
        """Return why this process should be restarted; empty if it should not."""
        lag = self.loop.lag_seconds
        late = [f"the event loop is {lag:.1f} s late (limit {LAG_LIMIT_SECONDS:.0f} s)"]
        ended = [self.failure] if self.failure else []
        return [*ended, *(late if lag > LAG_LIMIT_SECONDS else []), *self.watches.silent()]

    def not_ready(self) -> list[str]:
        """Return why this process is not ready; empty if it is."""
        return ["stopping"] if self.stopping else self.watches.unlisted()


def _shown(path: str) -> str:
    """Return what a path lists, for people: ``imagecopies in namespace team-a``."""
    parts = path.strip("/").split("/")
    return f"{parts[-1]} in namespace {parts[-2]}" if "namespaces" in parts else parts[-1]
