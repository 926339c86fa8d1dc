"""One reconcile of an ImageCopy: read, observe, decide, store, act, and decide again about the result.

The order makes the copy exactly one:

- a status is stored under the resourceVersion that it was decided on; the loser of a race reads again and decides anew;
- the intent is stored before its POST, and only the process that stored it sends the POST;
- the outcome of a POST is kept in memory until it is stored, however long that takes, and is decided about first;
- nothing is cancelled between the intent and the stored outcome: a shutdown waits some seconds for it. Where that is
  not enough, the next process finds an attempt without a job id, which is never sent again.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from imagecopy.api.imagecopy import ImageCopyStatus
from imagecopy.cloud.cloud import Cloud
from imagecopy.copies.completion import OnCompletion, completion
from imagecopy.copies.critical import CriticalSections
from imagecopy.copies.poller import Poller
from imagecopy.copies.queue import UNKNOWN_PROJECT, Place, Slots
from imagecopy.copies.record import Record
from imagecopy.copies.status_writer import StatusWriter, log_fields
from imagecopy.copies.views import Observer, Views, kind_of
from imagecopy.flow.decide import decide, waiting_seconds
from imagecopy.flow.observation import (
    Cause,
    JobObserved,
    Observation,
    PostAccepted,
    PostRejected,
    SlotsBusy,
    TargetsObserved,
    Trouble,
    is_trouble,
)
from imagecopy.flow.project import bound_project
from imagecopy.flow.steps import PostCopy, SetTags, until_deadline
from imagecopy.flow.view import Need, View, begin_retry, in_flight, needs, occupies_slot
from imagecopy.kube.objects import Snapshot
from imagecopy.providers.objects import key_of

_SEND_SECONDS: Final = 30.0
"""An attempt is sent within this time of the decision, or a quarter of the settle window if that is less, or never."""
_START_SECONDS: Final = 5.0
"""How many seconds of a provider's budget may be reserved by intents whose POST waits for its turn ..."""
_LEAST_STARTS: Final = 4
"""... or how many intents may wait, if that is more."""

_UNSENT_KEPT: Final = 5
"""How many attempts a record remembers as not sent."""
_NOT_SENT: Final = Trouble(
    Cause.TRANSIENT,
    "the copy request was not sent, because the API server did not confirm its intent; nothing was started",
)

_log = structlog.stdlib.get_logger(__name__)


