"""Reads that many ask for at once are made once, and never before the last one asked."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest

from imagecopy import ims
from imagecopy.cloud.shared_reads import Batches, SharedReads
from imagecopy.providers.limiter import CallLimiter
from unit.cloud.builders import FakeClient, an_image

pytestmark = pytest.mark.looptime


class Reads:
    """Reads that take a while; ``made`` has the moment and the keys of each."""

    def __init__(self, lasts: float = 0.0) -> None:
        self.made: list[tuple[float, frozenset[int]]] = []
        self.lasts = lasts
        self.error: Exception | None = None

    async def __call__(self, keys: frozenset[int]) -> Mapping[int, str]:
        began = asyncio.get_running_loop().time()
        self.made.append((round(began, 3), keys))
        await asyncio.sleep(self.lasts)
        if self.error:
            raise self.error
        return {key: f"{key} at {began:.2f}" for key in keys}


async def test_who_asks_alone_is_answered_at_once(looptime: float) -> None:
    reads = Reads()
    batches = Batches(reads)
    for number in range(10):
        assert await batches.get(number) == f"{number} at {number}.00"
        await asyncio.sleep(1)


async def test_of_many_who_ask_at_once_the_first_go_alone_and_the_others_together(looptime: float) -> None:
    reads = Reads()
    batches = Batches(reads)
    found = await asyncio.gather(*(batches.get(number) for number in range(100)))
    assert [value.split()[0] for value in found] == [str(number) for number in range(100)]
    assert [len(keys) for _, keys in reads.made] == [1, 1, 1, 1, 96]
    assert reads.made[-1][0] == 0.25


async def test_what_is_read_was_read_after_it_was_asked_for(looptime: float) -> None:
    reads = Reads(lasts=2.0)
    batches = Batches(reads)
    asked: list[asyncio.Task[tuple[float, str]]] = []

    async def ask(number: int) -> tuple[float, str]:
        return asyncio.get_running_loop().time(), await batches.get(number)

    for number in range(200):
        asked.append(asyncio.create_task(ask(number % 7)))
        await asyncio.sleep(0.01)
    for task in asked:
        when, value = await task
        assert float(value.split()[2]) >= round(when, 2)


async def test_slow_batches_are_far_between(looptime: float) -> None:
    reads = Reads(lasts=1.0)
    batches = Batches(reads)
    asked = []
    for _ in range(3000):
        asked.append(asyncio.create_task(batches.get(1)))
        await asyncio.sleep(0.01)
    await asyncio.gather(*asked)
    assert len(reads.made) <= 4 + 30 / (1 + 2) + 1


async def test_an_error_is_told_to_all_and_the_next_ones_are_read_anew(looptime: float) -> None:
    reads = Reads()
    batches = Batches(reads)
    reads.error = ims.Unreachable("down")
    found = await asyncio.gather(*(batches.get(number) for number in range(20)), return_exceptions=True)
    assert all(isinstance(each, ims.Unreachable) for each in found)
    reads.error = None
    assert await batches.get(1) is not None


async def test_who_gives_up_takes_nobody_along(looptime: float) -> None:
    batches = Batches(Reads(lasts=1.0))
    asked = [asyncio.create_task(batches.get(number)) for number in range(20)]
    await asyncio.sleep(0.3)
    asked[10].cancel()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(each, str) for each in found] == [number != 10 for number in range(20)]


async def test_a_batch_that_nobody_waits_for_any_more_fails_in_silence(looptime: float) -> None:
    reads = Reads()
    reads.error = ims.Unreachable("down")
    batches = Batches(reads)
    asked = [asyncio.create_task(batches.get(number)) for number in range(20)]
    await asyncio.sleep(0.1)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    await asyncio.sleep(1)
    assert len(reads.made) == 5


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


def _reads(client: FakeClient) -> SharedReads:
    return SharedReads(client, CallLimiter(time.monotonic, 1000.0))


async def test_a_source_is_read_once_for_all_who_copy_it(client: FakeClient, looptime: float) -> None:
    reads = _reads(client)
    await asyncio.gather(*(reads.image("source") for _ in range(500)))
    assert client.calls == [("image", "source")] * 5


async def test_what_is_wrong_with_one_source_is_no_matter_of_the_others(client: FakeClient, looptime: float) -> None:
    reads = _reads(client)
    client.source = ims.NotFound("no such image", code="IMG.0144")
    found = await asyncio.gather(*(reads.image(f"source-{number % 2}") for number in range(50)), return_exceptions=True)
    assert all(isinstance(each, ims.NotFound) for each in found)


async def test_few_names_are_listed_each_by_itself(client: FakeClient, looptime: float) -> None:
    reads = _reads(client)
    await asyncio.gather(*(reads.named(f"name-{number}") for number in range(8)))
    assert sorted(str(query) for _, query in client.calls) == [str({"name": f"name-{number}"}) for number in range(8)]


async def test_many_names_are_looked_for_in_a_list_of_all(client: FakeClient, looptime: float) -> None:
    reads = _reads(client)
    client.images = [an_image(id=str(number), name=f"name-{number % 60}") for number in range(120)]
    found = await asyncio.gather(*(reads.named(f"name-{number}") for number in range(100)))
    (last,) = client.calls[4:]
    assert "name" not in last[1]  # type: ignore[operator]
    ids = [[image.id for image in images] for images in found[4:]]
    assert ids == [[str(n), str(n + 60)] if n < 60 else [] for n in range(4, 100)]


async def test_where_no_list_of_all_is_to_be_had_each_name_is_listed(client: FakeClient, looptime: float) -> None:
    listed = client.list_images

    async def no_whole_list(**query: Any) -> Any:
        found = await listed(**query)
        if "name" not in query:
            raise ims.OutcomeUnknown("more images match than a list may have")
        return found

    client.list_images = no_whole_list  # type: ignore[method-assign]
    await asyncio.gather(*(_reads(client).named(f"name-{number}") for number in range(3)))
    reads = _reads(client)
    assert await asyncio.gather(*(reads.named(f"name-{number}") for number in range(100))) == [()] * 100


async def test_a_list_of_many_pages_is_not_taken_for_few_names(client: FakeClient, looptime: float) -> None:
    reads = _reads(client)
    client.images = [an_image(id=str(number), name="another") for number in range(5000)]
    await asyncio.gather(*(reads.named(f"name-{number}") for number in range(100)))
    await asyncio.sleep(10)
    client.calls.clear()
    client.images = []
    await asyncio.gather(*(reads.named(f"name-{number}") for number in range(50)))
    assert all("name" in query for _, query in client.calls)  # type: ignore[operator]


async def test_each_page_of_a_long_list_takes_its_turn(client: FakeClient, looptime: float) -> None:
    limiter = CallLimiter(asyncio.get_running_loop().time, 10.0)
    reads = SharedReads(client, limiter)
    await reads.all()
    ((_, query),) = client.calls
    assert isinstance(query, dict)
    began = asyncio.get_running_loop().time()
    for _ in range(5):
        await query["turn"]()
    assert asyncio.get_running_loop().time() - began == pytest.approx(0.5, abs=0.01)
