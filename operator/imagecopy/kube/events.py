"""Kubernetes Events: what a person reads in ``kubectl describe``. Best effort: no Event is worth a retry."""

import hashlib
import secrets
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from imagecopy.api.base import GROUP, VERSION
from imagecopy.flow.steps import Event
from imagecopy.kube.client import FIELD_MANAGER, KubeClient
from imagecopy.kube.errors import Conflict, KubeError

MESSAGE_LIMIT: Final = 1024
"""Characters of an Event's message, the API server's own limit."""

_log = structlog.stdlib.get_logger(__name__)


_NO_NAMESPACE: Final = "default"
"""Where the API server wants Events about cluster-scoped objects."""


class Subject(Protocol):
    """An object that an Event is about; ``namespace`` is empty for a cluster-scoped one."""

    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def namespace(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def uid(self) -> str: ...  # noqa: D102
    @property
    def resource_version(self) -> str: ...  # noqa: D102


async def post(kube: KubeClient, about: Subject, event: Event, *, once: str | None = None) -> None:
    """Create the Event; a failure is logged and otherwise ignored.

    ``once``: what it is told once for, whichever process comes to tell it, for as long as Events are kept.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    namespace = about.namespace or _NO_NAMESPACE
    suffix = secrets.token_hex(8) if once is None else hashlib.sha256(f"{about.uid} {once}".encode()).hexdigest()[:16]
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{about.name[:200]}.{suffix}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": str(about.kind),
            **({"namespace": about.namespace} if about.namespace else {}),
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
        await kube.create_event(namespace, body)
    except Conflict as exc:
        if once is None:
            _log.warning("an Event was not stored", reason=event.reason, error=str(exc))
    except KubeError as exc:
        _log.warning("an Event was not stored", reason=event.reason, error=str(exc))
