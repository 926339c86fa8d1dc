"""Failures in the cloud are reported with the cloud's own message, and retried only where a retry can help."""

from e2e.environment import Environment
from e2e.objects import CopyState
from e2e.parallel import parallel
from support.waiting import wait_for

_NO_SUCH_IMAGE = "00000000-0000-4000-8000-000000000000"


def _assert_failed(state: CopyState, reason: str, *words: str) -> None:
    assert state.phase == "Failed"
    assert state.status_and_reason("Ready") == ("False", reason)
    assert state.status_and_reason("Stalled") == ("True", reason)
    assert state.condition("Reconciling") == {}
    for word in words:
        assert word in state.message
        assert word in state.condition("Stalled")["message"]


@parallel
def test_full_ecs_source_fails_in_the_clouds_words_after_one_post(env: Environment) -> None:
    env.connect()
    copy = env.copy("whole", "full-ecs")
    state = copy.until_finished("Failed")
    failure = state.status["failure"]
    assert failure["code"] == "IMG.0130"
    _assert_failed(state, "CopyFailed", "IMG.0130", failure["message"])
    [post] = env.cloud.posts()
    assert failure["requestID"] == post["request_id"]
    assert state.outcomes == [("Rejected", "IMG.0130")]
    assert failure["message"] in copy.until_event("CopyFailed")
    env.copy("plain").until_finished("Succeeded")
    assert len(env.cloud.posts("whole")) == 1
    assert copy.get().body == state.body


@parallel
def test_missing_source_fails_in_the_clouds_words_without_a_post(env: Environment) -> None:
    env.connect()
    copy = env.copy("golden", _NO_SUCH_IMAGE)
    state = copy.until_finished("Failed")
    _assert_failed(state, "CopyFailed", state.status["failure"]["message"])
    assert state.status_and_reason("SourceReady") == ("False", "ImageMissing")
    assert _NO_SUCH_IMAGE in state.message
    assert env.cloud.posts() == []
    assert env.cloud.copies() == []


@parallel
def test_source_that_is_not_active_yet_is_waited_for(env: Environment) -> None:
    env.connect()
    copy = env.copy("golden", "queued")
    state = copy.until_reason("WaitingForSource")
    assert state.phase == "Pending"
    assert state.status_and_reason("SourceReady") == ("False", "WaitingForSource")
    assert "queued" in state.message
    assert "queued" in copy.until_event("WaitingForSource")
    assert env.cloud.posts() == []
    env.cloud.change_image(env.cloud.source("queued"), status="active")
    state = copy.until_finished("Succeeded")
    assert state.status_and_reason("SourceReady")[0] == "True"
    assert len(env.cloud.posts()) == 1


@parallel
def test_failed_job_is_followed_by_another_attempt(env: Environment) -> None:
    env.connect()
    env.cloud.fault(job={"fail": True})
    copy = env.copy("golden")
    waiting = copy.until(lambda state: state.outcomes, "the first attempt ended")
    assert waiting.status_and_reason("Reconciling") == ("True", "TransientError")
    assert waiting.condition("Stalled") == {}
    assert "IMG.0061: An unknown system error occurred.; attempt 2 follows at" in waiting.message
    state = copy.until_finished("Succeeded")
    assert state.outcomes == [("Failed", "IMG.0061"), ("Succeeded", None)]
    first, second = (ended["jobID"] for ended in state.status["attempts"])
    assert [job["job_id"] for job in env.cloud.jobs()] == [first, second]
    assert state.status["attempt"]["number"] == 2
    assert "failure" not in state.status
    posts = env.cloud.posts()
    assert len(posts) == 2
    assert posts[0]["body"]["description"] != posts[1]["body"]["description"]


@parallel
def test_backoff_limit_bounds_the_attempts(env: Environment) -> None:
    env.connect()
    env.cloud.fault(job={"fail": True}, count=None)
    copies = [env.copy(f"limit-{limit}", backoffLimit=limit) for limit in (0, 1)]
    for limit, copy in enumerate(copies):
        state = copy.until_finished("Failed")
        _assert_failed(state, "CopyFailed", "IMG.0061", f"spec.backoffLimit {limit}")
        assert state.outcomes == [("Failed", "IMG.0061")] * (limit + 1)
        assert len(env.cloud.posts(copy.name)) == limit + 1


