"""The settle window: by the clock that no one sets, from this process's first look."""

from dataclasses import replace

import pytest

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import AttemptOutcome
from imagecopy.flow.observation import Cause, ImageState, PostUnknown, TargetObserved, TargetsObserved, Trouble
from imagecopy.flow.view import condition, in_flight
from unit.copies.builders import Stage
from unit.flow.builders import image, preflight, spec, trouble

_NONE = TargetsObserved(())


async def _lost(stage: Stage, **wanted: object) -> None:
    """A POST whose reply was lost, and the first look for what it made."""
    if wanted:
        stage.edit(**wanted)
    stage.cloud.outcome = lambda order: PostUnknown(order.attempt, Trouble(Cause.TRANSIENT, "no reply"))
    await stage.reconcile()
    await stage.reconcile(5, _NONE)


def _reason(stage: Stage) -> Reason:
    ready = condition(stage.kube.status, ConditionType.READY)
    assert ready is not None
    return ready.reason


@pytest.mark.parametrize("hours", [-1, 0, 1])
async def test_a_clock_that_is_set_neither_shortens_nor_stretches_it(stage: Stage, hours: int) -> None:
    stage.edit(activeDeadlineSeconds=36000)
    await _lost(stage)
    stage.clock.set_by = 3600.0 * hours
    for _ in range(10):
        assert await stage.reconcile(29, _NONE) is not None
        assert _reason(stage) is Reason.RESOLVING_OUTCOME
    await stage.reconcile(10, _NONE)
    assert _reason(stage) is Reason.TRANSIENT_ERROR
    assert stage.kube.status.attempts[-1].outcome is AttemptOutcome.LOST
    assert len(stage.cloud.posts) == 1


async def test_after_it_another_attempt_is_made_once(stage: Stage) -> None:
    await _lost(stage)
    await stage.reconcile(300, _NONE)
    await stage.reconcile(10, preflight())
    assert [order.attempt.number for order in stage.cloud.posts] == [1, 2]
    await stage.reconcile(299, _NONE)
    assert _reason(stage) is Reason.RESOLVING_OUTCOME, "each attempt has a window of its own"


async def test_looks_are_close_together_at_first(stage: Stage) -> None:
    await _lost(stage)
    pauses: list[float] = []
    waited = 0.0
    while waited < 300:
        pause = await stage.reconcile(pauses[-1] if pauses else 0, _NONE)
        assert pause is not None
        pauses.append(pause)
        waited += pause
    assert (pauses[0], max(pauses)) == (5, 30)
    assert len(pauses) < 20


async def test_a_restart_begins_it_anew(stage: Stage) -> None:
    await _lost(stage)
    await stage.reconcile(299, _NONE)
    stage.restart()
    for _ in range(10):
        await stage.reconcile(29, _NONE)
    assert _reason(stage) is Reason.RESOLVING_OUTCOME


async def test_an_outage_of_ours_does_not_count(stage: Stage) -> None:
    stage.cloud.outcome = lambda order: PostUnknown(order.attempt, Trouble(Cause.TRANSIENT, "no reply"))
    await stage.reconcile()
    for _ in range(10):
        await stage.reconcile(100, trouble(Cause.UNREACHABLE))
    await stage.reconcile(1, _NONE)
    assert _reason(stage) is not Reason.TRANSIENT_ERROR
    assert in_flight(stage.kube.status) is not None


async def test_it_halts_where_the_policy_says_so_and_goes_on_when_that_changes(stage: Stage) -> None:
    await _lost(stage, unknownOutcomePolicy="Halt")
    assert await stage.reconcile(300, _NONE) is None
    assert _reason(stage) is Reason.OUTCOME_UNKNOWN
    looks = len(stage.log)
    assert await stage.reconcile(3000, _NONE) is None
    assert len(stage.log) == looks
    stage.edit()
    assert await stage.reconcile(5, _NONE) == 10
    await stage.reconcile(10, preflight())
    assert len(stage.cloud.posts) == 2


async def test_a_halted_copy_that_turned_up_is_taken(stage: Stage) -> None:
    await _lost(stage, unknownOutcomePolicy="Halt")
    await stage.reconcile(300, _NONE)
    stage.edit()
    await stage.reconcile(5, TargetsObserved((stage.marked,)))
    assert _reason(stage) is Reason.SUCCEEDED
    assert len(stage.cloud.posts) == 1


async def test_a_followed_image_that_is_missing_in_one_list_is_followed_further(stage: Stage) -> None:
    await _lost(stage)
    await stage.reconcile(5, TargetsObserved((replace(stage.marked, state=ImageState.PENDING),)))
    absent = TargetObserved(image(ImageState.ABSENT))
    await stage.reconcile(20, absent)
    assert _reason(stage) is Reason.RESOLVING_OUTCOME
    await stage.reconcile(20, TargetObserved(stage.marked))
    assert _reason(stage) is Reason.SUCCEEDED
    assert len(stage.cloud.posts) == 1


async def test_two_processes_that_look_for_one_outcome_make_one_attempt_after_it(stage: Stage) -> None:
    await _lost(stage)
    other = stage.process("pod/2")
    await other.reconcile(stage.kube.snapshot)
    stale = stage.kube.snapshot
    await stage.reconcile(300, _NONE)
    await other.reconcile(stale)
    stale = stage.kube.snapshot
    await stage.reconcile(10, preflight())
    stage.cloud.sees = [preflight(), _NONE]
    await other.reconcile(stale)
    assert [order.attempt.number for order in stage.cloud.posts] == [1, 2]


async def test_a_window_that_ended_for_one_attempt_counts_for_no_other(stage: Stage) -> None:
    await _lost(stage)
    other = stage.process("pod/2")
    await other.reconcile(stage.kube.snapshot)
    await stage.reconcile(300, _NONE)
    await stage.reconcile(10, preflight())
    stage.cloud.sees = [_NONE]
    await other.reconcile(stage.kube.snapshot)
    assert _reason(stage) is Reason.RESOLVING_OUTCOME
    attempt = in_flight(stage.kube.status)
    assert attempt is not None
    assert attempt.number == 2


async def test_the_wall_clock_set_back_between_attempts_holds_nothing_up(stage: Stage) -> None:
    stage.kube.change(spec=spec(activeDeadlineSeconds=36000).to_wire(), metadata={"generation": 2})
    await _lost(stage)
    await stage.reconcile(300, _NONE)
    stage.clock.set_by = -3600.0
    await stage.reconcile(1, preflight())
    assert len(stage.cloud.posts) == 2
