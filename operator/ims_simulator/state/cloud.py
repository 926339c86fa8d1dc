"""The simulated cloud as one object: its knobs, clock, accounts, faults, call log, and the tables of the state file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from ims_simulator.clock.cloud_clock import Clock, CloudClock
from ims_simulator.settings.knobs import Knobs
from ims_simulator.state import accounts
from ims_simulator.state import seed as seeding
from ims_simulator.state.call_log import CallLog
from ims_simulator.state.faults import Faults
from ims_simulator.state.ids import Ids
from ims_simulator.state.journal import Journal, StateFileError, Table, line_of, unusable
from ims_simulator.state.records import IdentityProvider, Image, Job, KmsKey, LoginRecord, TemporaryKey, Token
from ims_simulator.state.tables import ImageTable, JobTable


class Cloud:
    """The whole state of the simulator, without HTTP."""

    def __init__(
        self,
        *,
        knobs: Knobs | None = None,
        edition: str | None = None,
        seed: int | None = None,
        state_file: Path | None = None,
        clock: Clock = time.time,
        frozen_at: float | None = None,
    ) -> None:
        """Read the state file, or start a new cloud.

        `edition` is only shown in the configuration; its values must be in `knobs` already. Without `seed`, accounts
        and source images are those of the default seed, and later ids are random. With `frozen_at`, the clock is
        stopped at that time.

        Raises: StateFileError.
        """
        self.knobs = knobs or Knobs()
        self.edition = edition
        self.ids = Ids(seed)
        number = seeding.DEFAULT_SEED if seed is None else seed
        self.accounts = accounts.accounts(number)
        self.faults = Faults()
        self._journal = Journal(state_file)
        self.clock = CloudClock(clock, self._keep_clock)
        self.images = ImageTable(self._journal)
        self.jobs = JobTable(self._journal)
        self.tokens: Table[Token] = Table("token", Token, self._journal)
        self.logins: Table[LoginRecord] = Table("login", LoginRecord, self._journal)
        self.access_keys: Table[LoginRecord] = Table("access_key", LoginRecord, self._journal)
        self.temporary_keys: Table[TemporaryKey] = Table("temporary_key", TemporaryKey, self._journal)
        self.identity_providers: Table[IdentityProvider] = Table("identity_provider", IdentityProvider, self._journal)
        self.keys: Table[KmsKey] = Table("key", KmsKey, self._journal)
        self.calls = CallLog(self._journal, self.knobs.calls_kept)
        self._load(number)
        if frozen_at is not None:
            self.clock.freeze_at(frozen_at)

    def _load(self, seed: int) -> None:
        tables = {table.name: table for table in self._tables()}
        for name, value in self._journal.read():
            if name == "seed":
                if value != seed:
                    problem = f"the state file was made with --seed {value}, not {seed}"
                    raise StateFileError(f"{problem}: give the same --seed or another --state")
            elif name == "salt" and isinstance(value, str):
                self.ids.salt = value
            elif name == "clock":
                self._load_clock(value)
            elif name == "copy" and isinstance(value, dict):
                self.images.load(value.get("image"))
                self.jobs.load(value.get("job"))
            elif name in tables:
                tables[name].load(value)
            elif not self.calls.load(name, value):
                raise unusable(f"the state file has records of the unknown kind {name!r}")
        self.clock.not_before(self.calls.last_time)
        if not len(self.images):
            for image in seeding.source_images(seed):
                self.images.put(image)
            for key in seeding.kms_keys(seed):
                self.keys.put(key)
        self._journal.start(self._snapshot(seed))

    def _load_clock(self, value: JsonValue) -> None:
        try:
            self.clock.load(value)
        except ValueError as error:
            raise unusable(f"the state file has an invalid clock ({error})") from error

    def _keep_clock(self) -> None:
        if self._journal.open:
            self._journal.append(self._clock_line())

    def _clock_line(self) -> str:
        return line_of("clock", self.clock.setting_json())

    def _tables(
        self,
    ) -> tuple[
        ImageTable,
        JobTable,
        Table[Token],
        Table[LoginRecord],
        Table[LoginRecord],
        Table[TemporaryKey],
        Table[IdentityProvider],
        Table[KmsKey],
    ]:
        return (
            self.images,
            self.jobs,
            self.tokens,
            self.logins,
            self.access_keys,
            self.temporary_keys,
            self.identity_providers,
            self.keys,
        )

    def _snapshot(self, seed: int) -> Iterator[str]:
        yield line_of("seed", str(seed))
        yield line_of("salt", f'"{self.ids.salt}"')
        yield self._clock_line()
        for table in self._tables():
            yield from table.snapshot()
        yield from self.calls.snapshot()

    def close(self) -> None:
        """Close the state file."""
        self._journal.close()

    def put_copy(self, image: Image, job: Job) -> None:
        """Store a copy and its job in one line, so that a kill can't leave one without the other."""
        self.images.remember(image)
        self.jobs.remember(job)
        if self._journal.open:
            both = f'{{"image":{image.model_dump_json()},"job":{job.model_dump_json()}}}'
            self._journal.append(line_of("copy", both))

    def job_of(self, image: Image) -> Job | None:
        """The job that made an image, if it is a copy."""
        return self.jobs.get(image.job_id) if image.job_id else None

    def gone(self, image: Image, now: float) -> bool:
        """Whether an image does not exist any more: it was deleted, or its copy failed."""
        if image.deleted_at is not None and now >= image.deleted_at:
            return True
        job = self.job_of(image)
        return job is not None and job.phase(now) == "FAIL" and self.knobs.half_made_image == "gone"

    def quota_used(self, project_id: str, now: float) -> int:
        """The number of private images that count against the quota of a project."""
        owned = self.images.owned_ids(project_id)
        used = len(owned)
        if self.knobs.half_made_image == "gone":
            used -= len(self.jobs.failed_images(project_id, now) & owned)
        if self.knobs.quota_counts == "done":
            used -= len(self.jobs.running(project_id, now))
        return used
