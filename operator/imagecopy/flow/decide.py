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

An attempt that is stored without a job id is an unknown outcome, however that came about: every tick may be the first
one after a crash. Past the deadline a copy is Failed, but its attempt is kept and followed again on a retry.
"""

from datetime import datetime
from typing import Final, assert_never

from imagecopy.api.base import as_utc
from imagecopy.api.conditions import ConditionStatus, ConditionType, Reason
from imagecopy.api.imagecopy import Attempt, AttemptOutcome, ImageCopyStatus, Phase
from imagecopy.flow import conditions
from imagecopy.flow.backoffs import BACKOFFS
from imagecopy.flow.conditions import PROVIDER_ANSWERS, SOURCE_IS_ACTIVE, ConditionUpdate
from imagecopy.flow.marker import Marker, token_of
from imagecopy.flow.observation import (
    Cause,
    ImageState,
    JobObserved,
    JobState,
    NothingObserved,
    Observation,
    ObservedImage,
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
from imagecopy.flow.pacing import doubling, next_follow, next_poll
from imagecopy.flow.steps import (
    REST,
    Event,
    EventType,
    PostCopy,
    SetTags,
    Step,
    back_off,
    fail,
    give_up_attempt,
    next_attempt,
    overdue,
    resolving,
    succeed,
    transition_events,
    until_deadline,
    with_duplicate_event,
)
from imagecopy.flow.view import View, attempt_is_due_in, in_flight, is_finished, is_true

WAITING_SECONDS: Final = 60.0
"""The first in the queue for a slot looks so often whether there are more slots now; it is told when one is freed."""
_WAITING_STEP_SECONDS: Final = 6.0
"""Each one behind looks later by so much."""
_LONGEST_WAITING_SECONDS: Final = 3600.0
PROGRESS_POINTS: Final = 10
"""Progress is written when it moved by so many points ..."""
PROGRESS_PAUSE_SECONDS: Final = 15
"""... and so long after it was written last."""
_GONE_SECONDS: Final = 10.0
"""Pause before a copy is asked for anew when the one that was being adopted vanished."""


def decide(view: View, seen: Observation, now: datetime) -> Step:
    """Return the next step of the copy. Pure: the same arguments give the same step."""
    if isinstance(seen, PostOutcome) and _is_settled(view, seen.attempt):
        return Step(view.status, 1.0)
    match seen:
        case NothingObserved():
            return _undisturbed(view, now)
        case SlotsBusy():
            return _waiting(view, seen, now)
        case PreflightObserved():
            counted = conditions.duplicated(view, now, alive(seen.targets))
            return with_duplicate_event(view, _preflighted(counted, seen, now))
        case TargetsObserved():
            counted = conditions.duplicated(view.in_project(seen.project), now, alive(seen.targets))
            return with_duplicate_event(view, _looked_up(counted, seen, now))
        case PostAccepted():
            return _accepted(view, seen, now)
        case PostRejected():
            return _rejected(view, seen, now)
        case PostUnknown():
            return _unknown(view, seen, now)
        case JobObserved():
            return _job(view.in_project(seen.project), seen, now)
        case Postponed():
            return Step(_copying(view, now), until_deadline(view, seen.seconds, now))
        case TargetObserved():
            return _followed(view.in_project(seen.project), seen.target, now)
        case TagsSet():
            return _tagged(view, seen, now)
        case TagsRefused():
            return back_off(view.with_status(image_id=seen.image_id), seen.trouble, now)
        case Trouble():
            return back_off(view, seen, now)
        case _:
            assert_never(seen)


def _undisturbed(view: View, now: datetime) -> Step:
    """Nothing had to be looked at: finished, overdue, suspended, or before the next attempt's time."""
    status = view.status
    if is_finished(status):
        if is_true(status, ConditionType.READY) and status.image_id:
            return _arrived(view, status.image_id, now)
        return Step(conditions.unchanged(view, now))
    if view.overdue(now):
        return overdue(view, now)
    if view.spec.suspend:
        # As with Jobs, the deadline is counted anew when a suspended copy is resumed.
        told = conditions.suspended(view.with_status(start_time=None), now)
        return Step(told, REST, transition_events(view, told))
    pause = attempt_is_due_in(status, now)
    if status.next_attempt_time and status.phase is Phase.SUSPENDED:
        words = f"resumed; the next attempt at {status.next_attempt_time:%H:%M:%S} UTC"
        status = conditions.reconciling(view, now, Reason.TRANSIENT_ERROR, words)
    return Step(status, until_deadline(view, max(pause, 1.0), now))


def _waiting(view: View, seen: SlotsBusy, now: datetime) -> Step:
    """Wait for a slot; whose turn it is, is told so."""
    words = f"all {seen.limit} slots of the project are in use or spoken for; the oldest ImageCopy is next"
    told = conditions.reconciling(view, now, Reason.WAITING_FOR_SLOT, words)
    return Step(told, waiting_seconds(seen.ahead), transition_events(view, told))


