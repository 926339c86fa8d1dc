"""The controller of providers: keeps their status up to date with what the watch, the copies and the slots report."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from imagecopy.flow import provider as provider_status
from imagecopy.kube.client import KubeClient
from imagecopy.kube.objects import ProviderSnapshot
from imagecopy.providers.check_schedule import CheckSchedule, OnCheck
from imagecopy.providers.checks import ProviderChecks
from imagecopy.providers.objects import ProviderKey
from imagecopy.providers.registry import ProviderRegistry
from imagecopy.providers.running_counts import RunningCounts
from imagecopy.providers.statuses import StatusWriter


class RunningCopies(Protocol):
    """Counts the copies that run in each project of the cloud."""

    on_change: Callable[[str], None] | None
    """Called with each project whose number changed."""

    def running(self, project: str) -> int:
        """Return how many copies run in a project."""


class ProviderController:
    """Keeps the status of all providers. :meth:`seen` and :meth:`gone` are for the watch."""

    def __init__(
        self,
        kube: KubeClient,
        registry: ProviderRegistry,
        slots: RunningCopies,
        *,
        clock: Callable[[], datetime],
        namespaces: Iterable[str] = (),
        check_seconds: float = 300.0,
        monotonic: Callable[[], float] = time.monotonic,
        checks: ProviderChecks | None = None,
        on_check: OnCheck | None = None,
    ) -> None:
        """Take over the callbacks of ``registry`` and ``slots``. The options are those of :class:`CheckSchedule`."""
        self._registry = registry
        self._slots = slots
        writer = StatusWriter(kube, slots.running, clock)
        self._schedule = CheckSchedule(
            registry,
            checks or ProviderChecks(registry),
            writer,
            namespaces=namespaces,
            check_seconds=check_seconds,
            monotonic=monotonic,
            on_check=on_check,
        )
        self._counts = RunningCounts(registry, writer, self._schedule)
        registry.on_use = self._schedule.used
        registry.on_change = self._schedule.changed
        slots.on_change = self._counts.changed

    async def aclose(self) -> None:
        """End all checks, and give the callbacks back."""
        self._registry.on_use = self._registry.on_change = self._slots.on_change = None
        await self._schedule.aclose()
        await self._counts.aclose()

    def seen(self, snapshot: ProviderSnapshot, *, is_listed: bool) -> None:
        """Record a provider as the watch has it.

        ``is_listed``: whether a list found it, at a start or after the watch broke off, so that many come together.
        """
        record = self._registry.record(ProviderKey(snapshot.kind, snapshot.namespace, snapshot.name))
        checks = record.checks
        before = checks.snapshot
        if before is not None and not snapshot.is_newer_than(before):
            return
        checks.snapshot, checks.is_watched = snapshot, True
        if before is not None:
            if (before.uid, before.generation) != (snapshot.uid, snapshot.generation):
                self._schedule.spec_changed(record)
        elif checks.task is None and checks.checked_at is None:
            if provider_status.is_ready(snapshot.status, snapshot.generation):
                self._schedule.ready_already(record)
                self._counts.changed(snapshot.status.project_id or "")
            else:
                self._schedule.appeared(record, at_once=not is_listed)

    def gone(self, key: ProviderKey) -> None:
        """End the record of a provider that was deleted."""
        record = self._registry.find(key)
        if record is not None:
            self._schedule.gone(record)
            self._registry.gone(key)
