"""The ImageCopies that this process looks after: a record for each that has work, two words for each that has none.

The registry is level-triggered. Each version of an object that an event or a list brings goes to
:meth:`Registry.seen`, and each object that turns out to be gone to :meth:`Registry.gone`, in any order, any number of
times. The registry decides from these alone which records there are and which timers run. Nothing else in this process
is kept by uid.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple

from imagecopy.api.imagecopy import Phase
from imagecopy.copies.guarded import guarded
from imagecopy.copies.poller import Poller
from imagecopy.copies.record import Record
from imagecopy.copies.timers import WORKERS, Timers
from imagecopy.kube.objects import Snapshot

_SPREAD_SECONDS: Final = 5.0
"""The copies that a start finds in flight are reconciled within this time."""
_LONG_PAUSE_SECONDS: Final = 5.0
_MANY: Final = 500
"""From this number of records on, an object that pauses for long is packed."""
_JITTER: Final = 0.1
_JITTER_SECONDS: Final = 1.0

Work = Callable[[Record], Awaitable[float | None]]
"""One step of an object. Returns the seconds until the next step, or None when none is planned."""


class Resting(NamedTuple):
    """What is kept of an object that has no work, as it is finished or suspended: its events are recognised by it."""

    resource_version: str
    phase: Phase


class Registry:
    """Owns the records."""

    def __init__(self, poller: Poller, reconcile: Work, *, workers: int = WORKERS) -> None:
        """``reconcile`` is the step that a timer runs."""
        self.timers: Timers[Record] = Timers(partial(self.run_step, reconcile), workers=workers)
        self._poller = poller
        self._records: dict[str, Record] = {}
        self._resting: dict[str, Resting] = {}
        self._resting_phases: Counter[Phase] = Counter()

    def __len__(self) -> int:
        """Return how many objects have work."""
        return len(self._records)

    def knows(self, uid: str, resource_version: str) -> bool:
        """Tell whether this version was seen and needs nothing more: most events echo our own writes."""
        record = self._records.get(uid)
        if record is None:
            resting = self._resting.get(uid)
            return resting is not None and resting.resource_version == resource_version
        return record.timer.is_active and record.fingerprint.resource_version == resource_version

    def record(self, snapshot: Snapshot) -> Record:
        """Return the record of an object, which has seen at least this version of it; a new one if it has none."""
        record = self._records.get(snapshot.uid)
        if record is None:
            self._drop_resting(snapshot.uid)
            record = self._records[snapshot.uid] = Record.of(snapshot)
        else:
            record.observe(snapshot)
        return record

    def seen(self, snapshot: Snapshot, *, is_listed: bool = False) -> None:
        """Take note of a version of an object, and set its timer if it has work.

        ``is_listed``: whether it comes from a list, so that many may come at once.
        """
        known = self._records.get(snapshot.uid)
        if known is None and snapshot.is_resting:
            self._rest(snapshot.uid, Resting(snapshot.resource_version, snapshot.status.phase or Phase.PENDING))
            return
        wanted = None if known is None else known.fingerprint.wanted
        record = self.record(snapshot)
        now = record.fingerprint
        if record.is_over:
            record.timer.cancel()
            self._close_if_over(record)
        elif now.is_deleting or (now.waits_for_finalizer and not record.is_in_flight):
            # With the finalizer that is on its way, an object can't vanish with a copy in flight.
            record.timer.cancel()
        elif not record.timer.is_active:
            self._set_timer(record, spread=is_listed and record.is_in_flight)
        elif wanted is not None and wanted != now.wanted:
            self._set_timer(record)

    def gone(self, uid: str) -> None:
        """Take note that an object is gone from the API server. A step that is under way comes to its end."""
        self._drop_resting(uid)
        record = self._records.get(uid)
        if record is not None:
            record.is_gone = True
            record.timer.cancel()
            self._close_if_over(record)

    async def run_step(self, work: Work, record: Record) -> float | None:
        """Run one step of an object, and close its record if that was the last. Never raises.

        Returns the seconds until the next step, with jitter; None when none is planned.
        """
        try:
            pause = await guarded(work, record)
        finally:
            self._close_if_over(record)
        if pause is None or record.is_gone:
            return None
        if pause > _LONG_PAUSE_SECONDS and len(self) > _MANY:
            record.pack()
        # Never earlier than asked, as polls are aimed at an expected end.
        return pause + random.uniform(0, min(_JITTER * pause, _JITTER_SECONDS))  # noqa: S311

    def phases(self) -> Mapping[Phase, int]:
        """Return how many objects there are of each phase, for metrics."""
        counts = Counter(record.fingerprint.phase for record in self._records.values())
        return {phase: counts[phase] + self._resting_phases[phase] for phase in Phase}

    def uids(self) -> frozenset[str]:
        """Return all objects that are known, to call :meth:`retain` with after a list."""
        return frozenset((*self._records, *self._resting))

    def retain(self, known: frozenset[str], listed: Iterable[str]) -> None:
        """Take note that those of ``known`` which are not in a list taken since are gone.

        No event tells of objects that vanish in a gap of the watch.
        """
        for uid in known.difference(listed):
            self.gone(uid)

    def _set_timer(self, record: Record, *, spread: bool = False) -> None:
        if spread:
            self._poller.track(record)
        self.timers.set(record, random.uniform(0, _SPREAD_SECONDS) if spread else 0.0)  # noqa: S311
        if spread and len(self) > _MANY:
            record.pack()

    def _close_if_over(self, record: Record) -> None:
        """Close a record that has nothing left to do; a busy one is closed when its step ends."""
        if record.is_busy or not record.is_over or self._records.get(record.uid) is not record:
            return
        del self._records[record.uid]
        if not record.is_gone:
            self._rest(record.uid, Resting(record.fingerprint.resource_version, record.fingerprint.phase))
        record.close()

    def _rest(self, uid: str, resting: Resting) -> None:
        self._drop_resting(uid)
        self._resting[uid] = resting
        self._resting_phases[resting.phase] += 1

    def _drop_resting(self, uid: str) -> None:
        before = self._resting.pop(uid, None)
        if before is not None:
            self._resting_phases[before.phase] -= 1