class Reconciler:
    """Reconciles ImageCopies; built once, shared by all objects."""

    def __init__(
        self,
        cloud: Cloud,
        views: Views,
        status: StatusWriter,
        critical: CriticalSections,
        *,
        slots: Slots[Record],
        poller: Poller,
        calls_per_second: float,
        on_completion: OnCompletion | None = None,
    ) -> None:
        """``calls_per_second`` is the budget of a provider, ``on_completion`` the hook for metrics."""
        self.starts: Slots[Record] = Slots()
        """Limits, for each provider, the intents that are stored and not sent yet."""
        self._cloud = cloud
        self._views = views
        self._status = status
        self._critical = critical
        self._slots = slots
        self._poller = poller
        self._observer = Observer(cloud, views.clocks.monotonic)
        self._starts_at_once = max(_LEAST_STARTS, int(calls_per_second * _START_SECONDS))
        self._on_completion = on_completion

    async def reconcile(self, record: Record) -> float | None:
        """Bring one copy one step further.

        Returns the seconds until the next reconcile, or None when there is nothing to do until an edit.
        """
        async with record.lock:
            return await self._status.run(record, self._advance)

    async def _advance(self, known: Snapshot, record: Record) -> float | None:
        found, record.found = record.found, None
        if record.is_over:
            return None
        now = self._views.clocks.now()
        view = begin_retry(self._views.of(known, record), now)
        need = needs(view, now)
        waiting = False
        try:
            observed: Observation | None = record.outcome or self._not_sent(known, record)
            if observed is None and need is Need.PREFLIGHT:
                observed = await self._admission(known, record, view)
                waiting = isinstance(observed, SlotsBusy)
                if observed is None and not self._may_start(known, record):
                    waiting = True
                    return until_deadline(view, waiting_seconds(record.start.ahead), now)
            if observed is None and found is not None and need is Need.JOB and await self._may_use(found, view):
                observed = found
            if observed is None:
                crowded = self._poller.is_crowd(key_of(view.namespace, view.spec.provider_ref))
                may_postpone = crowded and not view.overdue(self._views.clocks.now())
                observed = await self._observer.observe(view, need, record, may_postpone=may_postpone)
            return await self._critical.run(self._carry_out(known, record, view, observed))
        finally:
            if not waiting:
                record.start.release()
                await self._settle_slot(record, view)
            self._poller.track(record)

    def _not_sent(self, known: Snapshot, record: Record) -> PostRejected | None:
        """Return the outcome of an attempt that this process stored without hearing so, and therefore never sent."""
        attempt = in_flight(known.status)
        return PostRejected(attempt, _NOT_SENT) if attempt is not None and attempt in record.unsent else None

    async def _may_use(self, found: TargetsObserved, view: View) -> bool:
        """Tell whether this copy may use what was listed for another one: same project, and it may use the provider."""
        return bound_project(view.status) == found.project and await self._cloud.may_use(view)

    async def _admission(self, known: Snapshot, record: Record, view: View) -> SlotsBusy | Trouble | None:
        """Return None if the copy has a slot now, else why it has none."""
        project = await self._cloud.project(view, copying=True)
        if isinstance(project, Trouble):
            return project
        if self._slots.take(record.slot, record, project.id, project.slots, _place_of(known)):
            return None
        return SlotsBusy(project.slots, record.slot.ahead)

    def _may_start(self, known: Snapshot, record: Record) -> bool:
        provider = str(key_of(known.namespace, known.spec.provider_ref))
        return self.starts.take(record.start, record, provider, self._starts_at_once, _place_of(known))

    async def _settle_slot(self, record: Record, view: View) -> None:
        """Make the slot agree with the status: one that has a running job holds one, any other holds none."""
        status = record.snapshot.status
        if not occupies_slot(status) and record.outcome is None:
            record.slot.release()
        elif not record.slot.is_held:
            project = bound_project(status) or await self._cloud.project(view)
            if isinstance(project, Trouble):
                project = UNKNOWN_PROJECT
            self._slots.hold(record.slot, project if isinstance(project, str) else project.id)

    async def _carry_out(self, known: Snapshot, record: Record, view: View, observed: Observation) -> float | None:
        troubled = False
        job: JobObserved | None = None
        while True:
            now, began = self._views.clocks.now(), self._views.clocks.monotonic()
            if is_trouble(observed):
                troubled = True
                record.pacing = replace(record.pacing, trouble_since=record.pacing.trouble_since or now)
            step = decide(self._views.refreshed(view, record), observed, now)
            before = known.status
            intent = step.action if isinstance(step.action, PostCopy) else None
            if intent is not None:
                record.unsent = (*record.unsent, intent.attempt)[-_UNSENT_KEPT:]
            known = await self._status.store(known, step.status, step.events, record, intent=intent)
            job = observed if isinstance(observed, JobObserved) else job
            self._note_end(view, before, known.status, job)
            if isinstance(observed, JobObserved) and observed.progress != record.pacing.progress:
                record.pacing = replace(record.pacing, progress=observed.progress, progress_moved_at=now)
            if step.action is None:
                if not troubled:
                    record.pacing = replace(record.pacing, trouble_since=None)
                return step.requeue_after
            view = self._views.of(known, record)
            observed = await self._act(record, view, step.action, partial(self._is_stale, now, began))

    def _note_end(self, view: View, before: ImageCopyStatus, after: ImageCopyStatus, job: JobObserved | None) -> None:
        end = completion(before, after, job.ended_at if job else None, self._views.clocks.now())
        if end is None:
            return
        if self._on_completion is not None:
            self._on_completion(end)
        if job is not None and job.seconds is not None and job.trouble is None:
            self._views.durations.note(kind_of(view), job.seconds)

    def _is_stale(self, decided_at: datetime, began: float) -> bool:
        """Tell whether the decision is so old, by either clock, that another process may have given the attempt up.

        A process can stand still for long at any moment (a suspended machine, a stopped container) without noticing.
        """
        clocks = self._views.clocks
        passed = max(clocks.monotonic() - began, (clocks.now() - decided_at).total_seconds())
        return passed > min(_SEND_SECONDS, self._views.settle_seconds / 4)

    async def _act(
        self, record: Record, view: View, act: PostCopy | SetTags, is_stale: Callable[[], bool]
    ) -> Observation:
        if isinstance(act, SetTags):
            return await self._cloud.set_tags(view, act)
        record.unsent = tuple(attempt for attempt in record.unsent if attempt != act.attempt)
        structlog.contextvars.bind_contextvars(attempt=act.attempt.number)
        record.outcome = outcome = await self._cloud.post(view, act, is_stale=is_stale)
        if isinstance(outcome, PostAccepted):
            structlog.contextvars.bind_contextvars(job=outcome.job_id)
        _log.info("the copy call was sent", **log_fields(outcome))
        return outcome


def _place_of(known: Snapshot) -> Place:
    return known.created_at, f"{known.namespace}/{known.name}", known.uid
