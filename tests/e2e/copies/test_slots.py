"""At most maxConcurrentCopies jobs run in a project, oldest object first. A waiting object makes no call and one write.

The simulator refuses one job more than the limit, so a limit that does not hold shows as a refused copy call.
"""

from e2e.environment import Environment
from e2e.objects import Copy
from e2e.parallel import parallel, parallel_with_own_operator
from support.waiting import wait_for

_SLOTS = 2


def _connect(env: Environment) -> None:
    env.cloud.knobs(max_concurrent=_SLOTS)
    env.secret(env.cloud.login())
    env.provider(maxConcurrentCopies=_SLOTS)


def _assert_never_too_many(env: Environment, copies: list[Copy]) -> None:
    posts = env.cloud.posts()
    assert len(posts) == len(copies)
    assert {post["status"] for post in posts} == {200}
    assert len(env.cloud.copies()) == len(copies)


def _fill(env: Environment) -> list[Copy]:
    """Use all slots until the test ends."""
    env.cloud.fault(job={"stuck": True}, count=_SLOTS)
    running = [env.copy(f"running-{number}") for number in range(_SLOTS)]
    for copy in running:
        copy.until_phase("Copying")
    return running


@parallel
def test_waiting_for_a_slot_costs_one_write_and_no_call_and_the_oldest_is_next(env: Environment) -> None:
    _connect(env)
    running = _fill(env)
    begin = env.cloud.calls()[-1]["sequence"]
    waiting = [env.copy(f"waiting-{number}") for number in range(4)]
    for copy in waiting:
        state = copy.until_reason("WaitingForSlot")
        assert state.phase == "Pending"
        assert f"all {_SLOTS} slots" in state.message

    def calls_since() -> list[str]:
        return [call["kind"] for call in env.cloud.calls(since=begin)]

    wait_for(lambda: calls_since().count("job") >= _SLOTS, "looks at the jobs that run")
    assert set(calls_since()) == {"job"}
    for copy in waiting:
        writes = [(event.verb, event.subresource) for event in copy.writes()]
        assert writes == [("patch", "status")]  # the write that reports waiting
    for job in env.cloud.jobs():
        env.cloud.change_job(job["job_id"], end="SUCCESS")
    for copy in running + waiting:
        copy.until_finished("Succeeded", seconds=110)
    _assert_never_too_many(env, running + waiting)
    # Calls of two objects that get their slots at the same moment may arrive in either order.
    for place, post in enumerate(env.cloud.posts()[_SLOTS:]):
        assert abs(int(post["body"]["name"].removeprefix("waiting-")) - place) < _SLOTS


@parallel
def test_object_that_waits_for_a_slot_goes_at_once(env: Environment) -> None:
    _connect(env)
    _fill(env)
    waiting, suspended = env.copy("waiting"), env.copy("suspended")
    for copy in (waiting, suspended):
        copy.until_reason("WaitingForSlot")
    waiting.delete(5)
    suspended.edit(suspend=True)
    suspended.until_finished("Suspended")
    assert len(env.cloud.posts()) == _SLOTS


@parallel_with_own_operator
def test_providers_of_two_namespaces_that_share_a_project_share_its_slots(env: Environment) -> None:
    other = Environment(env.shared, f"{env.namespace[:40]}-other")
    other.cloud.close()
    other.cloud = env.cloud
    env.api.plane.create_namespace(other.namespace)
    env.cloud.knobs(copy_seconds=3)
    env.operator(IMAGECOPY_NAMESPACES=f"{env.namespace},{other.namespace}")
    _connect(env)
    _connect(other)
    copies = [place.copy(f"golden-{number}") for number in range(3) for place in (env, other)]
    for copy in copies:
        copy.until_finished("Succeeded", seconds=110)
    _assert_never_too_many(env, copies)


@parallel_with_own_operator
def test_slots_in_use_are_known_right_after_a_restart(env: Environment) -> None:
    _connect(env)
    operator = env.operator()
    copies = _fill(env)
    copies.append(env.copy("waiting"))
    copies[-1].until_reason("WaitingForSlot")
    operator.kill()
    copies.append(env.copy("created-while-away"))
    env.operator()
    copies[-1].until_reason("WaitingForSlot")
    assert len(env.cloud.posts()) == _SLOTS
    for job in env.cloud.jobs():
        env.cloud.change_job(job["job_id"], end="SUCCESS")
    for copy in copies:
        copy.until_finished("Succeeded", seconds=110)
    _assert_never_too_many(env, copies)
