"""Of many running copies, one list tells which are done; their own looks get rarer."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from imagecopy.api.imagecopy import ProviderRef
from imagecopy.cloud.cloud import ImageList
from imagecopy.copies.poller import CROWD, PAUSE_SECONDS, POLL_SECONDS, ListImages, Poller
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
        await stage.reconcile()
    known = stage.kube.snapshot
    attempt = known.status.attempt
    assert attempt is not None
    spec = known.spec.model_copy(update={"provider_ref": ProviderRef(name=provider)})
    status = known.status.model_copy(update={"attempt": attempt.model_copy(update={"token": f"{number:016x}"})})
    return replace(known, uid=f"uid-{number}", name=f"copy-{number}", spec=spec, status=status)


async def _crowd(stage: Stage, poller: Poller, count: int = CROWD) -> tuple[ProviderKey, list[Record]]:
    records = [Record.of(await _running(stage, number)) for number in range(count)]
    for record in records:
        poller.track(record)
    return key_of(records[0].namespace, records[0].snapshot.spec.provider_ref), records


async def test_a_crowd_is_of_one_provider(stage: Stage) -> None:
    poller = Poller(10)
    for number in range(CROWD - 1):
        poller.track(Record.of(await _running(stage, number, "one")))
        poller.track(Record.of(await _running(stage, 1000 + number, "other")))
    assert poller.crowds() == []
    last = Record.of(await _running(stage, CROWD, "one"))
    poller.track(last)
    poller.track(last)
    assert [key.name for key in poller.crowds()] == ["one"]
    last.leave_poller()
    last.leave_poller()
    assert poller.crowds() == []


async def test_what_has_no_running_job_is_not_polled(stage: Stage) -> None:
    poller = Poller(10)
    known = await _running(stage)
    record = Record.of(known)
    poller.track(record)
    assert record.polled is not None
    assert known.status.attempt is not None
    lost = known.status.attempt.model_copy(update={"job_id": None})
    status = known.status.model_copy(update={"attempt": lost})
    record.observe(replace(known, resource_version="1000", status=status))
    poller.track(record)
    assert record.polled is None


async def test_the_next_attempt_takes_the_place_of_the_one_before(stage: Stage) -> None:
    poller = Poller(10)
    first = await _running(stage, 1)
    record = Record.of(first)
    poller.track(record)
    second = await _running(stage, 2)
    record.observe(replace(second, uid=first.uid, name=first.name, resource_version="1000"))
    poller.track(record)
    assert record.polled is not None
    assert list(record.polled.group.values()) == [record]


async def test_polls_of_a_crowd_take_half_of_the_budget(stage: Stage) -> None:
    for count, pause in ((CROWD - 1, 0), (CROWD, POLL_SECONDS), (1000, 200)):
        poller = Poller(calls_per_second=10)
        key, _ = await _crowd(stage, poller, count)
        assert poller.least_pause(key) == pause


async def _join(stage: Stage, poller: Poller) -> None:
    """Make a crowd of others at the provider of the stage's object."""
    provider = stage.kube.snapshot.spec.provider_ref.name
    for number in range(CROWD):
        poller.track(Record.of(await _running(stage, number, provider)))


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


async def _poll(poller: Poller, lists: ListImages, seconds: float, hasten: Callable[[Record], None]) -> None:
    clock = asyncio.get_running_loop().time
    polling = asyncio.create_task(poller.run(view_of=lambda _: new(), list_images=lists, hasten=hasten, clock=clock))
    await asyncio.sleep(seconds)
    polling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await polling


@pytest.mark.looptime
async def test_each_whose_image_is_there_is_told_once(stage: Stage, looptime: float) -> None:
    poller, hastened = Poller(10), list[Record]()
    key, records = await _crowd(stage, poller, CROWD + 3)
    foreign = ObservedImage("foreign", ImageState.ACTIVE, "active", None)
    lists = Lists(_image(1), _image(2), _image(3, ImageState.PENDING), _image(99_999), foreign)
    await _poll(poller, lists, 10, hastened.append)
    assert hastened == [records[1], records[2]]
    assert records[1].found == TargetsObserved((_image(1),), PROJECT)
    assert records[3].found is None
    assert poller.is_crowd(key)


@pytest.mark.looptime
async def test_lists_are_far_enough_between(stage: Stage, looptime: float) -> None:
    poller = Poller(10)
    await _crowd(stage, poller)
    quick, slow = Lists(), Lists()
    slow.lasts = 5.0
    await _poll(poller, quick, 60, lambda _: None)
    await _poll(poller, slow, 60, lambda _: None)
    assert (len(quick.asked), len(slow.asked)) == (60 / PAUSE_SECONDS - 1, 6)


@pytest.mark.looptime
async def test_a_list_reaches_back_to_the_oldest_copy_and_a_clock_that_is_behind(stage: Stage, looptime: float) -> None:
    poller, lists = Poller(10), Lists()
    await _crowd(stage, poller)
    await _poll(poller, lists, 3, lambda _: None)
    assert lists.asked == [T0 - timedelta(minutes=5)]


