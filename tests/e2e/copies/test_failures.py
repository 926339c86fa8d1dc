"""What goes wrong in the cloud: told in the cloud's own words, tried again only where that can help."""

from e2e.lab import Lab
from e2e.objects import Seen
from e2e.processes import wait_for
from e2e.together import together

_NO_SUCH_IMAGE = "00000000-0000-4000-8000-000000000000"


def _assert_failed(seen: Seen, reason: str, *words: str) -> None:
    assert seen.phase == "Failed"
    assert seen.told("Ready") == ("False", reason)
    assert seen.told("Stalled") == ("True", reason)
    assert seen.condition("Reconciling") == {}
    for word in words:
        assert word in seen.message
        assert word in seen.condition("Stalled")["message"]


@together
def test_full_ecs_source_fails_in_the_clouds_words_after_one_post(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("whole", "full-ecs")
    seen = copy.until_at_rest("Failed")
    failure = seen.status["failure"]
    assert failure["code"] == "IMG.0130"
    _assert_failed(seen, "CopyFailed", "IMG.0130", failure["message"])
    [post] = lab.cloud.posts()
    assert failure["requestID"] == post["request_id"]
    assert seen.outcomes == [("Rejected", "IMG.0130")]
    assert failure["message"] in copy.until_event("CopyFailed")
    lab.copy("plain").until_at_rest("Succeeded")
    assert len(lab.cloud.posts("whole")) == 1
    assert copy.get().body == seen.body


@together
def test_missing_source_fails_in_the_clouds_words_without_a_post(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("golden", _NO_SUCH_IMAGE)
    seen = copy.until_at_rest("Failed")
    _assert_failed(seen, "CopyFailed", seen.status["failure"]["message"])
    assert seen.told("SourceReady") == ("False", "ImageMissing")
    assert _NO_SUCH_IMAGE in seen.message
    assert lab.cloud.posts() == []
    assert lab.cloud.copies() == []


@together
def test_source_that_is_not_active_yet_is_waited_for(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("golden", "queued")
    seen = copy.until_reason("WaitingForSource")
    assert seen.phase == "Pending"
    assert seen.told("SourceReady") == ("False", "WaitingForSource")
    assert "queued" in seen.message
    assert "queued" in copy.until_event("WaitingForSource")
    assert lab.cloud.posts() == []
    lab.cloud.change_image(lab.cloud.source("queued"), status="active")
    seen = copy.until_at_rest("Succeeded")
    assert seen.told("SourceReady")[0] == "True"
    assert len(lab.cloud.posts()) == 1


@together
def test_failed_job_is_followed_by_another_attempt(lab: Lab) -> None:
    lab.connect()
    lab.cloud.fault(job={"fail": True})
    copy = lab.copy("golden")
    waiting = copy.until(lambda seen: seen.outcomes, "the first attempt ended")
    assert waiting.told("Reconciling") == ("True", "TransientError")
    assert waiting.condition("Stalled") == {}
    assert "IMG.0061: An unknown system error occurred.; attempt 2 at" in waiting.message
    seen = copy.until_at_rest("Succeeded")
    assert seen.outcomes == [("Failed", "IMG.0061"), ("Succeeded", None)]
    first, second = (ended["jobID"] for ended in seen.status["attempts"])
    assert [job["job_id"] for job in lab.cloud.jobs()] == [first, second]
    assert seen.status["attempt"]["number"] == 2
    assert "failure" not in seen.status
    posts = lab.cloud.posts()
    assert len(posts) == 2
    assert posts[0]["body"]["description"] != posts[1]["body"]["description"]


@together
def test_backoff_limit_bounds_the_attempts(lab: Lab) -> None:
    lab.connect()
    lab.cloud.fault(job={"fail": True}, count=None)
    copies = [lab.copy(f"limit-{limit}", backoffLimit=limit) for limit in (0, 1)]
    for limit, copy in enumerate(copies):
        seen = copy.until_at_rest("Failed")
        _assert_failed(seen, "CopyFailed", "IMG.0061", f"spec.backoffLimit {limit}")
        assert seen.outcomes == [("Failed", "IMG.0061")] * (limit + 1)
        assert len(lab.cloud.posts(copy.name)) == limit + 1


@together
def test_job_that_fails_for_good_is_not_repeated(lab: Lab) -> None:
    lab.connect()
    lab.cloud.fault(job={"fail": True, "error_code": "IMG.0099", "fail_reason": "No permission for the key."})
    copy = lab.copy("golden")
    seen = copy.until_at_rest("Failed")
    _assert_failed(seen, "CopyFailed", "IMG.0099: No permission for the key.")
    assert seen.outcomes == [("Failed", "IMG.0099")]
    assert len(lab.cloud.posts()) == 1


@together
def test_throttled_post_is_repeated_later(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(max_concurrent=0)
    copy = lab.copy("golden")
    seen = copy.until_reason("Throttled")
    assert "IMG.0060" in seen.message
    assert seen.told("Submitted") == ("False", "Throttled")
    assert seen.condition("Stalled") == {}
    lab.cloud.knobs(max_concurrent=5)
    seen = copy.until_at_rest("Succeeded")
    assert seen.outcomes[0] == ("Rejected", "IMG.0060")
    assert seen.outcomes[-1] == ("Succeeded", None)
    assert "Throttled" in copy.event_reasons()
    assert len(lab.cloud.copies()) == 1


@together
def test_used_up_quota_is_waited_for(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(quota=0)
    copy = lab.copy("golden")
    seen = copy.until_reason("WaitingForQuota")
    assert "IMG.0015" in seen.message
    assert seen.condition("Stalled") == {}
    assert "IMG.0015" in copy.until_event("WaitingForQuota")
    lab.cloud.knobs(quota=50)
    # The first pause is half a minute: a quota does not grow by asking often.
    seen = copy.until_at_rest("Succeeded", seconds=90)
    assert seen.outcomes == [("Rejected", "IMG.0015"), ("Succeeded", None)]


@together
def test_retry_annotation_starts_a_failed_copy_again_once(lab: Lab) -> None:
    lab.connect()
    lab.cloud.fault("copy", reply={"status": 400, "shape": "ims", "code": "IMG.0130", "message": "Whole image."})
    copy = lab.copy("golden")
    failed = copy.until_at_rest("Failed")
    copy.retry("one")
    seen = copy.until(lambda seen: seen.phase == "Succeeded" and not seen.finalizers, "Succeeded, let go of")
    assert seen.status["lastHandledRetryAt"] == "one"
    assert seen.outcomes == [("Rejected", "IMG.0130"), ("Succeeded", None)]
    assert failed.status["startTime"] <= seen.status["startTime"]
    assert len(lab.cloud.posts()) == 2


@together
def test_retry_that_was_handled_is_not_handled_again(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("whole", "full-ecs")
    copy.until_at_rest("Failed")
    copy.retry("one")
    wait_for(lambda: len(lab.cloud.posts("whole")) == 2, "the retry")
    copy.until(lambda seen: seen.status.get("lastHandledRetryAt") == "one" and not seen.finalizers, "retry handled")
    copy.retry("one")
    lab.copy("plain").until_at_rest("Succeeded")
    assert copy.get().phase == "Failed"
    assert len(lab.cloud.posts("whole")) == 2


@together
def test_suspended_object_starts_nothing_until_it_may(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("golden", suspend=True)
    seen = copy.until_at_rest("Suspended")
    assert seen.told("Ready") == ("False", "Suspended")
    assert "set it to false" in seen.message
    lab.copy("other").until_at_rest("Succeeded")
    assert lab.cloud.posts("golden") == []
    copy.edit(suspend=False)
    copy.until_at_rest("Succeeded")
    assert len(lab.cloud.posts("golden")) == 1


@together
def test_suspending_while_a_job_runs_follows_it_to_its_end(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=7)
    copy = lab.copy("golden")
    copy.until_phase("Copying")
    copy.edit(suspend=True)
    copy.until_at_rest("Succeeded")
    assert len(lab.cloud.posts()) == 1


@together
def test_deadline_ends_a_stuck_job_and_a_retry_follows_it_further(lab: Lab) -> None:
    lab.connect()
    lab.cloud.fault(job={"stuck": True})
    copy = lab.copy("golden", activeDeadlineSeconds=7)
    seen = copy.until_at_rest("Failed")
    [job] = lab.cloud.jobs()
    _assert_failed(seen, "DeadlineExceeded", "spec.activeDeadlineSeconds (7 s)", job["job_id"])
    assert seen.status["jobID"] == job["job_id"]
    assert "annotate imagecopy.io/retry-requested-at" in copy.until_event("DeadlineExceeded")
    lab.cloud.change_job(job["job_id"], end="SUCCESS")
    copy.retry("one")
    seen = copy.until(lambda seen: seen.phase == "Succeeded" and not seen.finalizers, "Succeeded, let go of")
    assert seen.status["imageID"] == job["_simulator"]["image_id"]
    assert len(lab.cloud.posts()) == 1
