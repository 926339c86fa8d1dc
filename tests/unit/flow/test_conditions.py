from datetime import UTC

import pytest

from imagecopy.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from imagecopy.api.imagecopy import AttemptOutcome, ImageCopyStatus
from imagecopy.flow import conditions
from imagecopy.flow.observation import Cause, ImageState, Trouble
from imagecopy.flow.view import View, condition
from unit.flow.builders import (
    asked,
    at,
    attempt_of,
    copying,
    done,
    edited,
    failed,
    image,
    new,
    preflight,
    rejected,
    running,
    source,
    spec,
    succeeded_job,
    then,
    trouble,
)
from unit.flow.machine.model import check_stored


def _condition(view: View, kind: ConditionType = ConditionType.READY) -> Condition:
    found = condition(view.status, kind)
    assert found is not None
    return found


def test_a_transition_time_stays_while_the_status_stays() -> None:
    waiting = then(new(), trouble(Cause.PROVIDER_MISSING), 0)
    throttled = then(waiting, trouble(Cause.THROTTLED), 50)
    ready = _condition(throttled)
    assert ready.reason is Reason.THROTTLED, "the reason is the new one"
    assert ready.last_transition_time == at(0)


def test_a_transition_time_moves_when_the_status_flips() -> None:
    assert _condition(copying()).last_transition_time == at(0)
    assert _condition(done()).last_transition_time == at(600)
    provider = ConditionType.PROVIDER_READY
    view = then(new(), trouble(Cause.PROVIDER_MISSING), 0)
    adopted = then(view, running(), 30)
    assert _condition(view, provider).last_transition_time == at(0)
    assert _condition(adopted, provider).last_transition_time == at(30)


def test_each_condition_that_is_told_is_about_the_generation_that_was_seen() -> None:
    view = then(edited(copying(), spec(backoffLimit=0)), running(0.5), 60)
    assert view.status.observed_generation == 2
    told = {c.type: c.observed_generation for c in view.status.conditions}
    assert told[ConditionType.READY] == told[ConditionType.RECONCILING] == told[ConditionType.SUBMITTED] == 2


def test_conditions_stand_in_one_order() -> None:
    for view in (copying(), done(), failed(), then(new(), trouble(Cause.SOURCE_MISSING))):
        kinds = [c.type for c in view.status.conditions]
        assert kinds == sorted(kinds, key=list(ConditionType).index)
        assert kinds[0] is ConditionType.READY


def test_words_that_are_too_long_are_cut_to_what_the_schema_allows() -> None:
    long = Trouble(Cause.REFUSED, "x" * 5000, "C" * 500, "r" * 500)
    for view in (then(new(), long), then(copying(), running()), then(done(), long)):
        check_stored(view.status)
    view = then(new(), long)
    assert len(_condition(view).message) == 1024
    assert view.status.failure is not None
    assert len(view.status.failure.message) == 1024


def test_the_request_id_of_the_first_time_is_kept_while_the_words_stay() -> None:
    """Each try has another request id; a write for each would be one per tick."""
    first = conditions.with_failure(new(), Trouble(Cause.TRANSIENT, "No.", "IMG.1", "r-1"))
    again = conditions.with_failure(first, Trouble(Cause.TRANSIENT, "No.", "IMG.1", "r-2"))
    other = conditions.with_failure(again, Trouble(Cause.TRANSIENT, "No!", "IMG.1", "r-3"))
    told = [view.status.failure.request_id for view in (first, again, other) if view.status.failure]
    assert told == ["r-1", "r-1", "r-3"]


def test_an_attempt_ends_once() -> None:
    ended = conditions.attempt_ended(copying(), AttemptOutcome.FAILED, at(100), trouble())
    assert conditions.attempt_ended(ended, AttemptOutcome.SUCCEEDED, at(200)) is ended
    (entry,) = ended.status.attempts
    assert (entry.outcome, entry.code, entry.message) == (AttemptOutcome.FAILED, "IMG.0042", "the cloud's words")
    assert (entry.posted_at, entry.ended_at) == (at(0), at(100))


@pytest.mark.parametrize("view", [new(), copying(), done(), failed()], ids=["new", "copying", "done", "failed"])
def test_a_handled_retry_is_remembered_by_whatever_is_told(view: View) -> None:
    status = conditions.reconciling(asked(view, "now"), at(0), Reason.COPYING, "")
    assert status.last_handled_retry_at == "now"
    assert (
        conditions.reconciling(
            view.with_status(last_handled_retry_at="a"), at(0), Reason.COPYING, ""
        ).last_handled_retry_at
        == "a"
    )


def test_a_status_is_made_of_whole_seconds_in_utc() -> None:
    view = then(new(), trouble(), 0.75)
    assert _condition(view).last_transition_time == at(0)
    assert _condition(view).last_transition_time.tzinfo is UTC


def test_a_status_of_another_version_is_read_and_told_on() -> None:
    foreign = [{"type": "Novel", "status": "True", "reason": "New", "lastTransitionTime": "2026-09-01T12:00:00Z"}]
    status = ImageCopyStatus.model_validate({"conditions": foreign, "phase": "Novel", "newField": 1})
    view = then(new(status=status), trouble())
    assert [c.status for c in view.status.conditions] == [ConditionStatus.FALSE, ConditionStatus.TRUE]


def test_a_rejected_attempt_keeps_the_clouds_words() -> None:
    view = copying()
    told = then(view, rejected(view, Cause.REFUSED), 1)
    assert told.status.failure is not None
    assert told.status.failure.to_wire() == {"code": "IMG.0042", "message": "the cloud's words", "requestID": "r-42"}
    assert attempt_of(told).number == 1


def test_a_source_that_was_not_ready_is_not_reported_of_a_copy_that_is_ready() -> None:
    waiting = then(new(), preflight(found=source(ImageState.PENDING)))
    assert condition(waiting.status, ConditionType.SOURCE_READY) is not None
    adopted = then(waiting, preflight(image(), found=None), 60)
    assert condition(adopted.status, ConditionType.SOURCE_READY) is None
    copied = then(copying(), succeeded_job(), 600)
    assert condition(copied.status, ConditionType.SOURCE_READY) is not None
