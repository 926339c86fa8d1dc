"""Rows: the project that a copy is made in, and what is done while its provider leads to another one."""

from dataclasses import replace

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import AttemptOutcome, Phase
from imagecopy.flow.observation import ImageState, TagsRefused, TargetObserved, TargetsObserved, Trouble
from imagecopy.flow.project import wrong_project
from imagecopy.flow.steps import PostCopy
from imagecopy.flow.view import Need, View
from unit.flow.builders import (
    ABSENT,
    ELSEWHERE,
    FALSE,
    PROJECT,
    TAGS,
    TARGET,
    TRUE,
    Row,
    accepted,
    asked,
    edited,
    failed_job,
    image,
    looked_for,
    new,
    preflight,
    running,
    source,
    spec,
    succeeded_job,
    then,
    troubled_since,
    unknown,
)

_HERE = replace(preflight(), project=PROJECT)
_THERE = replace(preflight(), project=ELSEWHERE)
INTENDED = then(new(), _HERE)
COPYING = then(INTENDED, accepted(INTENDED))
UNKNOWN = then(INTENDED, unknown(INTENDED), 30)
DONE = then(COPYING, succeeded_job(), 600)
_OVERDUE = 7300
_REFUSED = then(COPYING, failed_job(), 100)
_LOST = then(looked_for(UNKNOWN, 300), TargetsObserved(()), 400)
_WORD = {ConditionType.PROVIDER_READY: (FALSE, Reason.INVALID_CONFIGURATION)}


def elsewhere(view: View) -> Trouble:
    """What is seen where the provider leads to another project."""
    wrong = wrong_project(view, ELSEWHERE)
    assert wrong is not None
    return wrong


def _waits(id: str, view: View, need: Need, phase: Phase = Phase.PENDING, **fields: object) -> Row:  # noqa: A002
    return Row(
        id, view, elsewhere(view), 500,
        need=need, phase=phase, ready=(FALSE, Reason.INVALID_CONFIGURATION), again=(5, 10), also=_WORD,
        events=("InvalidConfiguration",), fields={"projectID": PROJECT, "failedJobs": 0, "attempt.number": 1} | fields,
    )  # fmt: skip


STORED = (
    Row(
        "the project is stored with the intent",
        new(), _HERE, 0,
        need=Need.PREFLIGHT, phase=Phase.PENDING, ready=(FALSE, Reason.COPYING), act=PostCopy,
        fields={"projectID": PROJECT, "attempt.number": 1},
    ),
    Row(
        "the project of a copy that is taken over is stored",
        new(), replace(preflight(image(), found=None), project=PROJECT), 0,
        need=Need.PREFLIGHT, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.ADOPTED), events=("Adopted",),
        fields={"projectID": PROJECT, "imageID": TARGET},
    ),
    Row(
        "the project of an image that is named for adoption is stored",
        new(spec(target={"adoptImageID": TARGET})), TargetObserved(image(), PROJECT), 0,
        need=Need.TARGET, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.ADOPTED), events=("Adopted",),
        fields={"projectID": PROJECT},
    ),
    Row(
        "a copy that only waits for its source has no project yet",
        new(), replace(preflight(found=source(ImageState.PENDING)), project=PROJECT), 0,
        need=Need.PREFLIGHT, phase=Phase.PENDING, ready=(FALSE, Reason.WAITING_FOR_SOURCE), again=(5, 5),
        events=("WaitingForSource",), fields={"projectID": ABSENT},
        also={ConditionType.SOURCE_READY: (FALSE, Reason.WAITING_FOR_SOURCE)},
    ),
    Row(
        "a running copy of an operator that stored no project gets the one in which its job is",
        COPYING.with_status(project_id=None), replace(running(0.5), project=PROJECT), 300,
        need=Need.JOB, phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(2, 120), events=("Progress",),
        fields={"projectID": PROJECT, "progress": "50%"},
    ),
    Row(
        "a copy whose reply was lost and that has no project gets the one in which it is looked up",
        UNKNOWN.with_status(project_id=None), TargetsObserved((), PROJECT), 60,
        need=Need.TARGETS, phase=Phase.PENDING, ready=(FALSE, Reason.RESOLVING_OUTCOME), again=(5, 30),
        fields={"projectID": PROJECT},
    ),
)  # fmt: skip

