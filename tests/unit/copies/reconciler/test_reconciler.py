"""The order of observations, writes and the POST in a reconcile: what makes a copy exactly one."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import structlog

from imagecopy.api.imagecopy import AttemptOutcome, Phase
from imagecopy.cloud.cloud import CloudObservation
from imagecopy.flow.marker import Marker
from imagecopy.flow.observation import (
    Cause,
    ObservedImage,
    PostAccepted,
    PostUnknown,
    TargetsObserved,
    Trouble,
)
from imagecopy.flow.view import in_flight
from imagecopy.kube.errors import Conflict, KubeError, Missing, Refused, Unavailable
from imagecopy.kube.objects import Snapshot
from unit.copies.builders import FakeKube, Stage, body
from unit.flow.builders import (
    JOB,
    TARGET,
    image,
    preflight,
    running,
    spec,
    succeeded_job,
    trouble,
)


async def test_a_new_object_is_submitted_in_one_tick_intent_first(stage: Stage) -> None:
    assert await stage.reconcile() == 5
    assert stage.log == ["observe PREFLIGHT", "write intent", "POST", "write job id"]
    assert stage.kube.status.job_id == JOB


async def test_a_copy_costs_three_writes_beside_its_progress(stage: Stage) -> None:
    await stage.reconcile()
    for _ in range(20):
        await stage.reconcile(5, running(0.05))
    await stage.reconcile(500, succeeded_job())
    assert stage.kube.writes == 3
    done = [line for line in stage.log if "observe" not in line]
    assert done == [
        "write intent",
        "POST",
        "write job id",
        "write end",
    ]
    assert await stage.reconcile(60) is None
    assert stage.log[-1] == "write end", "a finished copy is not looked at"


async def test_progress_is_written_each_ten_points_and_15_seconds(stage: Stage) -> None:
    await stage.reconcile()
    before = stage.kube.writes
    for second in range(1, 601):
        await stage.reconcile(1, running(second / 600))
    assert stage.kube.writes - before == 9
    assert stage.kube.status.progress == "90%"
    await stage.reconcile(0, running(1.0))
    assert stage.kube.status.progress == "90%"
    reasons = [event["reason"] for event in stage.kube.events]
    assert reasons == ["Submitted", "Progress", "Progress", "Progress"]
    assert [event["message"] for event in stage.kube.events[1:]] == ["25% copied", "50% copied", "75% copied"]


async def test_fast_progress_is_written_once_in_15_seconds(stage: Stage) -> None:
    await stage.reconcile()
    before = stage.kube.writes
    for second in range(1, 31):
        await stage.reconcile(1, running(second / 30))
    assert stage.kube.writes - before == 2


async def test_an_edit_before_the_intent_is_decided_about_anew(stage: Stage) -> None:
    stage.kube.faults = [lambda: stage.kube.change(spec=spec(suspend=True).to_wire(), metadata={"generation": 2})]
    assert await stage.reconcile() is None
    assert stage.log == ["observe PREFLIGHT", "no write of intent: conflict", "read", "observe NOTHING", "write status"]
    assert stage.cloud.posts == []


async def test_a_harmless_conflict_costs_another_look_and_no_second_post(stage: Stage) -> None:
    stage.kube.faults = [stage.kube.change]
    await stage.reconcile()
    assert stage.log[3:] == ["observe PREFLIGHT", "write intent", "POST", "write job id"]
    assert len(stage.cloud.posts) == 1


async def test_who_loses_the_race_for_the_intent_does_not_post(stage: Stage) -> None:
    other = stage.process("pod/2")
    stale = stage.kube.snapshot
    await other.reconcile(stale)
    stage.cloud.sees = [preflight(), TargetsObserved(())]
    await stage.operator.reconcile(stale)
    assert len(stage.cloud.posts) == 1
    assert stage.cloud.posts[0].attempt.writer == "pod/2"


async def test_two_processes_that_start_at_once_post_once(stage: Stage) -> None:
    stale = stage.kube.snapshot
    ticks = [stage.process(f"pod/{number}").reconcile(stale) for number in range(5)]
    sees: list[CloudObservation] = [preflight()] * 5
    stage.cloud.sees = [*sees, running(0.1)]
    await asyncio.gather(*ticks)
    assert len(stage.cloud.posts) == 1


async def test_an_intent_that_comes_back_as_anothers_is_not_posted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write_status(known: Snapshot, status: object) -> Snapshot:
        attempt = {"number": 1, "token": "t", "postedAt": "2026-09-01T12:00:00Z", "writer": "pod/2"}
        stage.kube.change(status={"attempt": attempt})
        return stage.kube.snapshot

    with monkeypatch.context() as patched:
        patched.setattr(stage.kube, "write_status", write_status)
        stage.cloud.sees = [preflight(), trouble()]
        await stage.reconcile()
    assert stage.cloud.posts == []


@pytest.mark.parametrize("fault", [Unavailable("down"), Refused("no", 422)], ids=["down", "refused"])
async def test_without_a_stored_intent_nothing_is_posted(stage: Stage, fault: KubeError) -> None:
    stage.kube.faults = [fault, fault, fault]
    assert [await stage.reconcile(1) for _ in range(3)] == [1, 2, 4]
    assert stage.cloud.posts == []
    assert await stage.reconcile(1) == 5
    assert len(stage.cloud.posts) == 1


async def test_pauses_while_nothing_can_be_stored_stay_short_enough_to_notice_its_return(stage: Stage) -> None:
    stage.kube.faults = [Unavailable("down")] * 7
    assert [await stage.reconcile(1) for _ in range(7)] == [1, 2, 4, 8, 15, 15, 15]
    stage.kube.faults = []
    await stage.reconcile(1)
    stage.kube.faults = [Unavailable("down")]
    assert await stage.reconcile(300, running(0.5)) == 1, "a write that worked begins the pauses anew"


async def test_an_intent_whose_write_was_not_confirmed_is_known_not_to_be_sent(stage: Stage) -> None:
    stage.edit(backoffLimit=0, unknownOutcomePolicy="Halt")
    stage.kube.lost_replies = 1
    await stage.reconcile()
    stage.log.clear()
    assert await stage.reconcile(1) == pytest.approx(5, abs=1)
    assert "POST" not in stage.log
    assert [(ended.number, ended.outcome) for ended in stage.kube.status.attempts] == [(1, AttemptOutcome.REJECTED)]
    await stage.reconcile(10, preflight())
    assert [order.attempt.number for order in stage.cloud.posts] == [2]
    await stage.reconcile(600, succeeded_job())
    assert stage.kube.status.phase is Phase.SUCCEEDED


async def test_an_intent_that_lands_after_it_was_decided_anew_is_known_not_to_be_sent(stage: Stage) -> None:
    late: list[Any] = []

    def lands_late() -> None:
        late.append(stage.kube.snapshot)
        raise Unavailable("no reply")

    stage.kube.faults = [lands_late, Unavailable("down")]
    await stage.reconcile()
    await stage.reconcile(1)
    (known,) = late
    (intent, _) = stage.record.unsent
    await FakeKube.write_status(stage.kube, known, known.status.model_copy(update={"attempt": intent}))
    await stage.reconcile(1)
    assert stage.cloud.posts == []
    assert [ended.outcome for ended in stage.kube.status.attempts] == [AttemptOutcome.REJECTED]


async def test_an_intent_that_another_process_finds_is_never_posted(stage: Stage) -> None:
    stage.kube.lost_replies = 1
    await stage.reconcile()
    stage.restart()
    for _ in range(5):
        await stage.reconcile(10, TargetsObserved(()))
    assert stage.cloud.posts == []
    assert in_flight(stage.kube.status) is not None


async def test_a_job_id_is_kept_until_it_can_be_stored(stage: Stage) -> None:
    stage.kube.faults = [None, *[Unavailable("down")] * 6]
    await stage.reconcile()
    for _ in range(6):
        await stage.reconcile(15)
    assert stage.kube.status.job_id == JOB
    assert stage.log.count("POST") == 1
    assert stage.log.count("observe PREFLIGHT") == 1, "the outcome is decided about first, without a look"
    assert stage.log[-1] == "write job id"


async def test_a_job_id_that_can_not_be_stored_is_logged(stage: Stage) -> None:
    stage.kube.faults = [None, Unavailable("down")]
    with structlog.testing.capture_logs() as logs:
        await stage.reconcile()
    (unsaved,) = [line["unsaved"] for line in logs if "unsaved" in line]
    assert unsaved["job"] == JOB
    assert unsaved["marker_token"] == stage.cloud.posts[0].attempt.token


async def test_a_job_id_survives_an_edit_during_the_post(stage: Stage) -> None:
    stage.kube.faults = [None, stage.kube.change]
    await stage.reconcile()
    assert stage.kube.status.job_id == JOB
    assert stage.log[2:] == ["POST", "no write of job id: conflict", "read", "write job id"]


async def test_a_job_id_whose_write_was_not_heard_is_written_once_more_at_most(stage: Stage) -> None:
    def lose_the_next_reply() -> None:
        stage.kube.lost_replies = 1

    stage.kube.faults = [None, lose_the_next_reply]
    await stage.reconcile()
    await stage.reconcile(1)
    assert (stage.kube.status.job_id, len(stage.cloud.posts)) == (JOB, 1)
    assert stage.record.outcome is None


async def test_an_unknown_outcome_is_looked_up_and_not_posted_again(stage: Stage) -> None:
    stage.cloud.outcome = lambda order: PostUnknown(order.attempt, Trouble(Cause.TRANSIENT, "no reply"))
    await stage.reconcile()
    for _ in range(10):
        await stage.reconcile(30, TargetsObserved(()))
    await stage.reconcile(30, TargetsObserved((image(),)))
    assert len(stage.cloud.posts) == 1
    await stage.reconcile(30, TargetsObserved((replace(image(), marker=None), *_ours(stage))))
    assert stage.kube.status.image_id == TARGET


def _ours(stage: Stage) -> tuple[ObservedImage, ...]:
    return (replace(image(), marker=Marker.find(stage.cloud.posts[0].description)),)


@pytest.mark.parametrize("lost", [1, 2, 3], ids=["after the intent", "after the POST", "after the job id"])
async def test_a_crash_at_any_point_makes_no_second_post(stage: Stage, lost: int) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    async def kill_during_post() -> None:
        raise Killed

    if lost == 1:
        stage.cloud.during_post = kill_during_post
    else:
        stage.kube.faults = [None, kill] if lost == 2 else [None, None, kill]
    if lost == 3:
        await stage.reconcile()
    with pytest.raises(Killed):
        await stage.reconcile(300, *([running(0.5)] if lost == 3 else []))
    stage.restart()
    stage.cloud.during_post, stage.kube.faults = None, []
    for _ in range(5):
        await stage.reconcile(30, running(0.6) if lost == 3 else TargetsObserved(()))
    assert len(stage.cloud.posts) == 1


async def test_an_object_that_is_deleted_before_the_intent_is_left_alone(stage: Stage) -> None:
    stage.kube.faults = [Missing("gone", 404)]
    assert await stage.reconcile() is None
    assert stage.cloud.posts == []


async def test_an_object_that_is_deleted_during_the_post_leaves_its_job_in_the_log(stage: Stage) -> None:
    stage.kube.faults = [None, Missing("gone", 404)]
    with structlog.testing.capture_logs() as logs:
        assert await stage.reconcile() is None
    assert [line["job"] for line in logs if "stays in the cloud" in line["event"]] == [JOB]


async def test_an_object_that_is_replaced_under_its_name_is_not_written_to(stage: Stage) -> None:
    def replaced() -> None:
        stage.kube.object = body(metadata={**body()["metadata"], "uid": "another", "resourceVersion": "200"})

    stage.kube.faults = [replaced]
    assert await stage.reconcile() is None
    assert (stage.kube.writes, stage.cloud.posts) == (0, [])


async def test_who_keeps_losing_races_waits_its_turn(stage: Stage) -> None:
    stage.kube.faults = [Conflict("409")] * 3
    assert await stage.reconcile() == 1
    assert stage.cloud.posts == []


async def test_an_api_server_that_fails_on_reading_again_is_waited_for(stage: Stage) -> None:
    def conflict_then_down() -> None:
        stage.kube.down = Unavailable("down")
        stage.kube.change()

    stage.kube.faults = [conflict_then_down]
    assert await stage.reconcile() == 1
    stage.kube.down = None
    await stage.reconcile(1)
    assert len(stage.cloud.posts) == 1


async def test_a_cancelled_tick_stores_its_job_id_all_the_same(stage: Stage) -> None:
    posting, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        posting.set()
        await go_on.wait()

    stage.cloud.during_post = wait
    tick = asyncio.create_task(stage.reconcile())
    await posting.wait()
    tick.cancel()
    with pytest.raises(asyncio.CancelledError):
        await tick
    go_on.set()
    await stage.operator.drain(5)
    assert stage.kube.status.job_id == JOB
    assert stage.log == ["observe PREFLIGHT", "write intent", "POST", "write job id"]


async def test_an_outcome_is_another_objects_business_after_a_replacement(stage: Stage) -> None:
    stage.kube.faults = [None, Unavailable("down")]
    await stage.reconcile()
    assert isinstance(stage.record.outcome, PostAccepted)
    stage.kube.object = body(metadata={**body()["metadata"], "uid": "another", "resourceVersion": "200"})
    await stage.operator.reconcile(Snapshot.parse(body()))
    assert stage.kube.status.job_id is None
