"""Other users change objects and images while a copy runs: there is still one copy."""

from typing import Final

import pytest

from e2e.environment import Environment
from e2e.objects import Copy
from e2e.parallel import parallel, parallel_with_own_operator
from support.objects import Manifest
from support.waiting import wait_for

_RETRY_AFTER_SECONDS: Final = 8


def _assert_one_copy(env: Environment, copy: Copy) -> None:
    assert len(env.cloud.posts(copy.name)) == 1
    [image] = env.cloud.copies(copy.name)
    assert copy.get().status["imageID"] == image["id"]


def _until_running(copy: Copy) -> None:
    copy.until(lambda state: state.status.get("jobID"), "job id")


@parallel_with_own_operator
def test_two_operators_at_once_make_one_copy_of_each(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=3, max_concurrent=100)
    for _ in range(2):
        env.operator()
    copies = [env.copy(f"golden-{number}") for number in range(8)]
    for copy in copies:
        copy.until_finished("Succeeded", 90)
        _assert_one_copy(env, copy)


def _wipe(env: Environment, change: Manifest) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=8)
    copy = env.copy("golden")
    _until_running(copy)
    env.api.patch(f"{copy.path}/status", {"status": change or None})
    copy.until_finished("Succeeded", 90)
    _assert_one_copy(env, copy)


@parallel
def test_wiped_status_of_a_running_copy_makes_no_second_one(env: Environment) -> None:
    _wipe(env, {})


@parallel
def test_wiped_attempt_of_a_running_copy_makes_no_second_one(env: Environment) -> None:
    _wipe(env, {"attempt": None, "jobID": None, "imageID": None})


@parallel
def test_wiped_job_id_of_a_running_copy_makes_no_second_one(env: Environment) -> None:
    _wipe(env, {"attempts": [], "attempt": {"jobID": None}})


@parallel
def test_removed_finalizer_of_a_running_copy_is_put_back(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=10)
    copy = env.copy("golden", deletionPolicy="Delete")
    _until_running(copy)
    env.api.patch(copy.path, {"metadata": {"finalizers": None}})
    copy.until(lambda state: state.finalizers, "finalizer put back")
    copy.until_phase("Succeeded")
    _assert_one_copy(env, copy)


@parallel
def test_annotations_edited_all_the_time_cost_no_write(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=6)
    noisy, quiet = env.copy("noisy"), env.copy("quiet")
    edits = 0

    def done() -> bool:
        nonlocal edits
        edits += 1
        env.api.patch(noisy.path, {"metadata": {"annotations": {"example.com/edits": str(edits)}}})
        return noisy.get().phase == "Succeeded"

    wait_for(done, "noisy: phase Succeeded", 90)
    for copy in (noisy, quiet):
        copy.until_finished("Succeeded")
        _assert_one_copy(env, copy)
    assert edits > 5
    # Progress may be written once more or less.
    assert len(noisy.writes()) <= len(quiet.writes()) + 2


@parallel
def test_throttling_stops_all_calls_for_the_time_that_the_cloud_names(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=10)
    copies = [env.copy(f"golden-{number}") for number in range(3)]
    for copy in copies:
        _until_running(copy)
    headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
    env.cloud.fault("job", reply={"status": 429, "headers": headers})
    for copy in copies:
        copy.until_finished("Succeeded", 90)
    [throttled] = [call["time"] for call in env.cloud.calls() if call["status"] == 429]
    # A call for another object, which was already on its way, may arrive a moment later.
    [after, *_] = [call["time"] for call in env.cloud.calls() if call["time"] >= throttled + 1]
    assert after - throttled >= _RETRY_AFTER_SECONDS - 0.1
    assert len(env.cloud.posts()) == len(copies)


@pytest.mark.timeout(240)
@parallel
def test_api_writes_of_others_at_every_moment_make_one_copy(env: Environment) -> None:
    """Another client writes the status before each write of the operator, so that the operator's writes conflict."""
    env.connect()
    env.cloud.knobs(copy_seconds=3)
    copy = env.copy("golden")
    edits = 0

    def done() -> bool:
        nonlocal edits
        for _ in range(10):
            edits += 1
            env.api.patch(f"{copy.path}/status", {"status": {"failedJobs": edits % 2}})
        return copy.get().phase == "Succeeded"

    wait_for(done, "phase Succeeded", 90)
    assert len(env.cloud.posts()) == len(env.cloud.copies()) == 1
