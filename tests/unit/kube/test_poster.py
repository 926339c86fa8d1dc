"""Events go out beside all else: at once while they are few, slowly when they are many, and none is worth waiting."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from imagecopy.flow.steps import Event, EventType
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import Unavailable
from imagecopy.kube.events import Poster
from unit.kube.test_client import SNAPSHOT

pytestmark = pytest.mark.looptime


class Posted(KubeClient):
    """Takes Events, or does not."""

    def __init__(self) -> None:
        self.events: list[tuple[float, str]] = []
        self.down = False
        self.lasts = 0.0

    async def create_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        await asyncio.sleep(self.lasts)
        if self.down:
            raise Unavailable("down")
        self.events.append((asyncio.get_running_loop().time(), event["message"]))


def _event(number: int, kind: EventType = EventType.NORMAL) -> Event:
    return Event(kind, "Submitted", str(number))


async def _posting(kube: Posted, *events: Event, seconds: float) -> Poster:
    poster = Poster(kube, clock=asyncio.get_running_loop().time)
    running = asyncio.create_task(poster.run())
    for event in events:
        await poster.post(SNAPSHOT, event)
    await asyncio.sleep(seconds)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return poster


async def test_a_few_go_out_at_once_and_in_order(looptime: float) -> None:
    kube = Posted()
    await _posting(kube, *map(_event, range(50)), seconds=0.01)
    assert [message for _, message in kube.events] == [str(number) for number in range(50)]


async def test_many_go_out_slowly(looptime: float) -> None:
    kube = Posted()
    await _posting(kube, *map(_event, range(500)), seconds=60)
    assert 50 + 60 * 4 - 2 <= len(kube.events) <= 50 + 60 * 4 + 2


async def test_of_too_many_warnings_are_kept_longest(looptime: float, caplog: pytest.LogCaptureFixture) -> None:
    kube = Posted()
    events = [*map(_event, range(1200)), *(_event(number, EventType.WARNING) for number in range(5000, 5300))]
    await _posting(kube, *events, seconds=3600)
    assert len(kube.events) == 1300
    assert [message for _, message in kube.events][-300:] == [str(number) for number in range(5000, 5300)]


async def test_one_that_is_refused_holds_up_no_other(looptime: float) -> None:
    kube = Posted()
    kube.down = True
    poster = await _posting(kube, _event(1), seconds=1)
    kube.down = False
    await poster.post(SNAPSHOT, _event(2))
    await poster.flush(3)
    assert [message for _, message in kube.events] == ["2"]


async def test_the_end_waits_a_while_for_what_is_left(looptime: float) -> None:
    kube = Posted()
    poster = Poster(kube)
    for number in range(10):
        await poster.post(SNAPSHOT, _event(number))
    kube.lasts = 1.0
    await poster.flush(3.5)
    assert asyncio.get_running_loop().time() == pytest.approx(3.5)
    assert len(kube.events) == 3
