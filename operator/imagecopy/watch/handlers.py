"""The handlers that kopf calls: for events of ImageCopies and providers, and for deletions that delete an image, too.

kopf watches, and holds a finalizer on what is deleted with its image. Everything else is ours: each handler parses the
object and passes it on. None returns a value or uses kopf's ``patch``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import kopf
import structlog

from imagecopy.api.base import GROUP, VERSION
from imagecopy.api.imagecopy import DeletionPolicy
from imagecopy.api.provider import PLURALS, ProviderKind
from imagecopy.copies.controller import Controller
from imagecopy.kube.client import IMAGE_COPIES
from imagecopy.kube.objects import UNREADABLE, ProviderSnapshot, Snapshot, Unreadable
from imagecopy.providers.controller import ProviderController
from imagecopy.providers.objects import ProviderKey

_log = structlog.stdlib.get_logger(__name__)


def register(registry: kopf.OperatorRegistry, copies: Controller) -> None:
    """Register the handlers for ImageCopies."""

    @kopf.on.event(GROUP, VERSION, IMAGE_COPIES, registry=registry, id="image-copy")
    async def image_copy(event: kopf.RawEvent, **_: Any) -> None:
        body, meta = event["object"], event["object"]["metadata"]
        if event["type"] == "DELETED":
            copies.registry.gone(meta["uid"])
        elif not copies.registry.knows(meta["uid"], meta["resourceVersion"]):
            snapshot = _parse(body)
            if snapshot is not None:
                copies.registry.seen(snapshot, is_listed=event["type"] is None)

    @kopf.on.delete(GROUP, VERSION, IMAGE_COPIES, registry=registry, id="cleanup", when=_deletes_image)
    async def image_copy_deleted(body: kopf.Body, **_: Any) -> None:
        # One call to the end: each retry of a handler would cost a write.
        await copies.clean_up(body["metadata"]["namespace"], body["metadata"]["name"], _parse(body))


def register_providers(
    registry: kopf.OperatorRegistry, providers: ProviderController, kinds: Iterable[ProviderKind]
) -> None:
    """Register the handlers for providers of these kinds. kopf writes nothing to them: no finalizer, no annotation."""
    for kind in kinds:
        _register_provider(registry, providers, kind)


def _register_provider(registry: kopf.OperatorRegistry, providers: ProviderController, kind: ProviderKind) -> None:
    @kopf.on.event(GROUP, VERSION, PLURALS[kind], registry=registry, id=f"see-{PLURALS[kind]}")
    async def provider(event: kopf.RawEvent, namespace: str | None, name: str, **_: Any) -> None:
        key = ProviderKey(kind, namespace or "", name)
        if event["type"] == "DELETED":
            providers.gone(key)
            return
        try:
            snapshot = ProviderSnapshot.parse(kind, event["object"])
        except Unreadable as exc:
            _log.error(UNREADABLE, provider=str(key), error=str(exc))
        else:
            providers.seen(snapshot, is_listed=event["type"] is None)


def _parse(body: Mapping[str, Any]) -> Snapshot | None:
    """Return the object; None, with a log line, where this version of the operator can't read it."""
    try:
        return Snapshot.parse(body)
    except Unreadable as exc:
        meta = body["metadata"]
        _log.error(UNREADABLE, namespace=meta["namespace"], name=meta["name"], error=str(exc))
        return None


def _deletes_image(spec: Mapping[str, Any], **_: Any) -> bool:
    return spec.get("deletionPolicy") == DeletionPolicy.DELETE
