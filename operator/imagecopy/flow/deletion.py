"""The state machine of a deletion: what happens to the copy when its ImageCopy is deleted. Pure, like decide.py.

Retain releases the object at once, whatever is under way, and needs neither cloud nor Secret. Delete waits until the
outcome of the last attempt is known, deletes the image if it carries our marker, and releases the object when the image
is gone. An obstacle shows as DeletionBlocked; setting the policy to Retain always releases the object.
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
_OVERDUE_SECONDS: Final = 60.0
"""An image that still exists so long after the cloud accepted its deletion is reported."""
_BLOCKED_SECONDS: Final = (5.0, 120.0)


@dataclass(frozen=True, slots=True)
class DeletionRequested:
    """The cloud accepted the deletion of the image, which may still exist for a while."""

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
    """Store ``status`` if it differs, post the Events, act, go on after ``requeue_after`` seconds. None: release."""

    status: ImageCopyStatus
    requeue_after: float | None
    events: tuple[Event, ...] = ()
    action: DeleteImage | None = None


def deletion_needs(view: View) -> Need:
    """Return what has to be observed before :func:`decide_deletion` can decide."""
    status = view.status
    if view.spec.deletion_policy is DeletionPolicy.RETAIN:
        return Need.NOTHING
    attempt = in_flight(status)
    if attempt is not None and attempt.job_id:
        return Need.JOB
    if status.image_id:
        return Need.TARGET
    return Need.TARGETS if attempt is not None else Need.NOTHING


def decide_deletion(view: View, observed: Observation, now: datetime) -> DeletionStep:
    """Return the next step of a deletion. Pure."""
    match observed:
        case NothingObserved():
            return _release(view, ())
        case PostAccepted():
            return _wait(
                view.with_status(attempt=observed.with_job, job_id=observed.job_id),
                now,
                "the copy is still being made and can't be cancelled",
                2.0,
            )
        case PostUnknown():
            return _wait(
                view.with_status(attempt=observed.attempt), now, "the outcome of the copy request is not known yet", 2.0
            )
        case PostRejected():
            view = conditions.attempt_ended(
                view.with_status(attempt=observed.attempt), AttemptOutcome.REJECTED, now, observed.trouble
            )
            return _release(view, ())
        case JobObserved():
            return _job(view, observed, now)
        case TargetsObserved():
            return _targets(view, observed, now)
        case TargetObserved():
            return _target(view, observed.target, now)
        case DeletionRequested():
            return _after_request(view, observed.image_id, now)
        case Trouble():
            return _blocked(view, now, observed.words)


def _release(view: View, events: tuple[Event, ...]) -> DeletionStep:
    return DeletionStep(view.status, None, events)


def _job(view: View, observed: JobObserved, now: datetime) -> DeletionStep:
    if observed.state is JobState.RUNNING:
        since = view.status.attempt.posted_at if view.status.attempt else now
        pause = next_poll((now - since).total_seconds(), observed.progress, 0.0, view.bounds)
        return _wait(view, now, "the copy is still being made and can't be cancelled", pause)
    ended = AttemptOutcome.FAILED if observed.state is JobState.FAILED else AttemptOutcome.SUCCEEDED
    image_id = observed.image_id or view.status.image_id
    view = conditions.attempt_ended(view, ended, now, observed.trouble)
    if observed.state is JobState.FAILED:
        return _release(view, ())
    return _wait(view.with_status(image_id=image_id), now, f"image {image_id} is being deleted", 0.0)


def _targets(view: View, observed: TargetsObserved, now: datetime) -> DeletionStep:
    there = [target for target in observed.targets if target.id in alive(observed.targets)]
    if there:
        return _target(view, there[0], now)
    if view.recent.deletion_requested_for is not None:
        return _release(view, (Event(EventType.NORMAL, "Deleted", "the image was deleted from the cloud"),))
    if view.recent.unresolved_for < view.settle_seconds:
        return _wait(view, now, "the outcome of the copy request is not known yet", 5.0)
    words = (
        f"no copy of the last attempt appeared within {view.settle_seconds:g} s, so nothing was deleted. If an image "
        f"{view.target_name} appears later, delete it by hand"
    )
    lost = Event(EventType.WARNING, "NothingToDelete", words)
    return _release(conditions.attempt_ended(view, AttemptOutcome.LOST, now), (lost,))


def _target(view: View, target: ObservedImage, now: datetime) -> DeletionStep:
    if target.state is ImageState.ABSENT and _may_be_late(view, now):
        return _wait(view, now, f"image {target.id} is not listed by the cloud yet", 5.0)
    if target.state in (ImageState.DEAD, ImageState.ABSENT):
        return _release(view, (Event(EventType.NORMAL, "Deleted", f"image {target.id} was deleted from the cloud"),))
    if target.marker is None or target.marker.owner != view.owner:
        kept = f"image {target.id} does not carry the marker of this ImageCopy, so it is not deleted"
        return _release(view, (Event(EventType.WARNING, "Retained", kept),))
    view = view.with_status(image_id=target.id)
    if target.state is ImageState.PENDING:
        return _wait(view, now, f"image {target.id} is still being made", 5.0)
    asked = view.recent.deletion_requested_for
    if asked is not None and asked < _OVERDUE_SECONDS:
        return _wait(view, now, f"image {target.id} is being deleted", _GONE_POLL_SECONDS)
    if asked is not None:
        blocked = _blocked(view, now, f"image {target.id} still exists, although the cloud accepted its deletion")
        return DeletionStep(blocked.status, blocked.requeue_after, blocked.events, DeleteImage(target.id))
    if _is_blocked(view):  # which is reported until the cloud accepts the deletion
        return DeletionStep(view.status, 0.0, (), DeleteImage(target.id))
    return DeletionStep(_deleting(view, now, f"image {target.id} is being deleted"), 0.0, (), DeleteImage(target.id))


def _may_be_late(view: View, now: datetime) -> bool:
    """Tell whether an image that is not listed may only be late, because its copy has just ended or not ended yet."""
    if view.recent.deletion_requested_for is not None or view.recent.unresolved_for >= view.settle_seconds:
        return False
    if in_flight(view.status) is not None or view.status.completion_time is None:
        return True
    return (now - view.status.completion_time).total_seconds() < view.settle_seconds


def _after_request(view: View, image_id: str, now: datetime) -> DeletionStep:
    """The cloud accepted the deletion, perhaps again: what is reported of an image that stays does not change."""
    asked = view.recent.deletion_requested_for or 0.0
    if asked >= _OVERDUE_SECONDS:
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
    message = f"{words}; to delete the object and keep the image, set spec.deletionPolicy to Retain"
    status = _deleting(view, now, message, Reason.DELETION_BLOCKED)
    lasted = (now - (view.recent.trouble_since or now)).total_seconds()
    events = () if _is_blocked(view) else (Event(EventType.WARNING, Reason.DELETION_BLOCKED, message),)
    return DeletionStep(status, growing(lasted, *_BLOCKED_SECONDS), events)
