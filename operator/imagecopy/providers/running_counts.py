"""Keeps ``status.runningCopies`` of providers up to date: how many copies run in their project of the cloud."""

import asyncio
from typing import Final

import structlog

from imagecopy.kube.errors import Conflict, KubeError
from imagecopy.kube.objects import ProviderSnapshot, Unreadable
from imagecopy.providers.check_schedule import CheckSchedule
from imagecopy.providers.record import ProviderRecord
from imagecopy.providers.registry import ProviderRegistry
from imagecopy.providers.statuses import StatusWriter

COUNT_SECONDS: Final = 5.0
"""A changed number is written after this time, so that many changes together need one write."""

_log = structlog.stdlib.get_logger(__name__)


class RunningCounts:
    """Writes the number of running copies to the providers of each project whose number changed."""

    def __init__(self, registry: ProviderRegistry, writer: StatusWriter, schedule: CheckSchedule) -> None:
        self._registry = registry
        self._writer = writer
        self._schedule = schedule
        self._changed: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def aclose(self) -> None:
        """End without writing what has changed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def changed(self, project: str) -> None:
        """Have the number of a project written soon."""
        self._changed.add(project)
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        structlog.contextvars.clear_contextvars()
        while self._changed:
            await asyncio.sleep(COUNT_SECONDS)
            projects, self._changed = self._changed, set()
            for record in self._registry.records:
                snapshot = record.checks.snapshot
                if snapshot is not None and snapshot.status.project_id in projects and self._schedule.is_ours(record):
                    await self._write(record, snapshot)
        self._task = None

    async def _write(self, record: ProviderRecord, snapshot: ProviderSnapshot) -> None:
        try:
            await self._writer.write(record.checks, snapshot, snapshot.status)
        except Conflict:
            await self._read_again(record, snapshot)
        except (KubeError, Unreadable) as exc:
            _log.debug("the number of running copies can't be written", provider=str(record.key), error=str(exc))

    async def _read_again(self, record: ProviderRecord, before: ProviderSnapshot) -> None:
        """Have the number written to the provider as it is now."""
        try:
            after = await self._writer.read(record.key, record.checks)
        except (KubeError, Unreadable):
            return
        if before.generation != after.generation:
            self._schedule.spec_changed(record)
        elif after.status.project_id is not None:
            self._changed.add(after.status.project_id)
