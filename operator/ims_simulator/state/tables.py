"""The tables of images and of jobs, with indexes.

The indexes answer what each copy needs (how many jobs run, how many images there are) and what lists usually ask for
(one name, the newest few). So the cost of a call does not grow with the number of images.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator

from ims_simulator.state.journal import Journal, Table
from ims_simulator.state.records import Image, Job

Age = tuple[str, int, str]
"""created_at, sequence and id: sorting by them gives the default order of lists, oldest first."""


class ImageTable(Table[Image]):
    """Images, with indexes by name, age and owner."""

    def __init__(self, journal: Journal) -> None:
        super().__init__("image", Image, journal)
        self._by_name: dict[str, dict[str, None]] = {}
        self._name_of: dict[str, str] = {}
        self._by_age: list[Age] = []
        self._age_of: dict[str, Age] = {}
        self._counted: dict[str, set[str]] = {}
        self.last_sequence = 0

    def remember(self, record: Image) -> None:  # noqa: D102
        super().remember(record)
        self.last_sequence = max(self.last_sequence, record.sequence)
        before = self._name_of.get(record.id)
        if before != record.name:
            self._forget_name(record.id)
            self._by_name.setdefault(record.name, {})[record.id] = None
            self._name_of[record.id] = record.name
        age = age_of(record)
        if self._age_of.get(record.id) != age:
            self._forget_age(record.id)
            insort(self._by_age, age)
            self._age_of[record.id] = age
        for owned in self._counted.values():
            owned.discard(record.id)
        if record.deleted_at is None and record.text("visibility") != "public":
            self._counted.setdefault(record.owner, set()).add(record.id)

    def remove_from_indexes(self, image_id: str) -> None:
        """Remove a deleted image from the indexes; `get` still finds it."""
        self._forget_name(image_id)
        self._forget_age(image_id)

    def _forget_name(self, image_id: str) -> None:
        name = self._name_of.pop(image_id, None)
        if name is not None:
            same = self._by_name[name]
            del same[image_id]
            if not same:
                del self._by_name[name]

    def _forget_age(self, image_id: str) -> None:
        age = self._age_of.pop(image_id, None)
        if age is not None:
            del self._by_age[bisect_left(self._by_age, age)]

    def named(self, name: str) -> list[Image]:
        """The images with exactly this name."""
        return [self._records[image_id] for image_id in self._by_name.get(name, {})]

    def by_age(self, *, newest_first: bool, after: Age | None = None) -> Iterator[Image]:
        """Images by age, from the one that follows `after`. The table must not change during the iteration."""
        ages = self._by_age
        if newest_first:
            numbers = range((len(ages) if after is None else bisect_left(ages, after)) - 1, -1, -1)
        else:
            start = 0 if after is None else bisect_left(ages, after)
            numbers = range(start + (start < len(ages) and ages[start] == after), len(ages))
        for number in numbers:
            yield self._records[ages[number][2]]

    def owned_ids(self, project_id: str) -> set[str]:
        """Ids of the images that count against the quota of a project."""
        return self._counted.get(project_id, set())


def age_of(image: Image) -> Age:
    """The sort key of an image in the order of age."""
    return image.text("created_at"), image.sequence, image.id


class JobTable(Table[Job]):
    """Jobs, with indexes of those that run and those that failed. The time of calls must not decrease."""

    def __init__(self, journal: Journal) -> None:
        super().__init__("job", Job, journal)
        self._running: dict[str, set[str]] = {}
        self._failed: dict[str, set[str]] = {}
        self._ends: list[tuple[float, str]] = []

    def remember(self, record: Job) -> None:  # noqa: D102
        super().remember(record)
        self._running.setdefault(record.project_id, set()).add(record.id)
        self._failed.setdefault(record.project_id, set()).discard(record.image_id)
        if record.ends_at is not None:
            heapq.heappush(self._ends, (record.ends_at, record.id))

    def running(self, project_id: str, now: float) -> set[str]:
        """Ids of the jobs of a project that have not ended."""
        self._move_ended(now)
        return self._running.get(project_id, set())

    def failed_images(self, project_id: str, now: float) -> set[str]:
        """Ids of the images of failed jobs of a project."""
        self._move_ended(now)
        return self._failed.get(project_id, set())

    def _move_ended(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, job_id = heapq.heappop(self._ends)
            job = self._records[job_id]
            if job.ended(now):
                self._running[job.project_id].discard(job_id)
                if job.outcome == "FAIL":
                    self._failed[job.project_id].add(job.image_id)
