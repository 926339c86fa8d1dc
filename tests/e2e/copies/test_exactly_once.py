"""However the outcome of the copy call got lost, it is never sent again."""

from e2e.lab import Lab
from e2e.objects import Copy, Seen
from e2e.processes import wait_for
from e2e.together import together, together_with_own_operator


def _assert_one_copy(lab: Lab, copy: Copy, seen: Seen) -> None:
    assert len(lab.cloud.posts()) == 1
    [image] = lab.cloud.copies()
    assert image["id"] == seen.status["imageID"]
    assert seen.status["attempt"]["number"] == 1


def _until_posted(lab: Lab) -> None:
    wait_for(lab.cloud.posts, "the copy call under way")


@together
def test_reply_lost_after_the_copy_was_accepted_is_resolved_by_the_marker(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=3)
    lab.cloud.fault("copy", when="after", cut=True)
    copy = lab.copy("golden")
    told = copy.until_event("ResolvingOutcome")
    assert "not sent again" in told
    _assert_one_copy(lab, copy, copy.until_at_rest("Succeeded"))


@together
def test_gateway_timeout_after_the_copy_was_accepted_is_resolved_by_the_marker(lab: Lab) -> None:
    lab.connect()
    lab.cloud.fault("copy", when="after", reply={"status": 504})
    copy = lab.copy("golden")
    assert "APIGW" in copy.until_event("ResolvingOutcome")
    _assert_one_copy(lab, copy, copy.until_at_rest("Succeeded"))


@together
def test_copy_call_lost_on_its_way_is_looked_up_and_not_sent_again(lab: Lab) -> None:
    lab.connect()
    lab.cloud.fault("copy", cut=True)
    copy = lab.copy("golden", activeDeadlineSeconds=14)
    seen = copy.until_reason("ResolvingOutcome")
    assert seen.told("Reconciling") == ("True", "ResolvingOutcome")
    [post] = lab.cloud.posts()

    def lookups() -> list[object]:
        return [call for call in lab.cloud.calls("list") if call["sequence"] > post["sequence"]]

    wait_for(lambda: len(lookups()) >= 2, "lookups")
    seen = copy.until_at_rest("Failed")
    assert seen.reason == "DeadlineExceeded"
    assert len(lab.cloud.posts()) == 1


@together
def test_job_that_the_cloud_forgot_is_found_by_its_marker(lab: Lab) -> None:
    lab.connect()
    lab.cloud.fault(job={"forget": True})
    copy = lab.copy("golden")
    _assert_one_copy(lab, copy, copy.until_at_rest("Succeeded"))


@together_with_own_operator
def test_operator_killed_before_the_intent_makes_one_copy(lab: Lab) -> None:
    lab.connect()
    operator = lab.operator()
    lab.cloud.fault("image", delay_seconds=60)
    copy = lab.copy("golden")
    wait_for(lambda: lab.cloud.calls("image"), "the preflight under way")
    operator.kill()
    assert "attempt" not in copy.get().status
    lab.operator()
    _assert_one_copy(lab, copy, copy.until_at_rest("Succeeded"))


@together_with_own_operator
def test_operator_killed_while_the_copy_call_is_under_way_makes_one_copy(lab: Lab) -> None:
    lab.connect()
    operator = lab.operator()
    lab.cloud.fault("copy", when="after", delay_seconds=60)
    copy = lab.copy("golden")
    _until_posted(lab)
    operator.kill()
    seen = copy.get()
    assert "jobID" not in seen.status["attempt"]
    assert seen.status["attempt"]["number"] == 1
    lab.operator()
    _assert_one_copy(lab, copy, copy.until_at_rest("Succeeded"))


@together_with_own_operator
def test_operator_killed_after_the_job_id_was_stored_makes_one_copy(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=6)
    operator = lab.operator()
    copy = lab.copy("golden")
    copy.until(lambda seen: seen.status.get("jobID"), "job id")
    operator.kill()
    lab.operator()
    _assert_one_copy(lab, copy, copy.until_at_rest("Succeeded"))


@together_with_own_operator
def test_operator_killed_while_tags_are_set_makes_one_tagged_copy(lab: Lab) -> None:
    lab.connect()
    operator = lab.operator()
    lab.cloud.fault("tags", delay_seconds=60)
    copy = lab.copy("golden", target={"tags": {"team": "web"}})
    wait_for(lambda: lab.cloud.calls("tags"), "tags being set")
    operator.kill()
    lab.operator()
    _assert_one_copy(lab, copy, copy.until_at_rest("Succeeded"))
    assert lab.cloud.copies()[0]["tags"] == ["team=web"]


@together_with_own_operator
def test_operator_killed_again_and_again_makes_one_copy(lab: Lab) -> None:
    lab.connect()
    lab.cloud.fault(job={"stuck": True})
    lab.cloud.fault("copy", when="after", delay_seconds=60)
    operator = lab.operator()
    copy = lab.copy("golden")
    _until_posted(lab)
    for _ in range(2):
        operator.kill()
        calls = len(lab.cloud.calls())
        operator = lab.operator()
        wait_for(lambda calls=calls: len(lab.cloud.calls()) > calls + 1, "work")  # type: ignore[misc]
    lab.cloud.change_job(lab.cloud.jobs()[0]["job_id"], end="SUCCESS")
    _assert_one_copy(lab, copy, copy.until_at_rest("Succeeded"))


@together_with_own_operator
def test_termination_with_a_copy_under_way_is_clean_and_the_next_process_carries_on(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=8)
    operator = lab.operator()
    copy = lab.copy("golden")
    copy.until(lambda seen: seen.status.get("jobID"), "job id")
    operator.terminate()
    assert operator.process.wait(10) == 0
    assert '"stopped"' in operator.last_lines()
    assert "Traceback" not in operator.log.read_text()
    lab.operator()
    _assert_one_copy(lab, copy, copy.until_at_rest("Succeeded"))


@together_with_own_operator
def test_termination_waits_for_a_copy_call_under_way_and_stores_its_job(lab: Lab) -> None:
    lab.connect()
    operator = lab.operator()
    lab.cloud.fault("copy", when="after", delay_seconds=1.5)
    copy = lab.copy("golden")
    _until_posted(lab)
    operator.terminate()
    assert operator.process.wait(10) == 0
    assert copy.get().status["jobID"] == lab.cloud.jobs()[0]["job_id"]


@together_with_own_operator
def test_termination_while_the_copy_call_hangs_is_in_time_and_loses_nothing(lab: Lab) -> None:
    lab.connect()
    operator = lab.operator()
    lab.cloud.fault("copy", when="after", delay_seconds=60)
    copy = lab.copy("golden")
    _until_posted(lab)
    operator.terminate()
    operator.process.wait(10)
    assert "Traceback" not in operator.log.read_text()
    lab.operator()
    _assert_one_copy(lab, copy, copy.until_at_rest("Succeeded"))


@together_with_own_operator
def test_second_termination_signal_ends_the_process_at_once(lab: Lab) -> None:
    lab.connect()
    operator = lab.operator()
    lab.cloud.fault("copy", when="after", delay_seconds=60)
    lab.copy("golden")
    _until_posted(lab)
    operator.terminate()
    wait_for(lambda: "another signal ends this at once" in operator.log.read_text(), "the first signal heard")
    operator.terminate()
    assert operator.process.wait(2) == 130
