"""Rows: what a POST brought, and what became of an attempt that nobody knows."""

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import AttemptOutcome, Phase
from imagecopy.flow.observation import Cause, ImageState, TargetObserved, TargetsObserved
from imagecopy.flow.view import Need, View
from unit.flow.builders import (
    ABSENT,
    FALSE,
    FOREIGN,
    JOB,
    TARGET,
    TRUE,
    Row,
    accepted,
    copying,
    edited,
    image,
    intended,
    looked_for,
    new,
    preflight,
    rejected,
    spec,
    succeeded_job,
    then,
    unknown,
)

_ENDED = "attempts.-1.outcome"
_UNKNOWN = then(intended(), unknown(intended()), 30)


def _rejected(
    cause: Cause, reason: Reason, pause: float, *, final: bool = False, also: ConditionType | None = None
) -> Row:
    extra = {also: (FALSE, Reason.IMAGE_MISSING if cause is Cause.SOURCE_MISSING else reason)} if also else {}
    return Row(
        f"a POST rejected for {cause} {'fails' if final else 'is followed by another attempt'}",
        intended(), rejected(intended(), cause), 1,
        phase=Phase.FAILED if final else Phase.PENDING,
        ready=(FALSE, reason),
        again=None if final else (pause, pause),
        events=(reason.value,),
        fields={
            _ENDED: AttemptOutcome.REJECTED, "attempts.-1.number": 1, "attempts.-1.code": "IMG.0042",
            "attempts.-1.message": "the cloud's words", "failure.code": "IMG.0042", "failedJobs": 0,
            "nextAttemptTime": ABSENT if final else f"2026-09-01T12:00:{1 + pause:02.0f}Z", "jobID": ABSENT,
        },
        also={ConditionType.SUBMITTED: (FALSE, reason), **extra},
    )  # fmt: skip


def _rejected_twice() -> View:
    once = then(intended(), rejected(intended(), Cause.THROTTLED), 1)
    return then(once, preflight(), 11)


OUTCOMES = (
    Row(
        "an accepted POST names its job",
        intended(), accepted(intended()), 1,
        phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(5, 5), events=("Submitted",),
        fields={"jobID": JOB, "attempt.jobID": JOB, "attempt.requestID": "r-1", "progress": "0%"},
        also={ConditionType.SUBMITTED: (TRUE, Reason.COPYING), ConditionType.PROVIDER_READY: (TRUE, Reason.SUCCEEDED)},
    ),
    _rejected(Cause.PROVIDER_MISSING, Reason.WAITING_FOR_PROVIDER, 5, also=ConditionType.PROVIDER_READY),
    _rejected(Cause.PROVIDER_INVALID, Reason.INVALID_CONFIGURATION, 5, also=ConditionType.PROVIDER_READY),
    _rejected(Cause.CREDENTIALS, Reason.CREDENTIALS_INVALID, 10, also=ConditionType.PROVIDER_READY),
    _rejected(Cause.UNREACHABLE, Reason.TRANSIENT_ERROR, 10, also=ConditionType.PROVIDER_READY),
    _rejected(Cause.PERMISSION, Reason.PERMISSION_DENIED, 30),
    _rejected(Cause.THROTTLED, Reason.THROTTLED, 10),
    _rejected(Cause.QUOTA, Reason.WAITING_FOR_QUOTA, 30),
    _rejected(Cause.SOURCE_NOT_READY, Reason.WAITING_FOR_SOURCE, 5, also=ConditionType.SOURCE_READY),
    _rejected(Cause.TRANSIENT, Reason.TRANSIENT_ERROR, 5),
    _rejected(Cause.REFUSED, Reason.COPY_FAILED, 0, final=True),
    _rejected(Cause.SOURCE_MISSING, Reason.COPY_FAILED, 0, final=True, also=ConditionType.SOURCE_READY),
    Row(
        "the second rejection in a row doubles the pause",
        _rejected_twice(), rejected(_rejected_twice(), Cause.THROTTLED), 12,
        phase=Phase.PENDING, ready=(FALSE, Reason.THROTTLED), again=(20, 20), events=("Throttled",),
        fields={"attempt.number": 2, "attempts.-1.number": 2, "nextAttemptTime": "2026-09-01T12:00:32Z"},
    ),
    Row(
        "a rejection's Retry-After is waited for",
        intended(), rejected(intended(), Cause.THROTTLED, retry_after=44.2), 1,
        phase=Phase.PENDING, ready=(FALSE, Reason.THROTTLED), again=(45, 45), events=("Throttled",),
    ),
    Row(
        "an unknown outcome is looked up and never sent again",
        intended(), unknown(intended()), 30,
        phase=Phase.PENDING, ready=(FALSE, Reason.RESOLVING_OUTCOME), again=(5, 5), events=("ResolvingOutcome",),
        fields={"attempts": ABSENT, "attempt.number": 1, "failure.message": "no reply came", "nextAttemptTime": ABSENT},
    ),
)  # fmt: skip


