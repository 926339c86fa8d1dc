"""The inventory of finished copies: one list call, and a write only where something is wrong."""

from dataclasses import replace

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.copies.inventory import Inventory
from imagecopy.flow.marker import owner_of
from imagecopy.flow.observation import Cause, ImageState, ObservedImage, TargetObserved
from imagecopy.flow.view import condition
from imagecopy.kube.errors import Unavailable
from unit.copies.builders import Stage
from unit.flow.builders import image, running, succeeded_job, trouble


async def _made(stage: Stage) -> None:
    await stage.reconcile()
    await stage.reconcile(600, succeeded_job())
    stage.log.clear()


def _second(stage: Stage) -> ObservedImage:
    copy = stage.kube.snapshot
    owner = owner_of("test", copy.namespace, copy.name, copy.spec)
    return image(owner=owner, number=2, id="second")


async def test_copies_that_are_there_cost_one_list_and_no_write(stage: Stage, inventory: Inventory) -> None:
    await _made(stage)
    stage.cloud.lists = (stage.marked,)
    await inventory.take()
    assert stage.log == ["list"]


async def test_a_copy_that_is_gone_is_read_by_its_id_before_it_is_reported(stage: Stage, inventory: Inventory) -> None:
    await _made(stage)
    stage.cloud.sees = [TargetObserved(stage.marked)]
    await inventory.take()
    assert stage.log == ["list", "observe TARGET"]
    stage.cloud.sees = [trouble(Cause.UNREACHABLE)]
    await inventory.take()
    assert stage.log[2:] == ["list", "observe TARGET"]
    stage.cloud.sees = [TargetObserved(image(ImageState.ABSENT))]
    await inventory.take()
    assert stage.log[4:] == ["list", "observe TARGET"], "a list may be late"
    await inventory.take()
    assert stage.log[6:] == ["list", "observe TARGET", "write end"]
    ready = condition(stage.kube.status, ConditionType.READY)
    assert ready is not None
    assert ready.reason is Reason.IMAGE_MISSING
    await inventory.take()
    assert stage.log[9:] == [], "what is told is not looked at again"


async def test_a_copy_that_shows_up_again_is_not_told_as_gone(stage: Stage, inventory: Inventory) -> None:
    await _made(stage)
    for state in (ImageState.ABSENT, ImageState.ACTIVE, ImageState.ABSENT):
        stage.cloud.sees = [TargetObserved(replace(stage.marked, state=state))]
        await inventory.take()
    assert condition(stage.kube.status, ConditionType.STALLED) is None


async def test_a_second_image_is_told_and_left(stage: Stage, inventory: Inventory) -> None:
    await _made(stage)
    stage.cloud.lists = (stage.marked, _second(stage))
    await inventory.take()
    assert condition(stage.kube.status, ConditionType.DUPLICATED)
    assert stage.kube.events[-1]["reason"] == "SecondImage"
    assert stage.cloud.deletes == []
    stage.cloud.lists = (stage.marked, replace(_second(stage), state=ImageState.DEAD))
    await inventory.take()
    assert condition(stage.kube.status, ConditionType.DUPLICATED) is None


async def test_a_provider_that_does_not_answer_proves_nothing(stage: Stage, inventory: Inventory) -> None:
    await _made(stage)
    stage.cloud.lists = trouble(Cause.UNREACHABLE)
    await inventory.take()
    assert stage.log == ["list"]


async def test_a_copy_that_still_runs_is_not_swept(stage: Stage, inventory: Inventory) -> None:
    await stage.reconcile()
    await stage.reconcile(10, running(0.5))
    stage.log.clear()
    await inventory.take()
    assert stage.log == []


async def test_what_can_not_be_stored_is_told_by_the_next_sweep(stage: Stage, inventory: Inventory) -> None:
    await _made(stage)
    stage.cloud.sees = [TargetObserved(image(ImageState.ABSENT))]
    await inventory.take()
    stage.kube.faults = [Unavailable("down")]
    await inventory.take()
    ready = condition(stage.kube.status, ConditionType.READY)
    assert ready is not None
    assert ready.reason is Reason.SUCCEEDED
    await inventory.take()
    ready = condition(stage.kube.status, ConditionType.READY)
    assert ready is not None
    assert ready.reason is Reason.IMAGE_MISSING
