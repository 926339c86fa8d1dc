"""At most maxConcurrentCopies jobs run at a project, oldest object first; who waits calls nobody and writes once.

The simulator refuses one job more than the limit, so a limit that does not hold shows as a refused copy call.
"""

from e2e.lab import Lab
from e2e.objects import Copy
from e2e.processes import wait_for
from e2e.together import together, together_with_own_operator

_SLOTS = 2


def _connect(lab: Lab) -> None:
    lab.cloud.knobs(max_concurrent=_SLOTS)
    lab.secret(lab.cloud.login())
    lab.provider(maxConcurrentCopies=_SLOTS)


def _assert_never_too_many(lab: Lab, copies: list[Copy]) -> None:
    posts = lab.cloud.posts()
    assert len(posts) == len(copies)
    assert {post["status"] for post in posts} == {200}
    assert len(lab.cloud.copies()) == len(copies)


def _fill(lab: Lab) -> list[Copy]:
    """Take all slots for as long as we like."""
    lab.cloud.fault(job={"stuck": True}, count=_SLOTS)
    running = [lab.copy(f"running-{number}") for number in range(_SLOTS)]
    for copy in running:
        copy.until_phase("Copying")
    return running


@together
def test_waiting_for_a_slot_costs_one_write_and_no_call_and_the_oldest_is_next(lab: Lab) -> None:
    _connect(lab)
    running = _fill(lab)
    begin = lab.cloud.calls()[-1]["sequence"]
    waiting = [lab.copy(f"waiting-{number}") for number in range(4)]
    for copy in waiting:
        seen = copy.until_reason("WaitingForSlot")
        assert seen.phase == "Pending"
        assert f"all {_SLOTS} slots" in seen.message

    def calls_since() -> list[str]:
        return [call["kind"] for call in lab.cloud.calls() if call["sequence"] > begin]

    wait_for(lambda: calls_since().count("job") >= _SLOTS, "looks at the jobs that run")
    assert set(calls_since()) == {"job"}
    for copy in waiting:
        writes = [(event.verb, event.subresource) for event in copy.writes()]
        assert writes == [("patch", "status")]  # that it waits
    for job in lab.cloud.jobs():
        lab.cloud.change_job(job["job_id"], end="SUCCESS")
    for copy in running + waiting:
        copy.until_at_rest("Succeeded", seconds=110)
    _assert_never_too_many(lab, running + waiting)
    # Two that get their slots at the same moment may overtake each other on the way to the cloud.
    for place, post in enumerate(lab.cloud.posts()[_SLOTS:]):
        assert abs(int(post["body"]["name"].removeprefix("waiting-")) - place) < _SLOTS


@together
def test_object_that_waits_for_a_slot_goes_at_once(lab: Lab) -> None:
    _connect(lab)
    _fill(lab)
    waiting, suspended = lab.copy("waiting"), lab.copy("suspended")
    for copy in (waiting, suspended):
        copy.until_reason("WaitingForSlot")
    waiting.delete(5)
    suspended.edit(suspend=True)
    suspended.until_at_rest("Suspended")
    assert len(lab.cloud.posts()) == _SLOTS


@together_with_own_operator
def test_providers_of_two_namespaces_that_share_a_project_share_its_slots(lab: Lab) -> None:
    other = Lab(lab.site, f"{lab.namespace[:40]}-other")
    other.cloud.close()
    other.cloud = lab.cloud
    lab.api.plane.create_namespace(other.namespace)
    lab.cloud.knobs(copy_seconds=3)
    lab.operator(IMAGECOPY_NAMESPACES=f"{lab.namespace},{other.namespace}")
    _connect(lab)
    _connect(other)
    copies = [place.copy(f"golden-{number}") for number in range(3) for place in (lab, other)]
    for copy in copies:
        copy.until_at_rest("Succeeded", seconds=110)
    _assert_never_too_many(lab, copies)


@together_with_own_operator
def test_slots_in_use_are_known_right_after_a_restart(lab: Lab) -> None:
    _connect(lab)
    operator = lab.operator()
    copies = _fill(lab)
    copies.append(lab.copy("waiting"))
    copies[-1].until_reason("WaitingForSlot")
    operator.kill()
    copies.append(lab.copy("created-while-away"))
    lab.operator()
    copies[-1].until_reason("WaitingForSlot")
    assert len(lab.cloud.posts()) == _SLOTS
    for job in lab.cloud.jobs():
        lab.cloud.change_job(job["job_id"], end="SUCCESS")
    for copy in copies:
        copy.until_at_rest("Succeeded", seconds=110)
    _assert_never_too_many(lab, copies)
