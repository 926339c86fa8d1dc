"""How long a copy took, for metrics: reported once, when its status first says that it has ended."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import ImageCopyStatus
from imagecopy.flow.view import condition, is_finished


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of a copy, as its status has it."""

    reason: Reason
    seconds: float
    """Since its first POST."""
    detection_seconds: float | None
    """From the end of its job, by the cloud's clock, until now, by ours; None where no job told its end."""


OnCompletion = Callable[[Completion], None]


def completion(
    before: ImageCopyStatus, after: ImageCopyStatus, job_ended_at: datetime | None, now: datetime
) -> Completion | None:
    """Return the completion that a change of the status is; None where it is none.

    An image that was adopted without a POST took no time of ours: that is none, either.
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
