"""How long a copy took is reported once, when its status first says that it has ended."""

from dataclasses import replace

import pytest

from imagecopy.api.conditions import Reason
from imagecopy.copies.completion import Completion
from imagecopy.flow.observation import Cause, TargetObserved
from unit.copies.builders import Stage
from unit.flow.builders import at, failed_job, image, preflight, running, spec, succeeded_job


@pytest.fixture
def told(stage: Stage) -> list[Completion]:
    told: list[Completion] = []
    stage.operator.reconciler._on_completion = told.append
    return told


async def test_a_copy_tells_its_time_since_the_post_and_since_the_jobs_end(
    stage: Stage, told: list[Completion]
) -> None:
    await stage.reconcile()
    await stage.reconcile(300, running(0.5))
    await stage.reconcile(300, replace(succeeded_job(), ended_at=at(596)))
    await stage.reconcile(60)
    assert told == [Completion(Reason.SUCCEEDED, 600, 4)]


async def test_setting_the_tags_is_part_of_it(stage: Stage, told: list[Completion]) -> None:
    stage.edit(target={"tags": {"team": "a"}})
    await stage.reconcile()
    await stage.reconcile(600, replace(succeeded_job(), ended_at=at(597)))
    assert stage.log.count("tags") == 1
    assert told == [Completion(Reason.SUCCEEDED, 600, 3)]


async def test_a_cloud_whose_clock_is_ahead_detects_nothing_before_its_time(
    stage: Stage, told: list[Completion]
) -> None:
    await stage.reconcile()
    await stage.reconcile(600, replace(succeeded_job(), ended_at=at(650)))
    assert told == [Completion(Reason.SUCCEEDED, 600, 0)]


async def test_a_failed_copy_tells_its_time_once_its_attempts_are_used_up(stage: Stage, told: list[Completion]) -> None:
    await stage.reconcile()
    await stage.reconcile(100, failed_job())
    assert told == []
    await stage.reconcile(100, preflight())
    await stage.reconcile(100, replace(failed_job(Cause.REFUSED), ended_at=at(290)))
    assert told == [Completion(Reason.COPY_FAILED, 300, 10)]


async def test_a_job_that_tells_no_end_is_not_guessed(stage: Stage, told: list[Completion]) -> None:
    await stage.reconcile()
    await stage.reconcile(600, succeeded_job())
    assert told == [Completion(Reason.SUCCEEDED, 600, None)]


async def test_what_is_taken_over_took_no_time_of_ours(stage: Stage, told: list[Completion]) -> None:
    stage.kube.change(spec=spec(target={"adoptImageID": image().id}).to_wire())
    await stage.reconcile(0, TargetObserved(image()))
    assert stage.kube.status.phase == "Succeeded"
    assert told == []
