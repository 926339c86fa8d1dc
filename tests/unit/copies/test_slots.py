"""Slots in a tick: who waits makes no look and no write, and is told when a slot is freed."""

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.cloud.cloud import Project
from imagecopy.copies.queue import Claim
from imagecopy.copies.record import Record
from imagecopy.flow.decide import WAITING_SECONDS
from imagecopy.flow.observation import Cause, PostUnknown, TagsRefused, TargetsObserved, Trouble
from imagecopy.flow.view import condition
from imagecopy.kube.errors import Unavailable
from imagecopy.kube.objects import Snapshot
from unit.copies.builders import Stage, body
from unit.flow.builders import TAGS, failed_job, running, spec, succeeded_job, trouble

_OLD = ("2026-01-01T00:00:00Z", "team-b/old", "uid-old")


def _other() -> Record:
    """The record of an object that only stands in the queue."""
    return Record.of(Snapshot.parse(body()))


def _fill(stage: Stage) -> Claim:
    stage.cloud.at_project = Project("project-1", 1)
    claim = Claim()
    assert stage.operator.slots.take(claim, _other(), "project-1", 1, _OLD)
    return claim


def _reason(stage: Stage) -> Reason:
    ready = condition(stage.kube.status, ConditionType.READY)
    assert ready is not None
    return ready.reason


async def test_who_waits_for_a_slot_makes_one_write_and_no_look(stage: Stage) -> None:
    _fill(stage)
    assert await stage.reconcile() == WAITING_SECONDS
    assert (stage.log, _reason(stage)) == (["write status"], Reason.WAITING_FOR_SLOT)
    for _ in range(20):
        assert await stage.reconcile(60) == WAITING_SECONDS
    assert stage.log == ["write status"]
    assert [event["reason"] for event in stage.kube.events] == ["WaitingForSlot"]


async def test_who_waits_behind_others_looks_less_often(stage: Stage) -> None:
    _fill(stage)
    other = _other()
    for number in range(10_000):
        place = ("", f"team-a/{number:05}", f"uid-{number}")
        assert not stage.operator.slots.take(Claim(), other, "project-1", 1, place)
    assert await stage.reconcile() == 3600


async def test_a_freed_slot_is_told_and_taken(stage: Stage) -> None:
    filling = _fill(stage)
    woken: list[Record] = []
    stage.operator.slots.on_turn = woken.append
    await stage.reconcile()
    filling.release()
    assert woken == [stage.record]
    assert await stage.reconcile() == 5
    assert stage.log == ["write status", "observe PREFLIGHT", "write intent", "POST", "write job id"]
    assert stage.holds_slot


async def test_an_older_object_goes_first(stage: Stage) -> None:
    filling = _fill(stage)
    await stage.reconcile()
    assert not stage.operator.slots.take(Claim(), _other(), "project-1", 1, ("", "team-a/a", "uid"))
    filling.release()
    assert await stage.reconcile() == WAITING_SECONDS + 6
    assert stage.cloud.posts == []


async def test_a_slot_is_held_until_the_copy_ended(stage: Stage) -> None:
    await stage.reconcile()
    for seen in (running(0.5), trouble()):
        await stage.reconcile(60, seen)
        assert stage.holds_slot
    await stage.reconcile(60, succeeded_job())
    assert not stage.holds_slot


async def test_a_slot_is_given_back_between_attempts(stage: Stage) -> None:
    await stage.reconcile()
    await stage.reconcile(60, failed_job())
    assert not stage.holds_slot


async def test_a_slot_is_held_while_the_outcome_is_not_known_or_not_stored(stage: Stage) -> None:
    stage.cloud.outcome = lambda order: PostUnknown(order.attempt, Trouble(Cause.TRANSIENT, "no reply"))
    stage.kube.faults = [None, Unavailable("down")]
    await stage.reconcile()
    assert stage.holds_slot
    await stage.reconcile(10, TargetsObserved(()))
    await stage.reconcile(10, TargetsObserved(()))
    assert stage.holds_slot


async def test_what_keeps_a_copy_from_starting_takes_no_slot(stage: Stage) -> None:
    stage.cloud.sees = [trouble(Cause.UNREACHABLE)]
    await stage.reconcile()
    assert not stage.holds_slot
    stage.kube.faults = [Unavailable("down")]
    await stage.reconcile(10)
    assert not stage.holds_slot


async def test_a_copy_that_is_ready_needs_no_slot_for_its_tags(stage: Stage) -> None:
    await stage.reconcile()
    await stage.reconcile(600, succeeded_job())
    stage.edit(target={"tags": TAGS})
    stage.cloud.sees = [trouble(Cause.PERMISSION)]
    stage.cloud.tagged = TagsRefused("image", trouble(Cause.PERMISSION))
    await stage.reconcile(10)
    assert condition(stage.kube.status, ConditionType.RECONCILING)
    assert not stage.holds_slot


async def test_a_project_that_can_not_be_told_is_trouble(stage: Stage) -> None:
    stage.cloud.at_project = Trouble(Cause.PROVIDER_MISSING, "no provider")
    assert await stage.reconcile() == 5
    assert (stage.log, _reason(stage)) == (["write status"], Reason.WAITING_FOR_PROVIDER)


async def test_a_job_whose_project_can_not_be_told_counts_for_all(stage: Stage) -> None:
    await stage.reconcile()
    restarted = stage.process("pod/2")
    stage.cloud.at_project = Trouble(Cause.PROVIDER_MISSING, "no provider")
    stage.cloud.sees = [trouble(Cause.PROVIDER_MISSING)]
    await restarted.reconcile(stage.kube.snapshot)
    assert restarted.slots.used("any") == 1
    stage.cloud.at_project = Project("project-1", 5)
    await restarted.reconcile(stage.kube.snapshot)
    assert (restarted.slots.used("any"), restarted.slots.used("project-1")) == (0, 1)


async def test_who_is_suspended_while_it_waits_leaves_the_queue(stage: Stage) -> None:
    _fill(stage)
    await stage.reconcile()
    assert stage.operator.slots.waiting("project-1") == 1
    stage.kube.change(spec=spec(suspend=True).to_wire(), metadata={"generation": 2})
    assert await stage.reconcile(1) is None
    assert stage.operator.slots.waiting("project-1") == 0
