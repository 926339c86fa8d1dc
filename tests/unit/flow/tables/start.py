"""Rows: before a copy is asked for."""

from dataclasses import replace

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import Phase
from imagecopy.flow.observation import Cause, ImageState, NothingObserved, Observation, SlotsBusy, TargetObserved
from imagecopy.flow.steps import PostCopy, SetTags
from imagecopy.flow.view import Need, View
from unit.flow.builders import (
    ABSENT,
    FALSE,
    FOREIGN,
    TAGS,
    TARGET,
    TRUE,
    UNSURE,
    Row,
    backing_off,
    edited,
    image,
    looked_for,
    new,
    preflight,
    source,
    spec,
    then,
    trouble,
    troubled_since,
)

_SUBMITTING = {ConditionType.SUBMITTED: (UNSURE, Reason.COPYING), ConditionType.SOURCE_READY: (TRUE, Reason.SUCCEEDED)}
_WAITS_FOR_PROVIDER = then(new(), trouble(Cause.PROVIDER_MISSING))
_SUSPENDED = then(new(spec(suspend=True)), NothingObserved())
_SUSPENDED_BACKOFF = then(edited(backing_off(), spec(suspend=True)), NothingObserved(), 101)


def _posts(id: str, view: View, seen: Observation, number: int = 1, seconds: float = 0) -> Row:  # noqa: A002
    return Row(
        id, view, seen, seconds,
        need=Need.PREFLIGHT,
        phase=Phase.PENDING, ready=(FALSE, Reason.COPYING), act=PostCopy, also=_SUBMITTING,
        fields={"attempt.number": number, "attempt.jobID": ABSENT, "progress": ABSENT, "nextAttemptTime": ABSENT},
    )  # fmt: skip


STARTS = (
    _posts("a new object is submitted", new(), preflight()),
    _posts("a dead target of ours is passed over", new(), preflight(image(ImageState.DEAD))),
    _posts("a target of another owner is passed over", new(), preflight(image(owner=FOREIGN))),
    _posts(
        "a pending target of another owner is passed over",
        new(), preflight(image(ImageState.PENDING, owner=FOREIGN)),
    ),
    _posts("an image without a marker is passed over", new(), preflight(replace(image(), marker=None))),
    _posts("the next attempt is made when it is due", backing_off(), preflight(), 2, 110),
    _posts(
        "a pending target of an attempt that failed is passed over",
        backing_off(), preflight(image(ImageState.PENDING)),
        2,
        110,
    ),
    _posts("a suspended copy that is resumed is submitted", edited(_SUSPENDED, spec()), preflight(), 1, 60),
    _posts("what waited for its provider is submitted", _WAITS_FOR_PROVIDER, preflight(), 1, 60),
)  # fmt: skip

_ADOPTING = then(new(), preflight(image(ImageState.PENDING), found=None))

