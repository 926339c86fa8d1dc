from dataclasses import replace

import pytest

from imagecopy.api.conditions import ConditionType
from imagecopy.api.imagecopy import Attempt, AttemptOutcome, EndedAttempt, ImageCopyStatus, Phase
from imagecopy.flow.observation import Cause, ImageState, NothingObserved, TagsRefused, TargetsObserved
from imagecopy.flow.view import Need, View, begin_retry, in_flight, is_finished, is_resting, may_retry, needs
from unit.flow.builders import (
    JOB,
    TARGET,
    asked,
    at,
    backing_off,
    copying,
    done,
    edited,
    failed,
    image,
    intended,
    new,
    preflight,
    rejected,
    spec,
    then,
    trouble,
    unknown,
)

SUSPENDED = then(new(spec(suspend=True)), NothingObserved())
OVERDUE = then(copying(), trouble(), 7200)


def resting(view: View) -> bool:
    return is_resting(view.spec, view.status, view.generation, view.retry_requested_at)


@pytest.mark.parametrize("view", [done(), failed(), SUSPENDED, OVERDUE], ids=["done", "failed", "suspended", "overdue"])
def test_what_ended_or_is_suspended_rests_until_it_is_edited(view: View) -> None:
    assert resting(view)
    assert not resting(edited(view, view.spec))


@pytest.mark.parametrize(
    "view",
    [new(), intended(), copying(), backing_off(), then(new(), trouble()), then(done(), TagsRefused(TARGET, trouble()))],
    ids=["new", "intended", "copying", "backing off", "in trouble", "tags refused"],
)
def test_what_is_under_way_does_not_rest(view: View) -> None:
    assert not resting(view)


def test_a_failed_copy_wakes_up_for_a_retry_once() -> None:
    assert not resting(asked(failed(), "a"))
    assert resting(asked(failed().with_status(last_handled_retry_at="a"), "a"))
    assert not resting(asked(failed().with_status(last_handled_retry_at="a"), "b"))


@pytest.mark.parametrize("value", [None, ""])
def test_no_value_asks_for_no_retry(value: str | None) -> None:
    assert not may_retry(failed().status, value)


@pytest.mark.parametrize("view", [new(), copying(), backing_off(), done(), SUSPENDED])
def test_only_a_failed_copy_is_retried(view: View) -> None:
    view = asked(view, "a")
    assert not may_retry(view.status, "a")
    assert begin_retry(view, at(9000)) is view


def test_a_retry_begins_anew_but_for_the_numbers() -> None:
    view = asked(failed(), "a")
    begun = begin_retry(view, at(9000)).status
    assert (begun.failed_jobs, begun.failure, begun.completion_time, begun.next_attempt_time) == (0, None, None, None)
    assert begun.start_time is None
    assert (begun.attempt, begun.attempts) == (view.status.attempt, view.status.attempts)
    assert ConditionType.STALLED not in {c.type for c in begun.conditions}
    assert not is_finished(begun)


def test_a_retry_of_an_attempt_that_may_still_end_gives_it_the_time_again() -> None:
    begun = begin_retry(asked(OVERDUE, "a"), at(9000.5))
    assert begun.status.start_time == at(9000)
    assert not begun.overdue(at(9000 + 7199))
    assert begun.overdue(at(9000 + 7200))


@pytest.mark.parametrize(
    ("view", "seconds", "need"),
    [
        (new(), 0, Need.PREFLIGHT),
        (new(spec(suspend=True)), 0, Need.NOTHING),
        (intended(), 1, Need.TARGETS),
        (edited(intended(), spec(suspend=True)), 1, Need.TARGETS),
        (then(intended(), unknown(intended()), 30), 90000, Need.TARGETS),
        (copying(), 1, Need.JOB),
        (edited(copying(), spec(suspend=True)), 1, Need.JOB),
        (copying(), 90000, Need.JOB),
        (backing_off(), 109.9, Need.NOTHING),
        (backing_off(), 110, Need.PREFLIGHT),
        (backing_off(), 7200, Need.NOTHING),
        (edited(backing_off(), spec(suspend=True)), 110, Need.NOTHING),
        (then(new(), preflight(image(ImageState.PENDING))), 1, Need.TARGET),
        (then(intended(), TargetsObserved((image(ImageState.PENDING),)), 1), 1, Need.TARGET),
        (done(), 90000, Need.NOTHING),
        (failed(), 90000, Need.NOTHING),
        (OVERDUE, 90000, Need.NOTHING),
        (begin_retry(asked(OVERDUE, "a"), at(9000)), 9000, Need.JOB),
        (begin_retry(asked(failed(), "a"), at(9000)), 9000, Need.PREFLIGHT),
        (then(done(), TagsRefused(TARGET, trouble()), 700), 90000, Need.TARGET),
    ],
)
def test_what_has_to_be_looked_at(view: View, seconds: float, need: Need) -> None:
    assert needs(view, at(seconds)) is need


def test_an_attempt_is_in_flight_until_its_number_is_among_the_ended() -> None:
    attempt = Attempt(number=3, token="t", posted_at=at(0), job_id=JOB)
    ended = EndedAttempt(number=3, outcome=AttemptOutcome.FAILED, posted_at=at(0), ended_at=at(1))
    status = ImageCopyStatus(attempt=attempt)
    assert in_flight(ImageCopyStatus()) is None
    assert in_flight(status) == attempt
    assert in_flight(status.model_copy(update={"attempts": (ended.model_copy(update={"number": 2}),)})) == attempt
    assert in_flight(status.model_copy(update={"attempts": (ended,)})) is None


def test_the_deadline_counts_from_the_first_attempt() -> None:
    assert new().deadline is None
    assert not new().overdue(at(10**9))
    assert intended().deadline == at(7200)
    second = then(backing_off(), preflight(), 110)
    assert second.deadline == at(7200)
    assert replace(second, spec=spec(activeDeadlineSeconds=60)).overdue(at(60))


def test_a_rejected_attempt_leaves_none_in_flight() -> None:
    view = then(intended(), rejected(intended(), Cause.THROTTLED), 1)
    assert in_flight(view.status) is None
    assert view.status.phase is Phase.PENDING
