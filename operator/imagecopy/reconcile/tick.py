"""One tick: take the freshest status, look, decide, store, act, and decide again about what the act brought.

The order of it is what makes a copy exactly one:

- a status is stored under the resourceVersion that it was decided on; who loses a race reads again and decides anew;
- the intent is stored before its POST, and only who stored it POSTs;
- what a POST brought is kept in memory until it is stored, however long that takes, and is decided about first;
- from the intent to the stored outcome nothing is cancelled: a shutdown waits for it a few seconds. Where that is not
  enough, the next process finds an attempt without a job id, and that is never POSTed again.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar

import structlog

from imagecopy.flow.decide import decide
from imagecopy.flow.marker import owner_of
from imagecopy.flow.pacing import Bounds
from imagecopy.flow.seen import JobSeen, PostAccepted, PostOutcome, Seen, is_trouble
from imagecopy.flow.steps import PostCopy, SetTags, Step
from imagecopy.flow.view import Recent, View, in_flight, needs, prepare
from imagecopy.kube import events
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import Conflict, KubeError, Missing, Refused
from imagecopy.kube.objects import Snapshot
from imagecopy.reconcile.cloud import Cloud

_RACES: Final = 3
"""So often a tick starts over when somebody else wrote in between; then it waits its turn."""
_RACE_PAUSE_SECONDS: Final = 1.0
_STORE_PAUSES_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Pauses while a status can't be stored."""

_T = TypeVar("_T")

_log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class Memory:
    """What this process remembers of one object between its ticks. All of it may be lost at any time."""

    stored: Snapshot | None = None
    """The object as we wrote it last: the watch brings our own writes a moment later."""
    outcome: PostOutcome | None = None
    """What a POST brought and is not stored yet."""
    recent: Recent = field(default_factory=Recent)
    store_failures: int = 0


