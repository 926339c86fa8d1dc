"""What is written to the status of a provider, and how often."""

import asyncio

import pytest

from imagecopy.kube.errors import Refused, Unavailable
from imagecopy.kube.objects import ProviderSnapshot
from imagecopy.providers.objects import ProviderKey
from unit.providers.builders import KEY, LOCAL_KEY
from unit.providers.scene import CREDENTIALS_INVALID, REFUSED, Scene

pytestmark = pytest.mark.looptime


async def test_a_status_that_somebody_else_wrote_causes_no_write(scene: Scene) -> None:
    await scene.appears()
    scene.clear()
    other = scene.kube.bodies[KEY]["status"] | {"runningCopies": 7}
    for version in range(500, 520):
        scene.kube.bodies[KEY] = {
            **scene.kube.bodies[KEY],
            "metadata": scene.kube.bodies[KEY]["metadata"] | {"resourceVersion": str(version)},
            "status": other,
        }
        scene.see()
        await asyncio.sleep(10)
    assert (scene.checks.made, scene.kube.provider_writes) == ([], [])


async def test_two_operators_make_one_write(scene: Scene) -> None:
    scene.kube.put(KEY)
    for controller in (scene.controller, scene.start()):
        controller.seen(ProviderSnapshot.parse(KEY.kind, scene.kube.bodies[KEY]), is_listed=False)
    await asyncio.sleep(60)
    assert len(scene.checks.calls) == 2
    assert len(scene.kube.provider_writes) == 1


async def test_a_status_that_can_not_be_written_now_is_written_later_without_a_call(scene: Scene) -> None:
    scene.kube.write_error = Unavailable("no answer")
    scene.checks.finding = REFUSED
    await scene.appears()
    scene.kube.write_error = None
    await asyncio.sleep(11)
    assert scene.kube.ready() == CREDENTIALS_INVALID
    assert len(scene.checks.calls) == 1


async def test_a_status_that_the_api_server_refuses_is_not_written_again_and_again(scene: Scene) -> None:
    scene.kube.write_error = Refused("forbidden", 403)
    await scene.appears()
    scene.clear()
    await asyncio.sleep(3600)
    assert scene.checks.made == []


@pytest.mark.parametrize("key", [KEY, LOCAL_KEY], ids=str)
async def test_a_problem_of_a_secret_is_an_event_once_for_each_version_of_the_secret(
    scene: Scene, key: ProviderKey
) -> None:
    scene.checks.warnings = ("key password of Secret ops/s ends with a line break",)
    scene.checks.finding = REFUSED
    await scene.appears(key)
    await asyncio.sleep(300)
    [event] = scene.kube.events
    assert (event["type"], event["reason"], event["message"]) == (
        "Warning", "SecretUnusual", scene.checks.warnings[0],
    )  # fmt: skip
    assert event["metadata"]["namespace"] == (key.namespace or "default")  # type: ignore[index]
    assert event["involvedObject"]["kind"] == key.kind.value  # type: ignore[index]
    await scene.stop()
    scene.start()
    scene.see(key, is_listed=True)
    await asyncio.sleep(60)
    assert scene.kube.events[-1]["metadata"]["name"] == event["metadata"]["name"], "the API server has it already"  # type: ignore[index]
    scene.checks.version = ("p", 1, "s", "2")
    await asyncio.sleep(61)
    assert len({one["metadata"]["name"] for one in scene.kube.events}) == 2  # type: ignore[index]
