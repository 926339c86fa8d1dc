"""Pacing: when a running copy is polled next. All times are in seconds.

A copy takes about ten minutes, and each poll is a call of the cloud. So polls are far apart in the middle and close
near the expected end. There are two ways to estimate the end:

- by the job's progress: at fraction p after t seconds, t * (1 - p) / p remain. Progress comes in whole percents, so the
  next poll is after three quarters of that time, and the last polls are a few seconds apart;
- by earlier copies of the same source: if these took about the same time, and the progress does not contradict, the
  next polls lead straight to that end.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from imagecopy.api.base import as_utc

_FIRST: Final = 2.5
"""The first poll comes after this many shortest pauses, so that a job that fails at once is noticed soon."""
_SHARE_OF_REST: Final = 0.75
_WHOLE_SECOND: Final = 1.0
"""How much later than its stored time, which is in whole seconds, the POST may have been sent."""
_EARLY: Final = 0.3
_SHARE_OF_EARLY: Final = 0.5
"""The share up to a progress of 0.3, because early progress and times in whole seconds are inexact."""
_SHARE_OF_LAST: Final = 0.6
"""The share in the last two percents, where the remaining time may be close to nothing."""
_LAST: Final = 1.5
"""Polls near the end are this many shortest pauses apart; an end is noticed half of that late on average."""
_BEYOND_SECONDS: Final = 0.5
"""How long after the expected end the poll is made, so that it finds the job ended."""
_PROGRESS_STEP: Final = 0.01
_SHARE_OF_STALL: Final = 0.25
_UNKNOWN_SECONDS: Final = 30.0
_LONGEST_FOLLOW_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The shortest and longest pause between two polls of a running job."""

    shortest: float = 2.0
    longest: float = 120.0
    least: float = 0.0
    """A longer minimum, for as long as so many copies run that their polls would exceed the budget."""

    @property
    def first(self) -> float:
        """The pause before the first poll."""
        return self.clamp(_FIRST * self.shortest)

    @property
    def last(self) -> float:
        """The pause between polls near the end."""
        return self.clamp(_LAST * self.shortest)

    def clamp(self, seconds: float) -> float:
        """Return ``seconds`` held within the bounds."""
        return max(self.shortest, self.least, min(seconds, self.longest))


def next_poll(
    elapsed: float, progress: float | None, stalled_for: float, bounds: Bounds, expected: float | None = None
) -> float:
    """Return the pause before the next poll of a running job.

    ``elapsed``: time since the POST. ``progress``: 0..1, None if the cloud reports none. ``stalled_for``: time since
    the progress last changed; it lengthens the pause, so that a job that hangs at 99 % is not polled every
    other second.
    ``expected``: how long copies like this one take, None if that is not known.
    """
    if elapsed < 0:  # our clock was set back since, so nothing can be estimated
        return bounds.clamp(_UNKNOWN_SECONDS)
    by_others = expected - elapsed if expected is not None and elapsed < expected else None
    if not progress:
        return bounds.clamp(max(bounds.first, elapsed) if by_others is None else _direct(by_others, bounds))
    rest = max(elapsed - _WHOLE_SECOND, 0.0) * (1.0 - min(progress, 1.0)) / progress
    if by_others is not None and _agree(elapsed, progress, rest, by_others, bounds):
        return bounds.clamp(_direct(by_others, bounds))
    share = _SHARE_OF_REST
    if progress < _EARLY:
        share = _SHARE_OF_EARLY
    elif progress >= 1 - 2 * _PROGRESS_STEP:
        share = _SHARE_OF_LAST
    return bounds.clamp(max(rest * share, stalled_for * _SHARE_OF_STALL, min(bounds.last, elapsed)))


def next_follow(elapsed: float, bounds: Bounds, expected: float | None = None) -> float:
    """Return the pause before the next observation of an image that is being made, which has no progress."""
    if expected is not None and 0 <= elapsed < expected:
        return bounds.clamp(_direct(expected - elapsed, bounds))
    return growing(elapsed, bounds.first, _LONGEST_FOLLOW_SECONDS)


def _agree(elapsed: float, progress: float, rest: float, by_others: float, bounds: Bounds) -> bool:
    """Tell whether the remaining time by progress agrees with the expected remaining time."""
    return abs(rest - by_others) <= 2 * elapsed * _PROGRESS_STEP / progress**2 + bounds.last


def _direct(rest: float, bounds: Bounds) -> float:
    """Return the first of the fewest equal pauses that lead just beyond the end."""
    rest += _BEYOND_SECONDS
    return rest / math.ceil(rest / bounds.longest)


def growing(elapsed: float, shortest: float, longest: float) -> float:
    """Return half of the time that a trouble has lasted, within bounds: each pause is half again the last."""
    return max(shortest, min(elapsed / 2, longest))


def doubling(times: int, first: float, longest: float) -> float:
    """Return the pause after the ``times``-th failure in a row (from 1): ``first``, twice that, and so on."""
    return float(min(first * 2 ** min(max(times - 1, 0), 30), longest))


def later(now: datetime, seconds: float) -> datetime:
    """Return the time ``seconds`` after ``now``, rounded up to the whole seconds that status keeps."""
    at = now + timedelta(seconds=seconds)
    whole = as_utc(at)
    return whole if whole == at else whole + timedelta(seconds=1)
