"""One object as a tick sees it: identity, spec, stored status, and what memory holds to pace the looks."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from imagecopy.api.base import as_utc
from imagecopy.api.conditions import Condition, ConditionStatus, ConditionType
from imagecopy.api.imagecopy import Attempt, ImageCopySpec, ImageCopyStatus, Phase
from imagecopy.flow.pacing import Bounds


@dataclass(frozen=True, slots=True)
class Recent:
    """What this process remembers of the object's last looks. It paces and hushes; no decision rests on it."""

    trouble_since: datetime | None = None
    """When looks began to fail in a row; None after one that worked."""
    progress: float | None = None
    progress_moved_at: datetime | None = None
    progress_written_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class View:
    """An ImageCopy and what is needed to decide about it."""

    namespace: str
    name: str
    uid: str
    generation: int
    owner: str
    """The owner mark, see :mod:`imagecopy.flow.marker`."""
    writer: str
    """This process, for the intent: two writes of the same content could both succeed, so no two may be alike."""
    spec: ImageCopySpec
    status: ImageCopyStatus
    retry_requested_at: str | None = None
    recent: Recent = field(default_factory=Recent)
    bounds: Bounds = field(default_factory=Bounds)

    def having(self, **fields: object) -> "View":
        """Return the view with these fields of its status changed."""
        return replace(self, status=self.status.model_copy(update=fields))

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
        """When the copy has to be done; None before the first POST."""
        start = self.status.start_time
        return start + timedelta(seconds=self.spec.active_deadline_seconds) if start else None

    def overdue(self, now: datetime) -> bool:
        """Tell whether the deadline has passed."""
        return self.deadline is not None and now >= self.deadline


class Need(Enum):
    """What a decision needs to look at first."""

    NOTHING = auto()
    PREFLIGHT = auto()
    """The targets with our owner mark and, where there is none, the source."""
    JOB = auto()
    """The job of the attempt; where the cloud no longer knows it, the targets with our owner mark."""
    TARGETS = auto()
    """The targets with our owner mark."""
    TARGET = auto()
    """The image that status.imageID names."""


def condition(status: ImageCopyStatus, kind: ConditionType) -> Condition | None:
    """Return the condition of that type, or None."""
    return next((c for c in status.conditions if c.type is kind), None)


def is_true(status: ImageCopyStatus, kind: ConditionType) -> bool:
    """Tell whether the condition is there and True."""
    found = condition(status, kind)
    return found is not None and found.status is ConditionStatus.TRUE


def is_finished(status: ImageCopyStatus) -> bool:
    """Tell whether the copy ended, well or not, and nothing is being done about it."""
    ended = is_true(status, ConditionType.READY) or is_true(status, ConditionType.STALLED)
    return ended and not is_true(status, ConditionType.RECONCILING)


def in_flight(status: ImageCopyStatus) -> Attempt | None:
    """Return the attempt whose end is not known, or None."""
    attempt = status.attempt
    if attempt is None or any(ended.number == attempt.number for ended in status.attempts):
        return None
    return attempt


def may_retry(status: ImageCopyStatus, retry_requested_at: str | None) -> bool:
    """Tell whether the copy is Failed and someone asked for a retry that was not handled yet."""
    asked = bool(retry_requested_at) and retry_requested_at != status.last_handled_retry_at
    return asked and is_finished(status) and is_true(status, ConditionType.STALLED)


def is_resting(spec: ImageCopySpec, status: ImageCopyStatus, generation: int, retry_requested_at: str | None) -> bool:
    """Tell whether there is nothing to do until someone edits the object: it needs no timer and no finalizer."""
    if status.observed_generation != generation or may_retry(status, retry_requested_at):
        return False
    return is_finished(status) or (spec.suspend and status.phase is Phase.SUSPENDED)


def prepare(view: View, now: datetime) -> View:
    """Return the view with a requested retry begun: a Failed copy starts again, anything else is left alone.

    An attempt whose end is not known is followed further rather than replaced: the deadline ended our
    patience, not the cloud's job.
    """
    status = view.status
    if not may_retry(status, view.retry_requested_at):
        return view
    return view.having(
        failed_jobs=0,
        failure=None,
        completion_time=None,
        next_attempt_time=None,
        start_time=as_utc(now) if in_flight(status) else None,
        conditions=tuple(c for c in status.conditions if c.type is not ConditionType.STALLED),
    )


def needs(view: View, now: datetime) -> Need:
    """Return what has to be looked at before :func:`imagecopy.flow.decide.decide` can decide."""
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
    held = status.next_attempt_time is not None and now < status.next_attempt_time
    if view.spec.suspend or held or view.overdue(now):
        return Need.NOTHING
    return Need.PREFLIGHT
