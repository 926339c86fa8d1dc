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
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import ImageCopyStatus
from imagecopy.flow.decide import decide, to_follow
from imagecopy.flow.marker import owner_of
from imagecopy.flow.pacing import Bounds
from imagecopy.flow.project import home
from imagecopy.flow.seen import (
    ImageState,
    JobSeen,
    PostAccepted,
    PostOutcome,
    Seen,
    SlotsBusy,
    TargetSeen,
    TargetsSeen,
    Trouble,
    is_trouble,
)
from imagecopy.flow.steps import Event, PostCopy, SetTags
from imagecopy.flow.view import Need, Recent, View, condition, in_flight, needs, occupies_slot, prepare
from imagecopy.kube import events
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import Conflict, KubeError, Missing, Refused
from imagecopy.kube.objects import Snapshot
from imagecopy.reconcile.cloud import Cloud, Looked
from imagecopy.reconcile.ended import OnEnd, ended
from imagecopy.reconcile.slots import UNKNOWN_PROJECT, Slots

_RACES: Final = 3
"""So often a tick starts over when somebody else wrote in between; then it waits its turn."""
_RACE_PAUSE_SECONDS: Final = 1.0
_SEND_SECONDS: Final = 30.0
"""An attempt is sent so soon after it was decided on, or a quarter of the settle window if that is less, or never."""
_STORE_PAUSES_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Pauses while a status can't be stored."""
_TURN_SECONDS: Final = 60.0
"""An object that waits for a slot looks around so often, whether it was woken or not."""

