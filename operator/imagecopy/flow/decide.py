"""The state machine of one copy: what to do next, from what is wanted, what is stored, what was observed, and the time.

Everything that the operator knows about copying is in here, and nothing else: no HTTP, no Kubernetes, no clock. One
reconcile calls :func:`~imagecopy.flow.view.begin_retry` and :func:`~imagecopy.flow.view.needs`, observes what is
needed, and calls :func:`decide`. ``copies`` then stores the step's status, carries out its action, and calls
:func:`decide` again with the result.

::

    no attempt --preflight--> a target carries our mark ----------------------------> follow the image
        |                     source missing -> Failed     source not active -> wait      |
        | intent stored, then POST once                                                   v
        +--> rejected: surely nothing made -> Failed, or the next attempt later      tags, Succeeded
        +--> unknown:  never POSTed again, looked up by its marker ----------------> follow the image
        +--> accepted: job -> SUCCESS -> tags, Succeeded
                           -> FAIL    -> Failed, or the next attempt later

An attempt that is stored without a job id has an unknown outcome, whatever the reason: every reconcile may be the first
one after a crash. After the deadline a copy is Failed, but its attempt is kept, and a retry follows it further.
"""

from datetime import datetime
from typing import Final, assert_never

from imagecopy.api.base import as_utc
from imagecopy.api.conditions import ConditionStatus, ConditionType, Reason
from imagecopy.api.imagecopy import Attempt, AttemptOutcome, Phase
from imagecopy.flow import conditions
from imagecopy.flow.backoffs import BACKOFFS
from imagecopy.flow.conditions import PROVIDER_ANSWERS, SOURCE_IS_ACTIVE, ConditionUpdate
from imagecopy.flow.image import after_tags, copying, follow_image, image_ready, target_to_follow
from imagecopy.flow.marker import Marker, token_of
from imagecopy.flow.observation import (
    Cause,
    ImageState,
    JobObserved,
    JobState,
    NothingObserved,
    Observation,
    PostAccepted,
    PostOutcome,
    Postponed,
    PostRejected,
    PostUnknown,
    PreflightObserved,
    SlotsBusy,
    TagsRefused,
    TagsSet,
    TargetObserved,
    TargetsObserved,
    Trouble,
    alive,
)
from imagecopy.flow.pacing import doubling, next_poll
from imagecopy.flow.steps import (
    REST,
    Event,
    EventType,
    PostCopy,
    Step,
    back_off,
    deadline_exceeded,
    fail,
    give_up_attempt,
    next_attempt,
    resolve_outcome,
    transition_events,
    until_deadline,
    with_duplicate_event,
)
from imagecopy.flow.view import View, attempt_is_due_in, condition, in_flight, is_finished, is_true

WAITING_SECONDS: Final = 60.0
"""How often the first object in the queue checks for more slots. When one is freed, it is woken at once."""
_WAITING_STEP_SECONDS: Final = 6.0
"""How much later each object behind it checks."""
_LONGEST_WAITING_SECONDS: Final = 3600.0
PROGRESS_POINTS: Final = 10
"""Progress is written when it moved by this many points ..."""
PROGRESS_PAUSE_SECONDS: Final = 15
"""... and this many seconds after it was last written."""


def decide(view: View, observed: Observation, now: datetime) -> Step:
    """Return the next step of the copy. Pure: the same arguments give the same step."""
    if isinstance(observed, PostOutcome) and _is_outdated(view, observed.attempt):
        return Step(view.status, 1.0)
    match observed:
        case NothingObserved():
            return _without_observation(view, now)
        case SlotsBusy():
            return _waiting_for_slot(view, observed, now)
        case PreflightObserved():
            counted = conditions.duplicated(view, now, alive(observed.targets))
            return with_duplicate_event(view, _after_preflight(counted, observed, now))
        case TargetsObserved():
            counted = conditions.duplicated(view.in_project(observed.project), now, alive(observed.targets))
            return with_duplicate_event(view, _after_lookup(counted, observed, now))
        case PostAccepted():
            return _accepted(view, observed, now)
        case PostRejected():
            return _rejected(view, observed, now)
        case PostUnknown():
            return _unknown(view, observed, now)
        case JobObserved():
            return _job(view.in_project(observed.project), observed, now)
        case Postponed():
            return Step(copying(view, now), until_deadline(view, observed.seconds, now))
        case TargetObserved():
            return follow_image(view.in_project(observed.project), observed.target, now)
        case TagsSet():
            return after_tags(view, observed, now)
        case TagsRefused():
            return back_off(view.with_status(image_id=observed.image_id), observed.trouble, now)
        case Trouble():
            return back_off(view, observed, now)
        case _:
            assert_never(observed)


