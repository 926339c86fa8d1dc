"""Builds statuses: conditions, phase and ended attempts always change together.

The conditions follow kstatus: Reconciling while anything will be tried again, Stalled only for a terminal failure,
never both. Where one does not apply it is absent, not False. Ready says the rest.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from imagecopy.api.base import as_utc
from imagecopy.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from imagecopy.api.imagecopy import AttemptOutcome, EndedAttempt, Failure, ImageCopyStatus, Phase
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.flow.view import View, condition, in_flight, is_true

MESSAGE_LIMIT: Final = 1024
"""Maximum length of the message of a condition or failure, in characters."""
_ATTEMPTS_KEPT: Final = 5
_ORDER: Final = {kind: place for place, kind in enumerate(ConditionType)}


def clip(message: str) -> str:
    """Return the message, cut to the length that status allows."""
    return message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 3] + "..."


@dataclass(frozen=True, slots=True)
class ConditionUpdate:
    """A condition to set; its times and generation are added when it is set."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str = ""


PROVIDER_ANSWERS: Final = ConditionUpdate(
    ConditionType.PROVIDER_READY, ConditionStatus.TRUE, Reason.SUCCEEDED, "the provider can be used"
)
SOURCE_IS_ACTIVE: Final = ConditionUpdate(
    ConditionType.SOURCE_READY, ConditionStatus.TRUE, Reason.SUCCEEDED, "the source image is active"
)


def _with_conditions(
    view: View, now: datetime, *updates: ConditionUpdate, gone: tuple[ConditionType, ...] = (), **fields: object
) -> ImageCopyStatus:
    """Return the view's status with these conditions set, the ``gone`` ones removed, and what every write carries."""
    status = view.status
    conditions = {c.type: c for c in status.conditions if c.type not in gone}
    for update in updates:
        before = condition(status, update.type)
        kept = before is not None and before.status is update.status
        conditions[update.type] = Condition(
            type=update.type,
            status=update.status,
            reason=update.reason,
            message=clip(update.message),
            last_transition_time=before.last_transition_time if before is not None and kept else as_utc(now),
            observed_generation=view.generation,
        )
    return status.model_copy(
        update={
            "observed_generation": view.generation,
            "last_handled_retry_at": view.retry_requested_at or status.last_handled_retry_at,
            "conditions": tuple(sorted(conditions.values(), key=lambda c: _ORDER[c.type])),
            **fields,
        }
    )


def reconciling(view: View, now: datetime, reason: Reason, message: str, *more: ConditionUpdate) -> ImageCopyStatus:
    """Return the status while work goes on or will be tried again. A copy that was Ready stays Ready."""
    status = view.status
    updates = [ConditionUpdate(ConditionType.RECONCILING, ConditionStatus.TRUE, reason, message), *more]
    phase = status.phase
    if not is_true(status, ConditionType.READY):
        updates.append(ConditionUpdate(ConditionType.READY, ConditionStatus.FALSE, reason, message))
        attempt = in_flight(status)
        under_way = status.image_id or (attempt is not None and attempt.job_id)
        phase = Phase.COPYING if under_way else Phase.PENDING
    return _with_conditions(view, now, *updates, gone=(ConditionType.STALLED,), phase=phase)


def suspended(view: View, now: datetime) -> ImageCopyStatus:
    """Return the status while ``spec.suspend`` keeps the copy from starting."""
    words = "spec.suspend is true: set it to false to start the copy"
    ready = ConditionUpdate(ConditionType.READY, ConditionStatus.FALSE, Reason.SUSPENDED, words)
    gone = (ConditionType.RECONCILING, ConditionType.STALLED)
    return _with_conditions(view, now, ready, gone=gone, phase=Phase.SUSPENDED)


def succeeded(view: View, now: datetime, reason: Reason, message: str, *more: ConditionUpdate) -> ImageCopyStatus:
    """Return the status of a copy that is ready. A source that was not ready no longer matters, and is not reported."""
    source = () if is_true(view.status, ConditionType.SOURCE_READY) else (ConditionType.SOURCE_READY,)
    return _with_conditions(
        view,
        now,
        ConditionUpdate(ConditionType.READY, ConditionStatus.TRUE, reason, message),
        PROVIDER_ANSWERS,
        *more,
        gone=(ConditionType.RECONCILING, ConditionType.STALLED, *source),
        phase=Phase.SUCCEEDED,
        progress="100%",
        completion_time=view.status.completion_time or as_utc(now),
        next_attempt_time=None,
        failure=None,
    )