_T = TypeVar("_T")
_Work = Callable[[Snapshot, "Memory"], Awaitable[float | None]]

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
    unresolved_since: float | None = None
    """Since when, by the monotonic clock, a lost outcome is looked for in vain ..."""
    unresolved_attempt: int = 0
    """... and of which attempt: another process may have gone on to the next one."""
    deletion_asked_at: float | None = None
    """When, by the monotonic clock, the cloud agreed to delete the image."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One tick at a time, also while the object is being deleted."""


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
        monotonic: Callable[[], float] = time.monotonic,
        settle_seconds: float = 300.0,
        on_event: Callable[[Event], None] | None = None,
        on_end: OnEnd | None = None,
    ) -> None:
        """``installation`` tells clusters apart that share a project, ``writer`` this process from all others.

        ``settle_seconds``: how long a copy whose reply was lost may take to show up. ``on_...`` are for metrics.
        """
        self.cloud = cloud
        self.clock = clock
        self.monotonic = monotonic
        self.slots = Slots()
        self._settle_seconds = settle_seconds
        self._on_event = on_event
        self._on_end = on_end
        self._kube = kube
        self._installation = installation
        self._writer = writer
        self._bounds = bounds
        self._unbroken: set[asyncio.Task[Any]] = set()

    async def tick(self, seen: Snapshot, memory: Memory) -> float | None:
        """Bring one copy one step further; ``seen`` is the object as the watch has it.

        Returns the seconds until the next tick, or None when there is nothing to do until someone edits the object.
        """
        async with memory.lock:
            return await self.persisting(seen, memory, self._advance)

    async def persisting(self, seen: Snapshot, memory: Memory, step: _Work) -> float | None:
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
            _log.warning("the status can't be stored now", error=str(exc), unsaved=_told(memory.outcome))
            return self._store_pause(memory)
        return _RACE_PAUSE_SECONDS

    async def refresh(self, namespace: str, name: str, memory: Memory) -> None:
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

    async def _advance(self, known: Snapshot, memory: Memory) -> float | None:
        if memory.outcome is None and known.is_resting:
            self.slots.release(known.uid)
            return None
        view = prepare(self.view(known, memory), self.clock())
        need = needs(view, self.clock())
        waiting = False
        try:
            seen: Seen | None = memory.outcome
            if seen is None and need is Need.PREFLIGHT:
                seen = await self._admission(known, view)
                waiting = isinstance(seen, SlotsBusy)
            if seen is None:
                seen = await self.look(view, need, memory)
            return await self.unbreakable(self._carry_out(known, view, seen, memory))
        finally:
            if not waiting:
                await self._settle_slot(view, memory.stored or known, memory)

    async def _admission(self, known: Snapshot, view: View) -> SlotsBusy | Trouble | None:
        """Return None if the copy may start. Who has been told to wait sleeps here until it may be its turn."""
        project = await self.cloud.project(view, copying=True)
        if isinstance(project, Trouble):
            return project
        place = (known.created_at, f"{known.namespace}/{known.name}")
        if self.slots.take(known.uid, project.id, project.slots, place):
            return None
        told = condition(view.status, ConditionType.READY)
        if told is not None and told.reason is Reason.WAITING_FOR_SLOT:
            await self.slots.turn(known.uid, _TURN_SECONDS)
            if self.slots.take(known.uid, project.id, project.slots, place):
                return None
        return SlotsBusy(project.slots)

    async def _settle_slot(self, view: View, latest: Snapshot, memory: Memory) -> None:
        if not occupies_slot(latest.status) and memory.outcome is None:
            self.slots.release(latest.uid)
        elif not self.slots.holds(latest.uid):
            project = home(latest.status) or await self.cloud.project(view)
            if isinstance(project, Trouble):
                project = UNKNOWN_PROJECT
            self.slots.hold(latest.uid, project if isinstance(project, str) else project.id)

    async def look(self, view: View, need: Need, memory: Memory) -> Looked:
        """Look at what is needed, and note for how long an outcome has been looked for in vain."""
        seen = await self.cloud.look(view, need)
        number = view.status.attempt.number if view.status.attempt else 0
        if number != memory.unresolved_attempt:
            memory.unresolved_attempt, memory.unresolved_since = number, None
        absent = isinstance(seen, TargetSeen) and seen.target.state is ImageState.ABSENT
        if absent or (isinstance(seen, TargetsSeen) and to_follow(view, seen.targets) is None):
            memory.unresolved_since = memory.unresolved_since or self.monotonic()
        elif not isinstance(seen, Trouble):
            memory.unresolved_since = None
        return seen

    async def _carry_out(self, known: Snapshot, view: View, seen: Seen, memory: Memory) -> float | None:
        troubled = False
        job_ended_at: datetime | None = None
        while True:
            now, began = self.clock(), self.monotonic()
            if is_trouble(seen):
                troubled = True
                memory.recent = replace(memory.recent, trouble_since=memory.recent.trouble_since or now)
            step = decide(replace(view, recent=self._recent(memory)), seen, now)
            before = known.status
            known = await self.store(known, step.status, step.events, memory, intent=step.act)
            if isinstance(seen, JobSeen):
                job_ended_at = seen.ended_at
            end = ended(before, known.status, job_ended_at, self.clock())
            if end is not None and self._on_end is not None:
                self._on_end(end)
            if isinstance(seen, JobSeen) and seen.progress != memory.recent.progress:
                memory.recent = replace(memory.recent, progress=seen.progress, progress_moved_at=now)
            if step.act is None:
                if not troubled:
                    memory.recent = replace(memory.recent, trouble_since=None)
                return step.again
            view = self.view(known, memory)
            seen = await self._act(view, step.act, memory, partial(self._held_up, now, began))

    def _held_up(self, now: datetime, began: float) -> bool:
        """Tell whether so much time has passed, by either clock, that another process may have given our attempt up.

        A process can stand still for long at any moment (a suspended machine, a stopped container), and not know it.
        """
        passed = max(self.monotonic() - began, (self.clock() - now).total_seconds())
        return passed > min(_SEND_SECONDS, self._settle_seconds / 4)

    async def _act(self, view: View, act: PostCopy | SetTags, memory: Memory, held_up: Callable[[], bool]) -> Seen:
        if isinstance(act, SetTags):
            return await self.cloud.set_tags(view, act)
        structlog.contextvars.bind_contextvars(attempt=act.attempt.number)
        memory.outcome = outcome = await self.cloud.post(view, act, held_up=held_up)
        if isinstance(outcome, PostAccepted):
            structlog.contextvars.bind_contextvars(job=outcome.job_id)
        _log.info("the copy call was sent", **_told(outcome))
        return outcome

    async def store(
        self,
        known: Snapshot,
        status: ImageCopyStatus,
        news: tuple[Event, ...],
        memory: Memory,
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
        for event in news:
            level = logging.WARNING if event.type == "Warning" else logging.INFO
            _log.log(level, event.message, reason=event.reason)
            if self._on_event is not None:
                self._on_event(event)
            await events.post(self._kube, known, event)
        return known

    def view(self, known: Snapshot, memory: Memory) -> View:
        """Return the object as a decision wants it."""
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
            recent=self._recent(memory),
            bounds=self._bounds,
            settle_seconds=self._settle_seconds,
        )

    def _recent(self, memory: Memory) -> Recent:
        now, since, asked = self.monotonic(), memory.unresolved_since, memory.deletion_asked_at
        return replace(
            memory.recent,
            unresolved_for=0.0 if since is None else now - since,
            deletion_asked_for=None if asked is None else now - asked,
        )

    async def unbreakable(self, work: Coroutine[Any, Any, _T]) -> _T:
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