ADOPTIONS = (
    Row(
        "an active target of ours is adopted",
        new(), preflight(image(), found=None), 0,
        need=Need.PREFLIGHT,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.ADOPTED), events=("Adopted",),
        fields={"imageID": TARGET, "attempt": ABSENT, "jobID": ABSENT, "progress": "100%", "targetName": "golden",
                "completionTime": "2026-09-01T12:00:00Z", "observedGeneration": 1},
        also={ConditionType.PROVIDER_READY: (TRUE, Reason.SUCCEEDED)},
    ),
    Row(
        "an active target of ours gets its tags before it is adopted",
        new(spec(target={"tags": TAGS})), preflight(image(), found=None), 0,
        need=Need.PREFLIGHT,
        phase=Phase.PENDING, ready=None, act=SetTags, fields={"imageID": ABSENT}, reconciling=False,
    ),
    Row(
        "an active target is preferred to a pending one",
        new(), preflight(image(ImageState.PENDING, id="other"), image(), found=None), 0,
        need=Need.PREFLIGHT,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.ADOPTED), events=("Adopted", "SecondImage"),
        fields={"imageID": TARGET}, also={ConditionType.DUPLICATED: (TRUE, Reason.SECOND_IMAGE)},
    ),
    Row(
        "an active target of an attempt that seemed to fail is adopted",
        backing_off(), preflight(image(), found=None), 110,
        need=Need.PREFLIGHT,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.ADOPTED), events=("Adopted",), fields={"imageID": TARGET},
    ),
    Row(
        "a pending target of ours is followed",
        new(), preflight(image(ImageState.PENDING), found=None), 0,
        need=Need.PREFLIGHT,
        phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(5, 5),
        fields={"imageID": TARGET, "attempt": ABSENT, "startTime": "2026-09-01T12:00:00Z"},
    ),
    Row(
        "a pending target that is missing in one list is waited for, and nothing is sent",
        _ADOPTING, TargetObserved(image(ImageState.ABSENT)), 30,
        need=Need.TARGET,
        phase=Phase.COPYING, ready=(FALSE, Reason.RESOLVING_OUTCOME), again=(5, 5), events=("ResolvingOutcome",),
        fields={"imageID": TARGET, "attempt": ABSENT},
    ),
    Row(
        "a pending target that is missing through the settle window is made anew",
        looked_for(_ADOPTING, 300), TargetObserved(image(ImageState.ABSENT)), 400,
        need=Need.TARGET,
        phase=Phase.PENDING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(10, 10), events=("TransientError",),
        fields={"imageID": ABSENT, "attempt": ABSENT},
    ),
    Row(
        "a source that was not ready is not reported of an adopted copy",
        then(new(), preflight(found=source(ImageState.PENDING))), preflight(image(), found=None), 60,
        need=Need.PREFLIGHT,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.ADOPTED), events=("Adopted",),
    ),
)  # fmt: skip

SOURCES = (
    Row(
        "a source that is not active yet is waited for",
        new(), preflight(found=source(ImageState.PENDING)), 0,
        need=Need.PREFLIGHT,
        phase=Phase.PENDING, ready=(FALSE, Reason.WAITING_FOR_SOURCE), again=(5, 5), events=("WaitingForSource",),
        fields={"attempt": ABSENT, "startTime": ABSENT},
        also={ConditionType.SOURCE_READY: (FALSE, Reason.WAITING_FOR_SOURCE)},
    ),
    Row(
        "a source that stays inactive is looked at less often",
        troubled_since(then(new(), preflight(found=source(ImageState.PENDING))), 0),
        preflight(found=source(ImageState.PENDING)), 3600,
        need=Need.PREFLIGHT,
        phase=Phase.PENDING, ready=(FALSE, Reason.WAITING_FOR_SOURCE), again=(60, 60),
    ),
    Row(
        "a killed source fails the copy",
        new(), preflight(found=source(ImageState.DEAD)), 0,
        need=Need.PREFLIGHT,
        phase=Phase.FAILED, ready=(FALSE, Reason.COPY_FAILED), events=("CopyFailed",),
        fields={"attempt": ABSENT, "completionTime": "2026-09-01T12:00:00Z"},
        also={ConditionType.SOURCE_READY: (FALSE, Reason.IMAGE_MISSING)},
    ),
    Row(
        "a missing source fails the copy with the cloud's words",
        new(), trouble(Cause.SOURCE_MISSING), 0,
        need=Need.PREFLIGHT,
        phase=Phase.FAILED, ready=(FALSE, Reason.COPY_FAILED), events=("CopyFailed",),
        fields={"failure.code": "IMG.0042", "failure.message": "the cloud's words", "failure.requestID": "r-42"},
        also={ConditionType.SOURCE_READY: (FALSE, Reason.IMAGE_MISSING)},
    ),
    Row(
        "a source that was not looked at is looked at again",
        new(), preflight(found=None), 0,
        need=Need.PREFLIGHT,
        phase=Phase.PENDING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(5, 5), events=("TransientError",),
    ),
)  # fmt: skip