def _looked_up(id: str, view: View, seen: TargetsObserved, **more: object) -> Row:  # noqa: A002
    told = {"phase": Phase.PENDING, "again": (30, 30), "events": (), "fields": {"attempts": ABSENT}}
    return Row(
        id, looked_for(view, 90), seen, 120,
        need=Need.TARGETS, ready=(FALSE, Reason.RESOLVING_OUTCOME),
        **(told | more),  # type: ignore[arg-type]
    )  # fmt: skip


LOOKUPS = (
    _looked_up(
        "an attempt found without a job id is looked up", intended(), TargetsObserved(()), events=("ResolvingOutcome",)
    ),
    _looked_up("an unknown outcome that is not found is looked up again", _UNKNOWN, TargetsObserved(())),
    _looked_up("another owner's image resolves nothing", _UNKNOWN, TargetsObserved((image(owner=FOREIGN),))),
    _looked_up(
        "another attempt's dead image resolves nothing",
        _UNKNOWN,
        TargetsObserved((image(ImageState.DEAD, number=7),)),
    ),
    _looked_up(
        "an unknown outcome is looked up while suspended, too",
        edited(_UNKNOWN, spec(suspend=True)),
        TargetsObserved(()),
    ),
    Row(
        "an unknown outcome found active has succeeded",
        _UNKNOWN, TargetsObserved((image(),)), 120,
        need=Need.TARGETS,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), events=("Succeeded",),
        fields={"imageID": TARGET, _ENDED: AttemptOutcome.SUCCEEDED, "failure": ABSENT},
    ),
    Row(
        "an unknown outcome found pending is followed by its image",
        _UNKNOWN, TargetsObserved((image(ImageState.PENDING),)), 40,
        need=Need.TARGETS,
        phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(20, 20),
        fields={"imageID": TARGET, "attempts": ABSENT},
    ),
    Row(
        "an unknown outcome found dead is followed by another attempt",
        _UNKNOWN, TargetsObserved((image(ImageState.DEAD),)), 120,
        need=Need.TARGETS,
        phase=Phase.PENDING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(10, 10), events=("TransientError",),
        fields={_ENDED: AttemptOutcome.FAILED, "failedJobs": 1, "nextAttemptTime": "2026-09-01T12:02:10Z"},
    ),
    Row(
        "a job that the cloud does not know is looked up by its image",
        copying(), TargetsObserved(()), 20,
        need=Need.JOB,
        phase=Phase.COPYING, ready=(FALSE, Reason.RESOLVING_OUTCOME), again=(5, 5), events=("ResolvingOutcome",),
        fields={"attempts": ABSENT, "attempt.jobID": JOB},
    ),
    Row(
        "a job that succeeded without naming an image is looked up by its image",
        copying(), succeeded_job(None), 600,
        need=Need.JOB,
        phase=Phase.COPYING, ready=(FALSE, Reason.RESOLVING_OUTCOME), again=(5, 5), events=("ResolvingOutcome",),
        fields={"imageID": ABSENT, "attempts": ABSENT},
    ),
)  # fmt: skip


def _followed(state: ImageState) -> tuple[View, TargetObserved]:
    return then(_UNKNOWN, TargetsObserved((image(ImageState.PENDING),)), 40), TargetObserved(image(state))


_ADOPTED_PENDING = then(new(), preflight(image(ImageState.PENDING), found=None))

FOLLOWED = (
    Row(
        "a followed image that became active has succeeded",
        *_followed(ImageState.ACTIVE), 600,
        need=Need.TARGET,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), events=("Succeeded",),
        fields={_ENDED: AttemptOutcome.SUCCEEDED},
    ),
    Row(
        "a followed image that is still made is looked at less often",
        *_followed(ImageState.PENDING), 600,
        need=Need.TARGET, phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(60, 60),
    ),
    Row(
        "a followed image that was killed is followed by another attempt",
        *_followed(ImageState.DEAD), 600,
        need=Need.TARGET,
        phase=Phase.PENDING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(10, 10), events=("TransientError",),
        fields={_ENDED: AttemptOutcome.FAILED, "failedJobs": 1, "imageID": ABSENT},
    ),
    Row(
        "an adopted image that is still made is looked at less often",
        _ADOPTED_PENDING, TargetObserved(image(ImageState.PENDING)), 600,
        need=Need.TARGET, phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(60, 60),
    ),
    Row(
        "an adopted image that became active has been adopted",
        _ADOPTED_PENDING, TargetObserved(image()), 600,
        need=Need.TARGET, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.ADOPTED), events=("Adopted",),
    ),
    Row(
        "an adopted image that was killed is followed by the first attempt",
        _ADOPTED_PENDING, TargetObserved(image(ImageState.DEAD)), 600,
        need=Need.TARGET,
        phase=Phase.PENDING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(10, 10), events=("TransientError",),
        fields={"imageID": ABSENT, "failedJobs": 0, "attempts": ABSENT},
    ),
)  # fmt: skip

ROWS = (*OUTCOMES, *LOOKUPS, *FOLLOWED)
