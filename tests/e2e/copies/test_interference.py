"""What others do to our objects and our cloud while a copy is under way: still one copy."""

from typing import Final

import pytest

from e2e.lab import Lab
from e2e.objects import Copy, Manifest
from e2e.processes import wait_for
from e2e.together import together, together_with_own_operator

_RETRY_AFTER_SECONDS: Final = 8


def _assert_one_copy(lab: Lab, copy: Copy) -> None:
    assert len(lab.cloud.posts(copy.name)) == 1
    [image] = lab.cloud.copies(copy.name)
    assert copy.get().status["imageID"] == image["id"]


def _until_running(copy: Copy) -> None:
    copy.until(lambda seen: seen.status.get("jobID"), "job id")


@together_with_own_operator
def test_two_operators_at_once_make_one_copy_of_each(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=3, max_concurrent=100)
    for _ in range(2):
        lab.operator()
    copies = [lab.copy(f"golden-{number}") for number in range(8)]
    for copy in copies:
        copy.until_at_rest("Succeeded", 90)
        _assert_one_copy(lab, copy)


def _wipe(lab: Lab, change: Manifest) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=8)
    copy = lab.copy("golden")
    _until_running(copy)
    lab.api.patch(f"{copy.path}/status", {"status": change or None})
    copy.until_at_rest("Succeeded", 90)
    _assert_one_copy(lab, copy)


@together
def test_wiped_status_of_a_running_copy_makes_no_second_one(lab: Lab) -> None:
    _wipe(lab, {})


@together
def test_wiped_attempt_of_a_running_copy_makes_no_second_one(lab: Lab) -> None:
    _wipe(lab, {"attempt": None, "jobID": None, "imageID": None})


@together
def test_wiped_job_id_of_a_running_copy_makes_no_second_one(lab: Lab) -> None:
    _wipe(lab, {"attempts": [], "attempt": {"jobID": None}})


@together
def test_removed_finalizer_of_a_running_copy_is_put_back(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=10)
    copy = lab.copy("golden", deletionPolicy="Delete")
    _until_running(copy)
    lab.api.patch(copy.path, {"metadata": {"finalizers": None}})
    copy.until(lambda seen: seen.finalizers, "finalizer put back")
    copy.until_phase("Succeeded")
    _assert_one_copy(lab, copy)


@together
def test_annotations_edited_all_the_time_cost_no_write(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=6)
    noisy, quiet = lab.copy("noisy"), lab.copy("quiet")
    edits = 0

    def done() -> bool:
        nonlocal edits
        edits += 1
        lab.api.patch(noisy.path, {"metadata": {"annotations": {"example.com/edits": str(edits)}}})
        return noisy.get().phase == "Succeeded"

    wait_for(done, "noisy: phase Succeeded", 90)
    for copy in (noisy, quiet):
        copy.until_at_rest("Succeeded")
        _assert_one_copy(lab, copy)
    assert edits > 5
    # Progress may be written once more or less.
    assert len(noisy.writes()) <= len(quiet.writes()) + 2


@together
def test_throttling_stops_all_calls_for_the_time_that_the_cloud_names(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=10)
    copies = [lab.copy(f"golden-{number}") for number in range(3)]
    for copy in copies:
        _until_running(copy)
    headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
    lab.cloud.fault("job", reply={"status": 429, "headers": headers})
    for copy in copies:
        copy.until_at_rest("Succeeded", 90)
    [throttled] = [call["time"] for call in lab.cloud.calls() if call["status"] == 429]
    # A call of another object that was under way already may arrive a moment later.
    [after, *_] = [call["time"] for call in lab.cloud.calls() if call["time"] >= throttled + 1]
    assert after - throttled >= _RETRY_AFTER_SECONDS - 0.1
    assert len(lab.cloud.posts()) == len(copies)


@pytest.mark.timeout(240)
@together
def test_api_writes_of_others_at_every_moment_make_one_copy(lab: Lab) -> None:
    """Each status write of ours is met by one of somebody else, so that ours are refused again and again."""
    lab.connect()
    lab.cloud.knobs(copy_seconds=3)
    copy = lab.copy("golden")
    edits = 0

    def done() -> bool:
        nonlocal edits
        for _ in range(10):
            edits += 1
            lab.api.patch(f"{copy.path}/status", {"status": {"failedJobs": edits % 2}})
        return copy.get().phase == "Succeeded"

    wait_for(done, "phase Succeeded", 90)
    assert len(lab.cloud.posts()) == len(lab.cloud.copies()) == 1
