"""All that this process holds of one ImageCopy, in one record that ends with the object.

The object's status is the only memory that counts: everything in here may be lost at any time. The one exception is the
outcome of a POST, until it is stored.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from imagecopy.api.imagecopy import Attempt, DeletionPolicy, Phase
from imagecopy.copies.queue import Claim
from imagecopy.copies.timers import Timer
from imagecopy.flow.observation import PostOutcome, TargetsObserved
from imagecopy.flow.view import PacingMemory, in_flight
from imagecopy.kube.objects import Snapshot, is_newer

_NOTHING_YET = PacingMemory()


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What of an object decides whether its timer runs; kept while the object itself is packed."""

    resource_version: str
    wanted: tuple[int, str | None]
    """What changes when somebody edits the object: the generation, and the retry that was requested."""
    phase: Phase
    is_in_flight: bool
    is_resting: bool
    is_deleting: bool
    waits_for_finalizer: bool
    """Whether the object could vanish without its image, because the finalizer is not there yet."""

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Fingerprint":
        """Return the fingerprint of an object."""
        return cls(
            resource_version=snapshot.resource_version,
            wanted=(snapshot.generation, snapshot.retry_requested_at),
            phase=snapshot.status.phase or Phase.PENDING,
            is_in_flight=in_flight(snapshot.status) is not None,
            is_resting=snapshot.is_resting,
            is_deleting=snapshot.is_deleting,
            waits_for_finalizer=snapshot.spec.deletion_policy is DeletionPolicy.DELETE and not snapshot.has_finalizer,
        )


@dataclass(slots=True, eq=False)
class PolledJob:
    """The running job of one object, as a member of the poller's group for its provider."""

    group: dict[str, "Record"]
    """The records of the group, by the token of their attempt."""
    token: str
    posted_at: datetime

    def leave(self) -> None:
        """Leave the group."""
        self.group.pop(self.token, None)


@dataclass(slots=True, eq=False)
class Record:
    """All that this process holds of one ImageCopy; owned by :class:`~imagecopy.copies.registry.Registry`."""

    uid: str
    namespace: str
    name: str
    fingerprint: Fingerprint
    _object: Snapshot | bytes
    """The newest version of the object, or the same packed."""
    is_gone: bool = False
    """Whether the object is known to be gone from the API server."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the one reconcile, or step of a cleanup, that is under way."""
    timer: Timer = field(default_factory=Timer)
    """When it is reconciled next."""
    slot: Claim = field(default_factory=Claim)
    """Its slot at the project, or its place in the queue."""
    start: Claim = field(default_factory=Claim)
    """Its right to store an intent now: the POST that follows has to get its turn at the rate limiter soon."""
    polled: PolledJob | None = None
    """Its running job, where the poller lists it."""
    found: TargetsObserved | None = None
    """The image of its running job, as the poller listed it."""
    outcome: PostOutcome | None = None
    """The outcome of a POST that is not stored yet."""
    unsent: tuple[Attempt, ...] = ()
    """Attempts whose intent this process may have stored, and whose POST it surely never began."""
    pacing: PacingMemory = _NOTHING_YET
    """What paces the next observations."""
    store_failures: int = 0
    """How many times in a row its status could not be stored."""
    unresolved_since: float | None = None
    """Since when, by the monotonic clock, an unknown outcome has been looked up in vain ..."""
    unresolved_attempt: int = 0
    """... and of which attempt: another process may have started the next one."""
    deletion_requested_at: float | None = None
    """When, by the monotonic clock, the cloud accepted the deletion of the image."""

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Record":
        """Return a new record of an object."""
        return cls(snapshot.uid, snapshot.namespace, snapshot.name, Fingerprint.of(snapshot), snapshot)

    @property
    def snapshot(self) -> Snapshot:
        """The newest version of the object that this process has seen, from the watch, a read or a write of its own."""
        if isinstance(self._object, bytes):
            self._object = Snapshot.unpacked(self._object)
        return self._object

    def observe(self, snapshot: Snapshot) -> None:
        """Keep a version of the object, if it is newer than the one that is kept."""
        if is_newer(snapshot.resource_version, self.fingerprint.resource_version):
            self._object = snapshot
            self.fingerprint = Fingerprint.of(snapshot)

    def pack(self) -> None:
        """Take less memory until the object is needed again, which then costs some hundred microseconds."""
        if isinstance(self._object, Snapshot) and not self.is_busy:
            self._object = self._object.packed()

    @property
    def is_busy(self) -> bool:
        """Whether a reconcile, or a step of a cleanup, is under way."""
        return self.lock.locked()

    @property
    def is_in_flight(self) -> bool:
        """Whether an attempt is under way, as far as this process knows."""
        return self.outcome is not None or self.fingerprint.is_in_flight

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do: the object is gone, or rests until somebody edits or deletes it."""
        at_rest = self.fingerprint.is_resting and not self.fingerprint.is_deleting
        return self.is_gone or (at_rest and self.outcome is None)

    def close(self) -> None:
        """Give back everything that it holds; closing it again does nothing.

        Must not be called while it is busy: a reconcile could take what was just given back.
        """
        self.timer.cancel()
        self.slot.release()
        self.start.release()
        self.leave_poller()

    def leave_poller(self) -> None:
        """End the polling of its job."""
        if self.polled is not None:
            self.polled.leave()
            self.polled = None
