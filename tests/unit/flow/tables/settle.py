"""Rows: the settle window, the policy for an outcome that stays unknown, and second images."""

from dataclasses import replace

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import AttemptOutcome, Phase
from imagecopy.flow.observation import Cause, ImageState, NothingObserved, TargetObserved, TargetsObserved
from imagecopy.flow.steps import PostCopy
from imagecopy.flow.view import Need, View
from unit.flow.builders import (
    ABSENT,
    FALSE,
    FOREIGN,
    JOB,
    TARGET,
    TRUE,
    Row,
    copying,
    edited,
    image,
    intended,
    looked_for,
    preflight,
    rejected,
    spec,
    then,
    unknown,
)

_ENDED = "attempts.-1.outcome"
_UNKNOWN = then(intended(), unknown(intended()), 30)
_HALTING = {"unknownOutcomePolicy": "Halt"}


def _given_up(id: str, view: View, seen: TargetsObserved | TargetObserved, need: Need, **fields: object) -> Row:  # noqa: A002
    return Row(
        id, looked_for(view, 300), seen, 400,
        need=need,
        phase=Phase.PENDING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(10, 10), events=("TransientError",),
        fields={_ENDED: AttemptOutcome.LOST, "attempts.-1.number": 1, "failedJobs": 1, "imageID": ABSENT,
                "nextAttemptTime": "2026-09-01T12:06:50Z", "attempt.number": 1} | fields,
    )  # fmt: skip


def _halts(id: str, view: View, seen: TargetsObserved | TargetObserved, need: Need) -> Row:  # noqa: A002
    return Row(
        id, looked_for(view, 300), seen, 400,
        need=need,
        phase=Phase.FAILED, ready=(FALSE, Reason.OUTCOME_UNKNOWN), events=("OutcomeUnknown",),
        fields={"attempts": ABSENT, "attempt.number": 1, "failedJobs": 0, "completionTime": "2026-09-01T12:06:40Z"},
    )  # fmt: skip


_UNKNOWN_HALTING = then(intended(spec(**_HALTING)), unknown(intended()), 30)
_HALTED = then(looked_for(_UNKNOWN_HALTING, 300), TargetsObserved(()), 400)
_RELEASED = edited(looked_for(_HALTED, 0), spec())
_LOST = then(looked_for(_UNKNOWN, 300), TargetsObserved(()), 400)
_ABSENT = TargetObserved(image(ImageState.ABSENT))
_PENDING = then(_UNKNOWN, TargetsObserved((image(ImageState.PENDING),)), 40)

