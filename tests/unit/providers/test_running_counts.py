"""The number of running copies in the status of providers."""

import asyncio

import pytest

from imagecopy.providers.running_counts import COUNT_SECONDS
from unit.flow.builders import PROJECT
from unit.providers.builders import KEY
from unit.providers.scene import FakeRunningCopies, Scene

pytestmark = pytest.mark.looptime


async def test_the_number_follows_the_slots_with_few_writes(scene: Scene) -> None:
    await scene.appears()
    scene.clear()
    for _ in range(5):
        scene.running.change(PROJECT)
        scene.running.change("another project")
    await asyncio.sleep(COUNT_SECONDS + 1)
    assert scene.kube.status_of().running_copies == 5
    assert len(scene.kube.provider_writes) == 1
    for _ in range(100):  # one ends and the next begins
        scene.running.change(PROJECT, -1)
        scene.running.change(PROJECT)
        await asyncio.sleep(1)
    assert len(scene.kube.provider_writes) == 1
    assert scene.checks.calls == []


async def test_the_number_of_an_earlier_process_is_corrected(scene: Scene) -> None:
    scene.running.change(PROJECT)
    await scene.appears()
    assert scene.kube.status_of().running_copies == 1
    await scene.stop()
    scene.running = FakeRunningCopies()
    scene.start()
    scene.clear()
    scene.see(is_listed=True)
    await asyncio.sleep(COUNT_SECONDS + 1)
    assert scene.kube.status_of().running_copies == 0
    assert scene.checks.calls == []


async def test_the_number_is_written_again_after_somebody_else_wrote(scene: Scene) -> None:
    await scene.appears()
    scene.kube.put(KEY, generation=1)  # a label, which the watch has not brought yet
    scene.running.change(PROJECT)
    await asyncio.sleep(2 * COUNT_SECONDS + 1)
    assert scene.kube.status_of().running_copies == 1
