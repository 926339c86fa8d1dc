"""Kubernetes Events: what a person reads in ``kubectl describe``. Best effort: no Event is worth a retry."""

import logging
import secrets
from datetime import UTC, datetime
from typing import Final

from kubernetes.aio.client import CoreV1Event, V1EventSource, V1ObjectMeta, V1ObjectReference

from imagecopy.api.base import GROUP, VERSION
from imagecopy.flow.steps import Event
from imagecopy.kube.client import FIELD_MANAGER, KubeClient
from imagecopy.kube.errors import KubeError
from imagecopy.kube.objects import Snapshot

MESSAGE_LIMIT: Final = 1024
"""Characters of an Event's message, the API server's own limit."""

_log = logging.getLogger(__name__)


async def post(kube: KubeClient, about: Snapshot, event: Event) -> None:
    """Create the Event; a failure is logged and otherwise ignored."""
    now = datetime.now(UTC)
    body = CoreV1Event(
        metadata=V1ObjectMeta(name=f"{about.name[:200]}.{secrets.token_hex(8)}", namespace=about.namespace),
        involved_object=V1ObjectReference(
            api_version=f"{GROUP}/{VERSION}",
            kind="ImageCopy",
            namespace=about.namespace,
            name=about.name,
            uid=about.uid,
            resource_version=about.resource_version,
        ),
        type=event.type.value,
        reason=event.reason,
        message=event.message[:MESSAGE_LIMIT],
        source=V1EventSource(component=FIELD_MANAGER),
        first_timestamp=now,
        last_timestamp=now,
        count=1,
        reporting_component=FIELD_MANAGER,
        reporting_instance="",
    )
    try:
        await kube.create_event(body)
    except KubeError as exc:
        _log.warning("Event %s was not stored: %s", event.reason, exc)