_WAITING = then(COPYING, elsewhere(COPYING), 100)
ASTRAY = (
    _waits("a job is not looked for in another project, and that is told at once", COPYING, Need.JOB, Phase.COPYING),
    _waits("a lost outcome is not looked up in another project", UNKNOWN, Need.TARGETS, attempts=ABSENT),
    _waits("a lost outcome is not given up in another project, however long it was looked for",
           looked_for(UNKNOWN, 4000), Need.TARGETS, attempts=ABSENT),
    _waits("an attempt of before a crash is not looked up in another project", INTENDED, Need.TARGETS),
    _waits("an image that is still made is not looked at in another project",
           then(UNKNOWN, TargetsObserved((image(ImageState.PENDING),), PROJECT), 40), Need.TARGET, Phase.COPYING,
           imageID=TARGET),
    Row(
        "after an attempt whose outcome was never learned, no other is made in another project",
        _LOST, elsewhere(_LOST), 500,
        need=Need.PREFLIGHT, phase=Phase.PENDING, ready=(FALSE, Reason.INVALID_CONFIGURATION), again=(5, 10),
        events=("InvalidConfiguration",), also=_WORD, fields={"attempt.number": 1, "projectID": PROJECT},
    ),
    Row(
        "a retry after an outcome that was never learned waits, too",
        asked(then(looked_for(edited(UNKNOWN, spec(backoffLimit=0)), 300), TargetsObserved(()), 400), "a"),
        elsewhere(_LOST), 500,
        need=Need.PREFLIGHT, phase=Phase.PENDING, ready=(FALSE, Reason.INVALID_CONFIGURATION), again=(5, 10),
        events=("InvalidConfiguration",), also=_WORD, fields={"lastHandledRetryAt": "a"},
    ),
    Row(
        "tags of a finished copy are not set in another project, and it stays Ready",
        edited(DONE, spec(target={"tags": TAGS})), TagsRefused(TARGET, elsewhere(DONE)), 700,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), reconciling=True, again=(5, 10), also=_WORD,
        fields={"targetTags": ABSENT},
    ),
    Row(
        "the deadline ends it, and the attempt is kept for when the provider leads back",
        COPYING, elsewhere(COPYING), _OVERDUE,
        need=Need.JOB, phase=Phase.FAILED, ready=(FALSE, Reason.DEADLINE_EXCEEDED), events=("DeadlineExceeded",),
        fields={"attempts": ABSENT, "projectID": PROJECT},
    ),
    Row(
        "a retry after the deadline waits for the provider to lead back",
        asked(then(COPYING, elsewhere(COPYING), _OVERDUE), "a"), elsewhere(COPYING), _OVERDUE + 100,
        need=Need.JOB, phase=Phase.COPYING, ready=(FALSE, Reason.INVALID_CONFIGURATION), again=(5, 10),
        events=("InvalidConfiguration",), also=_WORD, fields={"attempt.number": 1},
    ),
    Row(
        "the copy goes on where the provider leads back",
        troubled_since(_WAITING, 100), running(0.5), 300,
        need=Need.JOB, phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(2, 120), events=("Progress",),
        also={ConditionType.PROVIDER_READY: (TRUE, Reason.SUCCEEDED)},
    ),
)  # fmt: skip

MOVED = (
    Row(
        "after an attempt that surely made nothing, the next one may be made in another project",
        _REFUSED, _THERE, 110,
        need=Need.PREFLIGHT, phase=Phase.PENDING, ready=(FALSE, Reason.COPYING), act=PostCopy,
        fields={"attempt.number": 2, "projectID": ELSEWHERE, "attempts.-1.outcome": AttemptOutcome.FAILED},
    ),
    Row(
        "a copy of ours that is there already is taken over in the other project",
        _REFUSED, replace(preflight(image(number=7), found=None), project=ELSEWHERE), 110,
        need=Need.PREFLIGHT, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.ADOPTED), events=("Adopted",),
        fields={"projectID": ELSEWHERE},
    ),
)  # fmt: skip

ROWS = (*STORED, *ASTRAY, *MOVED)
