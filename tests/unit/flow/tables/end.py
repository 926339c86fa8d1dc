"""Rows: deadlines, retries, tags, and what is finished."""

from dataclasses import replace

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import Phase
from imagecopy.flow.observation import (
    Cause,
    ImageState,
    NothingObserved,
    Observation,
    TagsRefused,
    TagsSet,
    TargetObserved,
    TargetsObserved,
)
from imagecopy.flow.steps import PostCopy, SetTags
from imagecopy.flow.view import Need, View
from unit.flow.builders import (
    ABSENT,
    FALSE,
    JOB,
    TAGS,
    TARGET,
    TRUE,
    Row,
    asked,
    backing_off,
    copying,
    done,
    edited,
    failed,
    failed_job,
    image,
    intended,
    new,
    preflight,
    running,
    spec,
    succeeded_job,
    then,
    trouble,
    troubled_since,
    unknown,
)

_LATE = 7200
_UNKNOWN = then(intended(), unknown(intended()), 30)
_FOLLOWED = then(_UNKNOWN, TargetsObserved((image(ImageState.PENDING),)), 40)


def _overdue(id: str, view: View, seen: Observation, need: Need, **fields: object) -> Row:  # noqa: A002
    return Row(
        f"past the deadline, {id}",
        view, seen, _LATE,
        need=need,
        phase=Phase.FAILED, ready=(FALSE, Reason.DEADLINE_EXCEEDED), events=("DeadlineExceeded",),
        fields={"completionTime": "2026-09-01T14:00:00Z", "nextAttemptTime": ABSENT} | fields,
    )  # fmt: skip


DEADLINES = (
    _overdue("a running job is kept", copying(), running(0.5), Need.JOB,
             **{"attempts": ABSENT, "attempt.jobID": JOB, "attempt.number": 1}),
    _overdue("an unknown outcome is kept", _UNKNOWN, TargetsObserved(()), Need.TARGETS,
             **{"attempts": ABSENT, "attempt.number": 1}),
    _overdue("an image that is still made is kept", _FOLLOWED, TargetObserved(image(ImageState.PENDING)), Need.TARGET,
             imageID=TARGET, attempts=ABSENT),
    _overdue("an adopted image that is still made is kept", then(new(), preflight(image(ImageState.PENDING))),
             TargetObserved(image(ImageState.PENDING)), Need.TARGET, imageID=TARGET),
    _overdue("no further attempt is made", backing_off(), NothingObserved(), Need.NOTHING, **{"attempt.number": 1}),
    _overdue("no attempt is made after one that was suspended", edited(backing_off(), spec(suspend=True)),
             NothingObserved(), Need.NOTHING),
    _overdue("trouble is no reason to go on", troubled_since(copying(), 7000), trouble(), Need.JOB,
             **{"failure.code": "IMG.0042", "attempts": ABSENT}),
    Row(
        "past the deadline, a job that succeeded has succeeded",
        copying(), succeeded_job(), _LATE,
        need=Need.JOB, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), events=("Succeeded",),
    ),
    Row(
        "just before the deadline the next look is at the deadline",
        copying(), running(0.05), _LATE - 7,
        need=Need.JOB, phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(7, 7),
    ),
)  # fmt: skip

_LOST_JOB = then(copying(), running(0.5), _LATE)
_LOST_OUTCOME = then(_UNKNOWN, TargetsObserved(()), _LATE)
_HANDLED = asked(then(asked(failed(), "a"), preflight(), 200), "a")

