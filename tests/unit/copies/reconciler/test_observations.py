"""What a tick looks at and when, and what it writes and tells beside the attempt itself."""

import pytest

from imagecopy.cloud.cloud import CloudObservation
from imagecopy.flow.observation import (
    Cause,
    ImageState,
    TagsRefused,
)
from imagecopy.kube.errors import Unavailable
from unit.copies.builders import Fault, Stage
from unit.flow.builders import (
    JOB,
    TAGS,
    TARGET,
    preflight,
    running,
    source,
    spec,
    succeeded_job,
    trouble,
)


async def test_the_watch_lagging_behind_our_own_write_is_not_believed(stage: Stage) -> None:
    stale = stage.kube.snapshot
    await stage.reconcile()
    stage.cloud.sees = [running(0.05)]
    await stage.operator.reconcile(stale)
    assert stage.log[4:] == ["observe JOB"]


async def test_a_watch_that_is_ahead_is_believed(stage: Stage) -> None:
    await stage.reconcile()
    stage.kube.change(spec=spec(suspend=True).to_wire(), metadata={"generation": 2})
    await stage.reconcile(300, running(0.5))
    assert stage.kube.status.observed_generation == 2


async def test_a_look_that_brings_nothing_new_writes_nothing(stage: Stage) -> None:
    stage.cloud.sees = [trouble(Cause.PROVIDER_MISSING)]
    await stage.reconcile()
    writes = stage.kube.writes
    for _ in range(100):
        await stage.reconcile(10)
    assert stage.kube.writes == writes == 1
    assert len(stage.kube.events) == 1


@pytest.mark.parametrize(
    "seen",
    [trouble(Cause.SOURCE_NOT_READY), preflight(found=source(ImageState.PENDING))],
    ids=["refused as not ready", "seen as not active"],
)
async def test_a_source_that_stays_inactive_is_looked_at_less_and_less_often(
    stage: Stage, seen: CloudObservation
) -> None:
    pauses, pause = [], 0.0
    for _ in range(12):
        pause = await stage.reconcile(pause, seen) or 0.0
        pauses.append(pause)
    assert pauses[0] == 5
    assert pauses == sorted(pauses)
    assert pauses[-1] == 60
    assert await stage.reconcile(60, preflight()) == 5
    assert len(stage.cloud.posts) == 1


async def test_pauses_begin_anew_after_a_look_that_worked(stage: Stage) -> None:
    await stage.reconcile()
    for seconds, pause in [(10, 5), (60, 30), (60, 60)]:
        assert await stage.reconcile(seconds, trouble()) == pause
    await stage.reconcile(60, running(0.3))
    assert await stage.reconcile(60, trouble()) == 5


async def test_tags_are_set_before_the_copy_is_told_as_done(stage: Stage) -> None:
    stage.kube.change(spec=spec(target={"tags": TAGS}).to_wire())
    await stage.reconcile()
    await stage.reconcile(600, succeeded_job())
    assert stage.log[-3:] == ["observe JOB", "tags", "write end"]
    assert stage.kube.status.target_tags == TAGS


async def test_tags_that_are_refused_are_tried_less_and_less_often(stage: Stage) -> None:
    stage.kube.change(spec=spec(target={"tags": TAGS}).to_wire())
    stage.cloud.tagged = TagsRefused(TARGET, trouble(Cause.PERMISSION))
    await stage.reconcile()
    pauses = [await stage.reconcile(600, succeeded_job()) for _ in range(4)]
    assert pauses == [30, 300, 600, 600]


async def test_an_event_that_can_not_be_stored_does_no_harm(stage: Stage) -> None:
    stage.kube.event_error = Unavailable("down")
    assert await stage.reconcile() == 5
    assert stage.kube.status.job_id == JOB


async def test_an_event_is_told_after_its_status_is_stored(stage: Stage) -> None:
    faults: list[Fault] = [None, Unavailable("down"), None]
    stage.kube.faults = faults
    await stage.reconcile()
    assert stage.kube.events == []
    await stage.reconcile(1)
    assert [event["reason"] for event in stage.kube.events] == ["Submitted"]
