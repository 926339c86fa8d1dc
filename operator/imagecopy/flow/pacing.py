"""Pacing: when to look again. All times in seconds.

A copy takes about ten minutes and each look is a cloud call, so looks are far apart in the middle and close
near the expected end. Two things tell that end:

- the job's own progress: at fraction p after t seconds, t * (1 - p) / p remain. It comes in whole percents, so the next
  look is after three quarters of that, and the last ones are a few seconds apart;
- the copies of the same source before: if they took alike, and the progress does not say otherwise, the next looks lead
  straight to that end.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from imagecopy.api.base import as_utc

_FIRST: Final = 2.5
"""The first look is after so many of the shortest pauses: a job that is refused right away is told soon."""
_SHARE_OF_REST: Final = 0.75
_WHOLE_SECOND: Final = 1.0
"""The POST is after the time that status keeps of it, in whole seconds, by about so much."""
_EARLY: Final = 0.3
_SHARE_OF_EARLY: Final = 0.5
"""Until so much is done, as the first steps of the progress, and the whole seconds of status, tell little yet."""
_SHARE_OF_LAST: Final = 0.6
"""In the last two steps of the progress, where the rest may be anything down to nothing."""
_LAST: Final = 1.5
"""Looks near the end are so many of the shortest pauses apart: half of that is how late an end is seen."""
_BEYOND_SECONDS: Final = 0.5
"""So long after the expected end is looked: the call should find the job ended."""
_PROGRESS_STEP: Final = 0.01
_SHARE_OF_STALL: Final = 0.25
_UNRECKONED_SECONDS: Final = 30.0
_LONGEST_FOLLOW_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Shortest and longest pause between two looks at a running job."""

    shortest: float = 2.0
    longest: float = 120.0
    least: float = 0.0
    """No pause is shorter, for as long as so many copies run that their looks would be too many."""

    @property
    def first(self) -> float:
        """The pause before the first look."""
        return self.clamp(_FIRST * self.shortest)

    @property
    def last(self) -> float:
        """The pause between the looks near the end."""
        return self.clamp(_LAST * self.shortest)

    def clamp(self, seconds: float) -> float:
        """Return ``seconds`` held within the bounds."""
        return max(self.shortest, self.least, min(seconds, self.longest))


def next_poll(
    elapsed: float, progress: float | None, stalled_for: float, bounds: Bounds, expected: float | None = None
) -> float:
    """Return the pause before the next look at a running job.

    ``elapsed``: since the POST; ``progress``: 0..1 as the cloud says, None where it says nothing;
    ``stalled_for``: since the progress last moved, which stretches the pause, so that a job that
    hangs at 99 % is not asked every other second; ``expected``: how long copies like this one take,
    None if that is not known.
    """
    if elapsed < 0:  # our clock was set back since: nothing can be reckoned from it
        return bounds.clamp(_UNRECKONED_SECONDS)
    told = expected - elapsed if expected is not None and elapsed < expected else None
    if not progress:
        return bounds.clamp(max(bounds.first, elapsed) if told is None else _straight(told, bounds))
    rest = max(elapsed - _WHOLE_SECOND, 0.0) * (1.0 - min(progress, 1.0)) / progress
    if told is not None and _agree(elapsed, progress, rest, told, bounds):
        return bounds.clamp(_straight(told, bounds))
    share = _SHARE_OF_REST
    if progress < _EARLY:
        share = _SHARE_OF_EARLY
    elif progress >= 1 - 2 * _PROGRESS_STEP:
        share = _SHARE_OF_LAST
    return bounds.clamp(max(rest * share, stalled_for * _SHARE_OF_STALL, min(bounds.last, elapsed)))


def next_follow(elapsed: float, bounds: Bounds, expected: float | None = None) -> float:
    """Return the pause before the next look at an image that is being made, which tells no progress."""
    if expected is not None and 0 <= elapsed < expected:
        return bounds.clamp(_straight(expected - elapsed, bounds))
    return growing(elapsed, bounds.first, _LONGEST_FOLLOW_SECONDS)


def _agree(elapsed: float, progress: float, rest: float, told: float, bounds: Bounds) -> bool:
    """Tell whether what progress says is left may be what is expected to be."""
    return abs(rest - told) <= 2 * elapsed * _PROGRESS_STEP / progress**2 + bounds.last


def _straight(rest: float, bounds: Bounds) -> float:
    """Return the first of as few equal pauses as lead just beyond the end."""
    rest += _BEYOND_SECONDS
    return rest / math.ceil(rest / bounds.longest)


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
