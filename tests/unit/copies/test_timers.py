"""When ticks are made: as due, at once where something happened, so many at a time, running copies first."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from imagecopy.copies.record import Record
from imagecopy.copies.timers import Timers
from imagecopy.kube.objects import Snapshot
from unit.copies.builders import Stage

pytestmark = pytest.mark.looptime


class Ticks:
    """Ticks that last and answer as told; ``made`` has the moment and the object of each."""

    def __init__(self) -> None:
        self.made: list[tuple[float, str]] = []
        self.pause: Callable[[str], float | None] = lambda _: None
        self.lasts = 0.0
        self.names: dict[Record, str] = {}
        self.at_once = 0
        self.most_at_once = 0

    def memory(self, uid: str) -> Record:
        memory = Record()
        self.names[memory] = uid
        return memory

    async def __call__(self, memory: Record) -> float | None:
        uid = self.names[memory]
        self.made.append((round(asyncio.get_running_loop().time(), 3), uid))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.lasts)
        self.at_once -= 1
        return self.pause(uid)


@asynccontextmanager
async def scheduling(ticks: Ticks, workers: int = 3) -> AsyncIterator[Timers]:
    scheduler = Timers(ticks, workers=workers)
    running = asyncio.create_task(scheduler.run())
    await asyncio.sleep(0)
    yield scheduler
    scheduler.stop()
    await running


async def test_an_object_is_ticked_at_once_and_then_as_it_says(looptime: float) -> None:
    ticks = Ticks()
    pauses = iter([10.0, 2.5, None])
    ticks.pause = lambda _: next(pauses)
    async with scheduling(ticks) as scheduler:
        scheduler.add("a", ticks.memory("a"))
        await asyncio.sleep(60)
        assert ticks.made == [(0, "a"), (10, "a"), (12.5, "a")]
        assert not scheduler.knows("a")


async def test_objects_with_the_same_times_do_not_get_in_each_others_way(looptime: float) -> None:
    ticks = Ticks()
    ticks.pause = lambda uid: 10.0 if uid == "a" else 4.0
    async with scheduling(ticks) as scheduler:
        for uid in ("a", "b"):
            scheduler.add(uid, ticks.memory(uid))
        await asyncio.sleep(21)
    assert [moment for moment, uid in ticks.made if uid == "a"] == [0, 10, 20]
    assert [moment for moment, uid in ticks.made if uid == "b"] == [0, 4, 8, 12, 16, 20]


async def test_what_happens_between_two_ticks_brings_the_next_one_forward(looptime: float) -> None:
    ticks = Ticks()
    ticks.pause = lambda _: 600.0
    async with scheduling(ticks) as scheduler:
        scheduler.add("a", ticks.memory("a"))
        await asyncio.sleep(5)
        scheduler.prompt("a")
        scheduler.prompt("a")
        await asyncio.sleep(604)
    assert ticks.made == [(0, "a"), (5, "a"), (605, "a")]


async def test_what_happens_during_a_tick_is_followed_by_another_one(looptime: float) -> None:
    ticks = Ticks()
    ticks.lasts = 2.0
    async with scheduling(ticks) as scheduler:
        scheduler.add("a", ticks.memory("a"))
        await asyncio.sleep(1)
        scheduler.prompt("a")
        await asyncio.sleep(10)
        assert ticks.made == [(0, "a"), (2, "a")]
        assert ticks.most_at_once == 1
        assert not scheduler.knows("a")


async def test_a_planned_tick_is_not_put_off(looptime: float) -> None:
    ticks = Ticks()
    async with scheduling(ticks) as scheduler:
        memory = ticks.memory("a")
        scheduler.add("a", memory, 5)
        scheduler.add("a", memory, 50)
        await asyncio.sleep(60)
    assert ticks.made == [(5, "a")]


async def test_what_is_forgotten_is_not_ticked_and_what_is_unknown_not_prompted(looptime: float) -> None:
    ticks = Ticks()
    async with scheduling(ticks) as scheduler:
        scheduler.add("a", ticks.memory("a"), 5)
        scheduler.forget("a")
        scheduler.forget("b")
        scheduler.prompt("b")
        await asyncio.sleep(60)
        assert len(scheduler) == 0
    assert ticks.made == []


async def test_what_is_forgotten_during_its_tick_comes_back_only_if_it_is_added(looptime: float) -> None:
    ticks = Ticks()
    ticks.lasts, ticks.pause = 2.0, lambda _: 3.0
    async with scheduling(ticks) as scheduler:
        scheduler.add("a", ticks.memory("a"))
        await asyncio.sleep(1)
        scheduler.forget("a")
        await asyncio.sleep(10)
        assert ticks.made == [(0, "a")]
        scheduler.add("a", ticks.memory("a"))
        await asyncio.sleep(1)
    assert ticks.made == [(0, "a"), (11, "a")]


async def test_so_many_at_a_time_and_no_more(looptime: float) -> None:
    ticks = Ticks()
    ticks.lasts = 1.0
    async with scheduling(ticks, workers=3) as scheduler:
        for number in range(10):
            scheduler.add(str(number), ticks.memory(str(number)))
        await asyncio.sleep(10)
    assert ticks.most_at_once == 3
    assert [uid for _, uid in ticks.made] == [str(number) for number in range(10)]
    assert ticks.made[-1] == (3, "9")


async def test_copies_that_run_come_before_new_ones(looptime: float) -> None:
    ticks = Ticks()
    ticks.lasts = 1.0
    running = ticks.memory("running")
    running.stored = await _running_snapshot()
    async with scheduling(ticks, workers=1) as scheduler:
        for uid in ("new-1", "new-2"):
            scheduler.add(uid, ticks.memory(uid))
        scheduler.add("running", running)
        await asyncio.sleep(10)
    assert [uid for _, uid in ticks.made] == ["running", "new-1", "new-2"]


async def test_a_stop_breaks_off_what_is_made_and_begins_nothing(looptime: float) -> None:
    ticks = Ticks()
    ticks.lasts = 100.0
    scheduler = Timers(ticks, workers=1)
    running = asyncio.create_task(scheduler.run())
    for uid in ("a", "b", "c"):
        scheduler.add(uid, ticks.memory(uid), 0 if uid != "c" else 5)
    await asyncio.sleep(1)
    scheduler.stop()
    await running
    await asyncio.sleep(60)
    assert ticks.made == [(0, "a")]


async def _running_snapshot() -> Snapshot:
    stage = Stage()
    await stage.tick()
    return stage.kube.snapshot
