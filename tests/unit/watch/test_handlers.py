"""What an event of the watch leads to: what is reconciled at once, later, or not at all."""

import asyncio
from functools import partial
from typing import Any

import kopf
import pytest

from imagecopy.api.base import FINALIZER
from imagecopy.api.imagecopy import DeletionPolicy
from imagecopy.copies.record import Record
from imagecopy.watch import handlers
from unit.copies.builders import PROJECT, Stage
from unit.flow.builders import UID, succeeded_job

pytestmark = pytest.mark.looptime


class Watched:
    """A stage whose events kopf's registry brings; ``reconciled`` has the moment of each reconcile."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.copies = self.stage.operator
        self.reconciled: list[float] = []
        reconcile = self.copies.reconciler.reconcile

        async def noted(record: Record) -> float | None:
            self.reconciled.append(asyncio.get_running_loop().time())
            return await reconcile(record)

        self.copies.registry.timers._reconcile = partial(self.copies.registry.run_step, noted)
        self.registry = kopf.OperatorRegistry()
        handlers.register(self.registry, self.copies)
        self.running = asyncio.create_task(self.copies.registry.timers.run())

    async def sees(self, kind: str | None = "MODIFIED", **metadata: Any) -> None:
        """The watch brings the object as it is; metadata that is given here is stored, as a version of its own."""
        if metadata:
            self.stage.kube.change(metadata=metadata)
        (handler,) = self.registry._watching.get_all_handlers()
        call: Any = handler.fn
        await call(event={"type": kind, "object": self.stage.kube.object}, uid=UID)
        await asyncio.sleep(0.01)

    async def finished_by_another(self) -> None:
        """Another process makes the copy, to its end."""
        other = self.stage.process("pod/2")
        await other.reconcile(self.stage.kube.snapshot)
        self.stage.cloud.sees = [succeeded_job()]
        await other.reconcile(self.stage.kube.snapshot)
        self.stage.log.clear()

    @property
    def records(self) -> int:
        """How many records there are."""
        return len(self.copies.registry)

    async def stop(self) -> None:
        self.copies.registry.timers.stop()
        await self.running


async def test_a_new_object_is_reconciled_at_once_and_our_own_writes_set_no_timer(looptime: float) -> None:
    watched = Watched()
    await watched.sees("ADDED")
    assert watched.stage.log == ["observe PREFLIGHT", "write intent", "POST", "write job id"]
    await watched.sees()
    await watched.sees()
    assert len(watched.reconciled) == 1
    await asyncio.sleep(6)
    assert len(watched.reconciled) == 2
    await watched.stop()


async def test_an_edit_is_reconciled_at_once(looptime: float) -> None:
    watched = Watched()
    await watched.sees("ADDED")
    watched.stage.edit(deletionPolicy="Delete")
    await watched.sees(finalizers=[FINALIZER])
    assert len(watched.reconciled) == 2
    await watched.stop()


async def test_what_a_start_finds_running_is_spread_over_some_seconds(looptime: float) -> None:
    watched = Watched()
    await watched.stage.process("pod/2").reconcile(watched.stage.kube.snapshot)
    await watched.sees(None)
    await asyncio.sleep(5)
    assert len(watched.reconciled) == 1
    assert watched.reconciled[0] > 0
    await watched.stop()


async def test_a_finished_object_costs_nothing_and_is_not_remembered(looptime: float) -> None:
    watched = Watched()
    await watched.finished_by_another()
    await watched.sees(None)
    await asyncio.sleep(60)
    assert (watched.reconciled, watched.stage.log) == ([], [])
    assert watched.records == 0
    await watched.stop()


async def test_one_that_another_process_finished_gives_its_slot_back(looptime: float) -> None:
    watched = Watched()
    await watched.sees("ADDED")
    other = watched.stage.process("pod/2")
    watched.stage.cloud.sees = [succeeded_job()]
    await other.reconcile(watched.stage.kube.snapshot)
    assert watched.copies.slots.used(PROJECT) == 1
    await watched.sees()
    assert watched.copies.slots.used(PROJECT) == 0
    assert watched.records == 0
    await watched.stop()


async def test_what_is_deleted_with_its_image_waits_for_the_finalizer(looptime: float) -> None:
    watched = Watched()
    watched.stage.edit(deletionPolicy=DeletionPolicy.DELETE)
    await watched.sees("ADDED")
    await asyncio.sleep(60)
    assert watched.reconciled == []
    await watched.sees(finalizers=[FINALIZER])
    assert len(watched.stage.cloud.posts) == 1
    await watched.stop()


@pytest.mark.parametrize("kind", ["MODIFIED", "DELETED"])
async def test_what_is_being_deleted_is_reconciled_no_more(kind: str, looptime: float) -> None:
    watched = Watched()
    await watched.sees("ADDED")
    await watched.sees(kind, deletionTimestamp="2026-09-01T13:00:00Z")
    await asyncio.sleep(600)
    assert len(watched.reconciled) == 1
    assert watched.copies.slots.used(PROJECT) == (1 if kind == "MODIFIED" else 0)
    await watched.stop()


async def test_what_does_not_fit_our_models_is_logged_and_left(
    looptime: float, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = Watched()
    watched.stage.kube.change(spec={"source": {"imageID": 7}})
    await watched.sees("ADDED")
    await asyncio.sleep(60)
    assert watched.reconciled == []
    assert "does not fit this version" in capsys.readouterr().out
    await watched.stop()
