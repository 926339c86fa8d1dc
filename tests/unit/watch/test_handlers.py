"""What an event of the watch leads to: who is ticked at once, later, or not at all."""

import asyncio
from typing import Any

import kopf
import pytest

from imagecopy.api.imagecopy import DeletionPolicy
from imagecopy.copies.phase_counts import PhaseCounts
from imagecopy.copies.record import Record
from imagecopy.copies.timers import Timers
from imagecopy.watch import handlers
from unit.copies.builders import Stage
from unit.flow.builders import UID, succeeded_job

pytestmark = pytest.mark.looptime


class Watched:
    """A stage whose events are brought by kopf's registry, as kopf brings them."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.ticks: list[float] = []
        self.scheduler = Timers(self._tick, workers=2)
        self.stage.reconciler.slots.on_turn = self.scheduler.prompt
        self.memo = kopf.Memo()
        self.registry = kopf.OperatorRegistry()
        self.census = PhaseCounts()
        handlers.register(self.registry, self.stage.reconciler, self.scheduler, self.census)
        self.running = asyncio.create_task(self.scheduler.run())

    async def _tick(self, memory: Record) -> float | None:
        self.ticks.append(asyncio.get_running_loop().time())
        assert memory.stored is not None
        return await self.stage.reconciler.tick(memory.stored, memory)

    async def sees(self, kind: str | None = "MODIFIED", **metadata: Any) -> None:
        """The watch brings the object as it is."""
        assert self.stage.kube.object is not None
        found = self.stage.kube.object
        told = {**found, "metadata": {**found["metadata"], **metadata}}
        (see,) = self.registry._watching.get_all_handlers()
        call: Any = see.fn
        await call(event={"type": kind, "object": told}, uid=UID, memo=self.memo)
        await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self.scheduler.stop()
        await self.running


async def test_a_new_object_is_ticked_at_once_and_our_own_writes_tick_nothing(looptime: float) -> None:
    watched = Watched()
    await watched.sees("ADDED")
    assert watched.stage.log == ["look PREFLIGHT", "write intent", "POST", "write job id"]
    await watched.sees()
    await watched.sees()
    assert len(watched.ticks) == 1
    await asyncio.sleep(6)
    assert len(watched.ticks) == 2
    await watched.stop()


async def test_an_edit_is_ticked_at_once(looptime: float) -> None:
    watched = Watched()
    await watched.sees("ADDED")
    watched.stage.edit(deletionPolicy="Delete")
    await watched.sees(finalizers=[handlers.FINALIZER])
    assert len(watched.ticks) == 2
    await watched.stop()


async def test_what_a_start_finds_running_is_spread_over_some_seconds(looptime: float) -> None:
    watched = Watched()
    await watched.stage.tick()
    await watched.sees(None)
    await asyncio.sleep(5)
    assert len(watched.ticks) == 1
    assert watched.ticks[0] > 0
    await watched.stop()


async def test_a_finished_object_costs_nothing_and_is_not_remembered(looptime: float) -> None:
    watched = Watched()
    await watched.stage.tick()
    await watched.stage.tick(600, succeeded_job())
    watched.stage.log.clear()
    await watched.sees(None)
    await asyncio.sleep(60)
    assert (watched.ticks, watched.stage.log) == ([], [])
    assert watched.memo["memory"].stored is None
    assert not watched.scheduler.knows(UID)
    await watched.stop()


async def test_one_that_another_process_finished_gives_its_slot_back(looptime: float) -> None:
    watched = Watched()
    await watched.sees("ADDED")
    other = watched.stage.process("pod/2")
    watched.stage.cloud.sees = [succeeded_job()]
    await other.tick(watched.stage.kube.snapshot, Record())
    assert watched.stage.reconciler.slots.holds(UID)
    await watched.sees()
    assert not watched.stage.reconciler.slots.holds(UID)
    await watched.stop()


async def test_what_is_deleted_with_its_image_waits_for_the_finalizer(looptime: float) -> None:
    watched = Watched()
    watched.stage.edit(deletionPolicy=DeletionPolicy.DELETE)
    await watched.sees("ADDED")
    await asyncio.sleep(60)
    assert watched.ticks == []
    await watched.sees(finalizers=[handlers.FINALIZER])
    assert len(watched.stage.cloud.posts) == 1
    await watched.stop()


@pytest.mark.parametrize("kind", ["MODIFIED", "DELETED"])
async def test_what_is_being_deleted_is_ticked_no_more(kind: str, looptime: float) -> None:
    watched = Watched()
    await watched.sees("ADDED")
    await watched.sees(kind, deletionTimestamp="2026-09-01T13:00:00Z")
    await asyncio.sleep(600)
    assert len(watched.ticks) == 1
    assert watched.stage.reconciler.slots.holds(UID) is (kind == "MODIFIED")
    await watched.stop()


async def test_what_does_not_fit_our_models_is_told_and_left(
    looptime: float, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = Watched()
    watched.stage.kube.change(spec={"source": {"imageID": 7}})
    await watched.sees("ADDED")
    await asyncio.sleep(60)
    assert watched.ticks == []
    assert "does not fit this version" in capsys.readouterr().out
    await watched.stop()
