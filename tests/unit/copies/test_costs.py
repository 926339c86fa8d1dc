"""What copies cost in calls, writes and log lines: counts, in virtual time, so that a regression shows at once.

Times are in `make bench`; what a copy costs against the simulator is in tests/golden.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

import pytest
import structlog

from imagecopy import ims
from imagecopy.api.imagecopy import ImageCopyStatus, Phase, ProviderRef
from imagecopy.cloud.cloud import Cloud
from imagecopy.copies.controller import Controller, Options
from imagecopy.copies.views import Clocks, Identity
from imagecopy.flow.steps import Event
from imagecopy.kube.client import KubeClient
from imagecopy.kube.objects import Snapshot
from imagecopy.providers.limiter import CallLimiter
from imagecopy.providers.registry import Access
from unit.copies.builders import FakeKube, body
from unit.flow.builders import PROJECT, T0

pytestmark = pytest.mark.looptime
CALLS_PER_SECOND = 10.0


@dataclass
class CopyInCloud:
    """A copy in the cloud."""

    image: ims.Image
    began: float
    seconds: float


class TimedClient(ims.ImsClient):
    """A cloud whose jobs take their time, by the event loop's clock; ``calls`` counts, by kind."""

    def __init__(self, seconds: float) -> None:
        self.calls: Counter[str] = Counter()
        self.busiest: Counter[int] = Counter()
        self._seconds = seconds
        self._made: dict[str, CopyInCloud] = {}

    async def project_id(self) -> str:
        return PROJECT

    def _count(self, kind: str) -> float:
        now = asyncio.get_running_loop().time()
        self.calls[kind] += 1
        self.busiest[int(now)] += 1
        return now

    async def copy_image(self, source_image_id: str, request: ims.CopyRequest) -> ims.CopyAccepted:
        now, number = self._count("copy"), len(self._made)
        image = ims.Image(
            id=f"image-{number}",
            name=request.name,
            description=request.description or "",
            original_image_id=source_image_id,
            tags={},
            created_at=T0 + timedelta(seconds=now),
        )
        self._made[f"job-{number}"] = CopyInCloud(image, now, self._seconds)
        return ims.CopyAccepted(f"job-{number}", "r-1")

    async def get_job(self, job_id: str) -> ims.Job:
        now, made = self._count("job"), self._made[job_id]
        share = (now - made.began) / made.seconds
        if share < 1:
            return ims.Job(state=ims.JobState.RUNNING, progress=int(share * 100) / 100, image_id=made.image.id)
        began, ended = (T0 + timedelta(seconds=made.began + passed) for passed in (0, made.seconds))
        return ims.Job(state=ims.JobState.SUCCESS, image_id=made.image.id, begin_time=began, end_time=ended)

    async def get_image(self, image_id: str) -> ims.Image:
        self._count("image")
        return ims.Image(id=image_id, status="active", tags={})

    async def list_images(self, **query: Any) -> list[ims.Image]:
        now = self._count("list")
        found = []
        for made in self._made.values():
            status = "active" if now >= made.began + made.seconds else "saving"
            if query.get("name") in (None, made.image.name) and query.get("status") in (None, status):
                image = made.image
                found.append(
                    ims.Image(
                        id=image.id, name=image.name, description=image.description, status=status,
                        original_image_id=image.original_image_id, tags={}, created_at=image.created_at,
                    )
                )  # fmt: skip
        return found


class ManyKube(KubeClient):
    """Many ImageCopies; ``writes`` counts, progress aside."""

    def __init__(self, names: list[str]) -> None:
        self.objects = {name: FakeKube() for name in names}
        self.writes: Counter[str] = Counter()
        self.ended: dict[str, float] = {}
        for name, kube in self.objects.items():
            meta = {"namespace": "team-a", "name": name, "uid": f"uid-{name}", "resourceVersion": "1", "generation": 1}
            kube.object = body(metadata=meta)

    async def write_status(self, known: Snapshot, status: ImageCopyStatus) -> Snapshot:
        told = (known.status.attempt, known.status.phase, known.status.job_id)
        moved = told != (status.attempt, status.phase, status.job_id)
        self.writes["status" if moved else "progress"] += 1
        if status.phase is Phase.SUCCEEDED:
            self.ended[known.name] = asyncio.get_running_loop().time()
        return await self.objects[known.name].write_status(known, status)


