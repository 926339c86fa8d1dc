"""What this process remembers of one object between its ticks."""

import asyncio
from dataclasses import dataclass, field

from imagecopy.flow.observation import PostOutcome, TargetsObserved
from imagecopy.flow.view import PacingMemory, in_flight
from imagecopy.kube.objects import Snapshot

_NOTHING_YET = PacingMemory()


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What of an object an event is compared with."""

    version: tuple[str, str]
    """uid and resourceVersion."""
    wanted: tuple[int, str | None]
    """What changes when somebody edits the object: the generation, and the retry that was asked for."""
    is_in_flight: bool
    is_resting: bool

    @classmethod
    def of(cls, known: Snapshot) -> "Fingerprint":
        """Return the fingerprint of an object."""
        wanted = known.generation, known.retry_requested_at
        version = known.uid, known.resource_version
        return cls(version, wanted, in_flight(known.status) is not None, known.is_resting)


@dataclass(slots=True, eq=False)
class Record:
    """All of it may be lost at any time."""

    outcome: PostOutcome | None = None
    """What a POST brought and is not stored yet."""
    recent: PacingMemory = _NOTHING_YET
    store_failures: int = 0
    unresolved_since: float | None = None
    """Since when, by the monotonic clock, a lost outcome is looked for in vain ..."""
    unresolved_attempt: int = 0
    """... and of which attempt: another process may have gone on to the next one."""
    deletion_requested_at: float | None = None
    """When, by the monotonic clock, the cloud agreed to delete the image."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One tick at a time, also while the object is being deleted."""
    found: TargetsObserved | None = None
    """The image of the running copy, seen on behalf of another one, see :mod:`imagecopy.copies.poller`."""
    fingerprint: Fingerprint | None = None
    """What is compared with events; None where nothing is remembered of the object itself."""
    _live: Snapshot | None = None
    _packed: bytes | None = None

    @property
    def stored(self) -> Snapshot | None:
        """The newest that we know of the object, be it from the watch or from a write of ours, which the watch brings a
        moment later; None where there is nothing to do."""
        if self._live is None and self._packed is not None:
            self._live, self._packed = Snapshot.unpacked(self._packed), None
        return self._live

    @stored.setter
    def stored(self, known: Snapshot | None) -> None:
        self._live, self._packed = known, None
        self.fingerprint = None if known is None else Fingerprint.of(known)

    def pack(self) -> None:
        """Take less room until the object is needed again, which costs some hundred microseconds."""
        if self._live is not None and not self.lock.locked():
            self._packed, self._live = self._live.packed(), None

    @property
    def is_in_flight(self) -> bool:
        """Whether an attempt is under way, as far as we know."""
        return self.outcome is not None or (self.fingerprint is not None and self.fingerprint.is_in_flight)

    def forget_if_resting(self) -> bool:
        """Tell whether there is nothing to do about the object; what is remembered of it is dropped then."""
        if self.fingerprint is None or not self.fingerprint.is_resting:
            return False
        if self.outcome is None and not self.lock.locked():
            self.stored = None
        return True