SETTLED = (
    Row(
        "just before the settle window ends, the next look is at its end",
        looked_for(_UNKNOWN, 299), TargetsObserved(()), 400,
        need=Need.TARGETS, phase=Phase.PENDING, ready=(FALSE, Reason.RESOLVING_OUTCOME), again=(1, 2),
        fields={"attempts": ABSENT},
    ),
    Row(
        "hours by the clock of the wall end no settle window",
        looked_for(_UNKNOWN, 10), TargetsObserved(()), 7100,
        need=Need.TARGETS, phase=Phase.PENDING, ready=(FALSE, Reason.RESOLVING_OUTCOME), again=(5, 5),
        fields={"attempts": ABSENT},
    ),
    _given_up("an unknown outcome that nothing came of is lost", _UNKNOWN, TargetsObserved(()), Need.TARGETS),
    _given_up("a job that the cloud forgot and nothing came of is lost", copying(), TargetsObserved(()), Need.JOB,
              **{"attempts.-1.jobID": JOB}),
    _given_up("a followed image that stays away is lost", _PENDING, _ABSENT, Need.TARGET),
    _given_up("another owner's image is no copy of ours when the window ends", _UNKNOWN,
              TargetsObserved((image(owner=FOREIGN),)), Need.TARGETS),
    Row(
        "a followed image that is not listed is looked for, and not taken for dead",
        _PENDING, _ABSENT, 60,
        need=Need.TARGET, phase=Phase.COPYING, ready=(FALSE, Reason.RESOLVING_OUTCOME), again=(5, 5),
        events=("ResolvingOutcome",), fields={"imageID": TARGET, "attempts": ABSENT, "failedJobs": 0},
    ),
    Row(
        "an outcome that is lost is the end where no further attempt is allowed",
        looked_for(edited(_UNKNOWN, spec(backoffLimit=0)), 300), TargetsObserved(()), 400,
        need=Need.TARGETS, phase=Phase.FAILED, ready=(FALSE, Reason.COPY_FAILED), events=("CopyFailed",),
        fields={_ENDED: AttemptOutcome.LOST, "failedJobs": 1},
    ),
    Row(
        "after a lost outcome the next attempt is made when it is due",
        _LOST, preflight(), 410,
        need=Need.PREFLIGHT, phase=Phase.PENDING, ready=(FALSE, Reason.COPYING), act=PostCopy,
        fields={"attempt.number": 2, "attempts.-1.outcome": AttemptOutcome.LOST},
    ),
    Row(
        "a copy of a lost attempt that turns up before the next is adopted",
        _LOST, preflight(image(), found=None), 410,
        need=Need.PREFLIGHT, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.ADOPTED), events=("Adopted",),
        fields={"attempt.number": 1},
    ),
    _halts("an unknown outcome halts where the policy says so", _UNKNOWN_HALTING, TargetsObserved(()), Need.TARGETS),
    _halts("a forgotten job halts where the policy says so", copying(spec(**_HALTING)), TargetsObserved(()), Need.JOB),
    _halts("a followed image that stays away halts where the policy says so", edited(_PENDING, spec(**_HALTING)),
           _ABSENT, Need.TARGET),
    Row(
        "a halted copy is left alone",
        _HALTED, NothingObserved(), 4000,
        need=Need.NOTHING, phase=Phase.FAILED, ready=(FALSE, Reason.OUTCOME_UNKNOWN),
        fields={"completionTime": "2026-09-01T12:06:40Z"},
    ),
    Row(
        "a halted copy whose policy becomes Retry is looked up once more",
        _RELEASED, TargetsObserved(()), 4000,
        need=Need.TARGETS, phase=Phase.PENDING, ready=(FALSE, Reason.RESOLVING_OUTCOME), again=(5, 5),
        events=("ResolvingOutcome",),
        fields={"attempt.number": 1, "attempts": ABSENT, "startTime": "2026-09-01T13:06:40Z", "completionTime": ABSENT},
    ),
    Row(
        "a halted copy that turned up after its policy became Retry has succeeded",
        _RELEASED, TargetsObserved((image(),)), 4000,
        need=Need.TARGETS, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), events=("Succeeded",),
    ),
    Row(
        "a halted copy whose policy becomes Retry goes on where nothing turned up",
        looked_for(_RELEASED, 4000), TargetsObserved(()), 4000,
        need=Need.TARGETS, phase=Phase.PENDING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(10, 10),
        events=("TransientError",), fields={_ENDED: AttemptOutcome.LOST, "failedJobs": 1},
    ),
    Row(
        "no pause between attempts is longer than a quarter of an hour",
        intended(), rejected(intended(), Cause.THROTTLED, retry_after=5000), 1,
        phase=Phase.PENDING, ready=(FALSE, Reason.THROTTLED), again=(900, 900), events=("Throttled",),
        fields={"nextAttemptTime": "2026-09-01T12:15:01Z"},
    ),
)  # fmt: skip

_SECOND = image(number=2, id="second")
_TWO = then(_UNKNOWN, TargetsObserved((image(ImageState.PENDING), replace(_SECOND, state=ImageState.PENDING))), 40)
_DUPLICATED = {ConditionType.DUPLICATED: (TRUE, Reason.SECOND_IMAGE)}

SECOND = (
    Row(
        "a second image of ours is told, and the first is taken",
        _UNKNOWN, TargetsObserved((image(), _SECOND)), 120,
        need=Need.TARGETS, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED),
        events=("Succeeded", "SecondImage"), fields={"imageID": TARGET}, also=_DUPLICATED,
    ),
    Row(
        "a second image that is still made is told",
        _UNKNOWN, TargetsObserved((image(), replace(_SECOND, state=ImageState.PENDING))), 120,
        need=Need.TARGETS, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED),
        events=("Succeeded", "SecondImage"), also=_DUPLICATED,
    ),
    Row(
        "a second image that is dead is none",
        _UNKNOWN, TargetsObserved((image(), replace(_SECOND, state=ImageState.DEAD))), 120,
        need=Need.TARGETS, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), events=("Succeeded",),
    ),
    Row(
        "a second image stays told while the first is followed",
        _TWO, TargetObserved(image(ImageState.PENDING)), 60,
        need=Need.TARGET, phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(5, 30), also=_DUPLICATED,
    ),
)  # fmt: skip

ROWS = (*SETTLED, *SECOND)
