"""A gate before each provider: slow down when the cloud asks for it, stop when the cloud fails, keep to a budget.

- **Throttled** (429, and the like): no call until the time that the cloud named, or for a pause that doubles.
- **Too many jobs** (IMG.0060): no copy call for a pause that doubles; looking goes on.
- **Breaker**: after several failures in a row no call for a pause that doubles; then a single one is let through, and
  only its success opens the gate for all.
- **Budget**: calls per second, so that many jobs together stay below the cloud's limit.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from imagecopy import ims
from imagecopy.flow.pacing import doubling

_THROTTLE_SECONDS: Final = (5.0, 120.0)
_JOBS_SECONDS: Final = (5.0, 60.0)
_BREAKER_FAILURES: Final = 5
_BREAKER_SECONDS: Final = (10.0, 120.0)
_PROBE_SECONDS: Final = 60.0
"""A probe that is not heard of for so long is taken as lost."""
_RETRY_AFTER_LIMIT: Final = 900.0
_TOO_MANY_JOBS: Final = "IMG.0060"


@dataclass(slots=True)
class _Pause:
    """No call until then; grows with the number of times in a row."""

    bounds: tuple[float, float]
    until: float = 0.0
    times: int = 0

    def begin(self, now: float, asked: float | None = None) -> None:
        if now < self.until:
            return  # of calls that were under way together only the first counts
        self.times += 1
        pause = doubling(self.times, *self.bounds) if asked is None else min(asked, _RETRY_AFTER_LIMIT)
        self.until = now + pause

    def end(self) -> None:
        self.until, self.times = 0.0, 0


class CallsPaused(Exception):
    """The gate is closed; ``seconds`` says for how long at least, ``why`` is the last error."""

    def __init__(self, why: ims.ImsError, seconds: float) -> None:
        super().__init__(why.message)
        self.why = why
        self.seconds = seconds


@dataclass(slots=True)
class CallLimiter:
    """The gate of one provider. Times are from ``clock``, seconds that only go forward."""

    clock: Callable[[], float]
    calls_per_second: float
    _calls: _Pause = field(default_factory=lambda: _Pause(_THROTTLE_SECONDS))
    _jobs: _Pause = field(default_factory=lambda: _Pause(_JOBS_SECONDS))
    _breaker: _Pause = field(default_factory=lambda: _Pause(_BREAKER_SECONDS))
    _failures: int = 0
    _probing_until: float = 0.0
    _why: ims.ImsError | None = None
    _next_at: float = 0.0

    def check(self, *, copying: bool) -> None:
        """Do nothing if a call may be made now.

        ``copying``: whether it may lead to a copy call.

        Raises:
            CallsPaused: it may not.
        """
        now = self.clock()
        closed_until = max(self._calls.until, self._jobs.until if copying else 0.0, self._breaker.until)
        if self._failing:
            closed_until = max(closed_until, self._probing_until)
        if now < closed_until and self._why is not None:
            raise CallsPaused(self._why, closed_until - now)

    def enter(self, *, copying: bool) -> float:
        """Let a call through, and return the seconds it has to wait for its turn in the budget.

        Raises:
            CallsPaused: no call may be made now.
        """
        self.check(copying=copying)
        now = self.clock()
        if self._failing:
            self._probing_until = now + _PROBE_SECONDS
        turn = max(self._next_at, now)
        self._next_at = turn + 1 / self.calls_per_second
        return turn - now

    async def turn(self) -> None:
        """Wait until one more call may be made, for the next page of a list.

        Raises:
            CallsPaused: none may.
        """
        await asyncio.sleep(self.enter(copying=False))

    @property
    def backlog_seconds(self) -> float:
        """How long a call would have to wait for its turn."""
        return max(0.0, self._next_at - self.clock())

    @property
    def _failing(self) -> bool:
        return self._failures >= _BREAKER_FAILURES

    def worked(self, *, copied: bool = False) -> None:
        """Note that a call worked, or was refused for its own sake: the cloud answers."""
        self._failures, self._probing_until = 0, 0.0
        self._breaker.end()
        if self.clock() >= self._calls.until:
            self._calls.end()
        if copied:
            self._jobs.end()

    def released(self) -> None:
        """Note that a call that was let through was not made after all."""
        self._probing_until = 0.0

    def failed(self, error: ims.ImsError) -> None:
        """Note that a call did not work."""
        now = self.clock()
        if isinstance(error, ims.Throttled):
            self._why = error
            self._probing_until = 0.0
            pause = self._jobs if error.code == _TOO_MANY_JOBS else self._calls
            pause.begin(now, error.retry_after)
        elif isinstance(error, ims.Unreachable | ims.OutcomeUnknown | ims.TryLater):
            self._why = error
            self._failures += 1
            self._probing_until = 0.0
            if self._failing:
                self._breaker.begin(now)
        else:
            self.worked()
