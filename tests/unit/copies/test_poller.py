"""Of many running copies, one list tells which are done; their own looks get rarer."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from imagecopy.api.imagecopy import ProviderRef
from imagecopy.cloud.cloud import ImageList
from imagecopy.copies.poller import CROWD, LOOK_SECONDS, PAUSE_SECONDS, Poller, run_poller
from imagecopy.copies.record import Record
from imagecopy.flow.marker import Marker
from imagecopy.flow.observation import Cause, ImageState, ObservedImage, TargetsObserved, Trouble
from imagecopy.flow.view import View
from imagecopy.kube.objects import Snapshot
from imagecopy.providers.objects import ProviderKey, key_of
from unit.copies.builders import Stage
from unit.flow.builders import PROJECT, T0, new, preflight, running


async def _running(stage: Stage, number: int = 0, provider: str = "cloud") -> Snapshot:
    if stage.kube.object is None or not stage.kube.snapshot.status.attempt:
        await stage.tick()
    known = stage.kube.snapshot
    attempt = known.status.attempt
    assert attempt is not None
    spec = known.spec.model_copy(update={"provider_ref": ProviderRef(name=provider)})
    status = known.status.model_copy(update={"attempt": attempt.model_copy(update={"token": f"{number:016x}"})})
    return replace(known, uid=f"uid-{number}", name=f"copy-{number}", spec=spec, status=status)


async def _crowd(stage: Stage, lookout: Poller, count: int = CROWD) -> tuple[ProviderKey, list[Record]]:
    memories = [Record() for _ in range(count)]
    for number, memory in enumerate(memories):
        memory.stored = await _running(stage, number)
        lookout.note(memory.stored, memory)
    known = await _running(stage)
    return key_of(known.namespace, known.spec.provider_ref), memories


async def test_a_crowd_is_of_one_provider(stage: Stage) -> None:
    lookout = Poller(10)
    for number in range(CROWD - 1):
        lookout.note(await _running(stage, number, "one"), Record())
        lookout.note(await _running(stage, 1000 + number, "other"), Record())
    assert lookout.crowds() == []
    last = await _running(stage, CROWD, "one")
    lookout.note(last, Record())
    lookout.note(last, Record())
    assert [key.name for key in lookout.crowds()] == ["one"]
    lookout.forget(last.uid)
    lookout.forget(last.uid)
    assert lookout.crowds() == []


async def test_what_has_no_running_job_is_not_followed(stage: Stage) -> None:
    lookout = Poller(10)
    known = await _running(stage)
    lookout.note(known, Record())
    assert known.status.attempt is not None
    lost = known.status.attempt.model_copy(update={"job_id": None})
    lookout.note(replace(known, status=known.status.model_copy(update={"attempt": lost})), Record())
    assert lookout.take(key_of(known.namespace, known.spec.provider_ref), known.status.attempt.token) is None


async def test_looks_at_jobs_of_a_crowd_take_half_of_the_budget(stage: Stage) -> None:
    lookout = Poller(calls_per_second=10)
    key, _ = await _crowd(stage, lookout, CROWD - 1)
    assert lookout.least_pause(key) == 0
    await _crowd(stage, lookout, CROWD)
    assert lookout.least_pause(key) == LOOK_SECONDS
    await _crowd(stage, lookout, 1000)
    assert lookout.least_pause(key) == 200


class Lists:
    """The lists that are asked for, and what they bring."""

    def __init__(self, *images: ObservedImage) -> None:
        self.images = images
        self.trouble: Trouble | None = None
        self.asked: list[datetime] = []
        self.lasts = 0.0

    async def __call__(self, view: View, since: datetime) -> ImageList | Trouble:
        self.asked.append(since)
        await asyncio.sleep(self.lasts)
        return self.trouble or ImageList(PROJECT, self.images)


def _image(number: int, state: ImageState = ImageState.ACTIVE) -> ObservedImage:
    return ObservedImage(f"image-{number}", state, state.name.lower(), Marker("0" * 16, f"{number:016x}"))


async def _watch(lookout: Poller, lists: Lists, seconds: float, prompt: Callable[[str], None]) -> None:
    def view(known: Snapshot, memory: Record) -> View:
        return new()

    clock = asyncio.get_running_loop().time
    keeping = asyncio.create_task(run_poller(lookout, view=view, images=lists, prompt=prompt, clock=clock))
    await asyncio.sleep(seconds)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


@pytest.mark.looptime
async def test_each_whose_image_is_there_is_told_once(stage: Stage, looptime: float) -> None:
    lookout, told = Poller(10), list[str]()
    key, memories = await _crowd(stage, lookout, CROWD + 3)
    foreign = ObservedImage("foreign", ImageState.ACTIVE, "active", None)
    lists = Lists(_image(1), _image(2), _image(3, ImageState.PENDING), _image(99_999), foreign)
    await _watch(lookout, lists, 10, told.append)
    assert told == ["uid-1", "uid-2"]
    assert memories[1].found == TargetsObserved((_image(1),), PROJECT)
    assert memories[3].found is None
    assert lookout.is_crowd(key)


@pytest.mark.looptime
async def test_lists_are_far_enough_between(stage: Stage, looptime: float) -> None:
    lookout = Poller(10)
    await _crowd(stage, lookout)
    quick, slow = Lists(), Lists()
    slow.lasts = 5.0
    await _watch(lookout, quick, 60, lambda _: None)
    await _watch(lookout, slow, 60, lambda _: None)
    assert (len(quick.asked), len(slow.asked)) == (60 / PAUSE_SECONDS - 1, 6)


@pytest.mark.looptime
async def test_a_list_reaches_back_to_the_oldest_copy_and_a_clock_that_is_behind(stage: Stage, looptime: float) -> None:
    lookout, lists = Poller(10), Lists()
    await _crowd(stage, lookout)
    await _watch(lookout, lists, 3, lambda _: None)
    assert lists.asked == [T0 - timedelta(minutes=5)]


@pytest.mark.looptime
async def test_few_copies_are_not_listed(stage: Stage, looptime: float) -> None:
    lookout, lists = Poller(10), Lists(_image(1))
    await _crowd(stage, lookout, CROWD - 1)
    await _watch(lookout, lists, 60, lambda _: None)
    assert lists.asked == []


@pytest.mark.looptime
async def test_trouble_with_the_list_does_no_harm(stage: Stage, looptime: float) -> None:
    lookout, told, lists = Poller(10), list[str](), Lists(_image(1))
    await _crowd(stage, lookout, CROWD + 1)
    lists.trouble = Trouble(Cause.UNREACHABLE, "down")
    await _watch(lookout, lists, 10, told.append)
    assert told == []
    lists.trouble = None
    await _watch(lookout, lists, 10, told.append)
    assert told == ["uid-1"]


async def test_a_copy_whose_image_was_found_ends_without_a_look(stage: Stage) -> None:
    stage.cloud.sees = [replace(preflight(), project=PROJECT)]
    await stage.tick()
    stage.memory.found = TargetsObserved((stage.marked,), PROJECT)
    stage.log.clear()
    await stage.tick(60)
    assert stage.log == ["write end"]
    assert stage.kube.status.image_id == stage.marked.id


@pytest.mark.parametrize("why", ["another project", "not allowed", "of another attempt"])
async def test_what_was_found_for_others_is_not_believed(stage: Stage, why: str) -> None:
    stage.cloud.sees = [replace(preflight(), project=PROJECT), running(0.5)]
    await stage.tick()
    image, project = stage.marked, PROJECT
    if why == "another project":
        project = "0" * 32
    elif why == "not allowed":
        stage.cloud.not_allowed.add("team-a")
    else:
        assert image.marker is not None
        image = replace(image, marker=Marker("f" * 16, image.marker.token))
    stage.memory.found = TargetsObserved((image,), project)
    stage.log.clear()
    await stage.tick(60)
    assert stage.kube.status.image_id is None
    assert len(stage.cloud.posts) == 1


async def test_a_copy_in_a_crowd_may_put_its_look_off_until_its_deadline(stage: Stage) -> None:
    await stage.tick()
    for number in range(CROWD):
        lookout_copy = await _running(stage, number, stage.kube.snapshot.spec.provider_ref.name)
        stage.reconciler.lookout.note(lookout_copy, Record())
    stage.cloud.may_postpone.clear()
    await stage.tick(60)
    await stage.tick(7200)
    assert stage.cloud.may_postpone == [True, False]


@pytest.mark.looptime
async def test_the_last_of_a_crowd_look_for_themselves_again(stage: Stage, looptime: float) -> None:
    lookout, told = Poller(10), list[str]()
    await _crowd(stage, lookout, CROWD)
    await _watch(lookout, Lists(_image(1), _image(2)), 3 * PAUSE_SECONDS + 0.1, told.append)
    left = [f"uid-{number}" for number in range(CROWD) if number not in (1, 2)]
    assert told == ["uid-1", "uid-2", *left]


async def test_a_deletion_puts_no_look_off(stage: Stage) -> None:
    await stage.tick()
    for number in range(CROWD):
        known = await _running(stage, number, stage.kube.snapshot.spec.provider_ref.name)
        stage.reconciler.lookout.note(known, Record())
    stage.edit(deletionPolicy="Delete")
    stage.cloud.may_postpone.clear()
    await stage.leave(60, running(0.5))
    assert stage.cloud.may_postpone == [False]


async def test_a_copy_that_was_asked_for_while_a_crowd_came_about_looks_as_seldom_as_they(stage: Stage) -> None:
    others = Stage()
    await others.tick()
    provider = others.kube.snapshot.spec.provider_ref.name

    async def crowd_comes() -> None:
        for number in range(CROWD):
            stage.reconciler.lookout.note(await _running(others, number, provider), Record())

    stage.cloud.during_post = crowd_comes
    assert await stage.tick() == LOOK_SECONDS
