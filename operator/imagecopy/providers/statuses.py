"""Writes the status of providers, and Events about their Secrets.

Each write is conditional on the resourceVersion, and only made if it says something new. Nothing is written because
somebody else wrote the status, so that two operators can't make each other write for ever.
"""

from collections.abc import Callable
from datetime import datetime
from enum import Enum, auto
from typing import Final

import structlog

from imagecopy.api.provider import ProviderStatus
from imagecopy.flow import provider as provider_status
from imagecopy.flow.provider import Finding
from imagecopy.flow.steps import Event, EventType
from imagecopy.kube import events
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import Conflict, KubeError, Missing, Refused
from imagecopy.kube.objects import ProviderSnapshot, Unreadable
from imagecopy.providers.objects import ProviderKey
from imagecopy.providers.record import CheckState

SECRET_UNUSUAL: Final = "SecretUnusual"  # noqa: S105
"""Reason of an Event about problems of a Secret that do not keep it from working."""
_CONFLICTS: Final = 3

_log = structlog.stdlib.get_logger(__name__)


class Written(Enum):
    """How a write of a status ended."""

    DONE = auto()
    """The status is written, or the API server refuses it, which writing it again would not change."""
    NOT_NOW = auto()
    """It could not be written; try again later."""
    SPEC_CHANGED = auto()
    """Nothing was written, because the finding is about an older spec."""
    GONE = auto()
    """The provider does not exist any more."""


class StatusWriter:
    """Writes the status of providers. ``running`` counts the copies that run in a project of the cloud."""

    def __init__(self, kube: KubeClient, running: Callable[[str], int], clock: Callable[[], datetime]) -> None:
        self._kube = kube
        self._running = running
        self._clock = clock

    async def write_finding(self, key: ProviderKey, checks: CheckState, finding: Finding) -> Written:
        """Write what a check found."""
        try:
            for _ in range(_CONFLICTS):
                snapshot = checks.snapshot if checks.is_watched else None
                if snapshot is None:
                    snapshot = await self.read(key, checks)
                status = provider_status.after_check(
                    snapshot.status, snapshot.generation, finding, self._clock(), again=checks.failed_before
                )
                try:
                    await self.write(checks, snapshot, status)
                except Conflict:
                    if (await self.read(key, checks)).generation != snapshot.generation:
                        return Written.SPEC_CHANGED
                else:
                    return Written.DONE
        except Missing:
            return Written.GONE
        except Refused as exc:
            _log.warning(
                "the API server refuses the status of a provider: install the CRDs of this version of the operator, or "
                "grant it the verb patch on the status of providers (RBAC)",
                error=str(exc),
            )
            return Written.DONE
        except (KubeError, Unreadable) as exc:
            _log.warning("the status of a provider can't be written now and is written later", error=str(exc))
        return Written.NOT_NOW

    async def read(self, key: ProviderKey, checks: CheckState) -> ProviderSnapshot:
        """Read the provider anew, and keep the snapshot.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
            Unreadable: its status does not fit our model.
        """
        checks.snapshot = await self._kube.provider(key.kind, key.namespace, key.name)
        return checks.snapshot

    async def write(self, checks: CheckState, before: ProviderSnapshot, status: ProviderStatus) -> None:
        """Write the status with the present number of running copies, if it differs from the one before.

        Raises:
            Conflict: the provider has changed since ``before``; nothing was written.
            KubeError: see :mod:`imagecopy.kube.errors`.
            Unreadable: the reply does not fit our model.
        """
        status = provider_status.counted(status, self._running(status.project_id or ""))
        if status != before.status:
            checks.snapshot = await self._kube.write_provider_status(before, status)

    async def warn(self, about: ProviderSnapshot, secret_version: str, warning: str) -> None:
        """Create an Event about a problem of the Secret, once for each version of the Secret."""
        event = Event(EventType.WARNING, SECRET_UNUSUAL, warning)
        await events.post(self._kube, about, event, once=f"{secret_version} {warning}")
