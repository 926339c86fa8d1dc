"""Rows: a job that runs, and how it ends."""

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import AttemptOutcome, Phase
from imagecopy.flow.observation import Cause, JobObserved, JobState, Observation, Postponed
from imagecopy.flow.steps import SetTags
from imagecopy.flow.view import Need, View
from unit.flow.builders import (
    ABSENT,
    FALSE,
    JOB,
    TAGS,
    TARGET,
    TRUE,
    Row,
    at,
    copying,
    edited,
    failed_job,
    preflight,
    remembering,
    running,
    spec,
    succeeded_job,
    then,
    trouble,
    troubled_since,
)


def _at_30_percent(written: float = 180, progress: float = 0.30) -> View:
    view = then(copying(), running(0.30, TARGET), 180)
    return remembering(view, progress=progress, progress_moved_at=at(180), progress_written_at=at(written))


def _running(id: str, view: View, seen: Observation, seconds: float, again: tuple[float, float], **more: object) -> Row:  # noqa: A002
    return Row(
        id, view, seen, seconds, need=Need.JOB,
        phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=again, **more,  # type: ignore[arg-type]
    )  # fmt: skip


RUNNING = (
    _running(
        "a job that says nothing of its progress is looked at less often", copying(), running(), 40, (40, 40),
        fields={"progress": "0%", "imageID": ABSENT},
        also={ConditionType.SUBMITTED: (TRUE, Reason.COPYING)},
    ),
    _running("a job that has just begun is looked at soon", copying(), running(0.0), 1, (5, 5)),
    _running(
        "the first ten points are written with the image's id", copying(), running(0.12, TARGET), 60, (120, 120),
        fields={"progress": "12%", "imageID": TARGET},
    ),
    _running(
        "less than ten points are not written", copying(), running(0.09, TARGET), 60, (120, 120),
        fields={"progress": "0%", "imageID": ABSENT},
    ),
    _running(
        "ten points more are written 15 s after the last ones", _at_30_percent(), running(0.41), 195, (120, 120),
        fields={"progress": "41%", "imageID": TARGET},
    ),
    _running(
        "ten points more are not written sooner", _at_30_percent(), running(0.41), 194.9, (120, 120),
        fields={"progress": "30%"},
    ),
    _running(
        "nine points more are not written after 15 s", _at_30_percent(), running(0.39), 240, (120, 120),
        fields={"progress": "30%"},
    ),
    _running(
        "progress that goes back is not written", _at_30_percent(), running(0.1), 240, (120, 120),
        fields={"progress": "30%"},
    ),
    _running(
        "a quarter is told", copying(), running(0.25), 150, (120, 120),
        events=("Progress",), fields={"progress": "25%"},
    ),
    _running(
        "a half is told, written or not", _at_30_percent(), running(0.51), 190, (120, 120),
        events=("Progress",), fields={"progress": "30%"},
    ),
    _running(
        "a half that was told before it was written is not told again", _at_30_percent(progress=0.51),
        running(0.53), 191, (120, 120),
    ),
    Row(
        "a job that was not looked at is looked at when there is a turn for it",
        _at_30_percent(), Postponed(40.0), 300,
        need=Need.JOB, phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(40, 40), fields={"progress": "30%"},
    ),
    _running("three quarters are told", _at_30_percent(), running(0.8), 480, (89, 91), events=("Progress",),
             fields={"progress": "80%"}),
    _running("several marks at once are told as the last", copying(), running(0.99), 594, (3.5, 3.7),
             events=("Progress",), fields={"progress": "99%"}),
    _running("a running job never shows as complete", copying(), running(1.0), 600, (3, 3), events=("Progress",),
             fields={"progress": "99%"}),
    _running("a job near its end is looked at often", _at_30_percent(progress=0.98), running(0.99), 594, (3.5, 3.7),
             fields={"progress": "99%"}),
    _running(
        "a job that hangs near its end is looked at less often",
        remembering(_at_30_percent(), progress=0.99, progress_moved_at=at(594)), running(0.99), 794, (50, 50),
        fields={"progress": "99%"},
    ),
    _running(
        "a running job is followed while suspended", edited(copying(), spec(suspend=True)), running(0.12), 60,
        (120, 120), fields={"progress": "12%", "observedGeneration": 2},
    ),
    _running(
        "a short trouble of a running job is not told", troubled_since(copying(), 50), trouble(), 79, (14, 15),
        fields={"failure": ABSENT},
    ),
)  # fmt: skip

