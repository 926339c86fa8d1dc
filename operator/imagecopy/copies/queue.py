"""Slots: who may have a job running at a project of the cloud, and whose turn is next.

The cloud allows few jobs at a time for a whole project, whoever asks. All ImageCopies that share a project, through
whichever provider, stand in one queue, oldest first. One that waits calls nobody and writes nothing: it is told when a
slot is freed for it. After a restart the slots in use are known from the statuses before anything is started.
"""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Place = tuple[str, str]
"""What the queue is ordered by: creation time (RFC 3339, whole seconds), then namespace and name."""

UNKNOWN_PROJECT: Final = ""
"""The project of a job that was found at the start and whose provider was not looked at yet: it counts for all."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    project: str
    place: Place


class Slots:
    """The slots of all projects."""

    def __init__(self) -> None:
        self._project_of: dict[str, str] = {}
        self._used: Counter[str] = Counter()
        self._waiting: dict[str, _Waiting] = {}
        self._queues: defaultdict[str, list[tuple[Place, str]]] = defaultdict(list)
        self._limits: dict[str, int] = {}
        self.on_change: Callable[[str], None] | None = None
        """Told of each project whose number of jobs changed; must be quick."""
        self.on_turn: Callable[[str], None] | None = None
        """Told of each object whose turn it may be; must be quick."""

    def used(self, project: str) -> int:
        """Return how many jobs run at a project, as far as we know."""
        return self._used[project] + (self._used[UNKNOWN_PROJECT] if project != UNKNOWN_PROJECT else 0)

    def running(self, project: str) -> int:
        """Return how many jobs run at a project for certain."""
        return self._used[project]

    def waiting(self, project: str) -> int:
        """Return how many wait for a slot of a project."""
        return len(self._queues[project])

    def projects(self) -> set[str]:
        """Return the projects that a slot was asked for or is used of."""
        return {*self._limits, *(project for project, used in self._used.items() if used)} - {UNKNOWN_PROJECT}

    def limit(self, project: str) -> int | None:
        """Return how many jobs may run at a project, as the last copy that asked for a slot had it."""
        return self._limits.get(project)

    def holds(self, uid: str) -> bool:
        """Tell whether this object has a slot of a known project."""
        return bool(self._project_of.get(uid))

    def hold(self, uid: str, project: str) -> None:
        """Note that a job of this object runs, whether a slot was free for it or not."""
        self._leave(uid)
        self._give_back(uid)
        self._project_of[uid] = project
        self._count(project, 1)

    def take(self, uid: str, project: str, limit: int, place: Place) -> bool:
        """Take a slot if one is free and no older object waits for it; else stand in the queue."""
        raised = limit > self._limits.get(project, limit)
        self._limits[project] = limit
        if raised:
            self._call_next(project)
        if self._project_of.get(uid) == project:
            return True
        self._give_back(uid)
        if bisect_left(self._queues[project], (place, uid)) < limit - self.used(project):
            self.hold(uid, project)
            return True
        known = self._waiting.get(uid)
        if known is None or known.project != project:
            self._leave(uid)
            self._waiting[uid] = _Waiting(project, place)
            insort(self._queues[project], (place, uid))
        return False

    def release(self, uid: str) -> None:
        """Give back the slot or the place in the queue, and wake whose turn it is then."""
        touched = {self._leave(uid), self._give_back(uid)} - {None}
        for project in list(self._limits) if UNKNOWN_PROJECT in touched else touched:
            self._call_next(str(project))

    def forget_unknown(self) -> None:
        """No longer count jobs whose project could not be told: their provider can't be used, and has no say."""
        for uid in [uid for uid, project in self._project_of.items() if project == UNKNOWN_PROJECT]:
            self.release(uid)

    def _count(self, project: str, change: int) -> None:
        self._used[project] += change
        if self.on_change is not None:
            self.on_change(project)

    def _leave(self, uid: str) -> str | None:
        waiting = self._waiting.pop(uid, None)
        if waiting is None:
            return None
        queue = self._queues[waiting.project]
        del queue[bisect_left(queue, (waiting.place, uid))]
        return waiting.project

    def _give_back(self, uid: str) -> str | None:
        project = self._project_of.pop(uid, None)
        if project is not None:
            self._count(project, -1)
        return project

    def _call_next(self, project: str) -> None:
        free = self._limits.get(project, 0) - self.used(project)
        if self.on_turn is not None:
            for _, uid in self._queues[project][: max(free, 0)]:
                self.on_turn(uid)

    def ahead(self, uid: str) -> int:
        """Return how many wait before an object that waits."""
        waiting = self._waiting[uid]
        return bisect_left(self._queues[waiting.project], (waiting.place, uid))
