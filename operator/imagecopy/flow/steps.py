"""Steps: what a tick does after it decided, and the steps that many decisions lead to.

Each function below returns the step of a view whose status already holds the facts; it adds how they are told.
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

_HUSH_SECONDS: Final = 30
"""A running copy that can't be looked at for a shorter time is not worth a write."""
_JOB_BACKOFF_SECONDS: Final = (10.0, 360.0)
"""Pauses between attempts after failed jobs, as the Job API has them: the first, and the longest."""

REST: Final = None
"""No further look until someone edits the object."""


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
    """Make the target's tags as wanted: remove some, then set some."""

    image_id: str
    remove: dict[str, str]
    set: dict[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """Store ``status`` if it differs from what is stored, then act, then look again after ``again`` seconds.

    With an act, ``again`` does not count: what the act brought is decided about at once.
    """

    status: ImageCopyStatus
    again: float | None = REST
    events: tuple[Event, ...] = ()
    act: PostCopy | SetTags | None = None


def back_off(view: View, trouble: Trouble, now: datetime) -> Step:
    """Something could not be looked at or done: say why and look again later, at growing pauses."""
    told = conditions.with_failure(view, trouble)
    if trouble.cause is Cause.SOURCE_MISSING:
        return fail(told, now, Reason.COPY_FAILED, trouble.words, *conditions.asides(trouble, Reason.COPY_FAILED))
    if view.overdue(now):
        return overdue(told, now)
    reason, shortest, longest = BACKOFFS[trouble.cause]
    lasted = (now - (view.recent.trouble_since or now)).total_seconds()
    # The pause after a refused login is kept where logins are made, and a mended Secret ends it.
    asked = 0.0 if trouble.cause is Cause.CREDENTIALS else trouble.retry_after or 0.0
    pause = until_deadline(view, max(growing(lasted, shortest, longest), asked), now)
    going_on = is_true(view.status, ConditionType.RECONCILING)
    may_pass = trouble.cause is not Cause.OTHER_PROJECT
    if going_on and in_flight(view.status) and lasted < _HUSH_SECONDS and may_pass:
        return Step(view.status, pause)
    status = conditions.reconciling(told, now, reason, trouble.words, *conditions.asides(trouble, reason))
    return Step(status, pause, transition_events(view, status, EventType.WARNING))


def resolving(view: View, now: datetime, why: str) -> Step:
    """Nobody knows yet what became of the attempt: look it up again and again, never send it again.

    Only when no copy of it showed up through the settle window is it given up, as the policy says. The window is
    counted from this process's first look, so that neither a set clock nor an outage of ours shortens it.
    """
    if view.overdue(now):
        return overdue(view, now)
    number = view.status.attempt.number if view.status.attempt else 0
    looked_for = view.recent.unresolved_for
    if looked_for < view.settle_seconds:
        message = f"{why}; attempt {number} is looked up in the cloud by its marker and not sent again"
        status = conditions.reconciling(view, now, Reason.RESOLVING_OUTCOME, message)
        pause = min(growing(looked_for, 5, 30), view.settle_seconds - looked_for + 0.5)
        return Step(status, until_deadline(view, pause, now), transition_events(view, status, EventType.WARNING))
    gone = f"{why}, and no copy of attempt {number} showed up within {view.settle_seconds:g} s"
    if view.spec.unknown_outcome_policy is UnknownOutcomePolicy.HALT:
        words = f"{gone}: set spec.unknownOutcomePolicy to Retry for another attempt"
        return fail(view, now, Reason.OUTCOME_UNKNOWN, words)
    return give_up_attempt(view, now, AttemptOutcome.LOST, Trouble(Cause.TRANSIENT, gone))


def give_up_attempt(view: View, now: datetime, how: AttemptOutcome, trouble: Trouble) -> Step:
    """The attempt ended without a copy: the next one, if one is left and can help, else the end."""
    number = view.status.attempt.number if view.status.attempt else 0
    failures = view.status.failed_jobs + 1
    view = conditions.with_failure(conditions.attempt_ended(view, how, now, trouble), trouble)
    view = view.with_status(failed_jobs=failures, image_id=None, progress=None)
    words = f"attempt {number} failed: {trouble.words}"
    if trouble.is_final:
        return fail(view, now, Reason.COPY_FAILED, words)
    if failures > view.spec.backoff_limit:
        return fail(view, now, Reason.COPY_FAILED, f"{words} (spec.backoffLimit {view.spec.backoff_limit} is used up)")
    pause = max(doubling(failures, *_JOB_BACKOFF_SECONDS), trouble.retry_after or 0.0)
    return next_attempt(view, now, pause, BACKOFFS[trouble.cause].reason, words)


def next_attempt(view: View, now: datetime, pause: float, reason: Reason, why: str, *asides: ConditionUpdate) -> Step:
    """The attempt surely ended without a copy: another one follows after ``pause`` seconds."""
    at = later(now, min(pause, LONGEST_PAUSE_SECONDS))
    number = view.status.attempt.number + 1 if view.status.attempt else 1
    message = f"{why}; attempt {number} at {at:%H:%M:%S} UTC"
    status = conditions.reconciling(view.with_status(next_attempt_time=at), now, reason, message, *asides)
    again = until_deadline(view, (at - now).total_seconds(), now)
    return Step(status, again, (Event(EventType.WARNING, reason, message),))


def overdue(view: View, now: datetime) -> Step:
    """The deadline has passed. The attempt in flight, if any, is kept: a retry follows it before any other."""
    words = f"not done within spec.activeDeadlineSeconds ({view.spec.active_deadline_seconds} s)"
    attempt = in_flight(view.status)
    if attempt is not None:
        under_way = f"job {attempt.job_id}" if attempt.job_id else f"attempt {attempt.number}"
        words += f"; {under_way} may still end: annotate {RETRY_ANNOTATION} with a new value to follow it further"
    return fail(view, now, Reason.DEADLINE_EXCEEDED, words)


def fail(view: View, now: datetime, reason: Reason, words: str, *asides: ConditionUpdate) -> Step:
    """The end, badly."""
    status = conditions.failed(view, now, reason, words, *asides)
    return Step(status, REST, transition_events(view, status, EventType.WARNING))


def succeed(view: View, image_id: str, now: datetime) -> Step:
    """The end, well. A copy that was Ready before stays so in the same words."""
    ready = condition(view.status, ConditionType.READY)
    events: tuple[Event, ...] = ()
    if ready is not None and ready.status is ConditionStatus.TRUE:
        reason, message = ready.reason, ready.message
    else:
        reason, message = Reason.ADOPTED, f"image {image_id} was there already and is taken over"
        if in_flight(view.status):
            reason, message = Reason.SUCCEEDED, f"image {image_id} is ready"
        events = (Event(EventType.NORMAL, reason, message),)
    submitted = condition(view.status, ConditionType.SUBMITTED)
    asides: tuple[ConditionUpdate, ...] = ()
    if submitted is not None and submitted.status is not ConditionStatus.TRUE:
        asides = (
            ConditionUpdate(ConditionType.SUBMITTED, ConditionStatus.TRUE, reason, "the copy was found by its marker"),
        )
    view = conditions.attempt_ended(view, AttemptOutcome.SUCCEEDED, now)
    view = view.with_status(image_id=image_id, target_name=view.target_name)
    return Step(conditions.succeeded(view, now, reason, message, *asides), REST, events)


def until_deadline(view: View, pause: float, now: datetime) -> float:
    """Return the pause, cut so that the deadline is met in time; a copy that is Ready has none."""
    if view.deadline is None or is_true(view.status, ConditionType.READY):
        return pause
    return min(pause, max((view.deadline - now).total_seconds(), 1.0))


def transition_events(view: View, status: ImageCopyStatus, kind: EventType = EventType.NORMAL) -> tuple[Event, ...]:
    """Return an Event where the reason became another one; that it copies is told by Submitted and Progress."""
    before, ready = condition(view.status, ConditionType.READY), condition(status, ConditionType.READY)
    if ready is None or ready.reason is Reason.COPYING or (before is not None and before.reason is ready.reason):
        return ()
    return (Event(kind, ready.reason, ready.message),)


def with_duplicate_event(view: View, step: Step) -> Step:
    """Return the step with an Event where its status is the first to tell of a second image of the same owner."""
    second = condition(step.status, ConditionType.DUPLICATED)
    before = condition(view.status, ConditionType.DUPLICATED)
    if second is None or (before is not None and before.message == second.message):
        return step
    return replace(step, events=(*step.events, Event(EventType.WARNING, second.reason, second.message)))