def _trouble(cause: Cause, reason: Reason, shortest: float, longest: float, provider: bool = False) -> tuple[Row, Row]:
    also = {ConditionType.PROVIDER_READY: (FALSE, reason)} if provider else {}
    if cause is Cause.SOURCE_NOT_READY:
        also = {ConditionType.SOURCE_READY: (FALSE, reason)}
    told = then(new(), trouble(cause))
    return (
        Row(
            f"{cause} before the first attempt waits",
            new(), trouble(cause), 0,
            need=Need.PREFLIGHT,
            phase=Phase.PENDING, ready=(FALSE, reason), again=(shortest, shortest), events=(reason.value,), also=also,
            fields={"attempt": ABSENT, "failure.code": "IMG.0042", "startTime": ABSENT},
        ),
        Row(
            f"{cause} that lasts is looked at less often, and never given up",
            troubled_since(told, 0), trouble(cause), 864000,
            need=Need.PREFLIGHT,
            phase=Phase.PENDING, ready=(FALSE, reason), again=(longest, longest), also=also,
        ),
    )  # fmt: skip


TROUBLES = (
    *_trouble(Cause.PROVIDER_MISSING, Reason.WAITING_FOR_PROVIDER, 5, 10, provider=True),
    *_trouble(Cause.PROVIDER_INVALID, Reason.INVALID_CONFIGURATION, 5, 10, provider=True),
    *_trouble(Cause.CREDENTIALS, Reason.CREDENTIALS_INVALID, 10, 15, provider=True),
    *_trouble(Cause.UNREACHABLE, Reason.TRANSIENT_ERROR, 10, 120, provider=True),
    *_trouble(Cause.PERMISSION, Reason.PERMISSION_DENIED, 30, 600),
    *_trouble(Cause.THROTTLED, Reason.THROTTLED, 10, 120),
    *_trouble(Cause.QUOTA, Reason.WAITING_FOR_QUOTA, 30, 300),
    *_trouble(Cause.SOURCE_NOT_READY, Reason.WAITING_FOR_SOURCE, 5, 60),
    *_trouble(Cause.REFUSED, Reason.TRANSIENT_ERROR, 30, 600),
    *_trouble(Cause.TRANSIENT, Reason.TRANSIENT_ERROR, 5, 120),
    Row(
        "the pause that the cloud asks for is kept",
        new(), trouble(Cause.THROTTLED, retry_after=45), 0,
        need=Need.PREFLIGHT,
        phase=Phase.PENDING, ready=(FALSE, Reason.THROTTLED), again=(45, 45), events=("Throttled",),
    ),
    Row(
        "the same trouble again causes no second Event",
        _WAITS_FOR_PROVIDER, trouble(Cause.PROVIDER_MISSING), 5,
        need=Need.PREFLIGHT,
        phase=Phase.PENDING, ready=(FALSE, Reason.WAITING_FOR_PROVIDER), again=(5, 10),
    ),
)  # fmt: skip

PAUSES = (
    Row(
        "a suspended object starts nothing",
        new(spec(suspend=True)), NothingObserved(), 0,
        need=Need.NOTHING,
        phase=Phase.SUSPENDED, ready=(FALSE, Reason.SUSPENDED), events=("Suspended",),
        fields={"attempt": ABSENT, "observedGeneration": 1},
    ),
    Row(
        "before the next attempt is due nothing is looked at",
        backing_off(), NothingObserved(), 102.5,
        need=Need.NOTHING,
        phase=Phase.PENDING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(7.5, 7.5),
    ),
    Row(
        "suspended before the next attempt, its time is kept",
        edited(backing_off(), spec(suspend=True)), NothingObserved(), 101,
        need=Need.NOTHING,
        phase=Phase.SUSPENDED, ready=(FALSE, Reason.SUSPENDED), events=("Suspended",),
        fields={"nextAttemptTime": "2026-09-01T12:01:50Z", "attempt.number": 1},
    ),
    Row(
        "resumed before the next attempt is due, it no longer says Suspended",
        edited(_SUSPENDED_BACKOFF, spec()), NothingObserved(), 102,
        need=Need.NOTHING,
        phase=Phase.PENDING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(8, 8),
        fields={"observedGeneration": 3, "nextAttemptTime": "2026-09-01T12:01:50Z"},
    ),
    Row(
        "suspended again after it was resumed",
        replace(edited(_SUSPENDED, spec(suspend=True)), generation=3), NothingObserved(), 60,
        need=Need.NOTHING,
        phase=Phase.SUSPENDED, ready=(FALSE, Reason.SUSPENDED), fields={"observedGeneration": 3},
    ),
)  # fmt: skip

