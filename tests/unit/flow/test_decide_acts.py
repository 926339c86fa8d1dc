"""What ``decide`` orders, and what it must never order."""

from datetime import timedelta

import pytest

from imagecopy.api.imagecopy import Attempt, AttemptOutcome
from imagecopy.flow.decide import decide
from imagecopy.flow.marker import Marker, token_of
from imagecopy.flow.observation import (
    Cause,
    ImageState,
    NothingObserved,
    Observation,
    PostAccepted,
    TagsRefused,
    TagsSet,
    TargetObserved,
    TargetsObserved,
)
from imagecopy.flow.steps import PostCopy, SetTags
from imagecopy.flow.view import Need, View, begin_retry, needs
from unit.flow.builders import (
    JOB,
    KEY,
    OWNER,
    SOURCE,
    TAGS,
    TARGET,
    UID,
    accepted,
    asked,
    at,
    attempt_of,
    copying,
    done,
    edited,
    failed_job,
    image,
    intended,
    new,
    preflight,
    rejected,
    running,
    spec,
    succeeded_job,
    then,
    trouble,
    unknown,
)


def _order(view: View) -> PostCopy:
    action = decide(view, preflight(), at(0)).action
    assert isinstance(action, PostCopy)
    return action


def test_a_plain_copy_is_ordered_without_what_was_not_asked_for() -> None:
    step = decide(new(), preflight(), at(0))
    assert step.action == PostCopy(
        attempt=Attempt(number=1, token=token_of(UID, 1), posted_at=at(0), writer="pod/1"),
        source_image_id=SOURCE,
        name="golden",
        description=str(Marker(OWNER, token_of(UID, 1))),
        kms_key_id=None,
        enterprise_project_id=None,
    )
    assert step.status.attempt == step.action.attempt, "the intent is the attempt that is ordered"


def test_a_copy_is_ordered_with_all_that_was_asked_for() -> None:
    target = {"name": "Golden 1", "description": "Fine image", "kmsKeyID": KEY, "enterpriseProjectID": "0"}
    order = _order(new(spec(target=target)))
    assert (order.name, order.kms_key_id, order.enterprise_project_id) == ("Golden 1", KEY, "0")
    assert order.description == f"Fine image {Marker(OWNER, token_of(UID, 1))}"


def test_each_attempt_has_a_token_of_its_own() -> None:
    first = _order(new())
    second = _order(then(intended(), rejected(intended(), Cause.THROTTLED), 1))
    assert (second.attempt.number, second.attempt.token) == (2, token_of(UID, 2))
    assert second.attempt.token != first.attempt.token


SEEN_OF_AN_ATTEMPT = {
    "nothing": NothingObserved(),
    "trouble": trouble(),
    "missing source": trouble(Cause.SOURCE_MISSING),
    "refusal": trouble(Cause.REFUSED),
    "no target": TargetsObserved(()),
    "pending target": TargetsObserved((image(ImageState.PENDING),)),
    "dead target": TargetsObserved((image(ImageState.DEAD),)),
    "foreign target": TargetsObserved((image(owner="f" * 16),)),
    "active target": TargetsObserved((image(),)),
    "followed target gone": TargetObserved(image(ImageState.DEAD)),
    "running job": running(0.5),
    "failed job": failed_job(),
    "successful job": succeeded_job(),
    "nameless success": succeeded_job(None),
    "accepted": PostAccepted(attempt_of(intended()), JOB, None),
    "unknown": unknown(intended()),
    "rejected": rejected(intended(), Cause.THROTTLED),
    "tags set": TagsSet(TARGET),
    "tags refused": TagsRefused(TARGET, trouble()),
}


@pytest.mark.parametrize("seconds", [0, 1, 300, 7199, 7200, 90000])
@pytest.mark.parametrize("seen", SEEN_OF_AN_ATTEMPT.values(), ids=SEEN_OF_AN_ATTEMPT.keys())
def test_an_attempt_in_flight_is_never_posted_again_whatever_is_seen(seen: Observation, seconds: float) -> None:
    crashed = intended()
    assert needs(crashed, at(seconds)) is Need.TARGETS
    for view in (crashed, copying(), then(crashed, unknown(crashed), 30), asked(then(crashed, trouble(), 7200), "a")):
        assert not isinstance(decide(begin_retry(view, at(seconds)), seen, at(seconds)).action, PostCopy)


def test_pauses_between_rejected_attempts_grow_to_their_bound() -> None:
    view, now, pauses = intended(), 0.0, []
    for _ in range(8):
        step = decide(view, rejected(view, Cause.THROTTLED), at(now))
        assert step.requeue_after is not None
        pauses.append(step.requeue_after)
        now += step.requeue_after
        view = then(then(view, rejected(view, Cause.THROTTLED), now - step.requeue_after), preflight(), now)
    assert pauses == [10, 20, 40, 80, 120, 120, 120, 120]
    assert attempt_of(view).number == 9
    assert [ended.number for ended in view.status.attempts] == [4, 5, 6, 7, 8], "the last five are kept"


