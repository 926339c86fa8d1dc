"""How a step stores what it decided: under what it was decided on, to its end, and again where it could not be."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar

import structlog

from imagecopy.api.imagecopy import ImageCopyStatus
from imagecopy.copies.record import Record
from imagecopy.flow.observation import PostAccepted, PostOutcome
from imagecopy.flow.steps import Event, PostCopy
from imagecopy.flow.view import in_flight
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import Conflict, KubeError, Missing, Refused
from imagecopy.kube.objects import Snapshot

_RACES: Final = 3
"""So often a step starts over when somebody else wrote in between; then it waits its turn."""
_RACE_PAUSE_SECONDS: Final = 1.0
_STORE_PAUSES_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Pauses while a status can't be stored."""

Tell = Callable[[Snapshot, Event], Awaitable[None]]
"""Posts an Event."""

_T = TypeVar("_T")
_Work = Callable[[Snapshot, Record], Awaitable[float | None]]

_log = structlog.stdlib.get_logger(__name__)


class StatusWriter:
    """What ticks and deletions have in common: how they store."""

    def __init__(
        self, kube: KubeClient, clock: Callable[[], datetime], tell: Tell, on_event: Callable[[Event], None] | None
    ) -> None:
        """``on_event`` is for metrics."""
        self.clock = clock
        self._kube = kube
        self._tell = tell
        self._on_event = on_event
        self._unbroken: set[asyncio.Task[Any]] = set()

    async def persisting(self, seen: Snapshot, memory: Record, step: _Work) -> float | None:
        """Do one step on the freshest object, starting over where somebody else wrote in between.

        Returns what the step returns, or a pause where its status could not be stored; None if the object is gone.
        """
        known = memory.stored
        fresh = seen if known is None or known.uid != seen.uid or seen.is_newer_than(known) else known
        try:
            for _ in range(_RACES):
                try:
                    return await step(fresh, memory)
                except Conflict:
                    fresh = memory.stored = await self._kube.image_copy(seen.namespace, seen.name)
                    if fresh.uid != seen.uid:
                        return None
        except Missing:
            self._gone(memory)
            return None
        except Refused as exc:
            _log.error("the API server refuses our status", error=str(exc))
            return self._store_pause(memory)
        except KubeError as exc:
            _log.warning("the status can't be stored now", error=str(exc), unsaved=told(memory.outcome))
            return self._store_pause(memory)
        return _RACE_PAUSE_SECONDS

    async def refresh(self, namespace: str, name: str, memory: Record) -> None:
        """Read the object anew, where no watch brings what becomes of it; a failure leaves it as it was."""
        try:
            memory.stored = await self._kube.image_copy(namespace, name)
        except KubeError as exc:
            _log.debug("the object can't be read now", error=str(exc))

    async def drain(self, seconds: float) -> None:
        """Wait until what must not be broken off is done, at most so long."""
        if self._unbroken:
            await asyncio.wait(self._unbroken, timeout=seconds)

    def break_off(self) -> None:
        """Cancel what is still not done: the next process finds an attempt whose outcome is not known."""
        for task in self._unbroken:
            task.cancel()

    async def store(
        self,
        known: Snapshot,
        status: ImageCopyStatus,
        transition_events: tuple[Event, ...],
        memory: Record,
        intent: object = None,
    ) -> Snapshot:
        """Store the status if it is another one, then tell the Events, and return the object as it is then.

        Raises:
            Conflict: somebody else wrote in between, or stored an intent of the same content.
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        if status != known.status:
            written = await self._kube.write_status(known, status)
            if isinstance(intent, PostCopy) and written.status.attempt != intent.attempt:
                raise Conflict("another process stored this intent")
            if known.status.progress and written.status.progress != known.status.progress:
                memory.recent = replace(memory.recent, progress_written_at=self.clock())
            known = memory.stored = written
        memory.outcome = None
        memory.store_failures = 0
        for event in transition_events:
            level = logging.WARNING if event.type == "Warning" else logging.INFO
            _log.log(level, event.message, reason=event.reason)
            if self._on_event is not None:
                self._on_event(event)
            await self._tell(known, event)
        return known

    async def unbreakable(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run ``work`` to its end even if the tick is cancelled."""
        task = asyncio.create_task(work)
        self._unbroken.add(task)
        task.add_done_callback(self._unbroken.discard)
        return await asyncio.shield(task)

    def _store_pause(self, memory: Record) -> float:
        pause = _STORE_PAUSES_SECONDS[min(memory.store_failures, len(_STORE_PAUSES_SECONDS) - 1)]
        memory.store_failures += 1
        return pause

    def _gone(self, memory: Record) -> None:
        if memory.outcome is not None:
            _log.warning("the ImageCopy is gone; its copy stays in the cloud", **told(memory.outcome))
        elif memory.stored is not None and (attempt := in_flight(memory.stored.status)):
            _log.warning("the ImageCopy is gone; its copy stays in the cloud", job=attempt.job_id)


def told(outcome: PostOutcome | None) -> dict[str, Any]:
    """Return the words for a log line: with them, a lost copy could be found by hand."""
    if outcome is None:
        return {}
    told: dict[str, Any] = {"outcome": type(outcome).__name__, "marker_token": outcome.attempt.token}
    if isinstance(outcome, PostAccepted):
        return told | {"job": outcome.job_id, "request_id": outcome.request_id}
    return told | {"error": outcome.trouble.words, "request_id": outcome.trouble.request_id}