_ADOPTS = new(spec(target={"adoptImageID": TARGET}))
_FOREIGN_TARGET = replace(image(), marker=None)

NAMED = (
    Row(
        "an image that is named for adoption is taken over, marker or not",
        _ADOPTS, TargetObserved(_FOREIGN_TARGET), 0,
        need=Need.TARGET,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.ADOPTED), events=("Adopted",),
        fields={"imageID": TARGET, "attempt": ABSENT},
    ),
    Row(
        "an image that is named for adoption gets its tags",
        new(spec(target={"adoptImageID": TARGET, "tags": TAGS})), TargetObserved(_FOREIGN_TARGET), 0,
        need=Need.TARGET, phase=Phase.PENDING, ready=None, act=SetTags, reconciling=False,
    ),
    Row(
        "an image that is named for adoption and still made is followed",
        _ADOPTS, TargetObserved(image(ImageState.PENDING)), 0,
        need=Need.TARGET,
        phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(5, 5),
        fields={"imageID": TARGET, "startTime": "2026-09-01T12:00:00Z"},
    ),
    *(
        Row(
            f"an image that is named for adoption and {state.name.lower()} is missing, and nothing is copied",
            _ADOPTS, TargetObserved(image(state)), 0,
            need=Need.TARGET,
            phase=Phase.FAILED, ready=(FALSE, Reason.IMAGE_MISSING), events=("ImageMissing",),
            fields={"attempt": ABSENT},
        )
        for state in (ImageState.DEAD, ImageState.ABSENT)
    ),
    Row(
        "an image that is named for adoption and can't be looked at is looked at again",
        _ADOPTS, trouble(Cause.UNREACHABLE), 0,
        need=Need.TARGET,
        phase=Phase.PENDING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(10, 10), events=("TransientError",),
    ),
)  # fmt: skip

_WAITS_FOR_SLOT = then(new(), SlotsBusy(5))

QUEUED = (
    Row(
        "a copy without a slot waits for one",
        new(), SlotsBusy(5), 0,
        need=Need.PREFLIGHT,
        phase=Phase.PENDING, ready=(FALSE, Reason.WAITING_FOR_SLOT), again=(60, 60), events=("WaitingForSlot",),
        fields={"attempt": ABSENT, "startTime": ABSENT},
    ),
    Row(
        "a copy that still has no slot causes no second Event",
        _WAITS_FOR_SLOT, SlotsBusy(5, ahead=10), 90000,
        need=Need.PREFLIGHT,
        phase=Phase.PENDING, ready=(FALSE, Reason.WAITING_FOR_SLOT), again=(120, 120),
    ),
    Row(
        "a provider that works again is reported so while the copy waits for a slot",
        _WAITS_FOR_PROVIDER, SlotsBusy(5), 60,
        need=Need.PREFLIGHT,
        phase=Phase.PENDING, ready=(FALSE, Reason.WAITING_FOR_SLOT), again=(60, 60), events=("WaitingForSlot",),
        also={ConditionType.PROVIDER_READY: (TRUE, Reason.SUCCEEDED)},
    ),
    Row(
        "a copy that waits for a slot notices its deadline in time",
        backing_off(), SlotsBusy(5, ahead=10_000), 7100,
        need=Need.PREFLIGHT,
        phase=Phase.PENDING, ready=(FALSE, Reason.WAITING_FOR_SLOT), again=(100, 100), events=("WaitingForSlot",),
    ),
    Row(
        "the next attempt needs a slot, too, and its pause is over",
        backing_off(), SlotsBusy(5), 110,
        need=Need.PREFLIGHT,
        phase=Phase.PENDING, ready=(FALSE, Reason.WAITING_FOR_SLOT), again=(60, 60), events=("WaitingForSlot",),
        fields={"attempt.number": 1},
    ),
    _posts("what waited for a slot is submitted", _WAITS_FOR_SLOT, preflight(), 1, 60),
)  # fmt: skip

ROWS = (*STARTS, *ADOPTIONS, *SOURCES, *TROUBLES, *PAUSES, *NAMED, *QUEUED)