def _without_observation(view: View, now: datetime) -> Step:
    """Decide where nothing had to be observed: finished, overdue, suspended, or before the next attempt is due."""
    status = view.status
    if is_finished(status):
        if is_true(status, ConditionType.READY) and status.image_id:
            return image_ready(view, status.image_id, now)
        return Step(conditions.unchanged(view, now))
    if view.overdue(now):
        return deadline_exceeded(view, now)
    if view.spec.suspend:
        # As with Jobs, the deadline is counted anew when a suspended copy is resumed.
        status = conditions.suspended(view.with_status(start_time=None), now)
        return Step(status, REST, transition_events(view, status))
    pause = attempt_is_due_in(status, now)
    if status.next_attempt_time and status.phase is Phase.SUSPENDED:
        words = f"resumed; the next attempt at {status.next_attempt_time:%H:%M:%S} UTC"
        status = conditions.reconciling(view, now, Reason.TRANSIENT_ERROR, words)
    return Step(status, until_deadline(view, max(pause, 1.0), now))


def _waiting_for_slot(view: View, observed: SlotsBusy, now: datetime) -> Step:
    """Wait for a slot. The object is woken when its turn comes."""
    words = (
        f"all {observed.limit} slots of the project are in use or reserved (maxConcurrentCopies of the provider); "
        "this copy starts by itself when its turn comes, oldest first"
    )
    provider = condition(view.status, ConditionType.PROVIDER_READY)
    recovered = () if provider is None or provider.status is ConditionStatus.TRUE else (PROVIDER_ANSWERS,)
    status = conditions.reconciling(view, now, Reason.WAITING_FOR_SLOT, words, *recovered)
    return Step(status, until_deadline(view, waiting_seconds(observed.ahead), now), transition_events(view, status))


def waiting_seconds(ahead: int) -> float:
    """Return the pause of an object in a queue until it checks by itself; it is woken when its turn comes."""
    return min(WAITING_SECONDS + ahead * _WAITING_STEP_SECONDS, _LONGEST_WAITING_SECONDS)


def _after_preflight(view: View, observed: PreflightObserved, now: datetime) -> Step:
    found = target_to_follow(view, observed.targets)
    if found is not None:
        return follow_image(view.in_project(observed.project), found, now)
    source = observed.source
    if source is None:
        return back_off(view, Trouble(Cause.TRANSIENT, "the source image could not be read"), now)
    if source.state is ImageState.ACTIVE:
        return _store_intent(view.in_project(observed.project), now)
    waiting = source.state is ImageState.PENDING
    cause = Cause.SOURCE_NOT_READY if waiting else Cause.SOURCE_MISSING
    return back_off(
        view,
        Trouble(cause, f"source image {source.id} is {source.status}, not active; the copy starts when it is"),
        now,
    )


def _store_intent(view: View, now: datetime) -> Step:
    """Store the intent. Its action is to POST the copy call, once."""
    before = view.status.attempt
    number = before.number + 1 if before else 1
    attempt = Attempt(number=number, token=token_of(view.uid, number), posted_at=as_utc(now), writer=view.writer)
    intent = view.with_status(
        attempt=attempt,
        target_name=view.target_name,
        start_time=view.status.start_time or attempt.posted_at,
        next_attempt_time=None,
        job_id=None,
        progress=None,
    )
    words = f"attempt {number} is being submitted"
    submitting = ConditionUpdate(ConditionType.SUBMITTED, ConditionStatus.UNKNOWN, Reason.COPYING, words)
    status = conditions.reconciling(intent, now, Reason.COPYING, words, SOURCE_IS_ACTIVE, PROVIDER_ANSWERS, submitting)
    target = view.spec.target
    post = PostCopy(
        attempt=attempt,
        source_image_id=view.spec.source.image_id,
        name=view.target_name,
        description=Marker(view.owner, attempt.token).describe(target.description),
        kms_key_id=target.kms_key_id,
        enterprise_project_id=target.enterprise_project_id,
    )
    return Step(status, action=post)


def _is_outdated(view: View, attempt: Attempt) -> bool:
    """Tell whether another process has learnt the outcome of this attempt, and gone on, before ours could be stored."""
    attempt_now = in_flight(view.status)
    return view.status.attempt is not None and (attempt_now is None or attempt_now.number != attempt.number)