@parallel
def test_job_that_fails_for_good_is_not_repeated(env: Environment) -> None:
    env.connect()
    env.cloud.fault(job={"fail": True, "error_code": "IMG.0099", "fail_reason": "No permission for the key."})
    copy = env.copy("golden")
    state = copy.until_finished("Failed")
    _assert_failed(state, "CopyFailed", "IMG.0099: No permission for the key.")
    assert state.outcomes == [("Failed", "IMG.0099")]
    assert len(env.cloud.posts()) == 1


@parallel
def test_throttled_post_is_repeated_later(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(max_concurrent=0)
    copy = env.copy("golden")
    state = copy.until_reason("Throttled")
    assert "IMG.0060" in state.message
    assert state.status_and_reason("Submitted") == ("False", "Throttled")
    assert state.condition("Stalled") == {}
    env.cloud.knobs(max_concurrent=5)
    state = copy.until_finished("Succeeded")
    assert state.outcomes[0] == ("Rejected", "IMG.0060")
    assert state.outcomes[-1] == ("Succeeded", None)
    assert "Throttled" in copy.event_reasons()
    assert len(env.cloud.copies()) == 1


@parallel
def test_used_up_quota_is_waited_for(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(quota=0)
    copy = env.copy("golden")
    state = copy.until_reason("WaitingForQuota")
    assert "IMG.0015" in state.message
    assert state.condition("Stalled") == {}
    assert "IMG.0015" in copy.until_event("WaitingForQuota")
    env.cloud.knobs(quota=50)
    # The first pause is half a minute, because a quota seldom changes.
    state = copy.until_finished("Succeeded", seconds=90)
    assert state.outcomes == [("Rejected", "IMG.0015"), ("Succeeded", None)]


@parallel
def test_retry_annotation_starts_a_failed_copy_again_once(env: Environment) -> None:
    env.connect()
    env.cloud.fault("copy", reply={"status": 400, "shape": "ims", "code": "IMG.0130", "message": "Whole image."})
    copy = env.copy("golden")
    failed = copy.until_finished("Failed")
    copy.retry("one")
    state = copy.until_released("Succeeded")
    assert state.status["lastHandledRetryAt"] == "one"
    assert state.outcomes == [("Rejected", "IMG.0130"), ("Succeeded", None)]
    assert failed.status["startTime"] <= state.status["startTime"]
    assert len(env.cloud.posts()) == 2


@parallel
def test_retry_that_was_handled_is_not_handled_again(env: Environment) -> None:
    env.connect()
    copy = env.copy("whole", "full-ecs")
    copy.until_finished("Failed")
    copy.retry("one")
    wait_for(lambda: len(env.cloud.posts("whole")) == 2, "the retry")
    copy.until(lambda state: state.status.get("lastHandledRetryAt") == "one" and not state.finalizers, "retry handled")
    copy.retry("one")
    env.copy("plain").until_finished("Succeeded")
    assert copy.get().phase == "Failed"
    assert len(env.cloud.posts("whole")) == 2


@parallel
def test_suspended_object_starts_nothing_until_it_may(env: Environment) -> None:
    env.connect()
    copy = env.copy("golden", suspend=True)
    state = copy.until_finished("Suspended")
    assert state.status_and_reason("Ready") == ("False", "Suspended")
    assert "set it to false" in state.message
    env.copy("other").until_finished("Succeeded")
    assert env.cloud.posts("golden") == []
    copy.edit(suspend=False)
    copy.until_finished("Succeeded")
    assert len(env.cloud.posts("golden")) == 1


@parallel
def test_suspending_while_a_job_runs_follows_it_to_its_end(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=7)
    copy = env.copy("golden")
    copy.until_phase("Copying")
    copy.edit(suspend=True)
    copy.until_finished("Succeeded")
    assert len(env.cloud.posts()) == 1


@parallel
def test_deadline_ends_a_stuck_job_and_a_retry_follows_it_further(env: Environment) -> None:
    env.connect()
    env.cloud.fault(job={"stuck": True})
    copy = env.copy("golden", activeDeadlineSeconds=7)
    state = copy.until_finished("Failed")
    [job] = env.cloud.jobs()
    _assert_failed(state, "DeadlineExceeded", "spec.activeDeadlineSeconds (7 s)", job["job_id"])
    assert state.status["jobID"] == job["job_id"]
    assert "set the annotation imagecopy.io/retry-requested-at" in copy.until_event("DeadlineExceeded")
    env.cloud.change_job(job["job_id"], end="SUCCESS")
    copy.retry("one")
    state = copy.until_released("Succeeded")
    assert state.status["imageID"] == job["_simulator"]["image_id"]
    assert len(env.cloud.posts()) == 1
