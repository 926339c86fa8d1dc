"""Stores what a step decided: under the version that it was decided on, and again later where that fails."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

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
"""How many times a step starts over because somebody else wrote in between; then it pauses."""
_RACE_PAUSE_SECONDS: Final = 1.0
_STORE_PAUSES_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Pauses while a status can't be stored."""

Step = Callable[[Snapshot, Record], Awaitable[float | None]]
"""One step of an object, decided on this version of it; returns the pause until the next step."""

PostEvent = Callable[[Snapshot, Event], Awaitable[None]]
"""Posts a Kubernetes Event about an object."""

_log = structlog.stdlib.get_logger(__name__)


class StatusWriter:
    """Writes the status of ImageCopies, for reconciles, cleanups and the inventory."""

    def __init__(
        self,
        kube: KubeClient,
        clock: Callable[[], datetime],
        post_event: PostEvent,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """``on_event`` is the hook for metrics."""
        self._kube = kube
        self._clock = clock
        self._post_event = post_event
        self._on_event = on_event

    async def run(self, record: Record, step: Step) -> float | None:
        """Run one step on the newest version of the object; start over where somebody else wrote in between.

        Returns what the step returns, or a pause where its status could not be stored; None if the object is gone.
        """
        try:
            for _ in range(_RACES):
                try:
                    return await step(record.snapshot, record)
                except Conflict:
                    fresh = await self._kube.image_copy(record.namespace, record.name)
                    if fresh.uid != record.uid:
                        raise Missing("another object has its name now", 404) from None
                    record.observe(fresh)
        except Missing:
            self._gone(record)
            return None
        except Refused as exc:
            _log.error("the API server refuses the status of this ImageCopy", error=str(exc))
            return self._store_pause(record)
        except KubeError as exc:
            _log.warning("the status can't be stored now", error=str(exc), unsaved=log_fields(record.outcome))
            return self._store_pause(record)
        return _RACE_PAUSE_SECONDS

    async def store(
        self,
        known: Snapshot,
        status: ImageCopyStatus,
        events: tuple[Event, ...],
        record: Record,
        *,
        intent: PostCopy | None = None,
    ) -> Snapshot:
        """Store the status if it differs, then post the Events; return the object as it is then.

        ``known`` is the version of the object that the status was decided on, ``intent`` the copy call that this status
        is the intent of.

        Raises:
            Conflict: somebody else wrote in between, or stored another intent with the same resourceVersion.
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        if status != known.status:
            written = await self._kube.write_status(known, status)
            if intent is not None and written.status.attempt != intent.attempt:
                raise Conflict("another process stored its intent")
            record.observe(written)
            if known.status.progress and written.status.progress != known.status.progress:
                record.pacing = replace(record.pacing, progress_written_at=self._clock())
            known = written
        record.outcome = None
        record.store_failures = 0
        await self._post(known, events)
        return known

    async def store_finished(self, known: Snapshot, status: ImageCopyStatus, events: tuple[Event, ...]) -> None:
        """Store the status of an object that has no record, as it has no work; otherwise as :meth:`store`."""
        if status != known.status:
            known = await self._kube.write_status(known, status)
        await self._post(known, events)

    async def _post(self, about: Snapshot, events: tuple[Event, ...]) -> None:
        for event in events:
            level = logging.WARNING if event.type == "Warning" else logging.INFO
            _log.log(level, event.message, reason=event.reason)
            if self._on_event is not None:
                self._on_event(event)
            await self._post_event(about, event)

    def _store_pause(self, record: Record) -> float:
        pause = _STORE_PAUSES_SECONDS[min(record.store_failures, len(_STORE_PAUSES_SECONDS) - 1)]
        record.store_failures += 1
        return pause

    def _gone(self, record: Record) -> None:
        record.is_gone = True
        words = "the ImageCopy is gone; its copy stays in the cloud"
        attempt = in_flight(record.snapshot.status)
        if record.outcome is not None:
            _log.warning(words, **log_fields(record.outcome))
        elif attempt is not None:
            _log.warning(words, job=attempt.job_id)


def log_fields(outcome: PostOutcome | None) -> dict[str, Any]:
    """Return the log fields by which somebody could find a copy in the cloud by hand."""
    if outcome is None:
        return {}
    fields: dict[str, Any] = {"outcome": type(outcome).__name__, "marker_token": outcome.attempt.token}
    if isinstance(outcome, PostAccepted):
        return fields | {"job": outcome.job_id, "request_id": outcome.request_id}
    return fields | {"error": outcome.trouble.words, "request_id": outcome.trouble.request_id}
