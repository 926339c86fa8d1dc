"""A copy call is never sent again, whatever the reason why its outcome was lost."""

from e2e.environment import Environment
from e2e.objects import Copy
from e2e.parallel import parallel, parallel_with_own_operator
from support.processes import Operator
from support.waiting import wait_for


def _assert_ends_with_one_copy(env: Environment, copy: Copy) -> None:
    state = copy.until_finished("Succeeded")
    assert len(env.cloud.posts()) == 1
    [image] = env.cloud.copies()
    assert image["id"] == state.status["imageID"]
    assert state.status["attempt"]["number"] == 1


def _operator_in_copy_call(env: Environment, *, seconds: float = 60) -> tuple[Operator, Copy]:
    """Return an operator whose copy call waits this long for its reply, and the ImageCopy."""
    env.connect()
    operator = env.operator()
    env.cloud.fault("copy", when="after", delay_seconds=seconds)
    copy = env.copy("golden")
    wait_for(env.cloud.posts, "the copy call under way")
    return operator, copy


@parallel
def test_reply_lost_after_the_copy_was_accepted_is_resolved_by_the_marker(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=3)
    env.cloud.fault("copy", when="after", cut=True)
    copy = env.copy("golden")
    reported = copy.until_event("ResolvingOutcome")
    assert "not sent again" in reported
    _assert_ends_with_one_copy(env, copy)


@parallel
def test_gateway_timeout_after_the_copy_was_accepted_is_resolved_by_the_marker(env: Environment) -> None:
    env.connect()
    env.cloud.fault("copy", when="after", reply={"status": 504})
    copy = env.copy("golden")
    assert "APIGW" in copy.until_event("ResolvingOutcome")
    _assert_ends_with_one_copy(env, copy)


@parallel
def test_copy_call_lost_on_its_way_is_looked_up_and_not_sent_again(env: Environment) -> None:
    env.connect()
    env.cloud.fault("copy", cut=True)
    copy = env.copy("golden", activeDeadlineSeconds=14)
    state = copy.until_reason("ResolvingOutcome")
    assert state.status_and_reason("Reconciling") == ("True", "ResolvingOutcome")
    [post] = env.cloud.posts()

    wait_for(lambda: len(env.cloud.calls("list", since=post["sequence"])) >= 2, "lookups")
    state = copy.until_finished("Failed")
    assert state.reason == "DeadlineExceeded"
    assert len(env.cloud.posts()) == 1


@parallel
def test_job_that_the_cloud_forgot_is_found_by_its_marker(env: Environment) -> None:
    env.connect()
    env.cloud.fault(job={"forget": True})
    copy = env.copy("golden")
    _assert_ends_with_one_copy(env, copy)


@parallel_with_own_operator
def test_operator_killed_before_the_intent_makes_one_copy(env: Environment) -> None:
    env.connect()
    operator = env.operator()
    env.cloud.fault("image", delay_seconds=60)
    copy = env.copy("golden")
    wait_for(lambda: env.cloud.calls("image"), "the preflight under way")
    operator.kill()
    assert "attempt" not in copy.get().status
    env.operator()
    _assert_ends_with_one_copy(env, copy)


@parallel_with_own_operator
def test_operator_killed_while_the_copy_call_is_under_way_makes_one_copy(env: Environment) -> None:
    operator, copy = _operator_in_copy_call(env)
    operator.kill()
    state = copy.get()
    assert "jobID" not in state.status["attempt"]
    assert state.status["attempt"]["number"] == 1
    env.operator()
    _assert_ends_with_one_copy(env, copy)


@parallel_with_own_operator
def test_operator_killed_after_the_job_id_was_stored_makes_one_copy(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=6)
    operator = env.operator()
    copy = env.copy("golden")
    copy.until(lambda state: state.status.get("jobID"), "job id")
    operator.kill()
    env.operator()
    _assert_ends_with_one_copy(env, copy)


@parallel_with_own_operator
def test_operator_killed_while_tags_are_set_makes_one_tagged_copy(env: Environment) -> None:
    env.connect()
    operator = env.operator()
    env.cloud.fault("tags", delay_seconds=60)
    copy = env.copy("golden", target={"tags": {"team": "web"}})
    wait_for(lambda: env.cloud.calls("tags"), "tags being set")
    operator.kill()
    env.operator()
    _assert_ends_with_one_copy(env, copy)
    assert env.cloud.copies()[0]["tags"] == ["team=web"]


@parallel_with_own_operator
def test_operator_killed_again_and_again_makes_one_copy(env: Environment) -> None:
    env.cloud.fault(job={"stuck": True})
    operator, copy = _operator_in_copy_call(env)
    for _ in range(2):
        operator.kill()
        calls = len(env.cloud.calls())
        operator = env.operator()
        wait_for(lambda calls=calls: len(env.cloud.calls()) > calls + 1, "work")  # type: ignore[misc]
    env.cloud.change_job(env.cloud.jobs()[0]["job_id"], end="SUCCESS")
    _assert_ends_with_one_copy(env, copy)


@parallel_with_own_operator
def test_termination_with_a_copy_under_way_is_clean_and_the_next_process_carries_on(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=8)
    operator = env.operator()
    copy = env.copy("golden")
    copy.until(lambda state: state.status.get("jobID"), "job id")
    operator.terminate()
    assert operator.process.wait(10) == 0
    assert '"stopped"' in operator.last_lines()
    assert "Traceback" not in operator.log.read_text()
    env.operator()
    _assert_ends_with_one_copy(env, copy)


@parallel_with_own_operator
def test_termination_waits_for_a_copy_call_under_way_and_stores_its_job(env: Environment) -> None:
    operator, copy = _operator_in_copy_call(env, seconds=1.5)
    operator.terminate()
    assert operator.process.wait(10) == 0
    assert copy.get().status["jobID"] == env.cloud.jobs()[0]["job_id"]


@parallel_with_own_operator
def test_termination_while_the_copy_call_hangs_is_in_time_and_loses_nothing(env: Environment) -> None:
    operator, copy = _operator_in_copy_call(env)
    operator.terminate()
    operator.process.wait(10)
    assert "Traceback" not in operator.log.read_text()
    env.operator()
    _assert_ends_with_one_copy(env, copy)


@parallel_with_own_operator
def test_second_termination_signal_ends_the_process_at_once(env: Environment) -> None:
    operator, _ = _operator_in_copy_call(env)
    operator.terminate()
    wait_for(lambda: "another signal ends this at once" in operator.log.read_text(), "the first signal heard")
    operator.terminate()
    assert operator.process.wait(2) == 130
