"""Deletions step by step, between an API server and a cloud that fail in the middle."""

import pytest

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import Phase
from imagecopy.flow.observation import (
    Cause,
    ImageState,
    PostAccepted,
    PostRejected,
    PostUnknown,
    TargetObserved,
    TargetsObserved,
    Trouble,
)
from imagecopy.flow.view import condition
from imagecopy.kube.errors import Missing, Unavailable
from unit.copies.builders import Stage
from unit.flow.builders import FOREIGN, JOB, TARGET, image, running, succeeded_job, trouble


@pytest.fixture
def deleting(stage: Stage) -> Stage:
    stage.edit(deletionPolicy="Delete")
    return stage


def _there(stage: Stage) -> TargetObserved:
    return TargetObserved(stage.marked)


_GONE = TargetObserved(image(ImageState.ABSENT))


def _told(stage: Stage) -> Reason:
    ready = condition(stage.kube.status, ConditionType.READY)
    assert ready is not None
    return ready.reason


async def _made(stage: Stage) -> None:
    await stage.reconcile()
    await stage.reconcile(600, succeeded_job())


async def test_a_finished_copy_is_deleted_and_seen_gone(deleting: Stage) -> None:
    await _made(deleting)
    assert await deleting.clean_up(10, _there(deleting)) == 2
    assert (deleting.cloud.deletes, deleting.kube.status.phase) == ([TARGET], Phase.DELETING)
    assert await deleting.clean_up(2) == 2
    assert await deleting.clean_up(2, _GONE) is None
    assert deleting.cloud.deletes == [TARGET]


async def test_a_running_copy_is_waited_for_and_keeps_its_slot(deleting: Stage) -> None:
    await deleting.reconcile()
    for _ in range(3):
        assert await deleting.clean_up(60, running(0.5)) is not None
        assert deleting.holds_slot
    assert await deleting.clean_up(60, succeeded_job()) == 0
    assert not deleting.holds_slot
    await deleting.clean_up(0, _there(deleting))
    assert await deleting.clean_up(2, _GONE) is None
    assert deleting.cloud.deletes == [TARGET]


async def test_an_image_of_another_is_left(deleting: Stage) -> None:
    await _made(deleting)
    assert await deleting.clean_up(10, TargetObserved(image(owner=FOREIGN))) is None
    assert deleting.cloud.deletes == []
    assert deleting.kube.events[-1]["reason"] == "Retained"


async def test_an_outcome_in_memory_is_decided_about_first(deleting: Stage) -> None:
    deleting.kube.faults = [None, Unavailable("down")]
    await deleting.reconcile()
    assert isinstance(deleting.record.outcome, PostAccepted)
    deleting.log.clear()
    assert await deleting.clean_up(1) == 2
    assert deleting.log == ["write job id"]
    assert deleting.kube.status.job_id == JOB
    await deleting.clean_up(1, running(0.5))
    assert "observe JOB" in deleting.log


async def test_a_rejection_in_memory_lets_go(deleting: Stage) -> None:
    deleting.cloud.outcome = lambda order: PostRejected(order.attempt, trouble())
    deleting.kube.faults = [None, Unavailable("down")]
    await deleting.reconcile()
    assert await deleting.clean_up(1) is None
    assert not deleting.holds_slot


async def test_an_outcome_is_kept_while_the_api_server_is_down(deleting: Stage) -> None:
    deleting.kube.faults = [None, *[Unavailable("down")] * 4]
    await deleting.reconcile()
    assert [await deleting.clean_up(1) for _ in range(3)] == [2, 4, 8]
    assert await deleting.clean_up(1) == 2
    assert deleting.kube.status.job_id == JOB


async def test_the_api_server_down_before_the_deletion_is_told_holds_the_deletion(deleting: Stage) -> None:
    await _made(deleting)
    deleting.kube.faults = [Unavailable("down")] * 3
    assert [await deleting.clean_up(1, _there(deleting)) for _ in range(3)] == [1, 2, 4]
    assert deleting.cloud.deletes == []
    await deleting.clean_up(5)
    assert deleting.cloud.deletes == [TARGET]
    assert await deleting.clean_up(2, _GONE) is None


async def test_the_api_server_down_after_the_deletion_leaves_nothing_stuck(deleting: Stage) -> None:
    await _made(deleting)
    deleting.cloud.during_delete = lambda: deleting.kube.faults.extend([Unavailable("down")] * 9)
    await deleting.clean_up(1, _there(deleting))
    assert deleting.cloud.deletes == [TARGET]
    assert await deleting.clean_up(60, _GONE) is None, "letting go needs no status"


