"""One tick: take the freshest status, look, decide, store, act, and decide again about what the act brought.

The order of it is what makes a copy exactly one:

- a status is stored under the resourceVersion that it was decided on; who loses a race reads again and decides anew;
- the intent is stored before its POST, and only who stored it POSTs;
- what a POST brought is kept in memory until it is stored, however long that takes, and is decided about first;
- from the intent to the stored outcome nothing is cancelled: a shutdown waits for it a few seconds. Where that is not
  enough, the next process finds an attempt without a job id, and that is never POSTed again.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from imagecopy.api.imagecopy import ImageCopyStatus
from imagecopy.cloud.cloud import Cloud, CloudObservation
from imagecopy.copies.completion import OnCompletion, ended
from imagecopy.copies.durations import Durations, Kind
from imagecopy.copies.poller import Poller
from imagecopy.copies.queue import UNKNOWN_PROJECT, Place, Slots
from imagecopy.copies.record import Record
from imagecopy.copies.status_writer import StatusWriter, Tell, told
from imagecopy.flow.decide import decide, target_to_follow, waiting_seconds
from imagecopy.flow.marker import owner_of
from imagecopy.flow.observation import (
    ImageState,
    JobObserved,
    Observation,
    PostAccepted,
    SlotsBusy,
    TargetObserved,
    TargetsObserved,
    Trouble,
    is_trouble,
)
from imagecopy.flow.pacing import Bounds
from imagecopy.flow.project import bound_project
from imagecopy.flow.steps import Event, PostCopy, SetTags
from imagecopy.flow.view import Need, PacingMemory, View, begin_retry, needs, occupies_slot
from imagecopy.kube import events
from imagecopy.kube.client import KubeClient
from imagecopy.kube.objects import Snapshot
from imagecopy.providers.objects import key_of

_SEND_SECONDS: Final = 30.0
"""An attempt is sent so soon after it was decided on, or a quarter of the settle window if that is less, or never."""
_START_SECONDS: Final = 5.0
"""So many seconds of a provider's budget may be spoken for by intents whose POST waits for its turn ..."""
_LEAST_STARTS: Final = 4
"""... or by so many intents, if those are more."""


_log = structlog.stdlib.get_logger(__name__)