def waiting_seconds(ahead: int) -> float:
    """Return how long one of a queue, which is told when its turn comes, waits before it looks by itself."""
    return min(WAITING_SECONDS + ahead * _WAITING_STEP_SECONDS, _LONGEST_WAITING_SECONDS)


def _preflighted(view: View, seen: PreflightObserved, now: datetime) -> Step:
    found = target_to_follow(view, seen.targets)
    if found is not None:
        return _followed(view.in_project(seen.project), found, now)
    source = seen.source
    if source is None:
        return back_off(view, Trouble(Cause.TRANSIENT, "the source image could not be looked at"), now)
    if source.state is ImageState.ACTIVE:
        return _intend(view.in_project(seen.project), now)
    waiting = source.state is ImageState.PENDING
    cause = Cause.SOURCE_NOT_READY if waiting else Cause.SOURCE_MISSING
    return back_off(view, Trouble(cause, f"source image {source.id} is {source.status}, not active"), now)


def _intend(view: View, now: datetime) -> Step:
    """Store the intent, then POST once."""
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
    told = conditions.reconciling(intent, now, Reason.COPYING, words, SOURCE_IS_ACTIVE, PROVIDER_ANSWERS, submitting)
    target = view.spec.target
    post = PostCopy(
        attempt=attempt,
        source_image_id=view.spec.source.image_id,
        name=view.target_name,
        description=Marker(view.owner, attempt.token).describe(target.description),
        kms_key_id=target.kms_key_id,
        enterprise_project_id=target.enterprise_project_id,
    )
    return Step(told, act=post)


def _is_settled(view: View, attempt: Attempt) -> bool:
    """Tell whether another process found out about this attempt, and went on, before its outcome could be stored."""
    attempt_now = in_flight(view.status)
    return view.status.attempt is not None and (attempt_now is None or attempt_now.number != attempt.number)


def _accepted(view: View, seen: PostAccepted, now: datetime) -> Step:
    attempt = seen.with_job
    view = view.with_status(attempt=attempt, job_id=seen.job_id, progress="0%")
    words = f"attempt {attempt.number} was accepted as job {seen.job_id}"
    return Step(_copying(view, now), view.bounds.first, (Event(EventType.NORMAL, "Submitted", words),))


def _copying(view: View, now: datetime) -> ImageCopyStatus:
    """Tell that the copy is made; the same words every time, so that a look alone changes nothing."""
    attempt = in_flight(view.status)
    if attempt is None or attempt.job_id is None:
        words = f"image {view.status.image_id} is being made"
        return conditions.reconciling(view, now, Reason.COPYING, words, PROVIDER_ANSWERS)
    words = f"job {attempt.job_id} is running"
    submitted = ConditionUpdate(
        ConditionType.SUBMITTED, ConditionStatus.TRUE, Reason.COPYING, f"accepted as job {attempt.job_id}"
    )
    return conditions.reconciling(view, now, Reason.COPYING, words, PROVIDER_ANSWERS, submitted)


def _rejected(view: View, seen: PostRejected, now: datetime) -> Step:
    """Surely nothing was made: try again later where that can help, else fail with the cloud's words."""
    trouble = seen.trouble
    view = conditions.attempt_ended(view.with_status(attempt=seen.attempt), AttemptOutcome.REJECTED, now, trouble)
    view = conditions.with_failure(view, trouble)
    rule = BACKOFFS[trouble.cause]
    reason = Reason.COPY_FAILED if trouble.is_final else rule.reason
    submitted = ConditionUpdate(ConditionType.SUBMITTED, ConditionStatus.FALSE, reason, trouble.words)
    asides = (submitted, *conditions.asides(trouble, reason))
    if trouble.is_final:
        return fail(view, now, reason, trouble.words, *asides)
    in_a_row = 0
    for ended in reversed(view.status.attempts):
        if ended.outcome is not AttemptOutcome.REJECTED:
            break
        in_a_row += 1
    pause = max(doubling(in_a_row, rule.shortest, rule.longest), trouble.retry_after or 0.0)
    return next_attempt(view, now, pause, reason, trouble.words, *asides)


def _unknown(view: View, seen: PostUnknown, now: datetime) -> Step:
    view = conditions.with_failure(view.with_status(attempt=seen.attempt), seen.trouble)
    return resolving(view, now, f"the outcome of the copy call is not known ({seen.trouble.words})")


def _job(view: View, seen: JobObserved, now: datetime) -> Step:
    if seen.state is JobState.SUCCEEDED:
        image_id = seen.image_id or view.status.image_id
        if image_id is None:
            return resolving(view, now, "the job succeeded without naming its image")
        return _arrived(view, image_id, now)
    if seen.state is JobState.FAILED:
        trouble = seen.trouble or Trouble(Cause.TRANSIENT, "the job failed without a reason")
        return give_up_attempt(view, now, AttemptOutcome.FAILED, trouble)
    if view.overdue(now):
        return overdue(view, now)
    return _running(view, seen, now)