async def test_a_conflict_is_decided_about_anew(deleting: Stage) -> None:
    await _made(deleting)
    deleting.kube.faults = [lambda: deleting.edit(deletionPolicy="Retain")]
    assert await deleting.clean_up(1, _there(deleting)) is None
    assert deleting.cloud.deletes == []


async def test_a_restart_between_the_deletion_and_its_end_leaves_nothing_stuck(deleting: Stage) -> None:
    await _made(deleting)
    await deleting.clean_up(1, _there(deleting))
    deleting.restart()
    assert await deleting.clean_up(1) == 2
    assert deleting.cloud.deletes == [TARGET, TARGET], "a deletion may be repeated"
    assert await deleting.clean_up(2, _GONE) is None


async def test_an_object_that_is_gone_already_is_let_go(deleting: Stage) -> None:
    await _made(deleting)
    deleting.kube.faults = [Missing("gone", 404)]
    assert await deleting.clean_up(1, _there(deleting)) is None
    assert deleting.cloud.deletes == []


async def test_what_blocks_is_told_once_until_it_is_over(deleting: Stage) -> None:
    await _made(deleting)
    deleting.cloud.deleted = Trouble(Cause.REFUSED, "the image is protected", "IMG.0089")
    pauses = [await deleting.clean_up(10, _there(deleting)) for _ in range(30)]
    assert _told(deleting) is Reason.DELETION_BLOCKED
    assert (pauses[0], pauses[-1]) == (5, 120)
    told = [event for event in deleting.kube.events if event["reason"] == "DeletionBlocked"]
    assert "IMG.0089: the image is protected" in str(told[0]["message"])
    assert len(told) == 1


async def test_a_switch_to_retain_frees_without_the_cloud(deleting: Stage) -> None:
    await _made(deleting)
    await deleting.clean_up(10, trouble(Cause.PROVIDER_MISSING))
    assert _told(deleting) is Reason.DELETION_BLOCKED
    deleting.edit(deletionPolicy="Retain")
    assert await deleting.clean_up(10) is None
    assert deleting.log[-1] == "observe NOTHING"


async def test_a_stubborn_image_is_told_once_and_asked_for_now_and_then(deleting: Stage) -> None:
    await _made(deleting)
    pause = await deleting.clean_up(1, _there(deleting))
    asked = 0.0
    for _ in range(60):
        assert pause is not None
        asked += pause
        pause = await deleting.clean_up(pause)
        if asked >= 62:
            assert _told(deleting) is Reason.DELETION_BLOCKED
    assert asked > 600
    assert 5 < len(deleting.cloud.deletes) < 40
    assert [event["reason"] for event in deleting.kube.events].count("DeletionBlocked") == 1
    assert await deleting.clean_up(1, _GONE) is None


@pytest.mark.parametrize("hours", [-1, 0, 1])
async def test_an_unknown_outcome_is_looked_for_through_the_settle_window(deleting: Stage, hours: int) -> None:
    deleting.cloud.outcome = lambda order: PostUnknown(order.attempt, Trouble(Cause.TRANSIENT, "no reply"))
    await deleting.reconcile()
    await deleting.clean_up(1, TargetsObserved(()))
    deleting.clock.set_by = 3600.0 * hours
    for _ in range(10):
        assert await deleting.clean_up(29, TargetsObserved(())) == 5
    assert await deleting.clean_up(10, TargetsObserved(())) is None
    assert deleting.kube.events[-1]["reason"] == "NothingToDelete"


async def test_a_copy_that_turns_up_late_is_deleted(deleting: Stage) -> None:
    deleting.cloud.outcome = lambda order: PostUnknown(order.attempt, Trouble(Cause.TRANSIENT, "no reply"))
    await deleting.reconcile()
    await deleting.clean_up(1, TargetsObserved(()))
    await deleting.clean_up(200, TargetsObserved((deleting.marked,)))
    assert deleting.cloud.deletes == [TARGET]
    assert await deleting.clean_up(2, _GONE) is None


async def test_an_image_that_lists_show_late_is_not_left_behind(deleting: Stage) -> None:
    await deleting.reconcile()
    await deleting.clean_up(30, succeeded_job())
    assert await deleting.clean_up(0, _GONE) == 5
    await deleting.clean_up(30, _there(deleting))
    assert deleting.cloud.deletes == [TARGET]
    assert await deleting.clean_up(2, _GONE) is None


async def test_two_processes_that_delete_at_once_both_end(deleting: Stage) -> None:
    await _made(deleting)
    stale = deleting.kube.snapshot
    other = deleting.process("pod/2")
    await deleting.clean_up(1, _there(deleting))
    deleting.clock.seconds += 1
    await other.clean(stale)
    assert await deleting.clean_up(2, _GONE) is None
    deleting.clock.seconds += 2
    assert await other.clean(deleting.kube.snapshot) is None