class Reconciler(StatusWriter):
    """Makes ticks; built once, shared by all objects."""

    def __init__(
        self,
        kube: KubeClient,
        cloud: Cloud,
        *,
        installation: str,
        writer: str,
        bounds: Bounds,
        calls_per_second: float = 10.0,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        settle_seconds: float = 300.0,
        tell: Tell | None = None,
        on_event: Callable[[Event], None] | None = None,
        on_end: OnCompletion | None = None,
    ) -> None:
        """``installation`` tells clusters apart that share a project, ``writer`` this process from all others.

        ``settle_seconds``: how long a copy whose reply was lost may take to show up. ``tell`` posts an Event, at once
        by default. ``on_...`` are for metrics.
        """
        super().__init__(kube, clock, tell or partial(events.post, kube), on_event)
        self.cloud = cloud
        self.monotonic = monotonic
        self.slots = Slots()
        self.starts = Slots()
        """Who may store an intent now, by provider: its POST has to get its turn in the budget soon after."""
        self._starts_at_once = max(_LEAST_STARTS, int(calls_per_second * _START_SECONDS))
        self.lookout = Poller(calls_per_second)
        self._durations = Durations()
        self._settle_seconds = settle_seconds
        self._on_end = on_end
        self._installation = installation
        self._writer = writer
        self._bounds = bounds

    async def tick(self, seen: Snapshot, memory: Record) -> float | None:
        """Bring one copy one step further; ``seen`` is the object as the watch has it.

        Returns the seconds until the next tick, or None when there is nothing to do until someone edits the object.
        """
        async with memory.lock:
            return await self.persisting(seen, memory, self._advance)

    async def _advance(self, known: Snapshot, memory: Record) -> float | None:
        found, memory.found = memory.found, None
        if memory.outcome is None and known.is_resting:
            self.forget(known.uid)
            return None
        view = begin_retry(self.view(known, memory), self.clock())
        need = needs(view, self.clock())
        waiting = False
        try:
            seen: Observation | None = memory.outcome
            if seen is None and need is Need.PREFLIGHT:
                seen = await self._admission(known, view)
                waiting = isinstance(seen, SlotsBusy)
                if seen is None and not self._may_start(known):
                    waiting = True
                    return waiting_seconds(self.starts.ahead(known.uid))
            if seen is None and found is not None and need is Need.JOB and await self._may_take(view, found):
                seen = found
            if seen is None:
                crowded = self.lookout.is_crowd(key_of(view.namespace, view.spec.provider_ref))
                may_postpone = crowded and not view.overdue(self.clock())
                seen = await self.look(view, need, memory, may_postpone=may_postpone)
            return await self.unbreakable(self._carry_out(known, view, seen, memory))
        finally:
            latest = memory.stored or known
            if not waiting:
                self.starts.release(known.uid)
                await self._settle_slot(view, latest, memory)
            self.lookout.note(latest, memory)

    async def _may_take(self, view: View, found: TargetsObserved) -> bool:
        """Tell whether the copy may be told what was found on behalf of another one: same project, same provider."""
        return bound_project(view.status) == found.project and await self.cloud.may_use(view)

    async def _admission(self, known: Snapshot, view: View) -> SlotsBusy | Trouble | None:
        """Return None if the copy may start."""
        project = await self.cloud.project(view, copying=True)
        if isinstance(project, Trouble):
            return project
        if self.slots.take(known.uid, project.id, project.slots, _place_of(known)):
            return None
        return SlotsBusy(project.slots, self.slots.ahead(known.uid))

    def _may_start(self, known: Snapshot) -> bool:
        key = str(key_of(known.namespace, known.spec.provider_ref))
        return self.starts.take(known.uid, key, self._starts_at_once, _place_of(known))

    async def _settle_slot(self, view: View, latest: Snapshot, memory: Record) -> None:
        if not occupies_slot(latest.status) and memory.outcome is None:
            self.slots.release(latest.uid)
        elif not self.slots.holds(latest.uid):
            project = bound_project(latest.status) or await self.cloud.project(view)
            if isinstance(project, Trouble):
                project = UNKNOWN_PROJECT
            self.slots.hold(latest.uid, project if isinstance(project, str) else project.id)

    async def look(self, view: View, need: Need, memory: Record, *, may_postpone: bool = False) -> CloudObservation:
        """Look at what is needed, and note for how long an outcome has been looked for in vain.

        ``may_postpone``: see :meth:`imagecopy.cloud.cloud.Cloud.look`.
        """
        seen = await self.cloud.look(view, need, may_postpone=may_postpone)
        number = view.status.attempt.number if view.status.attempt else 0
        if number != memory.unresolved_attempt:
            memory.unresolved_attempt, memory.unresolved_since = number, None
        absent = isinstance(seen, TargetObserved) and seen.target.state is ImageState.ABSENT
        if absent or (isinstance(seen, TargetsObserved) and target_to_follow(view, seen.targets) is None):
            memory.unresolved_since = memory.unresolved_since or self.monotonic()
        elif not isinstance(seen, Trouble):
            memory.unresolved_since = None
        return seen

    async def _carry_out(self, known: Snapshot, view: View, seen: Observation, memory: Record) -> float | None:
        troubled = False
        job: JobObserved | None = None
        while True:
            now, began = self.clock(), self.monotonic()
            if is_trouble(seen):
                troubled = True
                memory.recent = replace(memory.recent, trouble_since=memory.recent.trouble_since or now)
            step = decide(replace(view, recent=self._recent(memory), bounds=self._pace(known)), seen, now)
            before = known.status
            known = await self.store(known, step.status, step.events, memory, intent=step.act)
            job = seen if isinstance(seen, JobObserved) else job
            self._note_end(view, before, known.status, job)
            if isinstance(seen, JobObserved) and seen.progress != memory.recent.progress:
                memory.recent = replace(memory.recent, progress=seen.progress, progress_moved_at=now)
            if step.act is None:
                if not troubled:
                    memory.recent = replace(memory.recent, trouble_since=None)
                return step.again
            view = self.view(known, memory)
            seen = await self._act(view, step.act, memory, partial(self._held_up, now, began))

    def _note_end(self, view: View, before: ImageCopyStatus, after: ImageCopyStatus, job: JobObserved | None) -> None:
        end = ended(before, after, job.ended_at if job else None, self.clock())
        if end is None:
            return
        if self._on_end is not None:
            self._on_end(end)
        if job is not None and job.seconds is not None and job.trouble is None:
            self._durations.note(_kind_of(view), job.seconds)

    def _held_up(self, now: datetime, began: float) -> bool:
        """Tell whether so much time has passed, by either clock, that another process may have given our attempt up.

        A process can stand still for long at any moment (a suspended machine, a stopped container), and not know it.
        """
        passed = max(self.monotonic() - began, (self.clock() - now).total_seconds())
        return passed > min(_SEND_SECONDS, self._settle_seconds / 4)

    async def _act(
        self, view: View, act: PostCopy | SetTags, memory: Record, is_stale: Callable[[], bool]
    ) -> Observation:
        if isinstance(act, SetTags):
            return await self.cloud.set_tags(view, act)
        structlog.contextvars.bind_contextvars(attempt=act.attempt.number)
        memory.outcome = outcome = await self.cloud.post(view, act, is_stale=is_stale)
        if isinstance(outcome, PostAccepted):
            structlog.contextvars.bind_contextvars(job=outcome.job_id)
        _log.info("the copy call was sent", **told(outcome))
        return outcome

    def view(self, known: Snapshot, memory: Record) -> View:
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
            bounds=self._pace(known),
            settle_seconds=self._settle_seconds,
            expected_seconds=self._durations.expected(_kind_of(known)),
        )

    def _pace(self, known: Snapshot) -> Bounds:
        """Return the bounds of pauses, now: a crowd may have come about since the tick began."""
        least = self.lookout.least_pause(key_of(known.namespace, known.spec.provider_ref))
        return replace(self._bounds, least=least) if least else self._bounds

    def watch_over(self, memory: Record) -> None:
        """Have the lookout see the end of a copy that was found running."""
        if memory.stored is not None:
            self.lookout.note(memory.stored, memory)

    def forget(self, uid: str) -> None:
        """Nothing runs or waits for this object any more."""
        self.slots.release(uid)
        self.starts.release(uid)
        self.lookout.forget(uid)

    def _recent(self, memory: Record) -> PacingMemory:
        now, since, asked = self.monotonic(), memory.unresolved_since, memory.deletion_requested_at
        return replace(
            memory.recent,
            unresolved_for=0.0 if since is None else now - since,
            deletion_requested_for=None if asked is None else now - asked,
        )


def _place_of(known: Snapshot) -> Place:
    return known.created_at, f"{known.namespace}/{known.name}"


def _kind_of(copy: Snapshot | View) -> Kind:
    return copy.status.project_id, copy.spec.source.image_id, copy.spec.target.kms_key_id is not None