LOST = (
    Row(
        "a long trouble of a running job is told",
        troubled_since(copying(), 50), trouble(), 80,
        need=Need.JOB,
        phase=Phase.COPYING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(15, 15), events=("TransientError",),
        fields={"failure.code": "IMG.0042", "jobID": JOB, "attempts": ABSENT},
    ),
    Row(
        "a provider that goes away under a running job is told",
        troubled_since(copying(), 50), trouble(Cause.PROVIDER_MISSING), 80,
        need=Need.JOB,
        phase=Phase.COPYING, ready=(FALSE, Reason.WAITING_FOR_PROVIDER), again=(10, 10), events=("WaitingForProvider",),
        also={ConditionType.PROVIDER_READY: (FALSE, Reason.WAITING_FOR_PROVIDER)},
    ),
    Row(
        "a job that is seen again after trouble is told as copying",
        then(troubled_since(copying(), 50), trouble(Cause.UNREACHABLE), 80), running(0.5), 100,
        need=Need.JOB,
        phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), again=(74, 75), events=("Progress",),
        also={ConditionType.PROVIDER_READY: (TRUE, Reason.SUCCEEDED)},
    ),
)  # fmt: skip


def _failed(id: str, cause: Cause, reason: Reason, *, limit: int = 2, seen: JobObserved | None = None) -> Row:  # noqa: A002
    final = reason is Reason.COPY_FAILED
    return Row(
        id,
        copying(spec(backoffLimit=limit)), seen or failed_job(cause), 100,
        need=Need.JOB,
        phase=Phase.FAILED if final else Phase.PENDING,
        ready=(FALSE, reason),
        again=None if final else (10, 10),
        events=(reason.value,),
        fields={
            "attempts.-1.outcome": AttemptOutcome.FAILED, "attempts.-1.jobID": JOB, "failedJobs": 1,
            "imageID": ABSENT, "progress": ABSENT, "attempt.number": 1,
            "nextAttemptTime": ABSENT if final else "2026-09-01T12:01:50Z",
            "completionTime": "2026-09-01T12:01:40Z" if final else ABSENT,
        },
    )  # fmt: skip


def _second_failure() -> View:
    once = then(copying(), failed_job(), 100)
    second = then(once, preflight(), 110)
    attempt = second.status.attempt
    assert attempt is not None
    return second.with_status(attempt=attempt.model_copy(update={"job_id": "job-2"}), job_id="job-2")


ENDS = (
    Row(
        "a job that succeeded is the end",
        copying(), succeeded_job(), 600,
        need=Need.JOB,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), events=("Succeeded",),
        fields={"imageID": TARGET, "progress": "100%", "attempts.-1.outcome": AttemptOutcome.SUCCEEDED,
                "completionTime": "2026-09-01T12:10:00Z", "jobID": JOB, "targetTags": ABSENT},
    ),
    Row(
        "a job that succeeded without an image id is the end where its image is known",
        _at_30_percent(), succeeded_job(None), 600,
        need=Need.JOB,
        phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), events=("Succeeded",), fields={"imageID": TARGET},
    ),
    Row(
        "a job that succeeded is followed by the tags",
        copying(spec(target={"tags": TAGS})), succeeded_job(), 600,
        need=Need.JOB,
        phase=Phase.COPYING, ready=(FALSE, Reason.COPYING), act=SetTags, fields={"attempts": ABSENT},
    ),
    Row(
        "a job that succeeded while suspended is the end",
        edited(copying(), spec(suspend=True)), succeeded_job(), 600,
        need=Need.JOB, phase=Phase.SUCCEEDED, ready=(TRUE, Reason.SUCCEEDED), events=("Succeeded",),
    ),
    _failed("a failed job is followed by another attempt", Cause.TRANSIENT, Reason.TRANSIENT_ERROR),
    _failed("a job that failed without a reason is followed by another attempt", Cause.TRANSIENT,
            Reason.TRANSIENT_ERROR, seen=JobObserved(JobState.FAILED)),
    _failed("a job that failed for lack of quota says so", Cause.QUOTA, Reason.WAITING_FOR_QUOTA),
    _failed("a job that will always fail is the end", Cause.REFUSED, Reason.COPY_FAILED),
    _failed("a job whose source is gone is the end", Cause.SOURCE_MISSING, Reason.COPY_FAILED),
    _failed("a failed job is the end where no further attempt is allowed", Cause.TRANSIENT, Reason.COPY_FAILED,
            limit=0),
    Row(
        "the second failed job doubles the pause",
        _second_failure(), failed_job(), 200,
        need=Need.JOB,
        phase=Phase.PENDING, ready=(FALSE, Reason.TRANSIENT_ERROR), again=(20, 20), events=("TransientError",),
        fields={"failedJobs": 2, "attempts.0.number": 1, "attempts.1.number": 2},
    ),
)  # fmt: skip

ROWS = (*RUNNING, *LOST, *ENDS)
