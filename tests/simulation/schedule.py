"""One schedule: what a seed makes of users, faults, kills and time, and whether the invariants hold in it."""

import asyncio
import random
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, NoReturn
from unittest.mock import patch

import structlog

from imagecopy.api.imagecopy import RETRY_ANNOTATION
from simulation.apiserver import ApiServer
from simulation.cloud import Cloud, Copy
from simulation.invariants import Broken, check_new_copy, check_removed, check_rest
from simulation.loop import VirtualLoop
from simulation.network import Faults, Killed, Link
from simulation.operator import Operator, task_factory
from unit.flow.builders import SOURCE, T0

STORM_SECONDS: Final = 700.0
"""For so long users act, faults strike and operators are killed."""
CALM_SECONDS: Final = 1.75 * 3600.0
"""After so long without any of it, everything is at rest."""
LISTS_SECONDS: Final = 20.0
"""The poller's pause here: it is not what is looked at."""
NAMES: Final = ("a", "b", "c", "d")


@dataclass
class Result:
    """What came of one schedule."""

    seed: int
    failure: str | None = None
    log: list[str] = field(default_factory=list)
    posts: int = 0
    kills: int = 0


class Schedule:
    """One seed."""

    def __init__(self, seed: int, *, recreate: bool = False) -> None:
        """``recreate``: whether objects are deleted and applied again while their copy is under way."""
        self.result = Result(seed)
        self._rng = random.Random(seed)
        self._recreate = recreate
        self._operators: list[Operator] = []
        self._bugs: list[str] = []
        self._names = {name: name for name in NAMES}
        """What each object is called now: a name is not used again while a copy of it may still show up."""
        self._policies_edited: set[str] = set()

    def run(self) -> Result:
        """Run it to the end."""
        structlog.configure(processors=[self._watch_for_bugs], cache_logger_on_first_use=False)
        random.seed(self.result.seed)
        loop = VirtualLoop()
        loop.set_task_factory(task_factory)  # type: ignore[arg-type]
        loop.set_exception_handler(self._on_error)
        try:
            with (
                patch("imagecopy.copies.poller.PAUSE_SECONDS", LISTS_SECONDS),
                patch("imagecopy.copies.poller.CROWD", self._rng.choice((2, 40))),
            ):
                loop.run_until_complete(self._play(loop))
            if self._bugs:
                raise Broken(f"a step failed: {self._bugs[0]}")
        except AssertionError as exc:
            self.result.failure = f"{type(exc).__name__}: {exc}"
        finally:
            self._end(loop)
            structlog.reset_defaults()
        return self.result

    async def _play(self, loop: VirtualLoop) -> None:
        rng = self._rng
        self._server = ApiServer(lambda: f"{T0 + timedelta(seconds=loop.time()):%Y-%m-%dT%H:%M:%SZ}")
        self._server.on_remove = lambda found: self._check_removed(found, loop.time())
        self._slots = rng.choice((1, 2, 5))
        self._cloud = Cloud(rng, loop.time, limit=rng.choice((1, 5, 5)))
        self._cloud.job_failures = rng.choice((0.0, 0.3))
        self._cloud.late_rows = rng.choice((0.0, 0.5))
        self._cloud.on_copy = lambda copy: self._check(copy, loop.time())
        rate = rng.choice((0.0, 0.05, 0.2))
        kinds = ("post", "read", "kube", "write", "finalizer")
        self._faults = Faults(rng, {kind: rate * rng.choice((0.0, 1.0, 2.0)) for kind in kinds})
        self._start_operator()
        if rng.random() < 0.2:
            self._start_operator()
        while loop.time() < STORM_SECONDS:
            await asyncio.sleep(rng.choice((0.01, 0.1, 1.0, 10.0, 60.0)) * rng.random())
            self._strike()
        self._faults.is_over = True
        self._cloud.job_failures = 0.0
        if not any(operator.is_alive for operator in self._operators):
            self._start_operator()
        await asyncio.sleep(CALM_SECONDS)
        self.result.posts = self._cloud.posts
        check_rest(self._server, self._cloud, self._operators, loop.time())

    def _strike(self) -> None:
        """Do one thing that users, machines or networks do."""
        name = self._rng.choice(NAMES)
        happenings: list[tuple[float, Callable[[], None]]] = [
            (4, lambda: self._apply(name)),
            (1, lambda: self._edit(name)),
            (1, lambda: self._delete(name)),
            (2, self._kill),
            (1, self._freeze),
            (
                0.5,
                lambda: self._server.annotate("team-a", self._names[name], RETRY_ANNOTATION, str(self._rng.random())),
            ),
        ]
        _, act = happenings[self._rng.choices(range(len(happenings)), [weight for weight, _ in happenings])[0]]
        act()

    def _apply(self, name: str) -> None:
        self._log(f"apply {self._names[name]}")
        policy = self._rng.choice(("Retain", "Retain", "Delete"))
        spec: dict[str, Any] = {"source": {"imageID": SOURCE}, "deletionPolicy": policy}
        spec["activeDeadlineSeconds"] = self._rng.choice((300, 3600))
        self._server.create("team-a", self._names[name], spec)

    def _edit(self, name: str) -> None:
        fields: dict[str, Any] = self._rng.choice(
            (
                {"deletionPolicy": "Retain"},
                {"deletionPolicy": "Delete"},
                {"backoffLimit": 3},
                {"target": {"tags": {"a": "b"}}},
            )
        )
        self._log(f"edit {self._names[name]}: {fields}")
        if "deletionPolicy" in fields:
            self._policies_edited.add(self._names[name])
        self._server.edit("team-a", self._names[name], **fields)

    def _retry(self, name: str) -> None:
        self._server.annotate("team-a", self._names[name], RETRY_ANNOTATION, str(self._rng.random()))

    def _delete(self, name: str) -> None:
        found = next((each for each in self._server if each["metadata"]["name"] == self._names[name]), None)
        if found is None:
            return
        self._log(f"delete {self._names[name]}")
        self._server.delete("team-a", self._names[name])
        is_settled = found["status"].get("completionTime") and self._cloud.shows_all(self._names[name])
        if not self._recreate and not is_settled:
            self._names[name] += "'"

    def _kill(self) -> None:
        alive = [operator for operator in self._operators if operator.is_alive]
        if alive and self._rng.random() < 0.7:
            victim = self._rng.choice(alive)
            self._log(f"kill {victim.name}")
            self.result.kills += 1
            victim.kill()
        if len(alive) < 2:
            self._start_operator()

    def _freeze(self) -> None:
        alive = [operator for operator in self._operators if operator.is_alive]
        if alive:
            seconds = self._rng.choice((1.0, 45.0, 400.0)) * self._rng.random()
            victim = self._rng.choice(alive)
            self._log(f"{victim.name} stands still for {seconds:.1f} s")
            victim.freeze(seconds)

    def _start_operator(self) -> None:
        name = f"operator-{len(self._operators) + 1}"
        self._log(f"start {name}")
        operator = Operator(name, self._server, self._cloud, Link(self._rng, self._faults), self._rng, self._slots)
        self._operators.append(operator)
        operator.start()

    def _check(self, copy: Copy, now: float) -> None:
        self._log(f"the cloud accepts {copy.image_id} of {copy.request.name}, {copy.seconds:.0f} s")
        try:
            check_new_copy(self._cloud, copy, now)
        except Broken as exc:
            self.result.failure = self.result.failure or str(exc)

    def _check_removed(self, found: dict[str, Any], now: float) -> None:
        name = found["metadata"]["name"]
        self._log(f"{name} is removed")
        if name in self._policies_edited:
            return  # it may have been released by the policy of before
        try:
            check_removed(self._cloud, found, now)
        except Broken as exc:
            self.result.failure = self.result.failure or str(exc)

    def _log(self, words: str) -> None:
        self.result.log.append(f"{asyncio.get_running_loop().time():9.3f}  {words}")

    def _watch_for_bugs(self, _: Any, method: str, event: MutableMapping[str, Any]) -> NoReturn:
        if "bug" in str(event.get("event")):
            self._bugs.append(f"{event['event']}: {event.get('exc_info')}")
        raise structlog.DropEvent

    def _on_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, Killed):
            self._bugs.append(f"{context.get('message')}: {error!r}")

    def _end(self, loop: VirtualLoop) -> None:
        """Cancel what is left, so that the loop can be closed."""
        for operator in self._operators:
            operator.link.is_dead = True
        while left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left))
        loop.close()
