"""When timers fire: as set, at once where something happened, so many at a time, running copies first."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from imagecopy.copies.timers import Timer, Timers

pytestmark = pytest.mark.looptime


@dataclass(eq=False)
class Item:
    """Something with a timer."""

    name: str
    is_in_flight: bool = False
    timer: Timer = field(default_factory=Timer)


class Reconciles:
    """Reconciles that last for ``lasts`` seconds and return ``pause``; ``made`` has the moment and the item of each."""

    def __init__(self) -> None:
        self.made: list[tuple[float, str]] = []
        self.pause: Callable[[str], float | None] = lambda _: None
        self.lasts = 0.0
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, item: Item) -> float | None:
        self.made.append((round(asyncio.get_running_loop().time(), 3), item.name))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.lasts)
        self.at_once -= 1
        return self.pause(item.name)


@asynccontextmanager
async def running(reconciles: Reconciles, workers: int = 3) -> AsyncIterator[Timers[Item]]:
    timers = Timers(reconciles, workers=workers)
    task = asyncio.create_task(timers.run())
    await asyncio.sleep(0)
    yield timers
    timers.stop()
    await task


async def test_a_timer_fires_at_once_and_then_as_each_reconcile_says(looptime: float) -> None:
    reconciles, item = Reconciles(), Item("a")
    pauses = iter([10.0, 2.5, None])
    reconciles.pause = lambda _: next(pauses)
    async with running(reconciles) as timers:
        timers.set(item)
        await asyncio.sleep(60)
        assert reconciles.made == [(0, "a"), (10, "a"), (12.5, "a")]
        assert not item.timer.is_active


async def test_timers_with_the_same_times_do_not_get_in_each_others_way(looptime: float) -> None:
    reconciles = Reconciles()
    reconciles.pause = lambda name: 10.0 if name == "a" else 4.0
    async with running(reconciles) as timers:
        for name in ("a", "b"):
            timers.set(Item(name))
        await asyncio.sleep(21)
    assert [moment for moment, name in reconciles.made if name == "a"] == [0, 10, 20]
    assert [moment for moment, name in reconciles.made if name == "b"] == [0, 4, 8, 12, 16, 20]


async def test_what_happens_between_two_reconciles_brings_the_next_one_forward(looptime: float) -> None:
    reconciles, item = Reconciles(), Item("a")
    reconciles.pause = lambda _: 600.0
    async with running(reconciles) as timers:
        timers.set(item)
        await asyncio.sleep(5)
        timers.hasten(item)
        timers.hasten(item)
        await asyncio.sleep(604)
    assert reconciles.made == [(0, "a"), (5, "a"), (605, "a")]


async def test_what_happens_during_a_reconcile_is_followed_by_another_one(looptime: float) -> None:
    reconciles, item = Reconciles(), Item("a")
    reconciles.lasts = 2.0
    async with running(reconciles) as timers:
        timers.set(item)
        await asyncio.sleep(1)
        timers.hasten(item)
        await asyncio.sleep(10)
        assert reconciles.made == [(0, "a"), (2, "a")]
        assert reconciles.most_at_once == 1
        assert not item.timer.is_active


async def test_a_timer_that_is_set_is_not_put_off(looptime: float) -> None:
    reconciles, item = Reconciles(), Item("a")
    async with running(reconciles) as timers:
        timers.set(item, 5)
        timers.set(item, 50)
        await asyncio.sleep(60)
    assert reconciles.made == [(5, "a")]


async def test_a_cancelled_timer_does_not_fire_and_can_not_be_hastened(looptime: float) -> None:
    reconciles, item, other = Reconciles(), Item("a"), Item("b")
    async with running(reconciles) as timers:
        timers.set(item, 5)
        item.timer.cancel()
        other.timer.cancel()
        timers.hasten(item)
        timers.hasten(other)
        await asyncio.sleep(60)
        assert not item.timer.is_active
    assert reconciles.made == []


async def test_a_cancelled_timer_that_is_set_anew_fires_once(looptime: float) -> None:
    reconciles, item = Reconciles(), Item("a")
    async with running(reconciles) as timers:
        timers.set(item, 5)
        item.timer.cancel()
        timers.set(item, 5)
        await asyncio.sleep(60)
    assert reconciles.made == [(5, "a")]


async def test_a_timer_that_is_cancelled_while_it_fires_is_idle_until_it_is_set(looptime: float) -> None:
    reconciles, item = Reconciles(), Item("a")
    reconciles.lasts, reconciles.pause = 2.0, lambda _: 3.0
    async with running(reconciles) as timers:
        timers.set(item)
        await asyncio.sleep(1)
        timers.hasten(item)
        item.timer.cancel()
        await asyncio.sleep(10)
        assert reconciles.made == [(0, "a")]
        timers.set(item)
        await asyncio.sleep(1)
    assert reconciles.made == [(0, "a"), (11, "a")]


async def test_a_timer_that_is_cancelled_and_set_while_it_fires_never_fires_beside_itself(looptime: float) -> None:
    reconciles, item = Reconciles(), Item("a")
    reconciles.lasts = 2.0
    async with running(reconciles) as timers:
        timers.set(item)
        await asyncio.sleep(1)
        item.timer.cancel()
        timers.set(item)
        await asyncio.sleep(10)
    assert reconciles.made == [(0, "a"), (2, "a")]
    assert reconciles.most_at_once == 1


async def test_so_many_at_a_time_and_no_more(looptime: float) -> None:
    reconciles = Reconciles()
    reconciles.lasts = 1.0
    async with running(reconciles, workers=3) as timers:
        for number in range(10):
            timers.set(Item(str(number)))
        await asyncio.sleep(10)
    assert reconciles.most_at_once == 3
    assert [name for _, name in reconciles.made] == [str(number) for number in range(10)]
    assert reconciles.made[-1] == (3, "9")


async def test_copies_that_run_come_before_new_ones(looptime: float) -> None:
    reconciles = Reconciles()
    reconciles.lasts = 1.0
    async with running(reconciles, workers=1) as timers:
        for name in ("new-1", "new-2"):
            timers.set(Item(name))
        timers.set(Item("running", is_in_flight=True))
        await asyncio.sleep(10)
    assert [name for _, name in reconciles.made] == ["running", "new-1", "new-2"]


async def test_a_stop_cancels_what_is_under_way_and_starts_nothing(looptime: float) -> None:
    reconciles = Reconciles()
    reconciles.lasts = 100.0
    timers = Timers(reconciles, workers=1)
    task = asyncio.create_task(timers.run())
    for name in ("a", "b", "c"):
        timers.set(Item(name), 0 if name != "c" else 5)
    await asyncio.sleep(1)
    timers.stop()
    await task
    await asyncio.sleep(60)
    assert reconciles.made == [(0, "a")]


async def test_a_worker_that_fails_is_not_lost_in_silence(looptime: float) -> None:
    async def fails(item: Item) -> float | None:
        raise KeyError(item.name)

    timers = Timers(fails, workers=2)
    timers.set(Item("a"))
    with pytest.raises(KeyError):
        await timers.run()
