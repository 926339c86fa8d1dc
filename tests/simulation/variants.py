"""The operator, broken on purpose: what the simulation has to find. A proof that can't fail would be none."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

from imagecopy.cloud.cloud import Cloud
from imagecopy.copies.record import Record
from imagecopy.copies.registry import Registry
from imagecopy.copies.status_writer import StatusWriter
from imagecopy.flow.observation import PostRejected, PostUnknown


@contextmanager
def _skip_intent() -> Iterator[None]:
    """POST without the attempt having been stored."""
    store = StatusWriter.store

    async def stores_no_intent(
        self: Any, known: Any, status: Any, events: Any, record: Any, *, intent: Any = None
    ) -> Any:
        if intent is not None:
            return replace(known, status=known.status.model_copy(update={"attempt": intent.attempt}))
        return await store(self, known, status, events, record)

    with patch.object(StatusWriter, "store", stores_no_intent):
        yield


@contextmanager
def _unknown_as_rejected() -> Iterator[None]:
    """Take a lost reply for a refusal."""
    post = Cloud.post

    async def knows_everything(self: Any, view: Any, order: Any, **more: Any) -> Any:
        outcome = await post(self, view, order, **more)
        return PostRejected(outcome.attempt, outcome.trouble) if isinstance(outcome, PostUnknown) else outcome

    with patch.object(Cloud, "post", knows_everything):
        yield


@contextmanager
def _no_marker_lookup() -> Iterator[None]:
    """Never find a copy by its marker."""
    with patch("imagecopy.cloud.observe._targets", lambda named, view: ()):
        yield


@contextmanager
def _no_record_close() -> Iterator[None]:
    """Give nothing back when an object goes."""
    with patch.object(Record, "close", lambda self: self.timer.cancel()):
        yield


@contextmanager
def _close_while_busy() -> Iterator[None]:
    """Close a record in the middle of a reconcile."""

    def closes(self: Registry, record: Record) -> None:
        if record.is_over and record.uid in self._records:
            del self._records[record.uid]
            record.close()

    with patch.object(Registry, "_close_if_over", closes):
        yield


VARIANTS: Final[dict[str, Callable[[], AbstractContextManager[None]]]] = {
    "skip-intent": _skip_intent,
    "unknown-as-rejected": _unknown_as_rejected,
    "no-marker-lookup": _no_marker_lookup,
    "no-record-close": _no_record_close,
    "close-while-busy": _close_while_busy,
}
