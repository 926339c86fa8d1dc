"""Steps: what a decision returns, and functions that build the steps that several decisions share.

Each function takes a view whose status already holds the facts, and adds the conditions and Events that report them.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from imagecopy.api.conditions import ConditionStatus, ConditionType, Reason
from imagecopy.api.imagecopy import (
    RETRY_ANNOTATION,
    Attempt,
    AttemptOutcome,
    ImageCopyStatus,
    UnknownOutcomePolicy,
)
from imagecopy.flow import conditions
from imagecopy.flow.backoffs import BACKOFFS
from imagecopy.flow.conditions import ConditionUpdate
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.flow.pacing import doubling, growing, later
from imagecopy.flow.view import LONGEST_PAUSE_SECONDS, View, condition, in_flight, is_true

_QUIET_SECONDS: Final = 30
"""A running copy that can't be observed for a shorter time is not worth a write."""
_JOB_BACKOFF_SECONDS: Final = (10.0, 360.0)
"""The first and the longest pause between attempts after failed jobs, as the Job API has them."""

_START_AGAIN: Final = f"To start again, set the annotation {RETRY_ANNOTATION} to a new value"

REST: Final = None
"""Reconcile no more until someone edits the object."""


class EventType(StrEnum):
    """Types of Kubernetes Events."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event for a person who runs ``kubectl describe``."""

    type: EventType
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class PostCopy:
    """POST the copy call, once. The step's status is the intent: it must be stored first."""

    attempt: Attempt
    source_image_id: str
    name: str
    description: str
    kms_key_id: str | None
    enterprise_project_id: str | None


