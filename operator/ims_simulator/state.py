"""The cloud: its accounts, knobs and clock, and the tables that a state file keeps.

Questions that every copy asks (how many run, how many images are there) are answered from indexes, so that the
ten-thousandth copy costs as much as the first.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import JsonValue

from ims_simulator import seed as seeding
from ims_simulator.calls import CallLog
from ims_simulator.faults import Faults
from ims_simulator.journal import Journal, StateFileError, Table, line_of
from ims_simulator.knobs import Knobs
from ims_simulator.model import Image, Job, KmsKey, LoginRecord, Token

Clock = Callable[[], float]
"""Seconds since the epoch; tests bring their own."""


class ImageTable(Table[Image]):
    """Images, found by name and counted by owner."""

    def __init__(self, journal: Journal) -> None:
        super().__init__("image", Image, journal)
        self._by_name: dict[str, dict[str, None]] = {}
        self._name_of: dict[str, str] = {}
        self._counted: dict[str, set[str]] = {}
        self.last_sequence = 0

    def remember(self, record: Image) -> None:  # noqa: D102
        super().remember(record)
        before = self._name_of.get(record.id)
        if before != record.name:
            if before is not None:
                self._by_name[before].pop(record.id, None)
            self._by_name.setdefault(record.name, {})[record.id] = None
            self._name_of[record.id] = record.name
        for owned in self._counted.values():
            owned.discard(record.id)
        if record.deleted_at is None and record.text("visibility") != "public":
            self._counted.setdefault(record.owner, set()).add(record.id)
        self.last_sequence = max(self.last_sequence, record.sequence)

    def named(self, name: str) -> list[Image]:
        """Images of exactly that name."""
        return [self._records[image_id] for image_id in self._by_name.get(name, {})]

    def owned_ids(self, project_id: str) -> set[str]:
        """Ids of the images that count against the quota of a project."""
        return self._counted.get(project_id, set())


class JobTable(Table[Job]):
    """Jobs; knows which ones have not ended."""

    def __init__(self, journal: Journal) -> None:
        super().__init__("job", Job, journal)
        self._running: dict[str, set[str]] = {}
        self._failing: set[str] = set()
        self._ends: list[tuple[float, str]] = []

    def remember(self, record: Job) -> None:  # noqa: D102
        super().remember(record)
        self._running.setdefault(record.project_id, set()).add(record.id)
        if record.outcome == "FAIL":
            self._failing.add(record.id)
        else:
            self._failing.discard(record.id)
        if record.ends_at is not None:
            heapq.heappush(self._ends, (record.ends_at, record.id))

    def running(self, project_id: str, now: float) -> set[str]:
        """Ids of the jobs of a project that have not ended."""
        while self._ends and self._ends[0][0] <= now:
            _, job_id = heapq.heappop(self._ends)
            job = self._records[job_id]
            if job.ended(now):
                self._running[job.project_id].discard(job_id)
        return self._running.get(project_id, set())

    def failed(self, now: float) -> list[Job]:
        """Jobs that have failed."""
        return [job for job in map(self._records.__getitem__, self._failing) if job.ended(now)]


class Cloud:
    """Everything the simulator is, apart from HTTP."""

    def __init__(
        self,
        *,
        knobs: Knobs | None = None,
        seed: int = seeding.DEFAULT_SEED,
        state_file: Path | None = None,
        clock: Clock = time.time,
    ) -> None:
        """Read the state file, or start a new cloud. Raises: StateFileError."""
        self.knobs = knobs or Knobs()
        self.clock = clock
        self.accounts = seeding.accounts(seed)
        self.faults = Faults()
        self._journal = Journal(state_file)
        self.images = ImageTable(self._journal)
        self.jobs = JobTable(self._journal)
        self.tokens: Table[Token] = Table("token", Token, self._journal)
        self.logins: Table[LoginRecord] = Table("login", LoginRecord, self._journal)
        self.keys: Table[KmsKey] = Table("key", KmsKey, self._journal)
        self.calls = CallLog(self._journal, self.knobs.calls_kept)
        self._load(seed)

    def _load(self, seed: int) -> None:
        tables = {table.name: table for table in self._tables()}
        for name, value in self._journal.read():
            if name == "seed":
                if value != seed:
                    raise StateFileError(f"the state file was made with --seed {value}, not {seed}")
            elif name == "copy" and isinstance(value, dict):
                self.images.load(value.get("image"))
                self.jobs.load(value.get("job"))
            elif name in tables:
                tables[name].load(value)
            elif not self.calls.load(name, value):
                raise StateFileError(f"the state file holds {name!r}, which this version does not know")
        if not len(self.images):
            for image in seeding.source_images(seed):
                self.images.put(image)
            for key in seeding.kms_keys(seed):
                self.keys.put(key)
        self._journal.start(self._snapshot(seed))

    def _tables(self) -> tuple[ImageTable, JobTable, Table[Token], Table[LoginRecord], Table[KmsKey]]:
        return (self.images, self.jobs, self.tokens, self.logins, self.keys)

    def _snapshot(self, seed: int) -> Iterator[str]:
        yield line_of("seed", str(seed))
        for table in self._tables():
            yield from table.snapshot()
        yield from self.calls.snapshot()

    def close(self) -> None:
        """Close the state file."""
        self._journal.close()

    def put_copy(self, image: Image, job: Job) -> None:
        """Keep a copy and its job, in one line: a death in between must not leave one without the other."""
        self.images.remember(image)
        self.jobs.remember(job)
        if self._journal.open:
            both = f'{{"image":{image.model_dump_json()},"job":{job.model_dump_json()}}}'
            self._journal.append(line_of("copy", both))

    def job_of(self, image: Image) -> Job | None:
        """The copy that made an image."""
        return self.jobs.get(image.job_id) if image.job_id else None

    def gone(self, image: Image, now: float) -> bool:
        """Whether an image is no more: deleted, or the remains of a failed copy."""
        if image.deleted_at is not None and now >= image.deleted_at:
            return True
        job = self.job_of(image)
        return job is not None and job.phase(now) == "FAIL" and self.knobs.half_made_image == "gone"

    def quota_used(self, project_id: str, now: float) -> int:
        """Private images of a project that count against its quota."""
        owned = self.images.owned_ids(project_id)
        used = len(owned)
        if self.knobs.half_made_image == "gone":
            used -= sum(1 for job in self.jobs.failed(now) if job.image_id in owned)
        if self.knobs.quota_counts == "done":
            used -= len(self.jobs.running(project_id, now))
        return used

    def config_keys(self) -> list[JsonValue]:
        """KMS keys as the configuration shows them."""
        return [{"id": key.id, "name": key.name, "state": key.state} for key in self.keys.values()]
