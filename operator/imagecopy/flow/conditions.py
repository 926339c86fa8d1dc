"""How a state of affairs is told in status: conditions, phase and the ended attempts, always together.

The shape is kstatus': Reconciling while anything will be tried again, Stalled for a terminal failure only, never
both; both are absent rather than False. Ready says the rest.
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
"""Characters of a condition's or failure's message."""
_ATTEMPTS_KEPT: Final = 5
_ORDER: Final = {kind: place for place, kind in enumerate(ConditionType)}


def clip(message: str) -> str:
    """Return the message, cut to what status holds."""
    return message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 3] + "..."


@dataclass(frozen=True, slots=True)
class ConditionUpdate:
    """A condition beside Ready, Reconciling and Stalled."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str = ""


PROVIDER_ANSWERS: Final = ConditionUpdate(
    ConditionType.PROVIDER_READY, ConditionStatus.TRUE, Reason.SUCCEEDED, "the cloud answers"
)
SOURCE_IS_ACTIVE: Final = ConditionUpdate(
    ConditionType.SOURCE_READY, ConditionStatus.TRUE, Reason.SUCCEEDED, "the source image is active"
)


def _tell(
    view: View, now: datetime, *said: ConditionUpdate, gone: tuple[ConditionType, ...] = (), **fields: object
) -> ImageCopyStatus:
    """Return the view's status with these conditions said, those gone, and what every write carries."""
    status = view.status
    conditions = {c.type: c for c in status.conditions if c.type not in gone}
    for aside in said:
        before = condition(status, aside.type)
        kept = before is not None and before.status is aside.status
        conditions[aside.type] = Condition(
            type=aside.type,
            status=aside.status,
            reason=aside.reason,
            message=clip(aside.message),
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


def reconciling(view: View, now: datetime, reason: Reason, message: str, *asides: ConditionUpdate) -> ImageCopyStatus:
    """Work is going on or will be tried again. A copy that was Ready stays so (its tags are being changed)."""
    status = view.status
    said = [ConditionUpdate(ConditionType.RECONCILING, ConditionStatus.TRUE, reason, message), *asides]
    phase = status.phase
    if not is_true(status, ConditionType.READY):
        said.append(ConditionUpdate(ConditionType.READY, ConditionStatus.FALSE, reason, message))
        attempt = in_flight(status)
        under_way = status.image_id or (attempt is not None and attempt.job_id)
        phase = Phase.COPYING if under_way else Phase.PENDING
    return _tell(view, now, *said, gone=(ConditionType.STALLED,), phase=phase)


def suspended(view: View, now: datetime) -> ImageCopyStatus:
    """Nothing is started until ``spec.suspend`` is false again."""
    words = "spec.suspend is true: set it to false to go on"
    ready = ConditionUpdate(ConditionType.READY, ConditionStatus.FALSE, Reason.SUSPENDED, words)
    gone = (ConditionType.RECONCILING, ConditionType.STALLED)
    return _tell(view, now, ready, gone=gone, phase=Phase.SUSPENDED)


def succeeded(view: View, now: datetime, reason: Reason, message: str, *asides: ConditionUpdate) -> ImageCopyStatus:
    """The copy is there, as wanted."""
    return _tell(
        view,
        now,
        ConditionUpdate(ConditionType.READY, ConditionStatus.TRUE, reason, message),
        PROVIDER_ANSWERS,
        *asides,
        gone=(ConditionType.RECONCILING, ConditionType.STALLED),
        phase=Phase.SUCCEEDED,
        progress="100%",
        completion_time=view.status.completion_time or as_utc(now),
        next_attempt_time=None,
        failure=None,
    )


def failed(view: View, now: datetime, reason: Reason, message: str, *asides: ConditionUpdate) -> ImageCopyStatus:
    """The copy failed for good: nothing more is tried until someone asks for it."""
    return _tell(
        view,
        now,
        ConditionUpdate(ConditionType.READY, ConditionStatus.FALSE, reason, message),
        ConditionUpdate(ConditionType.STALLED, ConditionStatus.TRUE, reason, message),
        *asides,
        gone=(ConditionType.RECONCILING,),
        phase=Phase.FAILED,
        completion_time=as_utc(now),
        next_attempt_time=None,
    )


def deleting(view: View, now: datetime, reason: Reason, message: str) -> ImageCopyStatus:
    """The object is being deleted, and the copy with it."""
    return _tell(
        view,
        now,
        ConditionUpdate(ConditionType.READY, ConditionStatus.FALSE, reason, message),
        ConditionUpdate(ConditionType.RECONCILING, ConditionStatus.TRUE, reason, message),
        gone=(ConditionType.STALLED,),
        phase=Phase.DELETING,
    )


def duplicated(view: View, now: datetime, image_ids: tuple[str, ...]) -> View:
    """Tell that more than one image carries the mark of this object, or that this is over."""
    if len(image_ids) < 2:
        kept = tuple(c for c in view.status.conditions if c.type is not ConditionType.DUPLICATED)
        return view.with_status(conditions=kept)
    words = f"{len(image_ids)} images carry the mark of this object, look which one to keep: {', '.join(image_ids)}"
    aside = ConditionUpdate(ConditionType.DUPLICATED, ConditionStatus.TRUE, Reason.SECOND_IMAGE, words)
    return view.with_status(conditions=_tell(view, now, aside).conditions)


def unchanged(view: View, now: datetime) -> ImageCopyStatus:
    """The same outcome for a newer generation of the object: an edit that changes nothing about it."""
    told = (ConditionType.READY, ConditionType.STALLED)
    said = [ConditionUpdate(c.type, c.status, c.reason, c.message) for c in view.status.conditions if c.type in told]
    return _tell(view, now, *said)


def attempt_ended(view: View, outcome: AttemptOutcome, now: datetime, trouble: Trouble | None = None) -> View:
    """Record the end of the attempt in flight, if there is one, among the last few that ended."""
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
    """Keep the cloud's own words; the request id of the first time they were said is kept as long as they stay."""
    failure = Failure(code=trouble.code, message=clip(trouble.message), request_id=trouble.request_id)
    known = view.status.failure
    if known and (known.code, known.message) == (failure.code, failure.message):
        return view
    return view.with_status(failure=failure)


def asides(trouble: Trouble, reason: Reason) -> tuple[ConditionUpdate, ...]:
    """Return the condition beside Ready that this trouble speaks of, if it does."""
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
