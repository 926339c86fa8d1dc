"""What is learnt from copies that ended."""

from datetime import timedelta

import pytest

from imagecopy.copies.durations import Durations
from imagecopy.flow.observation import JobObserved, JobState
from unit.copies.builders import Stage, body
from unit.flow.builders import T0, TARGET, preflight

KIND = ("project", "source", False)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([], None),
        ([600], None),
        ([600, 603], 600),
        ([600, 640], None),
        ([60, 63.9], 60),
        ([60, 65], None),
        ([1000, 600, 601, 602, 603, 604], 600),
    ],
)
def test_copies_that_took_alike_tell_the_next_one(seen: list[float], expected: float | None) -> None:
    durations = Durations()
    for seconds in seen:
        durations.note(KIND, seconds)
    assert durations.expected(KIND) == expected


def test_only_so_many_kinds_are_remembered_and_those_in_use_longest() -> None:
    durations = Durations()
    for number in range(1000):
        for kind in (KIND, ("project", f"source-{number}", False)):
            durations.note(kind, 600)
            durations.note(kind, 600)
    assert durations.expected(KIND) == 600
    assert durations.expected(("project", "source-0", False)) is None
    assert durations.expected(("project", "source-999", False)) == 600


async def test_the_third_copy_of_a_source_is_looked_at_when_it_should_be_done(stage: Stage) -> None:
    ended = JobObserved(JobState.SUCCEEDED, 1.0, TARGET, ended_at=T0 + timedelta(seconds=100), seconds=100.0)
    for _ in range(2):
        await stage.reconcile(0, preflight())
        await stage.reconcile(100, ended)
        stage.operator.registry.gone(stage.record.uid)
        stage.kube.object = body()
    await stage.reconcile(0, preflight())
    assert await stage.reconcile(5, JobObserved(JobState.RUNNING, 0.05)) == pytest.approx(95.5)


async def test_a_failed_copy_teaches_nothing(stage: Stage) -> None:
    await stage.reconcile()
    assert stage.operator.reconciler._views.of(stage.kube.snapshot, stage.record).expected_seconds is None
