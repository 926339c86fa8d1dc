"""Mutations of the operator that break its protocol, so that the matrix can show that it finds violations.

The `fork_server` applies one to the modules that its operators run. The product has none of this.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from imagecopy.cloud.cloud import Cloud
from imagecopy.copies.status_writer import StatusWriter
from imagecopy.flow.observation import ObservedImage, PostOutcome, PostRejected, PostUnknown
from imagecopy.flow.steps import PostCopy
from imagecopy.flow.view import View
from imagecopy.kube.objects import Snapshot


def _skip_intent() -> None:
    """POST without the attempt having been stored."""
    store = StatusWriter.store

    async def stores_all_but_intents(
        self: StatusWriter, known: Snapshot, status: Any, events: Any, record: Any, *, intent: PostCopy | None = None
    ) -> Snapshot:
        if intent is not None:
            return replace(known, status=known.status.model_copy(update={"attempt": intent.attempt}))
        return await store(self, known, status, events, record)

    StatusWriter.store = stores_all_but_intents  # type: ignore[method-assign]


def _unknown_as_rejected() -> None:
    """Take a lost reply for a refusal."""
    post = Cloud.post

    async def knows_everything(self: Cloud, view: View, order: PostCopy, **more: Any) -> PostOutcome:
        outcome = await post(self, view, order, **more)
        return PostRejected(outcome.attempt, outcome.trouble) if isinstance(outcome, PostUnknown) else outcome

    Cloud.post = knows_everything  # type: ignore[assignment, method-assign]


def _no_marker_lookup() -> None:
    """Never find a copy by its marker."""

    async def finds_nothing(_self: Cloud, _client: object, _view: View) -> tuple[ObservedImage, ...]:
        return ()

    Cloud._targets = finds_nothing  # type: ignore[assignment, method-assign]


MUTATIONS: Final[dict[str, Callable[[], None]]] = {
    "skip-intent": _skip_intent,
    "unknown-as-rejected": _unknown_as_rejected,
    "no-marker-lookup": _no_marker_lookup,
}