def test_a_failed_job_ends_the_row_of_rejections() -> None:
    view = then(intended(), rejected(intended(), Cause.THROTTLED), 1)
    view = then(view, preflight(), 11)
    view = then(view, PostAccepted(attempt_of(view), "job-2", None), 12)
    view = then(then(view, failed_job(), 100), preflight(), 110)
    step = decide(view, rejected(view, Cause.THROTTLED), at(111))
    assert step.requeue_after == 10
    outcomes = [ended.outcome for ended in step.status.attempts]
    assert outcomes == [AttemptOutcome.REJECTED, AttemptOutcome.FAILED, AttemptOutcome.REJECTED]


def test_failed_jobs_use_up_the_backoff_limit_and_rejections_do_not() -> None:
    view, failures = new(spec(backoffLimit=1, activeDeadlineSeconds=604800)), 0
    for cycle in range(20):
        view = then(view, preflight(), cycle * 1000)
        if cycle % 5 == 4:
            view = then(view, PostAccepted(attempt_of(view), f"job-{cycle}", None), cycle * 1000)
            view = then(view, failed_job(), cycle * 1000 + 60)
            failures += 1
        else:
            view = then(view, rejected(view, Cause.QUOTA), cycle * 1000)
        if view.status.completion_time:
            break
    assert (failures, attempt_of(view).number) == (2, 10)


def test_a_changed_tag_is_removed_before_it_is_set() -> None:
    tagged = then(copying(spec(target={"tags": TAGS})), TagsSet(TARGET), 600)
    changed = edited(tagged, spec(target={"tags": {"team": "db", "tier": "gold"}}))
    action = decide(changed, NothingObserved(), at(700)).action
    assert action == SetTags(TARGET, remove={"team": "web", "os": "debian13"}, set={"team": "db", "tier": "gold"})


def test_tags_that_are_as_wanted_are_not_set_again() -> None:
    tagged = then(copying(spec(target={"tags": TAGS})), TagsSet(TARGET), 600)
    assert decide(edited(tagged, spec(target={"tags": TAGS}, suspend=True)), NothingObserved(), at(700)).action is None


def test_a_target_that_is_made_again_gets_its_tags_again() -> None:
    tagged = then(copying(spec(target={"tags": TAGS})), TagsSet(TARGET), 600)
    changed = edited(tagged, spec(target={"tags": {}}))
    gone = then(then(changed, TagsRefused(TARGET, trouble()), 700), TargetObserved(image(ImageState.DEAD)), 710)
    again = edited(asked(gone, "a"), spec(target={"tags": TAGS}))
    posted = then(then(again, TargetObserved(image(ImageState.DEAD)), 720), preflight(), 730)
    copied = then(posted, PostAccepted(attempt_of(posted), "job-2", None), 731)
    action = decide(copied, succeeded_job("another"), at(1300)).action
    assert action == SetTags("another", remove={}, set=TAGS)


def test_an_edit_of_a_finished_copy_writes_the_observed_generation_only() -> None:
    view = edited(done(), spec(backoffLimit=9, activeDeadlineSeconds=1))
    status = decide(view, NothingObserved(), at(90000)).status
    told = {"observed_generation", "conditions"}
    assert status.model_dump(exclude=told) == view.status.model_dump(exclude=told)
    assert status.observed_generation == 2
    observed = {"observed_generation"}
    before = {c.type: c.model_dump(exclude=observed) for c in view.status.conditions}
    assert {c.type: c.model_dump(exclude=observed) for c in status.conditions} == before


@pytest.mark.parametrize("cause", [Cause.PROVIDER_MISSING, Cause.PROVIDER_INVALID])
def test_a_provider_that_appears_is_picked_up_within_15_seconds_however_long_it_took(cause: Cause) -> None:
    view, jitter = new(), 1.1
    for hours in range(48):
        since = at(0) if hours else None
        recent = view.recent if since is None else type(view.recent)(trouble_since=since)
        again = decide(new(recent=recent), trouble(cause), at(0) + timedelta(hours=hours)).requeue_after
        assert again is not None
        assert again * jitter <= 15


@pytest.mark.parametrize("outcome", ["accepted", "rejected", "unknown"])
def test_an_outcome_that_others_went_beyond_changes_nothing(outcome: str) -> None:
    """A process that could not store its outcome for long meets a status in which another one went on."""
    first = intended()
    outcomes: dict[str, Observation] = {
        "accepted": accepted(first),
        "rejected": rejected(first, Cause.QUOTA),
        "unknown": unknown(first),
    }
    ended = then(then(first, unknown(first), 30), TargetsObserved((image(ImageState.DEAD),)), 60)
    second = then(ended, preflight(), 70)
    found = then(then(first, unknown(first), 30), TargetsObserved((image(),)), 60)
    for view in (ended, second, found):
        step = decide(view, outcomes[outcome], at(80))
        assert step.status == view.status
        assert step.requeue_after is not None, "what is there is looked at anew"
        assert step.events == ()


def test_an_outcome_is_stored_where_the_intent_was_wiped_out() -> None:
    wiped = new()
    assert decide(wiped, accepted(intended()), at(5)).status.job_id == JOB


def test_a_login_that_is_held_back_does_not_hold_a_mended_secret_back() -> None:
    again = decide(new(), trouble(Cause.CREDENTIALS, retry_after=600), at(0)).requeue_after
    assert again is not None
    assert again <= 15
