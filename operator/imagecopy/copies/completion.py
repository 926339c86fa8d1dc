"""How long a copy took, told once when its object first says that it came to an end. For metrics alone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import ImageCopyStatus
from imagecopy.flow.view import condition, is_finished


@dataclass(frozen=True, slots=True)
class Completion:
    """A copy came to its end, and its object says so."""

    reason: Reason
    seconds: float
    """Since its first POST."""
    detection_seconds: float | None
    """Since its job's end, by the cloud's clock against ours; None where no job told it."""


OnCompletion = Callable[[Completion], None]


def ended(
    before: ImageCopyStatus, after: ImageCopyStatus, job_ended_at: datetime | None, now: datetime
) -> Completion | None:
    """Return what to tell of a change of the status that was stored just now; None where it was no end.

    What was taken over without a POST of ours took no time of ours, and is not told either.
    """
    ready = condition(after, ConditionType.READY)
    if is_finished(before) or not is_finished(after) or ready is None:
        return None
    if after.attempt is None or after.start_time is None:
        return None
    return Completion(
        ready.reason,
        max(0.0, (now - after.start_time).total_seconds()),
        None if job_ended_at is None else max(0.0, (now - job_ended_at).total_seconds()),
    )