RETRIES = (
    Row(
        "a retry of a failed copy makes the next attempt",
        asked(failed(), "a"), preflight(), 200,
        need=Need.PREFLIGHT, phase=Phase.PENDING, ready=(FALSE, Reason.COPYING), act=PostCopy,
        fields={"attempt.number": 2, "lastHandledRetryAt": "a", "failedJobs": 0, "failure": ABSENT,
                "completionTime": ABSENT, "startTime": "2026-09-01T12:03:20Z", "attempts.-1.number": 1},
    ),
    Row(
        "a retry that was handled is not handled again",
        then(_HANDLED, failed_job(Cause.REFUSED), 250), NothingObserved(), 300,
        need=Need.NOTHING, phase=Phase.FAILED, ready=(FALSE, Reason.COPY_FAILED),
        fields={"completionTime": "2026-09-01T12:04:10Z", "attempt.number": 2},
    ),
    Row(
        "a retry asked for while the copy runs is void when it fails",
        then(asked(copying(), "a"), failed_job(Cause.REFUSED), 100), NothingObserved(), 200,
        need=Need.NOTHING, phase=Phase.FAILED, ready=(FALSE, Reason.COPY_FAILED),
        fields={"lastHandledRetryAt": "a", "attempt.number": 1},
    ),
    Row(
        "a retry follows the job that outlived the deadline",
        asked(_LOST_JOB, "a"), running(0.9), 9000,
        need=Need.JOB, phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(120, 120), events=("Progress",),
        fields={"attempt.number": 1, "lastHandledRetryAt": "a", "startTime": "2026-09-01T14:30:00Z",
                "completionTime": ABSENT},
    ),
    Row(
        "a retry looks an unknown outcome up and does not send it again",
        asked(_LOST_OUTCOME, "a"), TargetsObserved(()), 9000,
        need=Need.TARGETS, phase=Phase.PENDING, ready=(FALSE, Reason.RESOLVING_OUTCOME), again=(5, 5),
        events=("ResolvingOutcome",), fields={"attempt.number": 1, "attempts": ABSENT, "lastHandledRetryAt": "a"},
    ),
    Row(
        "a retry that meets trouble at once says what is the matter",
        asked(_LOST_JOB, "a"), trouble(Cause.UNREACHABLE), 9000,
        need=Need.JOB, phase=Phase.COPYING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(10, 10),
        events=("TransientError",), fields={"lastHandledRetryAt": "a"},
    ),
    Row(
        "a retry while suspended waits",
        edited(asked(failed(), "a"), spec(suspend=True)), NothingObserved(), 200,
        need=Need.NOTHING, phase=Phase.SUSPENDED, ready=(FALSE, Reason.SUSPENDED), events=("Suspended",),
        fields={"lastHandledRetryAt": "a", "completionTime": ABSENT},
    ),
)  # fmt: skip

_TAGGED_SPEC = spec(target={"tags": TAGS})
_TAGGED = then(copying(_TAGGED_SPEC), TagsSet(TARGET), 600)
_CHANGED = edited(_TAGGED, spec(target={"tags": {"team": "db", "tier": "gold"}}))
_REFUSED = then(_CHANGED, TagsRefused(TARGET, trouble(Cause.PERMISSION)), 700)

TAGGED = (
    Row(
        "tags that were set are the end",
        copying(_TAGGED_SPEC), TagsSet(TARGET), 600,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), events=("Succeeded",), fields={"targetTags": TAGS},
    ),
    Row(
        "tags refused for a moment are not told",
        copying(_TAGGED_SPEC), TagsRefused(TARGET, trouble(Cause.PERMISSION)), 600,
        phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(30, 30),
        fields={"imageID": TARGET, "attempts": ABSENT},
    ),
    Row(
        "tags refused for longer are told",
        troubled_since(copying(_TAGGED_SPEC), 600), TagsRefused(TARGET, trouble(Cause.PERMISSION)), 700,
        phase=Phase.COPYING, ready=(FALSE, Reason.PERMISSION_DENIED), again=(50, 50), events=("PermissionDenied",),
        fields={"imageID": TARGET, "attempts": ABSENT},
    ),
    Row(
        "changed tags are set on a copy that stays ready",
        _CHANGED, NothingObserved(), 700,
        need=Need.NOTHING, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), act=SetTags,
    ),
    Row(
        "changed tags that were set are stored",
        _CHANGED, TagsSet(TARGET), 700,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED),
        fields={"targetTags": {"team": "db", "tier": "gold"}, "completionTime": "2026-09-01T12:10:00Z",
                "observedGeneration": 2},
    ),
    Row(
        "tags that are taken away are forgotten",
        edited(_TAGGED, spec()), TagsSet(TARGET), 700,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), fields={"targetTags": ABSENT},
    ),
    Row(
        "changed tags that are refused leave the copy ready",
        _CHANGED, TagsRefused(TARGET, trouble(Cause.PERMISSION)), 700,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), again=(30, 30), reconciling=True,
        fields={"targetTags": TAGS},
    ),
    Row(
        "changed tags that are refused long after the copy ended are tried less and less often",
        troubled_since(_REFUSED, 700), TagsRefused(TARGET, trouble(Cause.PERMISSION)), 90000,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), again=(600, 600), reconciling=True,
    ),
    Row(
        "a copy whose changed tags were refused is looked at before they are set",
        _REFUSED, TargetObserved(image()), 90000,
        need=Need.TARGET, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), act=SetTags, reconciling=True,
    ),
    Row(
        "a copy that vanished is told when its tags are changed",
        _REFUSED, TargetObserved(image(ImageState.DEAD)), 800,
        need=Need.TARGET, phase=Phase.FAILED, ready=(FALSE, Reason.IMAGE_MISSING), events=("ImageMissing",),
    ),
    Row(
        "a copy that is not listed any more is told when its tags are changed",
        _REFUSED, TargetObserved(image(ImageState.ABSENT)), 800,
        need=Need.TARGET, phase=Phase.FAILED, ready=(FALSE, Reason.IMAGE_MISSING), events=("ImageMissing",),
    ),
    Row(
        "long past the deadline, changed tags of a copy that is ready are tried again",
        _REFUSED, trouble(Cause.UNREACHABLE), 90000,
        need=Need.TARGET, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), again=(10, 120), reconciling=True,
    ),
)  # fmt: skip

