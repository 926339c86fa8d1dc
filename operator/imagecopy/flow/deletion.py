"""What becomes of the copy when its ImageCopy is deleted: a second small state machine, as pure as the first.

Retain lets go at once, whatever is under way, and needs neither cloud nor Secret. Delete waits until it is known what
became of the last attempt, then deletes the image, if it carries our marker, and sees it gone before it lets go. What
stands in the way shows as DeletionBlocked; switching the policy to Retain always frees the object.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import AttemptOutcome, DeletionPolicy, ImageCopyStatus
from imagecopy.flow import conditions
from imagecopy.flow.observation import (
    ImageState,
    JobObserved,
    JobState,
    NothingObserved,
    ObservedImage,
    PostAccepted,
    PostRejected,
    PostUnknown,
    TargetObserved,
    TargetsObserved,
    Trouble,
    alive,
)
from imagecopy.flow.pacing import growing, next_poll
from imagecopy.flow.steps import Event, EventType
from imagecopy.flow.view import Need, View, condition, in_flight

_GONE_POLL_SECONDS: Final = 2.0
_STUBBORN_SECONDS: Final = 60.0
"""An image that is still there so long after the cloud said yes to its deletion is worth telling."""
_BLOCKED_SECONDS: Final = (5.0, 120.0)


@dataclass(frozen=True, slots=True)
class DeletionRequested:
    """The cloud said yes to the deletion of the image; it may still be there for a while."""

    image_id: str


Observation = (
    NothingObserved
    | Trouble
    | JobObserved
    | TargetObserved
    | TargetsObserved
    | PostAccepted
    | PostRejected
    | PostUnknown
    | DeletionRequested
)


@dataclass(frozen=True, slots=True)
class DeleteImage:
    """Delete the image in the cloud; may be repeated."""

    image_id: str


@dataclass(frozen=True, slots=True)
class DeletionStep:
    """Store ``status`` if it differs, tell the Events, act, and look again after ``again`` seconds; None: let go."""

    status: ImageCopyStatus
    again: float | None
    events: tuple[Event, ...] = ()
    act: DeleteImage | None = None


def deletion_needs(view: View) -> Need:
    """Return what has to be looked at before :func:`decide_deletion` can decide."""
    status = view.status
    if view.spec.deletion_policy is DeletionPolicy.RETAIN:
        return Need.NOTHING
    attempt = in_flight(status)
    if attempt is not None and attempt.job_id:
        return Need.JOB
    if status.image_id:
        return Need.TARGET
    return Need.TARGETS if attempt is not None else Need.NOTHING


def decide_deletion(view: View, seen: Observation, now: datetime) -> DeletionStep:
    """Return the next step of a deletion. Pure."""
    match seen:
        case NothingObserved():
            return _let_go(view, ())
        case PostAccepted():
            return _wait(
                view.with_status(attempt=seen.with_job, job_id=seen.job_id), now, "the copy is still being made", 2.0
            )
        case PostUnknown():
            return _wait(view.with_status(attempt=seen.attempt), now, "the outcome of the copy call is not known", 2.0)
        case PostRejected():
            view = conditions.attempt_ended(
                view.with_status(attempt=seen.attempt), AttemptOutcome.REJECTED, now, seen.trouble
            )
            return _let_go(view, ())
        case JobObserved():
            return _job(view, seen, now)
        case TargetsObserved():
            return _targets(view, seen, now)
        case TargetObserved():
            return _target(view, seen.target, now)
        case DeletionRequested():
            return _asked(view, seen.image_id, now)
        case Trouble():
            return _blocked(view, now, seen.words)


def _let_go(view: View, events: tuple[Event, ...]) -> DeletionStep:
    return DeletionStep(view.status, None, events)


def _job(view: View, seen: JobObserved, now: datetime) -> DeletionStep:
    if seen.state is JobState.RUNNING:
        since = view.status.attempt.posted_at if view.status.attempt else now
        pause = next_poll((now - since).total_seconds(), seen.progress, 0.0, view.bounds)
        return _wait(view, now, "the copy is still being made and can't be cancelled", pause)
    ended = AttemptOutcome.FAILED if seen.state is JobState.FAILED else AttemptOutcome.SUCCEEDED
    image_id = seen.image_id or view.status.image_id
    view = conditions.attempt_ended(view, ended, now, seen.trouble)
    if seen.state is JobState.FAILED:
        return _let_go(view, ())
    return _wait(view.with_status(image_id=image_id), now, f"image {image_id} is being deleted", 0.0)


def _targets(view: View, seen: TargetsObserved, now: datetime) -> DeletionStep:
    there = [target for target in seen.targets if target.id in alive(seen.targets)]
    if there:
        return _target(view, there[0], now)
    if view.recent.deletion_requested_for is not None:
        return _let_go(view, (Event(EventType.NORMAL, "Deleted", "the image is gone from the cloud"),))
    if view.recent.unresolved_for < view.settle_seconds:
        return _wait(view, now, "what became of the copy call is not known yet", 5.0)
    lost = Event(EventType.WARNING, "NothingToDelete", "no copy of the last attempt showed up; nothing was deleted")
    return _let_go(conditions.attempt_ended(view, AttemptOutcome.LOST, now), (lost,))


def _target(view: View, target: ObservedImage, now: datetime) -> DeletionStep:
    if target.state is ImageState.ABSENT and _may_show_up(view):
        return _wait(view, now, f"image {target.id} is not listed by the cloud yet", 5.0)
    if target.state in (ImageState.DEAD, ImageState.ABSENT):
        return _let_go(view, (Event(EventType.NORMAL, "Deleted", f"image {target.id} is gone from the cloud"),))
    if target.marker is None or target.marker.owner != view.owner:
        kept = f"image {target.id} does not carry the marker of this ImageCopy and stays in the cloud"
        return _let_go(view, (Event(EventType.WARNING, "Retained", kept),))
    view = view.with_status(image_id=target.id)
    if target.state is ImageState.PENDING:
        return _wait(view, now, f"image {target.id} is still being made", 5.0)
    asked = view.recent.deletion_requested_for
    if asked is not None and asked < _STUBBORN_SECONDS:
        return _wait(view, now, f"image {target.id} is being deleted", _GONE_POLL_SECONDS)
    if asked is not None:
        blocked = _blocked(view, now, f"image {target.id} is still there, though the cloud agreed to delete it")
        return DeletionStep(blocked.status, blocked.again, blocked.events, DeleteImage(target.id))
    if _is_blocked(view):  # told as long as the cloud has not said yes
        return DeletionStep(view.status, 0.0, (), DeleteImage(target.id))
    return DeletionStep(_deleting(view, now, f"image {target.id} is being deleted"), 0.0, (), DeleteImage(target.id))


def _may_show_up(view: View) -> bool:
    """Tell whether an image that is not listed may only be late: its copy had not ended when it was last told of."""
    if view.recent.deletion_requested_for is not None or view.recent.unresolved_for >= view.settle_seconds:
        return False
    return in_flight(view.status) is not None or view.status.completion_time is None


def _asked(view: View, image_id: str, now: datetime) -> DeletionStep:
    """The cloud said yes, maybe not for the first time: what was told of a stubborn image stays told."""
    asked = view.recent.deletion_requested_for or 0.0
    if asked >= _STUBBORN_SECONDS:
        return DeletionStep(view.status, growing(asked, *_BLOCKED_SECONDS))
    return _wait(view, now, f"image {image_id} is being deleted", _GONE_POLL_SECONDS)


def _is_blocked(view: View) -> bool:
    ready = condition(view.status, ConditionType.READY)
    return ready is not None and ready.reason is Reason.DELETION_BLOCKED


def _deleting(view: View, now: datetime, words: str, reason: Reason = Reason.DELETING) -> ImageCopyStatus:
    return conditions.deleting(view, now, reason, words)


def _wait(view: View, now: datetime, words: str, pause: float) -> DeletionStep:
    return DeletionStep(_deleting(view, now, words), pause)


def _blocked(view: View, now: datetime, words: str) -> DeletionStep:
    message = f"{words}; set spec.deletionPolicy to Retain to let go of the object and keep the image"
    status = _deleting(view, now, message, Reason.DELETION_BLOCKED)
    lasted = (now - (view.recent.trouble_since or now)).total_seconds()
    events = () if _is_blocked(view) else (Event(EventType.WARNING, Reason.DELETION_BLOCKED, message),)
    return DeletionStep(status, growing(lasted, *_BLOCKED_SECONDS), events)
