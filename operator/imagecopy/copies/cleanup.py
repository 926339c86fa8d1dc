"""The cleanup of an object that is deleted together with its image: one step, the counterpart of a reconcile."""

from dataclasses import replace

from imagecopy.cloud.cloud import Cloud
from imagecopy.copies.critical import CriticalSections
from imagecopy.copies.record import Record
from imagecopy.copies.status_writer import StatusWriter
from imagecopy.copies.views import Observer, Views
from imagecopy.flow.deletion import DeletionRequested, Observation, decide_deletion, deletion_needs
from imagecopy.flow.observation import PreflightObserved, Trouble
from imagecopy.flow.view import in_flight
from imagecopy.kube.objects import Snapshot


class Cleanup:
    """Deletes the images of objects that are deleted with them; built once, shared by all objects."""

    def __init__(self, cloud: Cloud, views: Views, status: StatusWriter, critical: CriticalSections) -> None:
        self._cloud = cloud
        self._views = views
        self._status = status
        self._critical = critical
        self._observer = Observer(cloud, views.clocks.monotonic)

    async def clean_up(self, record: Record) -> float | None:
        """Bring the deletion of one object one step further.

        Returns the seconds until the next step, or None when nothing holds the object any more.
        """
        async with record.lock:
            pause = await self._status.run(record, self._advance)
            if pause is None or in_flight(record.snapshot.status) is None:
                record.slot.release()  # until then its job may still run
            return pause

    async def _advance(self, known: Snapshot, record: Record) -> float | None:
        view = self._views.of(known, record)
        observed = record.outcome or await self._observer.observe(view, deletion_needs(view), record)
        return await self._critical.run(self._carry_out(known, record, observed))

    async def _carry_out(self, known: Snapshot, record: Record, observed: object) -> float | None:
        if isinstance(observed, PreflightObserved) or not isinstance(observed, Observation):
            raise TypeError(f"a deletion can't be decided on {type(observed).__name__}")
        troubled = False
        while True:
            now = self._views.clocks.now()
            if isinstance(observed, Trouble):
                troubled = True
                record.pacing = replace(record.pacing, trouble_since=record.pacing.trouble_since or now)
            elif isinstance(observed, DeletionRequested):
                record.deletion_requested_at = record.deletion_requested_at or self._views.clocks.monotonic()
            step = decide_deletion(self._views.of(known, record), observed, now)
            known = await self._status.store(known, step.status, step.events, record)
            if step.action is None:
                if not troubled:
                    record.pacing = replace(record.pacing, trouble_since=None)
                return step.requeue_after
            observed = await self._cloud.delete_image(self._views.of(known, record), step.action.image_id)