def _accepted(view: View, observed: PostAccepted, now: datetime) -> Step:
    attempt = observed.with_job
    view = view.with_status(attempt=attempt, job_id=observed.job_id, progress="0%")
    words = f"attempt {attempt.number} was accepted as job {observed.job_id}"
    return Step(copying(view, now), view.bounds.first, (Event(EventType.NORMAL, "Submitted", words),))


def _rejected(view: View, observed: PostRejected, now: datetime) -> Step:
    """Surely nothing was made: plan another attempt if that can help, else fail with the cloud's words."""
    trouble = observed.trouble
    view = conditions.attempt_ended(view.with_status(attempt=observed.attempt), AttemptOutcome.REJECTED, now, trouble)
    view = conditions.with_failure(view, trouble)
    rule = BACKOFFS[trouble.cause]
    reason = Reason.COPY_FAILED if trouble.is_final else rule.reason
    submitted = ConditionUpdate(ConditionType.SUBMITTED, ConditionStatus.FALSE, reason, trouble.words)
    updates = (submitted, *conditions.of_trouble(trouble, reason))
    if trouble.is_final:
        return fail(view, now, reason, trouble.words, *updates)
    in_a_row = 0
    for ended in reversed(view.status.attempts):
        if ended.outcome is not AttemptOutcome.REJECTED:
            break
        in_a_row += 1
    pause = max(doubling(in_a_row, rule.shortest, rule.longest), trouble.retry_after or 0.0)
    return next_attempt(view, now, pause, reason, trouble.words, *updates)


def _unknown(view: View, observed: PostUnknown, now: datetime) -> Step:
    view = conditions.with_failure(view.with_status(attempt=observed.attempt), observed.trouble)
    return resolve_outcome(
        view, now, f"no answer to the copy request ({observed.trouble.words}), so the copy may or may not have started"
    )


def _job(view: View, observed: JobObserved, now: datetime) -> Step:
    if observed.state is JobState.SUCCEEDED:
        image_id = observed.image_id or view.status.image_id
        if image_id is None:
            return resolve_outcome(view, now, "the job succeeded but does not name its image")
        return image_ready(view, image_id, now)
    if observed.state is JobState.FAILED:
        trouble = observed.trouble or Trouble(Cause.TRANSIENT, "the job failed, and the cloud gives no reason")
        return give_up_attempt(view, now, AttemptOutcome.FAILED, trouble)
    if view.overdue(now):
        return deadline_exceeded(view, now)
    return _running(view, observed, now)


def _running(view: View, observed: JobObserved, now: datetime) -> Step:
    recent = view.recent
    events: tuple[Event, ...] = ()
    since = view.status.attempt.posted_at if view.status.attempt else now
    if observed.progress is not None:
        percent = min(int(observed.progress * 100), 99)
        shown = int((view.status.progress or "0%").rstrip("%"))
        passed = [mark for mark in (25, 50, 75) if max(shown, int((recent.progress or 0.0) * 100)) < mark <= percent]
        if passed:
            events = (Event(EventType.NORMAL, "Progress", f"{passed[-1]}% copied"),)
        written = recent.progress_written_at
        rested = written is None or (now - written).total_seconds() >= PROGRESS_PAUSE_SECONDS
        if percent - shown >= PROGRESS_POINTS and rested:
            view = view.with_status(progress=f"{percent}%", image_id=observed.image_id or view.status.image_id)
    moved = observed.progress != recent.progress or recent.progress_moved_at is None
    stalled_for = 0.0 if moved else (now - (recent.progress_moved_at or now)).total_seconds()
    pause = next_poll((now - since).total_seconds(), observed.progress, stalled_for, view.bounds, view.expected_seconds)
    return Step(copying(view, now), until_deadline(view, pause, now), events)


def _after_lookup(view: View, observed: TargetsObserved, now: datetime) -> Step:
    """Decide by the image, because the job is not known to the operator or to the cloud."""
    found = target_to_follow(view, observed.targets)
    if found is not None:
        return follow_image(view, found, now)
    attempt = in_flight(view.status)
    mark = Marker(view.owner, attempt.token) if attempt else None
    for target in observed.targets:
        if target.marker == mark and target.state is ImageState.DEAD:
            return follow_image(view, target, now)
    if attempt is not None and attempt.job_id:
        return resolve_outcome(view, now, f"the cloud no longer knows job {attempt.job_id}")
    return resolve_outcome(view, now, "the outcome of the copy request is not known")