def _running(view: View, seen: JobObserved, now: datetime) -> Step:
    recent = view.recent
    events: tuple[Event, ...] = ()
    since = view.status.attempt.posted_at if view.status.attempt else now
    if seen.progress is not None:
        percent = min(int(seen.progress * 100), 99)
        shown = int((view.status.progress or "0%").rstrip("%"))
        passed = [mark for mark in (25, 50, 75) if max(shown, int((recent.progress or 0.0) * 100)) < mark <= percent]
        if passed:
            events = (Event(EventType.NORMAL, "Progress", f"{passed[-1]}% copied"),)
        written = recent.progress_written_at
        rested = written is None or (now - written).total_seconds() >= PROGRESS_PAUSE_SECONDS
        if percent - shown >= PROGRESS_POINTS and rested:
            view = view.with_status(progress=f"{percent}%", image_id=seen.image_id or view.status.image_id)
    moved = seen.progress != recent.progress or recent.progress_moved_at is None
    stalled_for = 0.0 if moved else (now - (recent.progress_moved_at or now)).total_seconds()
    pause = next_poll((now - since).total_seconds(), seen.progress, stalled_for, view.bounds, view.expected_seconds)
    return Step(_copying(view, now), until_deadline(view, pause, now), events)


def _looked_up(view: View, seen: TargetsObserved, now: datetime) -> Step:
    """The job is not known, to us or to the cloud: the image tells."""
    found = target_to_follow(view, seen.targets)
    if found is not None:
        return _followed(view, found, now)
    attempt = in_flight(view.status)
    mark = Marker(view.owner, attempt.token) if attempt else None
    for target in seen.targets:
        if target.marker == mark and target.state is ImageState.DEAD:
            return _followed(view, target, now)
    if attempt is not None and attempt.job_id:
        return resolving(view, now, f"the cloud does not know job {attempt.job_id}")
    return resolving(view, now, "the outcome of the copy call is not known")


def _followed(view: View, target: ObservedImage, now: datetime) -> Step:
    """Follow a target by the state of its image, as no job is known."""
    status = view.status
    if target.state is ImageState.ACTIVE:
        return _arrived(view, target.id, now)
    if target.state is ImageState.PENDING:
        if view.overdue(now):
            return overdue(view, now)
        began = status.start_time or as_utc(now)  # an adopted copy had no POST, and needs a deadline, too
        view = view.with_status(image_id=target.id, target_name=view.target_name, start_time=began)
        since = status.attempt.posted_at if status.attempt else began
        pause = next_follow((now - since).total_seconds(), view.bounds, view.expected_seconds)
        return Step(_copying(view, now), until_deadline(view, pause, now))
    words = f"image {target.id} is {target.status} in the cloud"
    if is_true(status, ConditionType.READY) or target.id == view.spec.target.adopt_image_id:
        return fail(view, now, Reason.IMAGE_MISSING, words)
    if in_flight(status) and target.state is ImageState.ABSENT:
        return resolving(view, now, words)
    if in_flight(status):
        return give_up_attempt(view, now, AttemptOutcome.FAILED, Trouble(Cause.TRANSIENT, words))
    gone = view.with_status(image_id=None, target_tags=None)
    return next_attempt(gone, now, _GONE_SECONDS, Reason.TRANSIENT_ERROR, words)


def target_to_follow(view: View, targets: tuple[ObservedImage, ...]) -> ObservedImage | None:
    """Return the target of ours to follow: an active one, else one that is made by an attempt that has not ended."""
    ended = {token_of(view.uid, attempt.number) for attempt in view.status.attempts}
    ours = [(target, target.marker) for target in targets if target.marker and target.marker.owner == view.owner]
    active = [target for target, _ in ours if target.state is ImageState.ACTIVE]
    made = [target for target, marker in ours if target.state is ImageState.PENDING and marker.token not in ended]
    return next(iter(active + made), None)


def _arrived(view: View, image_id: str, now: datetime) -> Step:
    """The image is there: its tags, then the end."""
    wanted, have = view.wanted_tags, view.status.target_tags or {}
    if wanted == have:
        return succeed(view, image_id, now)
    # A changed value is removed first: that creating a tag again overwrites it is documented nowhere.
    remove = {key: value for key, value in have.items() if wanted.get(key) != value}
    add = {key: value for key, value in wanted.items() if have.get(key) != value}
    status = view.status
    if status.phase is Phase.FAILED:  # a retry has begun: what it found is no longer told as failed
        words = f"image {image_id} is there; its tags are being set"
        status = conditions.reconciling(
            view.with_status(image_id=image_id), now, Reason.COPYING, words, PROVIDER_ANSWERS
        )
    return Step(status, act=SetTags(image_id, remove, add))


def _tagged(view: View, seen: TagsSet, now: datetime) -> Step:
    return succeed(view.with_status(target_tags=view.wanted_tags or None), seen.image_id, now)
