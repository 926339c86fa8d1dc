"""The registry: which objects have a record, and what a record gives back when its object goes."""

import asyncio
import itertools
from dataclasses import replace
from typing import Any

import pytest

from imagecopy.api.imagecopy import DeletionPolicy, Phase
from imagecopy.cloud.cloud import Project
from imagecopy.copies.record import Record
from imagecopy.copies.registry import Registry
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.kube.errors import Unavailable
from imagecopy.kube.objects import Snapshot
from unit.copies.builders import PROJECT, Stage, body
from unit.flow.builders import UID, running, succeeded_job

pytestmark = pytest.mark.looptime


@pytest.fixture
def registry(stage: Stage) -> Registry:
    return stage.operator.registry


class Held:
    """Makes one call of the cloud hang until it is let go."""

    def __init__(self, stage: Stage, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self._go_on = asyncio.Event(), asyncio.Event()
        call = getattr(stage.cloud, name)

        async def held(*args: Any, **more: Any) -> Any:
            self.reached.set()
            await self._go_on.wait()
            return await call(*args, **more)

        monkeypatch.setattr(stage.cloud, name, held)

    def let_go(self) -> None:
        self._go_on.set()


def _step(stage: Stage, record: Record) -> "asyncio.Task[float | None]":
    work = stage.operator.registry.run_step(stage.operator.reconciler.reconcile, record)
    return asyncio.create_task(work)


@pytest.mark.parametrize("call", ["project", "observe", "post"])
async def test_an_object_that_goes_during_a_call_leaves_no_slot_behind(
    stage: Stage, registry: Registry, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(stage, call, monkeypatch)
    step = _step(stage, registry.record(stage.kube.snapshot))
    await held.reached.wait()
    stage.kube.object = None
    registry.gone(UID)
    held.let_go()
    assert await step is None
    assert (len(registry), stage.operator.slots.used(PROJECT), stage.operator.slots.waiting(PROJECT)) == (0, 0, 0)
    assert stage.operator.poller.crowds() == []


async def test_an_object_that_goes_while_it_is_asked_for_its_project_leaves_no_ghost_in_the_queue(
    stage: Stage, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.cloud.at_project = Project(PROJECT, 0)
    held = Held(stage, "project", monkeypatch)
    step = _step(stage, registry.record(stage.kube.snapshot))
    await held.reached.wait()
    registry.gone(UID)
    held.let_go()
    await step
    assert stage.operator.slots.waiting(PROJECT) == 0


async def test_an_object_that_goes_between_two_reconciles_gives_everything_back_at_once(
    stage: Stage, registry: Registry
) -> None:
    registry.seen(stage.kube.snapshot)
    await _step(stage, registry.record(stage.kube.snapshot))
    record = registry.record(stage.kube.snapshot)
    assert (stage.operator.slots.used(PROJECT), record.polled is not None) == (1, True)
    registry.gone(UID)
    assert (stage.operator.slots.used(PROJECT), record.polled, record.timer.is_active) == (0, None, False)
    registry.gone(UID)
    record.close()
    assert stage.operator.slots.used(PROJECT) == 0


async def test_an_object_that_vanished_unseen_is_given_up_by_the_next_list(stage: Stage, registry: Registry) -> None:
    await _step(stage, registry.record(stage.kube.snapshot))
    known = registry.uids()
    later = Snapshot.parse(body(metadata={**body()["metadata"], "uid": "later", "name": "later"}))
    registry.seen(later)
    registry.retain(known, listed=[])
    assert registry.uids() == {"later"}
    assert stage.operator.slots.used(PROJECT) == 0


async def test_an_object_that_a_write_finds_gone_is_given_up(stage: Stage, registry: Registry) -> None:
    await _step(stage, registry.record(stage.kube.snapshot))
    record = registry.record(stage.kube.snapshot)
    stage.kube.object = None
    stage.cloud.sees = [succeeded_job()]
    assert await _step(stage, record) is None
    assert (len(registry), stage.operator.slots.used(PROJECT)) == (0, 0)


async def test_a_finished_object_has_no_record_and_is_recognised(stage: Stage, registry: Registry) -> None:
    await _step(stage, registry.record(stage.kube.snapshot))
    stage.cloud.sees = [succeeded_job()]
    await _step(stage, registry.record(stage.kube.snapshot))
    assert len(registry) == 0
    assert registry.knows(UID, stage.kube.snapshot.resource_version)
    assert registry.phases()[Phase.SUCCEEDED] == 1
    stage.edit(target={"tags": {"a": "b"}})
    assert not registry.knows(UID, stage.kube.snapshot.resource_version)
    registry.seen(stage.kube.snapshot)
    assert (len(registry), registry.phases()[Phase.SUCCEEDED]) == (1, 1)


async def test_an_object_that_rests_while_it_is_reconciled_is_closed_when_that_has_ended(
    stage: Stage, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _step(stage, registry.record(stage.kube.snapshot))
    record = registry.record(stage.kube.snapshot)
    held = Held(stage, "observe", monkeypatch)
    step = _step(stage, record)
    await held.reached.wait()
    other = stage.process("pod/2")
    monkeypatch.undo()
    stage.cloud.sees = [succeeded_job()]
    await other.reconcile(stage.kube.snapshot)
    registry.seen(stage.kube.snapshot)
    assert registry.record(stage.kube.snapshot) is record, "one object never has two records"
    assert stage.operator.slots.used(PROJECT) == 1
    held.let_go()
    await step
    assert (len(registry), stage.operator.slots.used(PROJECT)) == (0, 0)


async def test_an_outcome_that_is_not_stored_keeps_its_record(stage: Stage, registry: Registry) -> None:
    stage.kube.faults = [None, Unavailable("down")]
    await _step(stage, registry.record(stage.kube.snapshot))
    record = registry.record(stage.kube.snapshot)
    assert record.outcome is not None
    assert not record.is_over
    record.fingerprint = replace(record.fingerprint, is_resting=True)
    assert not record.is_over


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_the_order_in_which_versions_are_seen_does_not_matter(
    stage: Stage, registry: Registry, order: tuple[int, ...]
) -> None:
    versions = [stage.kube.snapshot]
    for policy in (DeletionPolicy.DELETE, DeletionPolicy.RETAIN):
        stage.edit(deletionPolicy=policy)
        versions.append(stage.kube.snapshot)
    for number in order:
        registry.seen(versions[number])
        registry.seen(versions[number])
    record = registry.record(versions[0])
    assert record.snapshot == versions[2]
    assert record.timer.is_active
    record.close()


async def test_an_older_version_from_a_read_that_raced_replaces_no_newer_one(stage: Stage, registry: Registry) -> None:
    old = stage.kube.snapshot
    stage.edit(suspend=True)
    registry.seen(stage.kube.snapshot)
    registry.seen(old)
    assert registry.record(old).snapshot.spec.suspend
    registry.gone(UID)


async def test_an_object_that_is_packed_is_the_same_when_it_is_needed(stage: Stage, registry: Registry) -> None:
    stage.edit(deletionPolicy="Delete")
    stage.kube.change(metadata={"finalizers": ["imagecopy.io/finalizer"], "deletionTimestamp": "2026-09-01T12:00:00Z"})
    record = registry.record(stage.kube.snapshot)
    record.pack()
    assert record.snapshot == stage.kube.snapshot
    assert record.snapshot.is_deleting
    assert record.snapshot.has_finalizer


async def test_jobs_found_at_the_start_hold_their_slots_and_are_reconciled_within_seconds(
    stage: Stage, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.process("pod/2").reconcile(stage.kube.snapshot)
    stage.cloud.sees = [running(0.5)]

    async def image_copies(namespace: str | None) -> Any:
        yield stage.kube.snapshot

    monkeypatch.setattr(stage.kube, "image_copies", image_copies)
    await stage.operator.count_running()
    await stage.operator.count_running()
    assert stage.operator.slots.used("any project") == 1
    timers = asyncio.create_task(registry.timers.run())
    await asyncio.sleep(6)
    assert "observe JOB" in stage.log
    stage.cloud.at_project = Trouble(Cause.PROVIDER_MISSING, "gone")
    registry.timers.stop()
    await timers