_VANISHED = then(_REFUSED, TargetObserved(image(ImageState.DEAD)), 800)

FINISHED = (
    Row(
        "a succeeded copy is left alone",
        done(), NothingObserved(), 90000,
        need=Need.NOTHING, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED),
        fields={"completionTime": "2026-09-01T12:10:00Z"},
    ),
    Row(
        "an edit that changes nothing about a succeeded copy is only observed",
        edited(done(), spec(backoffLimit=9)), NothingObserved(), 90000,
        need=Need.NOTHING, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED),
        fields={"observedGeneration": 2, "completionTime": "2026-09-01T12:10:00Z"},
    ),
    Row(
        "an edit that changes nothing about a failed copy is only observed",
        edited(failed(), spec(backoffLimit=9)), NothingObserved(), 90000,
        need=Need.NOTHING, phase=Phase.FAILED, ready=(FALSE, Reason.COPY_FAILED),
        fields={"observedGeneration": 2, "completionTime": "2026-09-01T12:01:40Z"},
    ),
    Row(
        "a copy that vanished is made again when a retry is asked for",
        asked(_VANISHED, "a"), TargetObserved(image(ImageState.DEAD)), 1000,
        need=Need.TARGET, phase=Phase.PENDING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(10, 10),
        events=("TransientError",),
        fields={"imageID": ABSENT, "targetTags": ABSENT, "lastHandledRetryAt": "a"},
        also={ConditionType.PROVIDER_READY: (TRUE, Reason.SUCCEEDED)},
    ),
    Row(
        "a copy that is no longer listed is made again at once when a retry is asked for",
        asked(_VANISHED, "a"), TargetObserved(image(ImageState.ABSENT)), 1000,
        need=Need.TARGET, phase=Phase.PENDING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(10, 10),
        events=("TransientError",), fields={"imageID": ABSENT},
    ),
    Row(
        "a copy that is there again when a retry is asked for is not called failed while it gets its tags",
        asked(_VANISHED, "a"), TargetObserved(image()), 1000,
        need=Need.TARGET, phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), act=SetTags,
        fields={"imageID": TARGET, "lastHandledRetryAt": "a"},
        also={ConditionType.PROVIDER_READY: (TRUE, Reason.SUCCEEDED)},
    ),
    Row(
        "a finished copy stays finished when it is suspended",
        replace(edited(done(), spec(suspend=True))), NothingObserved(), 90000,
        need=Need.NOTHING, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED),
    ),
)  # fmt: skip

ROWS = (*DEADLINES, *RETRIES, *TAGGED, *FINISHED)
