"""``decide`` against a cloud, an API server and processes that fail at any point.

A failure prints the steps that led to it and the blob that repeats it.
"""

from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from imagecopy.api.conditions import ConditionType
from imagecopy.api.imagecopy import DeletionPolicy
from imagecopy.flow.observation import Cause, ImageState
from imagecopy.flow.view import in_flight, is_finished, is_true
from unit.flow.builders import ELSEWHERE, PROJECT, TAGS, spec
from unit.flow.machine.model import World
from unit.flow.machine.model_parts import Plan, Post, Process, Write

_T = TypeVar("_T")

_PASSING = st.sampled_from([cause for cause in Cause if cause not in (Cause.SOURCE_MISSING, Cause.REFUSED)])
_MOSTLY_WORKS = st.sampled_from([*[Write.WORKS] * 6, *Write])

_MOSTLY_PASSING = st.sampled_from([*[Cause.THROTTLED, Cause.TRANSIENT] * 6, *Cause])


def _seldom(what: st.SearchStrategy[_T]) -> st.SearchStrategy[_T | None]:
    return st.one_of(*[st.none()] * 4, what)


PLANS = st.builds(
    Plan,
    look=_seldom(_PASSING),
    post=st.sampled_from([Post.ACCEPTED, Post.ACCEPTED, *Post]),
    reject=_MOSTLY_PASSING,
    job_fails=st.none() | _MOSTLY_PASSING,
    seconds=st.floats(20, 900),
    hidden_for=st.sampled_from([0, 5, 60, 290]),
    names_image=st.booleans(),
    writes=st.tuples(_MOSTLY_WORKS, _MOSTLY_WORKS, _MOSTLY_WORKS),
    tags=_seldom(_PASSING),
    delete=_seldom(_PASSING),
    switched_before_post=_seldom(_seldom(st.sampled_from([PROJECT, ELSEWHERE]))),
    crash_after=_seldom(st.integers(1, 5)),
)
PAUSES = st.sampled_from([0.5, 2, 5, 15, 40, 120, 700, 2000])


