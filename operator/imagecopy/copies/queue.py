"""Slots: which ImageCopies may have a job running in a project of the cloud, and which of them is next.

The cloud allows few jobs at a time in a project, for all its users together. So all ImageCopies that share a project
wait in one queue, oldest first, whichever provider they name. A copy that waits makes no call and no write: it is woken
when a slot is free for it. A start counts the slots in use from the statuses before it starts any copy.
"""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

Place = tuple[str, str, str]
"""What the queue is ordered by: creation time (RFC 3339, whole seconds), then namespace and name, then uid."""

UNKNOWN_PROJECT: Final = ""
"""Stands for the project of a job that a start found before it knew its project: the job counts in every project."""

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Claim:
    """What one object holds of the slots: a slot, a place in the queue of one project, or nothing."""

    project: str | None = None
    """The project in which it holds a slot."""
    waits_in: str | None = None
    """The project in whose queue it waits."""
    _place: Place | None = None
    _slots: "Slots[Any] | None" = None

    @property
    def is_held(self) -> bool:
        """Whether it holds a slot of a known project."""
        return bool(self.project)

    @property
    def ahead(self) -> int:
        """How many objects wait before this one, which waits."""
        return 0 if self._slots is None else self._slots.ahead(self)

    def release(self) -> None:
        """Give back the slot or the place in the queue, and wake the objects that are next."""
        if self._slots is not None:
            self._slots.release(self)


class Slots(Generic[T]):
    """The slots of all projects; ``T`` is what waits for one."""

    def __init__(self) -> None:
        self._used: Counter[str] = Counter()
        self._queues: defaultdict[str, list[tuple[Place, T]]] = defaultdict(list)
        self._limits: dict[str, int] = {}
        self._of_unknown_project: set[Claim] = set()
        self.on_change: Callable[[str], None] | None = None
        """Called with each project whose number of running jobs changed; must be quick."""
        self.on_turn: Callable[[T], None] | None = None
        """Called with each object for which a slot may be free now; must be quick."""

    def used(self, project: str) -> int:
        """Return how many jobs run in a project, including those whose project is not known."""
        return self._used[project] + (self._used[UNKNOWN_PROJECT] if project != UNKNOWN_PROJECT else 0)

    def running(self, project: str) -> int:
        """Return how many jobs are known to run in a project."""
        return self._used[project]

    def waiting(self, project: str) -> int:
        """Return how many objects wait for a slot of a project."""
        return len(self._queues[project])

    def projects(self) -> set[str]:
        """Return the projects of which a slot is in use, or was asked for."""
        return {*self._limits, *(project for project, used in self._used.items() if used)} - {UNKNOWN_PROJECT}

    def limit(self, project: str) -> int | None:
        """Return how many jobs may run in a project, as the last copy that asked for a slot had it."""
        return self._limits.get(project)

    def hold(self, claim: Claim, project: str) -> None:
        """Count a job that runs, whether a slot was free for it or not."""
        self._leave(claim)
        self._give_back(claim)
        claim.project, claim._slots = project, self
        if project == UNKNOWN_PROJECT:
            self._of_unknown_project.add(claim)
        self._count(project, 1)

    def take(self, claim: Claim, owner: T, project: str, limit: int, place: Place) -> bool:
        """Take a slot if one is free and no older object waits for it; else wait in the queue."""
        raised = limit > self._limits.get(project, limit)
        self._limits[project] = limit
        if raised:
            self._wake_next(project)
        if claim.project == project:
            return True
        self._give_back(claim)
        if bisect_left(self._queues[project], (place,)) < limit - self.used(project):
            self.hold(claim, project)
            return True
        if claim.waits_in != project:
            self._leave(claim)
            claim.waits_in, claim._place, claim._slots = project, place, self
            insort(self._queues[project], (place, owner), key=_place_of)
        return False

    def release(self, claim: Claim) -> None:
        """Give back the slot or the place in the queue, and wake the objects that are next."""
        touched = {self._leave(claim), self._give_back(claim)} - {None}
        for project in list(self._limits) if UNKNOWN_PROJECT in touched else touched:
            self._wake_next(str(project))

    def release_unknown(self) -> None:
        """Stop counting the jobs whose project never became known, because their provider can't be used."""
        for claim in list(self._of_unknown_project):
            self.release(claim)

    def ahead(self, claim: Claim) -> int:
        """Return how many objects wait before one that waits."""
        return 0 if claim.waits_in is None else bisect_left(self._queues[claim.waits_in], (claim._place,))

    def _count(self, project: str, change: int) -> None:
        self._used[project] += change
        if self.on_change is not None:
            self.on_change(project)

    def _leave(self, claim: Claim) -> str | None:
        project = claim.waits_in
        if project is None:
            return None
        queue = self._queues[project]
        del queue[bisect_left(queue, (claim._place,))]
        claim.waits_in = claim._place = None
        return project

    def _give_back(self, claim: Claim) -> str | None:
        project, claim.project = claim.project, None
        if project is not None:
            self._of_unknown_project.discard(claim)
            self._count(project, -1)
        return project

    def _wake_next(self, project: str) -> None:
        free = self._limits.get(project, 0) - self.used(project)
        if self.on_turn is not None:
            for _, owner in self._queues[project][: max(free, 0)]:
                self.on_turn(owner)


def _place_of(entry: tuple[Place, T]) -> Place:
    return entry[0]
