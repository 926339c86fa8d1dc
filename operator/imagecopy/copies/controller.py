"""The controller of ImageCopies: builds what this folder holds, and is what the watch and the process call."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from imagecopy.cloud.cloud import Cloud
from imagecopy.copies.cleanup import Cleanup
from imagecopy.copies.completion import OnCompletion
from imagecopy.copies.critical import CriticalSections
from imagecopy.copies.guarded import BUG_SECONDS
from imagecopy.copies.inventory import Inventory
from imagecopy.copies.poller import Poller
from imagecopy.copies.queue import UNKNOWN_PROJECT, Slots
from imagecopy.copies.reconciler import Reconciler
from imagecopy.copies.record import Record
from imagecopy.copies.registry import Registry
from imagecopy.copies.status_writer import PostEvent, StatusWriter
from imagecopy.copies.timers import WORKERS
from imagecopy.copies.views import Clocks, Identity, Views
from imagecopy.flow.pacing import Bounds
from imagecopy.flow.project import bound_project
from imagecopy.flow.steps import Event
from imagecopy.flow.view import occupies_slot
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import KubeError, Missing
from imagecopy.kube.objects import Snapshot, Unreadable

_EDIT_SECONDS: Final = 5.0
"""How often an object whose deletion is blocked is read: setting its policy to Retain releases it."""
_UNKNOWN_SECONDS: Final = 60.0
"""How long after the start a running copy whose provider can't be used counts in every project."""

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """The knobs of the controller; what they mean is in :mod:`imagecopy.settings`."""

    bounds: Bounds = field(default_factory=Bounds)
    settle_seconds: float = 300.0
    calls_per_second: float = 10.0
    inventory_seconds: float = 0.0
    """The pause between two inventories; 0: none is made."""
    namespaces: tuple[str, ...] = ()
    """The watched namespaces; none: all."""
    workers: int = WORKERS
    """How many objects are reconciled at a time."""


class Controller:
    """Looks after all ImageCopies of this process."""

    def __init__(
        self,
        kube: KubeClient,
        cloud: Cloud,
        identity: Identity,
        clocks: Clocks,
        post_event: PostEvent,
        *,
        options: Options | None = None,
        on_event: Callable[[Event], None] | None = None,
        on_completion: OnCompletion | None = None,
    ) -> None:
        """``post_event`` posts an Event about an object; ``on_...`` are the hooks for metrics."""
        options = options or Options()
        self._kube = kube
        self._cloud = cloud
        self._clocks = clocks
        self._options = options
        self._critical = CriticalSections()
        self.slots: Slots[Record] = Slots()
        self.poller = Poller(options.calls_per_second)
        self._views = Views(identity, clocks, self.poller, bounds=options.bounds, settle_seconds=options.settle_seconds)
        self._status = StatusWriter(kube, clocks.now, post_event, on_event)
        self.reconciler = Reconciler(
            cloud,
            self._views,
            self._status,
            self._critical,
            slots=self.slots,
            poller=self.poller,
            calls_per_second=options.calls_per_second,
            on_completion=on_completion,
        )
        self.cleanup = Cleanup(cloud, self._views, self._status, self._critical)
        self.registry = Registry(self.poller, self.reconciler.reconcile, workers=options.workers)
        self.slots.on_turn = self.reconciler.starts.on_turn = self.registry.timers.hasten
        self.inventory = Inventory(kube, cloud, self._views, self._status, self.registry, options.namespaces)

    async def count_running(self) -> None:
        """Count the copies that run already, before any other is started. May be repeated after a failure.

        Raises:
            KubeError: the objects can't be listed.
        """
        for namespace in self._options.namespaces or (None,):
            async for copy in self._kube.image_copies(namespace):
                if occupies_slot(copy.status):
                    record = self.registry.record(copy)
                    self.slots.hold(record.slot, bound_project(copy.status) or UNKNOWN_PROJECT)
                    self.registry.seen(copy, is_listed=True)
        asyncio.get_running_loop().call_later(_UNKNOWN_SECONDS, self.slots.release_unknown)

    async def clean_up(self, namespace: str, name: str, snapshot: Snapshot | None) -> None:
        """Delete the image of an object that is being deleted; returns when nothing holds the object any more.

        ``snapshot`` is None where the object can't be read as it is.
        """
        while snapshot is None:
            await asyncio.sleep(BUG_SECONDS)
            try:
                snapshot = await self._kube.image_copy(namespace, name)
            except Missing:
                return
            except (KubeError, Unreadable) as exc:
                _log.error("an ImageCopy that is being deleted can't be read", error=str(exc))
        record = self.registry.record(snapshot)
        while (pause := await self.registry.run_step(self.cleanup.clean_up, record)) is not None:
            await self._until_edited(record, pause)

    async def _until_edited(self, record: Record, seconds: float) -> None:
        """Sleep for ``seconds``, or until somebody edits the object: no event arrives while kopf's handler runs."""
        before = record.fingerprint.wanted
        while True:
            await asyncio.sleep(min(seconds, _EDIT_SECONDS))
            seconds -= _EDIT_SECONDS
            try:
                record.observe(await self._kube.image_copy(record.namespace, record.name))
            except (KubeError, Unreadable) as exc:
                _log.debug("the object can't be read now", error=str(exc))
            if seconds <= 0 or record.fingerprint.wanted != before:
                return

    def background_tasks(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """Return what has to run for as long as the process does, by name."""
        tasks: dict[str, Coroutine[Any, Any, None]] = {
            "timers": self.registry.timers.run(),
            "poller": self.poller.run(
                view_of=lambda record: self._views.of(record.snapshot, record),
                list_images=self._cloud.active_images_since,
                hasten=self.registry.timers.hasten,
                clock=self._clocks.monotonic,
            ),
        }
        if self._options.inventory_seconds:
            tasks["inventory"] = self.inventory.run(self._options.inventory_seconds)
        return tasks

    async def stop(self, seconds: float) -> None:
        """Start nothing any more, and wait for ``seconds`` at most until what must not be cancelled has ended."""
        self.registry.timers.stop()
        await self._critical.drain(seconds)
        self._critical.cancel()

    async def drain(self, seconds: float) -> None:
        """Wait until what must not be cancelled has ended, for ``seconds`` at most."""
        await self._critical.drain(seconds)