class Reconciler:
    """Makes ticks; built once, shared by all objects."""

    def __init__(
        self,
        kube: KubeClient,
        cloud: Cloud,
        *,
        installation: str,
        writer: str,
        bounds: Bounds,
        clock: Callable[[], datetime],
    ) -> None:
        """``installation`` tells clusters apart that share a project, ``writer`` this process from all others."""
        self._kube = kube
        self._cloud = cloud
        self._installation = installation
        self._writer = writer
        self._bounds = bounds
        self._clock = clock
        self._unbroken: set[asyncio.Task[Any]] = set()

    async def tick(self, seen: Snapshot, memory: Memory) -> float | None:
        """Bring one copy one step further; ``seen`` is the object as the watch has it.

        Returns the seconds until the next tick, or None when there is nothing to do until someone edits the object.
        """
        known = memory.stored
        now_known = seen if known is None or known.uid != seen.uid or seen.is_newer_than(known) else known
        try:
            for _ in range(_RACES):
                try:
                    return await self._advance(now_known, memory)
                except Conflict:
                    now_known = await self._kube.image_copy(seen.namespace, seen.name)
                    memory.stored = now_known
                    if now_known.uid != seen.uid:
                        return None
        except Missing:
            self._gone(memory)
            return None
        except Refused as exc:
            _log.error("the API server refuses our status", error=str(exc))
            return self._store_pause(memory)
        except KubeError as exc:
            _log.warning("the status can't be stored now", error=str(exc), unsaved=_told(memory.outcome))
            return self._store_pause(memory)
        return _RACE_PAUSE_SECONDS

    async def drain(self, seconds: float) -> None:
        """Wait until what must not be broken off is done, at most so long."""
        if self._unbroken:
            await asyncio.wait(self._unbroken, timeout=seconds)

    async def _advance(self, known: Snapshot, memory: Memory) -> float | None:
        if memory.outcome is None and known.is_resting:
            return None
        now = self._clock()
        view = prepare(self._view(known, memory), now)
        seen = memory.outcome or await self._cloud.look(view, needs(view, now))
        return await self._unbreakable(self._carry_out(known, view, seen, memory))

    async def _carry_out(self, known: Snapshot, view: View, seen: Seen, memory: Memory) -> float | None:
        troubled = False
        while True:
            now = self._clock()
            if is_trouble(seen):
                troubled = True
                memory.recent = replace(memory.recent, trouble_since=memory.recent.trouble_since or now)
            step = decide(replace(view, recent=memory.recent), seen, now)
            known = await self._store(known, step, memory)
            if isinstance(seen, JobSeen) and seen.progress != memory.recent.progress:
                memory.recent = replace(memory.recent, progress=seen.progress, progress_moved_at=now)
            if step.act is None:
                if not troubled:
                    memory.recent = replace(memory.recent, trouble_since=None)
                return step.again
            view = self._view(known, memory)
            seen = await self._act(view, step.act, memory)

    async def _act(self, view: View, act: PostCopy | SetTags, memory: Memory) -> Seen:
        if isinstance(act, SetTags):
            return await self._cloud.set_tags(view, act)
        structlog.contextvars.bind_contextvars(attempt=act.attempt.number)
        memory.outcome = outcome = await self._cloud.post(view, act)
        if isinstance(outcome, PostAccepted):
            structlog.contextvars.bind_contextvars(job=outcome.job_id)
        _log.info("the copy call was sent", **_told(outcome))
        return outcome

    async def _store(self, known: Snapshot, step: Step, memory: Memory) -> Snapshot:
        """Store the step's status if it is another one, then tell its Events."""
        if step.status != known.status:
            written = await self._kube.write_status(known, step.status)
            if isinstance(step.act, PostCopy) and written.status.attempt != step.act.attempt:
                raise Conflict("another process stored this intent")
            if known.status.progress and written.status.progress != known.status.progress:
                memory.recent = replace(memory.recent, progress_written_at=self._clock())
            known = memory.stored = written
        memory.outcome = None
        memory.store_failures = 0
        for event in step.events:
            level = logging.WARNING if event.type == "Warning" else logging.INFO
            _log.log(level, event.message, reason=event.reason)
            await events.post(self._kube, known, event)
        return known

    def _view(self, known: Snapshot, memory: Memory) -> View:
        return View(
            namespace=known.namespace,
            name=known.name,
            uid=known.uid,
            generation=known.generation,
            owner=owner_of(self._installation, known.namespace, known.name, known.spec),
            writer=self._writer,
            spec=known.spec,
            status=known.status,
            retry_requested_at=known.retry_requested_at,
            recent=memory.recent,
            bounds=self._bounds,
        )

    async def _unbreakable(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run ``work`` to its end even if the tick is cancelled."""
        task = asyncio.create_task(work)
        self._unbroken.add(task)
        task.add_done_callback(self._unbroken.discard)
        return await asyncio.shield(task)

    def _store_pause(self, memory: Memory) -> float:
        pause = _STORE_PAUSES_SECONDS[min(memory.store_failures, len(_STORE_PAUSES_SECONDS) - 1)]
        memory.store_failures += 1
        return pause

    def _gone(self, memory: Memory) -> None:
        if memory.outcome is not None:
            _log.warning("the ImageCopy is gone; its copy stays in the cloud", **_told(memory.outcome))
        elif memory.stored is not None and (attempt := in_flight(memory.stored.status)):
            _log.warning("the ImageCopy is gone; its copy stays in the cloud", job=attempt.job_id)


def _told(outcome: PostOutcome | None) -> dict[str, Any]:
    """Return the words for a log line: with them, a lost copy could be found by hand."""
    if outcome is None:
        return {}
    told: dict[str, Any] = {"outcome": type(outcome).__name__, "marker_token": outcome.attempt.token}
    if isinstance(outcome, PostAccepted):
        return told | {"job": outcome.job_id, "request_id": outcome.request_id}
    return told | {"error": outcome.trouble.words, "request_id": outcome.trouble.request_id}
