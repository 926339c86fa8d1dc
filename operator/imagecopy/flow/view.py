"""The view of one object that decisions are made on: identity, spec, stored status, and what paces observations."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from imagecopy.api.base import as_utc
from imagecopy.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from imagecopy.api.imagecopy import Attempt, ImageCopySpec, ImageCopyStatus, Phase, UnknownOutcomePolicy
from imagecopy.flow.pacing import Bounds

LONGEST_PAUSE_SECONDS: Final = 900.0
"""No pause between attempts is longer, whatever the cloud asks for."""


@dataclass(frozen=True, slots=True)
class PacingMemory:
    """What this process remembers of the last observations. It only affects pauses and how often status is written."""

    trouble_since: datetime | None = None
    """When observations began to fail in a row; None after one that worked."""
    progress: float | None = None
    progress_moved_at: datetime | None = None
    progress_written_at: datetime | None = None
    unresolved_for: float = 0.0
    """For how many seconds, by the monotonic clock, this process has looked up an unknown outcome in vain."""
    deletion_requested_for: float | None = None
    """How many seconds ago the cloud accepted the deletion of an image that still exists."""


@dataclass(frozen=True, slots=True)
class View:
    """An ImageCopy, with all that a decision about it needs."""

    namespace: str
    name: str
    uid: str
    generation: int
    owner: str
    """The owner mark, see :mod:`imagecopy.flow.marker`."""
    writer: str
    """Names this process in the intent. Two equal writes could both succeed, so no two processes may write the same."""
    spec: ImageCopySpec
    status: ImageCopyStatus
    retry_requested_at: str | None = None
    recent: PacingMemory = field(default_factory=PacingMemory)
    bounds: Bounds = field(default_factory=Bounds)
    settle_seconds: float = 300.0
    """How long a copy whose reply was lost may take to show up in lists."""
    expected_seconds: float | None = None
    """How long copies of the same source took lately, None if that is not known."""

    def with_status(self, **fields: object) -> "View":
        """Return the view with these fields of its status changed."""
        return replace(self, status=self.status.model_copy(update=fields))

    def in_project(self, project: str | None) -> "View":
        """Return the view of a copy that is, or will be, in this project; None: the project is not known."""
        return self if project is None else self.with_status(project_id=project)

    @property
    def target_name(self) -> str:
        """The name of the copy."""
        return self.spec.target.name or self.name

    @property
    def wanted_tags(self) -> dict[str, str]:
        """The tags that the copy should carry."""
        return self.spec.target.tags or {}

    @property
    def deadline(self) -> datetime | None:
        """When the copy has to be finished; None before the first POST."""
        start = self.status.start_time
        return start + timedelta(seconds=self.spec.active_deadline_seconds) if start else None

    def overdue(self, now: datetime) -> bool:
        """Tell whether the deadline has passed. A copy that is Ready has met it."""
        return self.deadline is not None and now >= self.deadline and not is_true(self.status, ConditionType.READY)


class Need(Enum):
    """What has to be observed before a decision."""

    NOTHING = auto()
    PREFLIGHT = auto()
    """The targets with our owner mark and, if there is none, the source."""
    JOB = auto()
    """The job of the attempt or, if the cloud no longer knows it, the targets with our owner mark."""
    TARGETS = auto()
    """The targets with our owner mark."""
    TARGET = auto()
    """The image that status.imageID or spec.target.adoptImageID names."""


def condition(status: ImageCopyStatus, kind: ConditionType) -> Condition | None:
    """Return the condition of that type, or None."""
    return next((c for c in status.conditions if c.type is kind), None)


def is_true(status: ImageCopyStatus, kind: ConditionType) -> bool:
    """Tell whether the condition is there and True."""
    found = condition(status, kind)
    return found is not None and found.status is ConditionStatus.TRUE


def is_finished(status: ImageCopyStatus) -> bool:
    """Tell whether the copy succeeded or failed, and nothing more is being done about it."""
    ended = is_true(status, ConditionType.READY) or is_true(status, ConditionType.STALLED)
    return ended and not is_true(status, ConditionType.RECONCILING)


def in_flight(status: ImageCopyStatus) -> Attempt | None:
    """Return the attempt that has not ended, as far as is known, or None."""
    attempt = status.attempt
    if attempt is None or any(ended.number == attempt.number for ended in status.attempts):
        return None
    return attempt


def may_retry(status: ImageCopyStatus, retry_requested_at: str | None) -> bool:
    """Tell whether the copy is Failed and a retry was requested that was not handled yet."""
    asked = bool(retry_requested_at) and retry_requested_at != status.last_handled_retry_at
    return asked and is_finished(status) and is_true(status, ConditionType.STALLED)


def occupies_slot(status: ImageCopyStatus) -> bool:
    """Tell whether a job of this object may be running in the cloud."""
    if is_finished(status) or is_true(status, ConditionType.READY):
        return False
    return in_flight(status) is not None or status.image_id is not None


def is_resting(spec: ImageCopySpec, status: ImageCopyStatus, generation: int, retry_requested_at: str | None) -> bool:
    """Tell whether there is nothing to do until someone edits the object."""
    if status.observed_generation != generation or may_retry(status, retry_requested_at):
        return False
    return is_finished(status) or (spec.suspend and status.phase is Phase.SUSPENDED)


def begin_retry(view: View, now: datetime) -> View:
    """Return the view with a requested retry begun. A copy that is not Failed stays as it is.

    A copy that failed because its outcome is unknown starts again, too, once the policy says Retry.
    An attempt whose end is not known is followed further and not replaced: the deadline ended the waiting, not the job.
    """
    status = view.status
    ready = condition(status, ConditionType.READY)
    halted = is_finished(status) and ready is not None and ready.reason is Reason.OUTCOME_UNKNOWN
    released = halted and view.spec.unknown_outcome_policy is UnknownOutcomePolicy.RETRY
    if not released and not may_retry(status, view.retry_requested_at):
        return view
    return view.with_status(
        failed_jobs=0,
        failure=None,
        completion_time=None,
        next_attempt_time=None,
        start_time=as_utc(now) if in_flight(status) else None,
        conditions=tuple(c for c in status.conditions if c.type is not ConditionType.STALLED),
    )


def attempt_is_due_in(status: ImageCopyStatus, now: datetime) -> float:
    """Return the seconds until the next attempt is due; 0 if it is.

    An attempt that seems to be hours away was planned by a clock that was set back since, so it is due.
    """
    if status.next_attempt_time is None:
        return 0.0
    pause = (status.next_attempt_time - now).total_seconds()
    return pause if 0 < pause <= LONGEST_PAUSE_SECONDS else 0.0


def needs(view: View, now: datetime) -> Need:
    """Return what has to be observed before :func:`imagecopy.flow.decide.decide` can decide."""
    status = view.status
    if is_finished(status):
        return Need.NOTHING
    attempt = in_flight(status)
    if attempt is not None and attempt.job_id:
        return Need.JOB
    if status.image_id:
        return Need.TARGET
    if attempt is not None:
        return Need.TARGETS
    held = attempt_is_due_in(status, now) > 0
    if view.spec.suspend or held or view.overdue(now):
        return Need.NOTHING
    return Need.TARGET if view.spec.target.adopt_image_id else Need.PREFLIGHT