@pytest.mark.looptime
async def test_few_copies_are_not_listed(stage: Stage, looptime: float) -> None:
    poller, lists = Poller(10), Lists(_image(1))
    await _crowd(stage, poller, CROWD - 1)
    await _poll(poller, lists, 60, lambda _: None)
    assert lists.asked == []


@pytest.mark.looptime
async def test_those_left_of_a_crowd_poll_for_themselves_even_if_it_was_never_listed(
    stage: Stage, looptime: float
) -> None:
    poller, hastened, lists = Poller(10), list[Record](), Lists()
    _, records = await _crowd(stage, poller, CROWD)
    records[0].leave_poller()
    await _poll(poller, lists, 10, hastened.append)
    assert hastened == records[1:]
    assert lists.asked == []


@pytest.mark.looptime
async def test_trouble_with_the_list_does_no_harm(stage: Stage, looptime: float) -> None:
    poller, hastened, lists = Poller(10), list[Record](), Lists(_image(1))
    _, records = await _crowd(stage, poller, CROWD + 1)
    lists.trouble = Trouble(Cause.UNREACHABLE, "down")
    await _poll(poller, lists, 10, hastened.append)
    assert hastened == []
    lists.trouble = None
    await _poll(poller, lists, 10, hastened.append)
    assert hastened == [records[1]]


async def test_a_copy_whose_image_was_found_ends_without_a_look(stage: Stage) -> None:
    stage.cloud.sees = [replace(preflight(), project=PROJECT)]
    await stage.reconcile()
    stage.record.found = TargetsObserved((stage.marked,), PROJECT)
    stage.log.clear()
    await stage.reconcile(60)
    assert stage.log == ["write end"]
    assert stage.kube.status.image_id == stage.marked.id


@pytest.mark.parametrize("why", ["another project", "not allowed", "of another attempt"])
async def test_what_was_found_for_others_is_not_believed(stage: Stage, why: str) -> None:
    stage.cloud.sees = [replace(preflight(), project=PROJECT), running(0.5)]
    await stage.reconcile()
    image, project = stage.marked, PROJECT
    if why == "another project":
        project = "0" * 32
    elif why == "not allowed":
        stage.cloud.not_allowed.add("team-a")
    else:
        assert image.marker is not None
        image = replace(image, marker=Marker("f" * 16, image.marker.token))
    stage.record.found = TargetsObserved((image,), project)
    stage.log.clear()
    await stage.reconcile(60)
    assert stage.kube.status.image_id is None
    assert len(stage.cloud.posts) == 1


async def test_a_copy_in_a_crowd_may_put_its_look_off_until_its_deadline(stage: Stage) -> None:
    await stage.reconcile()
    for number in range(CROWD):
        stage.operator.poller.track(
            Record.of(await _running(stage, number, stage.kube.snapshot.spec.provider_ref.name))
        )
    stage.cloud.may_postpone.clear()
    await stage.reconcile(60)
    await stage.reconcile(7200)
    assert stage.cloud.may_postpone == [True, False]


@pytest.mark.looptime
async def test_a_group_that_ends_while_it_is_listed_does_no_harm(stage: Stage, looptime: float) -> None:
    poller, lists = Poller(10), Lists(_image(1))
    _, records = await _crowd(stage, poller)

    async def all_end(view: View, since: datetime) -> ImageList | Trouble:
        for record in records:
            record.leave_poller()
        return await lists(view, since)

    await _poll(poller, all_end, 10, lambda _: None)
    assert len(lists.asked) == 1


@pytest.mark.looptime
async def test_the_last_of_a_crowd_look_for_themselves_again(stage: Stage, looptime: float) -> None:
    poller, hastened = Poller(10), list[Record]()
    _, records = await _crowd(stage, poller, CROWD)
    await _poll(poller, Lists(_image(1), _image(2)), 3 * PAUSE_SECONDS + 0.1, hastened.append)
    left = [record for number, record in enumerate(records) if number not in (1, 2)]
    assert hastened == [records[1], records[2], *left]


async def test_a_deletion_puts_no_look_off(stage: Stage) -> None:
    await stage.reconcile()
    for number in range(CROWD):
        stage.operator.poller.track(
            Record.of(await _running(stage, number, stage.kube.snapshot.spec.provider_ref.name))
        )
    stage.edit(deletionPolicy="Delete")
    stage.cloud.may_postpone.clear()
    await stage.clean_up(60, running(0.5))
    assert stage.cloud.may_postpone == [False]


async def test_a_copy_that_was_asked_for_while_a_crowd_came_about_looks_as_seldom_as_they(stage: Stage) -> None:
    others = Stage()
    await others.reconcile()

    async def crowd_comes() -> None:
        await _join(others, stage.operator.poller)

    stage.cloud.during_post = crowd_comes
    assert await stage.reconcile() == POLL_SECONDS
