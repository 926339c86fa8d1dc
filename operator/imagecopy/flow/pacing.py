"""Pacing: when to look again. All times in seconds.

A copy takes about ten minutes and each look is a cloud call, so looks are far apart in the middle and close
near the expected end, which the job's own progress tells: at fraction p after t seconds, t * (1 - p) / p remain.
A look after 60 % of what remains meets a linear copy's end with about a dozen looks, the last ones 2 s apart.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from imagecopy.api.base import as_utc

FIRST_POLL_SECONDS: Final = 5.0
_SHARE_OF_REST: Final = 0.6
_SHARE_OF_STALL: Final = 0.25
_UNRECKONED_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Shortest and longest pause between two looks at a running job."""

    shortest: float = 2.0
    longest: float = 120.0

    def clamp(self, seconds: float) -> float:
        """Return ``seconds`` held within the bounds."""
        return max(self.shortest, min(seconds, self.longest))


def next_poll(elapsed: float, progress: float | None, stalled_for: float, bounds: Bounds) -> float:
    """Return the pause before the next look at a running job.

    ``elapsed``: since the POST; ``progress``: 0..1 as the cloud says, None where it says nothing;
    ``stalled_for``: since the progress last moved, which stretches the pause, so that a job that
    hangs at 99 % is not asked every other second.
    """
    if elapsed < 0:  # our clock was set back since: nothing can be reckoned from it
        return bounds.clamp(_UNRECKONED_SECONDS)
    if not progress:
        return bounds.clamp(max(FIRST_POLL_SECONDS, elapsed))
    rest = elapsed * (1.0 - min(progress, 1.0)) / progress
    return bounds.clamp(max(rest * _SHARE_OF_REST, stalled_for * _SHARE_OF_STALL))


def growing(elapsed: float, shortest: float, longest: float) -> float:
    """Return a pause that grows by half with each look: half of the time the trouble has lasted, within bounds."""
    return max(shortest, min(elapsed / 2, longest))


def doubling(times: int, first: float, longest: float) -> float:
    """Return the pause after the ``times``-th failure in a row (from 1): ``first``, twice that, and so on."""
    return float(min(first * 2 ** min(max(times - 1, 0), 30), longest))


def later(now: datetime, seconds: float) -> datetime:
    """Return the moment ``seconds`` after ``now``, in the whole seconds that status keeps, never earlier."""
    at = now + timedelta(seconds=seconds)
    whole = as_utc(at)
    return whole if whole == at else whole + timedelta(seconds=1)
