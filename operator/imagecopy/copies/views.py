"""Builds the view of an object that decisions are made on, and observes what a decision needs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from imagecopy.api.imagecopy import ImageCopySpec
from imagecopy.cloud.cloud import Cloud, CloudObservation
from imagecopy.copies.durations import Durations, Kind
from imagecopy.copies.poller import Poller
from imagecopy.copies.record import Record
from imagecopy.flow.image import target_to_follow
from imagecopy.flow.marker import owner_of
from imagecopy.flow.observation import ImageState, TargetObserved, TargetsObserved, Trouble
from imagecopy.flow.pacing import Bounds
from imagecopy.flow.view import Need, PacingMemory, View
from imagecopy.kube.objects import Snapshot
from imagecopy.providers.objects import key_of


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this process is, for marks and intents."""

    installation: str
    """Tells clusters apart that share a project of the cloud."""
    writer: str
    """Tells this process apart from all others."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """The wall clock, which somebody may set, and the monotonic one, in seconds."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic


class Views:
    """Builds views."""

    def __init__(
        self,
        identity: Identity,
        clocks: Clocks,
        poller: Poller,
        *,
        bounds: Bounds,
        settle_seconds: float,
    ) -> None:
        """``settle_seconds``: how long a copy whose reply was lost may take to show up in lists."""
        self.clocks = clocks
        self.settle_seconds = settle_seconds
        self.durations = Durations()
        self._identity = identity
        self._poller = poller
        self._bounds = bounds

    def of(self, known: Snapshot, record: Record) -> View:
        """Return the view of this version of an object that has a record."""
        return self._view(known, self._pacing(record))

    def of_finished(self, known: Snapshot) -> View:
        """Return the view of an object that has no record, as it has no work."""
        return self._view(known, PacingMemory())

    def refreshed(self, view: View, record: Record) -> View:
        """Return the view with what paces it as it is now: a crowd may have come about since it was built."""
        return replace(view, recent=self._pacing(record), bounds=self._pace(view.namespace, view.spec))

    def _view(self, known: Snapshot, pacing: PacingMemory) -> View:
        return View(
            namespace=known.namespace,
            name=known.name,
            uid=known.uid,
            generation=known.generation,
            owner=owner_of(self._identity.installation, known.namespace, known.name, known.spec),
            writer=self._identity.writer,
            spec=known.spec,
            status=known.status,
            retry_requested_at=known.retry_requested_at,
            recent=pacing,
            bounds=self._pace(known.namespace, known.spec),
            settle_seconds=self.settle_seconds,
            expected_seconds=self.durations.expected(kind_of(known)),
        )

    def _pace(self, namespace: str, spec: ImageCopySpec) -> Bounds:
        least = self._poller.least_pause(key_of(namespace, spec.provider_ref))
        return replace(self._bounds, least=least) if least else self._bounds

    def _pacing(self, record: Record) -> PacingMemory:
        now, since, requested = self.clocks.monotonic(), record.unresolved_since, record.deletion_requested_at
        return replace(
            record.pacing,
            unresolved_for=0.0 if since is None else now - since,
            deletion_requested_for=None if requested is None else now - requested,
        )


class Observer:
    """Observes what a decision needs, and notes since when an unknown outcome has been looked up in vain."""

    def __init__(self, cloud: Cloud, monotonic: Callable[[], float]) -> None:
        self._cloud = cloud
        self._monotonic = monotonic

    async def observe(self, view: View, need: Need, record: Record, *, may_postpone: bool = False) -> CloudObservation:
        """Observe what is needed; ``may_postpone`` as in :meth:`imagecopy.cloud.cloud.Cloud.observe`."""
        observed = await self._cloud.observe(view, need, may_postpone=may_postpone)
        number = view.status.attempt.number if view.status.attempt else 0
        if number != record.unresolved_attempt:
            record.unresolved_attempt, record.unresolved_since = number, None
        absent = isinstance(observed, TargetObserved) and observed.target.state is ImageState.ABSENT
        if absent or (isinstance(observed, TargetsObserved) and target_to_follow(view, observed.targets) is None):
            record.unresolved_since = record.unresolved_since or self._monotonic()
        elif not isinstance(observed, Trouble):
            record.unresolved_since = None
        return observed


def kind_of(copy: Snapshot | View) -> Kind:
    """Return what copies have to have in common to take the same time."""
    return copy.status.project_id, copy.spec.source.image_id, copy.spec.target.kms_key_id is not None
