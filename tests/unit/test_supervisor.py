"""Background tasks: one that ends by itself ends the process, and says why."""

import asyncio

import pytest

from imagecopy.supervisor import Supervisor, TaskEnded


async def _forever() -> None:
    await asyncio.Event().wait()


async def _at_once() -> None:
    """End."""


async def _fails() -> None:
    raise StopAsyncIteration("a group vanished")


async def test_a_task_that_runs_until_the_end_is_no_failure() -> None:
    supervisor = Supervisor()
    async with supervisor.running("poller", _forever()):
        await asyncio.sleep(0)
    supervisor.check()


@pytest.mark.parametrize(("work", "why"), [(_at_once, "it returned"), (_fails, "StopAsyncIteration: a group vanished")])
async def test_a_task_that_ends_is_reported_once_with_its_name_and_reason(work: object, why: str) -> None:
    assert callable(work)
    supervisor, reasons = Supervisor(), list[str]()
    supervisor.on_failure = reasons.append
    async with supervisor.running("poller", work()), supervisor.running("timers", _at_once()):
        await asyncio.sleep(0.01)
    assert len(reasons) == 1
    assert "'poller'" in reasons[0]
    assert why in reasons[0]
    with pytest.raises(TaskEnded, match="poller"):
        supervisor.check()


async def test_a_task_that_somebody_cancels_is_a_failure() -> None:
    supervisor = Supervisor()
    async with supervisor.running("poller", _forever()):
        await asyncio.sleep(0)
        (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "poller"]
        task.cancel()
        await asyncio.sleep(0.01)
    with pytest.raises(TaskEnded, match="it was cancelled"):
        supervisor.check()


async def test_tasks_may_end_while_the_process_stops() -> None:
    supervisor = Supervisor()
    async with supervisor.running("timers", _at_once()):
        supervisor.stopping()
        await asyncio.sleep(0.01)
    supervisor.check()