class Machine(RuleBasedStateMachine):
    """One ImageCopy, two processes that both think it is theirs, and a cloud."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.processes = [Process("pod-a/1"), Process("pod-b/2")]
        self.edits = 0

    @initialize(source=st.sampled_from([ImageState.ACTIVE, ImageState.ACTIVE, ImageState.PENDING]))
    def begin(self, source: ImageState) -> None:
        self.world.source = source

    @rule(plan=PLANS)
    def tick(self, plan: Plan) -> None:
        self.world.tick(self.processes[0], plan)

    @rule(pause=PAUSES, plan=PLANS)
    def wait_and_tick(self, pause: float, plan: Plan) -> None:
        self.world.now += timedelta(seconds=pause)
        self.world.tick(self.processes[0], plan)

    @rule(ticks=st.integers(1, 12), which=st.sampled_from([0, 0, 1]), plan=PLANS)
    def go_on_for_a_while(self, ticks: int, which: int, plan: Plan) -> None:
        self.processes[which].known = self.world.stored
        for _ in range(ticks):
            healthy = replace(plan, look=None, writes=(), tags=None, delete=None, crash_after=None)
            self.world.now += timedelta(seconds=self.world.tick(self.processes[which], healthy) or 0)

    @rule(plan=PLANS)
    def tick_of_the_other_process(self, plan: Plan) -> None:
        self.world.tick(self.processes[1], plan)

    @rule(which=st.integers(0, 1))
    def watch_brings_the_object(self, which: int) -> None:
        self.processes[which].known = self.world.stored

    @rule(
        suspend=st.sampled_from([False, False, False, True]),
        tags=st.sampled_from([None, TAGS, {"team": "db"}]),
        limit=st.integers(0, 2),
        unknown=st.sampled_from(["Retry", "Retry", "Halt"]),
        deletion=st.sampled_from(["Delete", "Delete", "Retain"]),
    )
    def edit(self, suspend: bool, tags: dict[str, str] | None, limit: int, unknown: str, deletion: str) -> None:
        target = {} if tags is None else {"tags": tags}
        wanted = spec(
            activeDeadlineSeconds=1800, suspend=suspend, target=target, backoffLimit=limit,
            unknownOutcomePolicy=unknown, deletionPolicy=deletion,
        )  # fmt: skip
        self.world.edit(spec=wanted)

    @rule(hours=st.sampled_from([-1, 0, 1]))
    def set_the_clock(self, hours: int) -> None:
        self.world.set_by = timedelta(hours=hours)

    @precondition(lambda self: len(self.world.posted) > 0)
    @rule(sure=st.sampled_from([False, False, True]))
    def delete_the_object(self, sure: bool) -> None:
        if sure and not self.world.deleting:
            self.world.deleting = True
            self.world.edit()  # the mark of a deletion is a write, and is seen with all that was written before it
            for process in self.processes:
                process.known = self.world.stored

    @rule()
    def ask_for_a_retry(self) -> None:
        self.edits += 1
        self.world.edit(retry=f"retry-{self.edits}")

    @rule()
    def annotate_something_else(self) -> None:
        self.world.edit()

    @rule()
    def cloud_forgets_its_jobs(self) -> None:
        for copy in self.world.copies:
            copy.forgotten = True

    @rule()
    def somebody_deletes_the_target(self) -> None:
        for copy in self.world.copies:
            copy.deleted = copy.deleted or copy.ended(self.world.now)

    @rule(project=st.sampled_from([PROJECT, ELSEWHERE]))
    def somebody_switches_the_provider(self, project: str) -> None:
        self.world.project = project

    @rule()
    def source_becomes_active(self) -> None:
        self.world.source = ImageState.ACTIVE

    @invariant()
    def there_is_one_copy_at_most(self) -> None:
        assert len(self.world.live()) <= 1

    @invariant()
    def what_is_deleted_leaves_nothing_behind(self) -> None:
        if self.world.deleted_with is DeletionPolicy.DELETE:
            assert self.world.live() == []

    @invariant()
    def each_post_has_an_attempt(self) -> None:
        attempt = self.world.stored.status.attempt
        assert len(self.world.posted) <= (attempt.number if attempt else 0)

    @invariant()
    def the_conditions_agree(self) -> None:
        status = self.world.stored.status
        reconciling = is_true(status, ConditionType.RECONCILING)
        stalled, ready = is_true(status, ConditionType.STALLED), is_true(status, ConditionType.READY)
        assert not (reconciling and stalled)
        assert not (ready and stalled)
        if stalled or (ready and not reconciling):
            assert is_finished(status)
            assert status.completion_time is not None
        if ready:
            assert status.image_id is not None
            assert in_flight(status) is None

    def teardown(self) -> None:
        """With a healthy cloud, any state comes to rest, at the deadline at the latest, wherever the provider leads.

        What has no deadline (a deletion, new tags of a finished copy, a retry before its attempt) waits until it leads
        back.
        """
        world, process = self.world, self.processes[0]
        world.source = ImageState.ACTIVE
        process.known = world.stored
        self._come_to_rest(process)
        status = world.stored.status
        if world.deleting or is_true(status, ConditionType.READY) or status.start_time is None:
            world.project = status.project_id or world.project
            self._come_to_rest(process)
        self.what_is_deleted_leaves_nothing_behind()
        status = world.stored.status
        if world.deleting:
            assert world.gone, f"not let go: {status}"
            return
        assert world.stored.is_resting, f"not at rest: {status}"
        if is_true(status, ConditionType.READY):
            named = [copy for copy in world.copies if copy.image_id == status.image_id]
            assert named
            assert named[0].ended(world.now)

    def _come_to_rest(self, process: Process) -> None:
        world = self.world
        for _ in range(3000):  # a clock that was set back and a provider that leads wrong_project make looks frequent
            again = world.tick(process, Plan())
            self.there_is_one_copy_at_most()
            self.the_conditions_agree()
            if world.gone or (again is None and process.known is world.stored):
                break
            world.now += timedelta(seconds=again or 1.0)


TestDecide = Machine.TestCase
TestDecide.settings = settings(
    max_examples=150,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
