"""Steps of a copy whose image is known: follow it while it is being made, set its tags, and succeed."""

from datetime import datetime
from typing import Final

from imagecopy.api.base import as_utc
from imagecopy.api.conditions import ConditionStatus, ConditionType, Reason
from imagecopy.api.imagecopy import AttemptOutcome, ImageCopyStatus, Phase
from imagecopy.flow import conditions
from imagecopy.flow.conditions import PROVIDER_ANSWERS, ConditionUpdate
from imagecopy.flow.marker import token_of
from imagecopy.flow.observation import Cause, ImageState, ObservedImage, TagsSet, Trouble
from imagecopy.flow.pacing import growing, next_follow
from imagecopy.flow.steps import (
    EventType,
    SetTags,
    Step,
    deadline_exceeded,
    fail,
    give_up_attempt,
    next_attempt,
    resolve_outcome,
    succeed,
    transition_events,
    until_deadline,
)
from imagecopy.flow.view import View, in_flight, is_true

_GONE_SECONDS: Final = 10.0
"""The pause before a new attempt when the image that was being adopted has vanished."""


def copying(view: View, now: datetime) -> ImageCopyStatus:
    """Report that the copy is being made; always in the same words, so that a poll alone causes no write."""
    attempt = in_flight(view.status)
    if attempt is None or attempt.job_id is None:
        words = f"image {view.status.image_id} is being made in the cloud"
        return conditions.reconciling(view, now, Reason.COPYING, words, PROVIDER_ANSWERS)
    words = f"job {attempt.job_id} is running in the cloud"
    submitted = ConditionUpdate(
        ConditionType.SUBMITTED, ConditionStatus.TRUE, Reason.COPYING, f"accepted as job {attempt.job_id}"
    )
    return conditions.reconciling(view, now, Reason.COPYING, words, PROVIDER_ANSWERS, submitted)


def target_to_follow(view: View, targets: tuple[ObservedImage, ...]) -> ObservedImage | None:
    """Return the target to follow: an active one, else one that an attempt is still making; None if there is none."""
    ended = {token_of(view.uid, attempt.number) for attempt in view.status.attempts}
    ours = [(target, target.marker) for target in targets if target.marker and target.marker.owner == view.owner]
    active = [target for target, _ in ours if target.state is ImageState.ACTIVE]
    made = [target for target, marker in ours if target.state is ImageState.PENDING and marker.token not in ended]
    return next(iter(active + made), None)


def follow_image(view: View, target: ObservedImage, now: datetime) -> Step:
    """Follow a target by the state of its image, because no job is known."""
    status = view.status
    if target.state is ImageState.ACTIVE:
        return image_ready(view, target.id, now)
    if target.state is ImageState.PENDING:
        if view.overdue(now):
            return deadline_exceeded(view, now)
        began = status.start_time or as_utc(now)  # an adopted copy had no POST, but needs a deadline, too
        view = view.with_status(image_id=target.id, target_name=view.target_name, start_time=began)
        since = status.attempt.posted_at if status.attempt else began
        pause = next_follow((now - since).total_seconds(), view.bounds, view.expected_seconds)
        return Step(copying(view, now), until_deadline(view, pause, now))
    words = f"image {target.id} is {target.status} in the cloud"
    if is_true(status, ConditionType.READY) or target.id == view.spec.target.adopt_image_id:
        return fail(view, now, Reason.IMAGE_MISSING, words)
    if in_flight(status) and target.state is ImageState.ABSENT:
        return resolve_outcome(view, now, words)
    if in_flight(status):
        return give_up_attempt(view, now, AttemptOutcome.FAILED, Trouble(Cause.TRANSIENT, words))
    was_being_made = status.start_time is not None  # else a retry was requested for an image that existed
    if target.state is ImageState.ABSENT and was_being_made and view.recent.unresolved_for < view.settle_seconds:
        return _not_listed(view, target, now)
    gone = view.with_status(image_id=None, target_tags=None)
    return next_attempt(gone, now, _GONE_SECONDS, Reason.TRANSIENT_ERROR, words)


def _not_listed(view: View, target: ObservedImage, now: datetime) -> Step:
    """Wait for an image that was being made and is missing in a list, because lists may be incomplete for a while."""
    if view.overdue(now):
        return deadline_exceeded(view, now)
    message = (
        f"image {target.id}, which was being made, is missing in the image list; looking for it for up to "
        f"{view.settle_seconds:g} s. Nothing is sent meanwhile; nothing to do"
    )
    status = conditions.reconciling(view, now, Reason.RESOLVING_OUTCOME, message)
    missing_for = view.recent.unresolved_for
    pause = min(growing(missing_for, 5, 30), view.settle_seconds - missing_for + 0.5)
    return Step(status, until_deadline(view, pause, now), transition_events(view, status, EventType.WARNING))


def image_ready(view: View, image_id: str, now: datetime) -> Step:
    """The image is there: set its tags if they differ, then succeed."""
    wanted, have = view.wanted_tags, view.status.target_tags or {}
    if wanted == have:
        return succeed(view, image_id, now)
    # A changed value is removed first, because no page documents that creating a tag again overwrites it.
    remove = {key: value for key, value in have.items() if wanted.get(key) != value}
    add = {key: value for key, value in wanted.items() if have.get(key) != value}
    status = view.status
    if status.phase is Phase.FAILED:  # a retry has begun, and has found the image
        words = f"image {image_id} is ready; its tags are being set"
        status = conditions.reconciling(
            view.with_status(image_id=image_id), now, Reason.COPYING, words, PROVIDER_ANSWERS
        )
    return Step(status, action=SetTags(image_id, remove, add))


def after_tags(view: View, observed: TagsSet, now: datetime) -> Step:
    """The tags are set: succeed."""
    return succeed(view.with_status(target_tags=view.wanted_tags or None), observed.image_id, now)