class OneProvider:
    """Lends the client."""

    def __init__(self, client: ims.ImsClient) -> None:
        self._access = Access(client, CallLimiter(asyncio.get_running_loop().time, CALLS_PER_SECOND), 10_000)

    @asynccontextmanager
    async def access(self, namespace: str, ref: ProviderRef) -> AsyncIterator[Access]:
        yield self._access


@dataclass
class Costs:
    """What it came to."""

    client: TimedClient
    kube: ManyKube
    lines: list[Any]

    @property
    def calls(self) -> float:
        return self.client.calls.total() / len(self.kube.objects)


async def _copy(count: int, seconds: float, *, apart: float = 0.0) -> Costs:
    """Let the operator make so many copies of one source, applied so far apart, until all are at rest."""
    random.seed(7)
    loop = asyncio.get_running_loop()
    client, kube = TimedClient(seconds), ManyKube([f"copy-{number:04}" for number in range(count)])

    async def quiet(known: Snapshot, event: Event) -> None:
        """Events are no matter here."""

    copies = Controller(
        kube, Cloud(OneProvider(client)), Identity("test", "pod/1"),
        Clocks(lambda: (T0 + timedelta(seconds=loop.time())).astimezone(UTC), loop.time), quiet,
        options=Options(calls_per_second=CALLS_PER_SECOND),
    )  # fmt: skip
    running = [asyncio.create_task(work) for work in copies.background_tasks().values()]
    with structlog.testing.capture_logs() as lines:
        for each in kube.objects.values():
            copies.registry.seen(each.snapshot)
            await asyncio.sleep(apart)
        while len(copies.registry):  # noqa: ASYNC110
            await asyncio.sleep(1)
    await copies.stop(0)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert len(kube.ended) == count
    assert client.calls["copy"] == count
    return Costs(client, kube, lines)


async def test_one_copy_of_ten_minutes(looptime: float) -> None:
    costs = await _copy(1, 600)
    assert dict(costs.client.calls) == {"list": 1, "image": 1, "copy": 1, "job": pytest.approx(9, abs=1)}
    assert costs.kube.writes["status"] == 3
    assert costs.kube.writes["progress"] <= 6
    assert len(costs.lines) <= 7
    assert costs.kube.ended["copy-0000"] <= 600 + 5


async def test_the_next_ones_of_the_same_source_take_fewer_looks(looptime: float) -> None:
    costs = await _copy(12, 600, apart=700)
    assert costs.calls <= 10


async def test_five_at_a_time(looptime: float) -> None:
    costs = await _copy(5, 600)
    assert costs.calls <= 14
    assert costs.kube.writes["status"] == 15


async def test_a_hundred_beside_each_other_share_their_looks(looptime: float) -> None:
    costs = await _copy(100, 600)
    assert costs.client.calls["job"] / 100 <= 6
    assert costs.client.calls["list"] <= 260
    assert costs.client.calls["image"] <= 16
    assert costs.calls <= 10
    assert costs.kube.writes["status"] == 300
    assert len(costs.lines) / 100 <= 7


async def test_many_keep_to_the_budget_and_end_soon(looptime: float) -> None:
    costs = await _copy(300, 600)
    assert max(costs.client.busiest.values()) <= CALLS_PER_SECOND + 1
    assert costs.calls <= 8
    assert costs.kube.writes["status"] == 900
    late = sorted(ended - made.began - made.seconds for ended, made in _ends(costs))
    assert late[len(late) // 2] <= 2.5
    assert late[-1] <= 6


def _ends(costs: Costs) -> list[tuple[float, CopyInCloud]]:
    made = {each.image.name: each for each in costs.client._made.values()}
    return [(ended, made[name]) for name, ended in costs.kube.ended.items()]
