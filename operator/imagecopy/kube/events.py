"""Kubernetes Events: what a person reads in ``kubectl describe``. Best effort: no Event is worth a retry."""

import secrets
from datetime import UTC, datetime
from typing import Final

import structlog

from imagecopy.api.base import GROUP, VERSION
from imagecopy.flow.steps import Event
from imagecopy.kube.client import FIELD_MANAGER, KubeClient
from imagecopy.kube.errors import KubeError
from imagecopy.kube.objects import Snapshot

MESSAGE_LIMIT: Final = 1024
"""Characters of an Event's message, the API server's own limit."""

_log = structlog.stdlib.get_logger(__name__)


async def post(kube: KubeClient, about: Snapshot, event: Event) -> None:
    """Create the Event; a failure is logged and otherwise ignored."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{about.name[:200]}.{secrets.token_hex(8)}", "namespace": about.namespace},
        "involvedObject": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "ImageCopy",
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
            "resourceVersion": about.resource_version,
        },
        "type": event.type.value,
        "reason": event.reason,
        "message": event.message[:MESSAGE_LIMIT],
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    try:
        await kube.create_event(about.namespace, body)
    except KubeError as exc:
        _log.warning("an Event was not stored", reason=event.reason, error=str(exc))
