"""Slots in a tick: who waits makes no look and no write, and is told when a slot is freed."""

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.cloud.cloud import Project
from imagecopy.copies.record import Record
from imagecopy.flow.decide import WAITING_SECONDS
from imagecopy.flow.observation import Cause, PostUnknown, TagsRefused, TargetsObserved, Trouble
from imagecopy.flow.view import condition
from imagecopy.kube.errors import Unavailable
from unit.copies.builders import Stage
from unit.flow.builders import TAGS, UID, failed_job, running, spec, succeeded_job, trouble

_OLD = ("2026-01-01T00:00:00Z", "team-b/old")


def _fill(stage: Stage) -> None:
    stage.cloud.at_project = Project("project-1", 1)
    assert stage.reconciler.slots.take("other", "project-1", 1, _OLD)


def _reason(stage: Stage) -> Reason:
    ready = condition(stage.kube.status, ConditionType.READY)
    assert ready is not None
    return ready.reason


async def test_who_waits_for_a_slot_makes_one_write_and_no_look(stage: Stage) -> None:
    _fill(stage)
    assert await stage.tick() == WAITING_SECONDS
    assert (stage.log, _reason(stage)) == (["write status"], Reason.WAITING_FOR_SLOT)
    for _ in range(20):
        assert await stage.tick(60) == WAITING_SECONDS
    assert stage.log == ["write status"]
    assert [event["reason"] for event in stage.kube.events] == ["WaitingForSlot"]


async def test_who_waits_behind_others_looks_less_often(stage: Stage) -> None:
    _fill(stage)
    for number in range(10_000):
        assert not stage.reconciler.slots.take(f"uid-{number}", "project-1", 1, ("", f"team-a/{number:05}"))
    assert await stage.tick() == 3600


async def test_a_freed_slot_is_told_and_taken(stage: Stage) -> None:
    _fill(stage)
    told: list[str] = []
    stage.reconciler.slots.on_turn = told.append
    await stage.tick()
    stage.reconciler.slots.release("other")
    assert told == [UID]
    assert await stage.tick() == 5
    assert stage.log == ["write status", "look PREFLIGHT", "write intent", "POST", "write job id"]
    assert stage.reconciler.slots.holds(UID)


async def test_an_older_object_goes_first(stage: Stage) -> None:
    _fill(stage)
    await stage.tick()
    assert not stage.reconciler.slots.take("older", "project-1", 1, ("", "team-a/a"))
    stage.reconciler.slots.release("other")
    assert await stage.tick() == WAITING_SECONDS + 6
    assert stage.cloud.posts == []


async def test_a_slot_is_held_until_the_copy_ended(stage: Stage) -> None:
    await stage.tick()
    for seen in (running(0.5), trouble()):
        await stage.tick(60, seen)
        assert stage.reconciler.slots.holds(UID)
    await stage.tick(60, succeeded_job())
    assert not stage.reconciler.slots.holds(UID)


async def test_a_slot_is_given_back_between_attempts(stage: Stage) -> None:
    await stage.tick()
    await stage.tick(60, failed_job())
    assert not stage.reconciler.slots.holds(UID)


async def test_a_slot_is_held_while_the_outcome_is_not_known_or_not_stored(stage: Stage) -> None:
    stage.cloud.outcome = lambda order: PostUnknown(order.attempt, Trouble(Cause.TRANSIENT, "no reply"))
    stage.kube.faults = [None, Unavailable("down")]
    await stage.tick()
    assert stage.reconciler.slots.holds(UID)
    await stage.tick(10, TargetsObserved(()))
    await stage.tick(10, TargetsObserved(()))
    assert stage.reconciler.slots.holds(UID)


async def test_what_keeps_a_copy_from_starting_takes_no_slot(stage: Stage) -> None:
    stage.cloud.sees = [trouble(Cause.UNREACHABLE)]
    await stage.tick()
    assert not stage.reconciler.slots.holds(UID)
    stage.kube.faults = [Unavailable("down")]
    await stage.tick(10)
    assert not stage.reconciler.slots.holds(UID)


async def test_a_copy_that_is_ready_needs_no_slot_for_its_tags(stage: Stage) -> None:
    await stage.tick()
    await stage.tick(600, succeeded_job())
    stage.edit(target={"tags": TAGS})
    stage.cloud.sees = [trouble(Cause.PERMISSION)]
    stage.cloud.tagged = TagsRefused("image", trouble(Cause.PERMISSION))
    await stage.tick(10)
    assert condition(stage.kube.status, ConditionType.RECONCILING)
    assert not stage.reconciler.slots.holds(UID)


async def test_a_project_that_can_not_be_told_is_trouble(stage: Stage) -> None:
    stage.cloud.at_project = Trouble(Cause.PROVIDER_MISSING, "no provider")
    assert await stage.tick() == 5
    assert (stage.log, _reason(stage)) == (["write status"], Reason.WAITING_FOR_PROVIDER)


async def test_a_job_whose_project_can_not_be_told_counts_for_all(stage: Stage) -> None:
    await stage.tick()
    restarted = stage.process("pod/2")
    stage.cloud.at_project = Trouble(Cause.PROVIDER_MISSING, "no provider")
    stage.cloud.sees = [trouble(Cause.PROVIDER_MISSING)]
    await restarted.tick(stage.kube.snapshot, Record())
    assert restarted.slots.used("any") == 1
    stage.cloud.at_project = Project("project-1", 5)
    await restarted.tick(stage.kube.snapshot, Record())
    assert (restarted.slots.used("any"), restarted.slots.used("project-1")) == (0, 1)


async def test_who_is_suspended_while_it_waits_leaves_the_queue(stage: Stage) -> None:
    _fill(stage)
    await stage.tick()
    assert stage.reconciler.slots.waiting("project-1") == 1
    stage.kube.change(spec=spec(suspend=True).to_wire(), metadata={"generation": 2})
    assert await stage.tick(1) is None
    assert stage.reconciler.slots.waiting("project-1") == 0