def failed(view: View, now: datetime, reason: Reason, message: str, *more: ConditionUpdate) -> ImageCopyStatus:
    """Return the status of a copy that failed permanently: nothing more is tried until someone requests a retry."""
    return _with_conditions(
        view,
        now,
        ConditionUpdate(ConditionType.READY, ConditionStatus.FALSE, reason, message),
        ConditionUpdate(ConditionType.STALLED, ConditionStatus.TRUE, reason, message),
        *more,
        gone=(ConditionType.RECONCILING,),
        phase=Phase.FAILED,
        completion_time=as_utc(now),
        next_attempt_time=None,
    )


def deleting(view: View, now: datetime, reason: Reason, message: str) -> ImageCopyStatus:
    """Return the status while the object is being deleted together with its image."""
    return _with_conditions(
        view,
        now,
        ConditionUpdate(ConditionType.READY, ConditionStatus.FALSE, reason, message),
        ConditionUpdate(ConditionType.RECONCILING, ConditionStatus.TRUE, reason, message),
        gone=(ConditionType.STALLED,),
        phase=Phase.DELETING,
    )


def duplicated(view: View, now: datetime, image_ids: tuple[str, ...]) -> View:
    """Set the condition Duplicated if more than one image carries the owner mark of this object, else remove it."""
    if len(image_ids) < 2:
        kept = tuple(c for c in view.status.conditions if c.type is not ConditionType.DUPLICATED)
        return view.with_status(conditions=kept)
    words = (
        f"{len(image_ids)} images carry this object's marker: {', '.join(image_ids)}. Nothing is deleted "
        "automatically: delete the one that you do not need (status.imageID names the one in use)"
    )
    update = ConditionUpdate(ConditionType.DUPLICATED, ConditionStatus.TRUE, Reason.SECOND_IMAGE, words)
    return view.with_status(conditions=_with_conditions(view, now, update).conditions)


def unchanged(view: View, now: datetime) -> ImageCopyStatus:
    """Return the same status for a newer generation of the object, after an edit that does not change the outcome."""
    kept_types = (ConditionType.READY, ConditionType.STALLED)
    kept = [condition for condition in view.status.conditions if condition.type in kept_types]
    updates = [ConditionUpdate(c.type, c.status, c.reason, c.message) for c in kept]
    return _with_conditions(view, now, *updates)


def attempt_ended(view: View, outcome: AttemptOutcome, now: datetime, trouble: Trouble | None = None) -> View:
    """Record the end of the attempt in flight, if there is one, in ``status.attempts``, which keeps the last few."""
    attempt = in_flight(view.status)
    if attempt is None:
        return view
    ended = EndedAttempt(
        number=attempt.number,
        outcome=outcome,
        job_id=attempt.job_id,
        code=trouble.code if trouble else None,
        message=clip(trouble.message) if trouble else None,
        posted_at=attempt.posted_at,
        ended_at=as_utc(now),
    )
    return view.with_status(attempts=(*view.status.attempts, ended)[-_ATTEMPTS_KEPT:])


def with_failure(view: View, trouble: Trouble) -> View:
    """Store the cloud's own words. While they stay the same, the request id of the first time is kept."""
    failure = Failure(code=trouble.code, message=clip(trouble.message), request_id=trouble.request_id)
    known = view.status.failure
    if known and (known.code, known.message) == (failure.code, failure.message):
        return view
    return view.with_status(failure=failure)


def of_trouble(trouble: Trouble, reason: Reason) -> tuple[ConditionUpdate, ...]:
    """Return the condition beside Ready that this trouble affects, if any."""
    match trouble.cause:
        case (
            Cause.PROVIDER_MISSING
            | Cause.PROVIDER_INVALID
            | Cause.OTHER_PROJECT
            | Cause.CREDENTIALS
            | Cause.UNREACHABLE
        ):
            return (ConditionUpdate(ConditionType.PROVIDER_READY, ConditionStatus.FALSE, reason, trouble.words),)
        case Cause.SOURCE_NOT_READY:
            return (ConditionUpdate(ConditionType.SOURCE_READY, ConditionStatus.FALSE, reason, trouble.words),)
        case Cause.SOURCE_MISSING:
            return (
                ConditionUpdate(ConditionType.SOURCE_READY, ConditionStatus.FALSE, Reason.IMAGE_MISSING, trouble.words),
            )
        case _:
            return ()