@dataclass(frozen=True, slots=True)
class SetTags:
    """Change the target's tags: remove some, then set some."""

    image_id: str
    remove: dict[str, str]
    set: dict[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next: store ``status`` if it differs, carry out ``action``, reconcile again after ``requeue_after``.

    ``requeue_after`` is in seconds; None: when someone edits the object. With an action it is not used, because the
    result of the action is decided about at once.
    """

    status: ImageCopyStatus
    requeue_after: float | None = REST
    events: tuple[Event, ...] = ()
    action: PostCopy | SetTags | None = None


def back_off(view: View, trouble: Trouble, now: datetime) -> Step:
    """Return the step after something could not be observed or done: report it, and try again at growing pauses."""
    failing = conditions.with_failure(view, trouble)
    if trouble.cause is Cause.SOURCE_MISSING:
        updates = conditions.of_trouble(trouble, Reason.COPY_FAILED)
        return fail(failing, now, Reason.COPY_FAILED, trouble.words, *updates)
    if view.overdue(now):
        return deadline_exceeded(failing, now)
    reason, shortest, longest = BACKOFFS[trouble.cause]
    lasted = (now - (view.recent.trouble_since or now)).total_seconds()
    # Logins have a pause of their own, which a changed Secret ends.
    asked = 0.0 if trouble.cause is Cause.CREDENTIALS else trouble.retry_after or 0.0
    pause = until_deadline(view, max(growing(lasted, shortest, longest), asked), now)
    is_reconciling = is_true(view.status, ConditionType.RECONCILING)
    may_pass = trouble.cause is not Cause.OTHER_PROJECT
    if is_reconciling and in_flight(view.status) and lasted < _QUIET_SECONDS and may_pass:
        return Step(view.status, pause)
    status = conditions.reconciling(failing, now, reason, trouble.words, *conditions.of_trouble(trouble, reason))
    return Step(status, pause, transition_events(view, status, EventType.WARNING))


def resolve_outcome(view: View, now: datetime, why: str) -> Step:
    """Return the step for an attempt whose outcome is unknown: look its copy up again, and never send it again.

    The attempt is given up, as the policy says, only when no copy of it appeared through the settle window. The window
    begins with this process's first lookup, so that neither a set clock nor an outage of the operator shortens it.
    """
    if view.overdue(now):
        return deadline_exceeded(view, now)
    number = view.status.attempt.number if view.status.attempt else 0
    looked_for = view.recent.unresolved_for
    if looked_for < view.settle_seconds:
        message = (
            f"{why}; looking for the copy of attempt {number} in the image list for up to {view.settle_seconds:g} s. "
            "It is not sent again meanwhile; nothing to do"
        )
        status = conditions.reconciling(view, now, Reason.RESOLVING_OUTCOME, message)
        pause = min(growing(looked_for, 5, 30), view.settle_seconds - looked_for + 0.5)
        return Step(status, until_deadline(view, pause, now), transition_events(view, status, EventType.WARNING))
    gone = f"{why}, and no copy of attempt {number} appeared within {view.settle_seconds:g} s"
    if view.spec.unknown_outcome_policy is UnknownOutcomePolicy.HALT:
        words = (
            f"{gone}. Check in the cloud that no image {view.target_name} is being made, then set "
            "spec.unknownOutcomePolicy to Retry for another attempt"
        )
        return fail(view, now, Reason.OUTCOME_UNKNOWN, words)
    return give_up_attempt(view, now, AttemptOutcome.LOST, Trouble(Cause.TRANSIENT, gone))


def give_up_attempt(view: View, now: datetime, how: AttemptOutcome, trouble: Trouble) -> Step:
    """Return the step after an attempt ended without a copy: plan the next one if that can help, else fail."""
    number = view.status.attempt.number if view.status.attempt else 0
    failures = view.status.failed_jobs + 1
    view = conditions.with_failure(conditions.attempt_ended(view, how, now, trouble), trouble)
    view = view.with_status(failed_jobs=failures, image_id=None, progress=None)
    words = f"attempt {number} failed: {trouble.words}"
    if trouble.is_final:
        return fail(view, now, Reason.COPY_FAILED, words)
    if failures > view.spec.backoff_limit:
        spent = f"{words}. No attempt is left (spec.backoffLimit {view.spec.backoff_limit}). {_START_AGAIN}"
        return fail(view, now, Reason.COPY_FAILED, spent)
    pause = max(doubling(failures, *_JOB_BACKOFF_SECONDS), trouble.retry_after or 0.0)
    return next_attempt(view, now, pause, BACKOFFS[trouble.cause].reason, words)


def next_attempt(view: View, now: datetime, pause: float, reason: Reason, why: str, *updates: ConditionUpdate) -> Step:
    """Return the step after an attempt surely ended without a copy: plan another one after ``pause`` seconds."""
    at = later(now, min(pause, LONGEST_PAUSE_SECONDS))
    number = view.status.attempt.number + 1 if view.status.attempt else 1
    message = f"{why}; attempt {number} follows at {at:%H:%M:%S} UTC"
    status = conditions.reconciling(view.with_status(next_attempt_time=at), now, reason, message, *updates)
    requeue_after = until_deadline(view, (at - now).total_seconds(), now)
    return Step(status, requeue_after, (Event(EventType.WARNING, reason, message),))


def deadline_exceeded(view: View, now: datetime) -> Step:
    """Return the step after the deadline has passed. An attempt in flight is kept, and a retry follows it first."""
    words = f"not finished within spec.activeDeadlineSeconds ({view.spec.active_deadline_seconds} s)"
    attempt = in_flight(view.status)
    if attempt is not None:
        under_way = f"Job {attempt.job_id}" if attempt.job_id else f"Attempt {attempt.number}"
        words += (
            f". {under_way} may still be running in the cloud; to go on watching it, set the annotation "
            f"{RETRY_ANNOTATION} to a new value"
        )
    else:
        words += f". {_START_AGAIN}"
    return fail(view, now, Reason.DEADLINE_EXCEEDED, words)


def fail(view: View, now: datetime, reason: Reason, words: str, *updates: ConditionUpdate) -> Step:
    """Return the last step of a copy that failed."""
    status = conditions.failed(view, now, reason, words, *updates)
    return Step(status, REST, transition_events(view, status, EventType.WARNING))


def succeed(view: View, image_id: str, now: datetime) -> Step:
    """Return the last step of a copy that succeeded. One that was Ready before keeps its message."""
    ready = condition(view.status, ConditionType.READY)
    events: tuple[Event, ...] = ()
    if ready is not None and ready.status is ConditionStatus.TRUE:
        reason, message = ready.reason, ready.message
    else:
        reason, message = Reason.ADOPTED, f"image {image_id} existed already and was adopted; nothing was copied"
        if in_flight(view.status):
            reason, message = Reason.SUCCEEDED, f"image {image_id} is ready"
        events = (Event(EventType.NORMAL, reason, message),)
    submitted = condition(view.status, ConditionType.SUBMITTED)
    updates: tuple[ConditionUpdate, ...] = ()
    if submitted is not None and submitted.status is not ConditionStatus.TRUE:
        updates = (
            ConditionUpdate(
                ConditionType.SUBMITTED,
                ConditionStatus.TRUE,
                reason,
                "the copy was found in the image list by its marker",
            ),
        )
    view = conditions.attempt_ended(view, AttemptOutcome.SUCCEEDED, now)
    view = view.with_status(image_id=image_id, target_name=view.target_name)
    return Step(conditions.succeeded(view, now, reason, message, *updates), REST, events)


def until_deadline(view: View, pause: float, now: datetime) -> float:
    """Return the pause, cut so that the deadline is noticed in time; a copy that is Ready has none."""
    if view.deadline is None or is_true(view.status, ConditionType.READY):
        return pause
    return min(pause, max((view.deadline - now).total_seconds(), 1.0))


def transition_events(view: View, status: ImageCopyStatus, kind: EventType = EventType.NORMAL) -> tuple[Event, ...]:
    """Return an Event if the reason changed. Copying has none, because Submitted and Progress report it."""
    before, ready = condition(view.status, ConditionType.READY), condition(status, ConditionType.READY)
    if ready is None or ready.reason is Reason.COPYING or (before is not None and before.reason is ready.reason):
        return ()
    return (Event(kind, ready.reason, ready.message),)


def with_duplicate_event(view: View, step: Step) -> Step:
    """Return the step with one more Event if its status is the first to report a second image of this object."""
    second = condition(step.status, ConditionType.DUPLICATED)
    before = condition(view.status, ConditionType.DUPLICATED)
    if second is None or (before is not None and before.message == second.message):
        return step
    return replace(step, events=(*step.events, Event(EventType.WARNING, second.reason, second.message)))
