"""Rate limiter and circuit breaker for the calls of one provider. They stop calls for four reasons.

- **Throttling** (429 and similar): no call until the time that the cloud named, or for a pause that doubles.
- **Too many jobs** (IMG.0060): no copy call for a pause that doubles. All other calls go on.
- **Circuit breaker**: after several failures in a row, no call for a pause that doubles. Then one call, the probe, is
  let through, and only its success lets all others through again.
- **Rate limit**: a number of calls per second that keeps many copies together below the cloud's own limit.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from imagecopy import ims
from imagecopy.flow.pacing import doubling

_THROTTLE_SECONDS: Final = (5.0, 120.0)
_JOBS_SECONDS: Final = (5.0, 60.0)
_BREAKER_FAILURES: Final = 5
_BREAKER_SECONDS: Final = (10.0, 120.0)
_PROBE_SECONDS: Final = 60.0
"""A probe that has not ended after this time counts as lost, and another call may be the probe."""
_RETRY_AFTER_LIMIT: Final = 900.0
_TOO_MANY_JOBS: Final = "IMG.0060"


@dataclass(slots=True)
class _Pause:
    """A pause between two bounds in seconds; each one in a row is twice as long as the last."""

    bounds: tuple[float, float]
    until: float = 0.0
    times: int = 0

    def begin(self, now: float, retry_after: float | None = None) -> None:
        if now < self.until:
            return  # calls that ran at the same time fail together, and count as one failure
        self.times += 1
        seconds = doubling(self.times, *self.bounds) if retry_after is None else min(retry_after, _RETRY_AFTER_LIMIT)
        self.until = now + seconds

    def end(self) -> None:
        self.until, self.times = 0.0, 0


class CallsPaused(Exception):
    """No call may be made for at least ``seconds``; ``why`` is the error that began the pause."""

    def __init__(self, why: ims.ImsError, seconds: float) -> None:
        super().__init__(why.message)
        self.why = why
        self.seconds = seconds


@dataclass(slots=True)
class CallLimiter:
    """Limits the calls of one provider. ``clock`` is monotonic, in seconds.

    Use :meth:`call` around each call. The other methods are its steps, for callers that need only some of them.
    """

    clock: Callable[[], float]
    calls_per_second: float
    _throttled: _Pause = field(default_factory=lambda: _Pause(_THROTTLE_SECONDS))
    _too_many_jobs: _Pause = field(default_factory=lambda: _Pause(_JOBS_SECONDS))
    _broken: _Pause = field(default_factory=lambda: _Pause(_BREAKER_SECONDS))
    _failures: int = 0
    _probing_until: float = 0.0
    _last_error: ims.ImsError | None = None
    _next_at: float = 0.0

    @asynccontextmanager
    async def call(self, *, copying: bool = False) -> AsyncIterator[None]:
        """Wait for a turn, run the body, which makes one call, and record how the call went.

        ``copying``: whether it is the copy call.

        Raises:
            CallsPaused: no call may be made now; the body did not run.
        """
        await self.wait_turn(copying=copying)
        try:
            yield
        except ims.ImsError as exc:
            self.failed(exc)
            raise
        except BaseException:
            self.cancelled()
            raise
        self.succeeded(copied=copying)

    def check(self, *, copying: bool) -> None:
        """Return if a call may be made now. Reserves nothing.

        ``copying``: whether a copy call may follow.

        Raises:
            CallsPaused: no call may be made now.
        """
        now = self.clock()
        paused_until = max(self._throttled.until, self._too_many_jobs.until if copying else 0.0, self._broken.until)
        if self._is_broken:
            paused_until = max(paused_until, self._probing_until)
        if now < paused_until and self._last_error is not None:
            raise CallsPaused(self._last_error, paused_until - now)

    def reserve(self, *, copying: bool) -> float:
        """Reserve a turn for one call, and return the seconds to wait for it.

        Raises:
            CallsPaused: no call may be made now.
        """
        self.check(copying=copying)
        now = self.clock()
        if self._is_broken:
            self._probing_until = now + _PROBE_SECONDS
        turn = max(self._next_at, now)
        self._next_at = turn + 1 / self.calls_per_second
        return turn - now

    async def wait_turn(self, *, copying: bool = False) -> None:
        """Reserve a turn for one call, such as the next page of a list, and wait for it.

        Raises:
            CallsPaused: no call may be made now.
        """
        await asyncio.sleep(self.reserve(copying=copying))

    @property
    def backlog_seconds(self) -> float:
        """The seconds that a new call would wait for its turn."""
        return max(0.0, self._next_at - self.clock())

    @property
    def _is_broken(self) -> bool:
        return self._failures >= _BREAKER_FAILURES

    def succeeded(self, *, copied: bool = False) -> None:
        """Record that the cloud answered: the call worked, or the cloud refused what it asked for."""
        self._failures, self._probing_until = 0, 0.0
        self._broken.end()
        if self.clock() >= self._throttled.until:
            self._throttled.end()
        if copied:
            self._too_many_jobs.end()

    def failed(self, error: ims.ImsError) -> None:
        """Record an error of a call. One that is about what the call asked for counts as an answer."""
        now = self.clock()
        if isinstance(error, ims.Throttled):
            self._last_error = error
            self._probing_until = 0.0
            pause = self._too_many_jobs if error.code == _TOO_MANY_JOBS else self._throttled
            pause.begin(now, error.retry_after)
        elif isinstance(error, ims.Unreachable | ims.OutcomeUnknown | ims.TryLater):
            self._last_error = error
            self._failures += 1
            self._probing_until = 0.0
            if self._is_broken:
                self._broken.begin(now)
        else:
            self.succeeded()

    def cancelled(self) -> None:
        """Record that a call with a reserved turn was not made, or was cancelled: another may be the probe."""
        self._probing_until = 0.0
