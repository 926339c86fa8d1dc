"""Kubernetes Events, which a person reads in ``kubectl describe``. Best effort: no Event is worth a retry.

Nothing waits for an Event, and many at once are posted slowly, because each is a write for the API server. The status
is written first and has all that an Event says. When too many wait, new ones are dropped, ordinary Events first.
"""

import asyncio
import hashlib
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import structlog

from imagecopy.api.base import GROUP, VERSION
from imagecopy.flow.steps import Event, EventType
from imagecopy.kube.client import FIELD_MANAGER, KubeClient
from imagecopy.kube.errors import Conflict, KubeError

MESSAGE_LIMIT: Final = 1024
"""Maximum length of an Event's message in characters, the API server's own limit."""

_BURST: Final = 50.0
"""This many Events are posted at once, and then ..."""
_PER_SECOND: Final = 4.0
"""... this many a second."""
_MOST_WAITING: Final = 1000
"""How many ordinary Events may wait, at 2 KiB each; of warnings, twice as many."""

_log = structlog.stdlib.get_logger(__name__)

_NO_NAMESPACE: Final = "default"
"""The namespace of Events about cluster-scoped objects."""


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

    ``once``: a key for which only one Event is created, by whichever process, for as long as Events are kept.
    """
    await _create(kube, _body(about, event, once), may_exist=once is not None)


class Poster:
    """Posts Events in the background, one after the other."""

    def __init__(
        self,
        kube: KubeClient,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        """``clock`` is in seconds and only goes forward."""
        self._kube = kube
        self._clock = clock
        self._sleep = sleep
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._wake = asyncio.Event()
        self._tokens = _BURST
        self._counted_at = clock()
        self._dropped = 0

    async def post(self, about: Subject, event: Event) -> None:
        """Queue an Event to be posted soon, or drop it if too many wait."""
        if len(self._waiting) >= (_MOST_WAITING if event.type is EventType.NORMAL else 2 * _MOST_WAITING):
            self._dropped += 1
            return
        self._waiting.append(_body(about, event, None))
        self._wake.set()

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            await self._wake.wait()
            while self._waiting:
                await self._take_token()
                await self._post_next()
            self._wake.clear()
            if self._dropped:
                _log.warning(
                    "Events were dropped because too many came at once; every status is complete", count=self._dropped
                )
                self._dropped = 0

    async def flush(self, seconds: float) -> None:
        """Post what still waits, for ``seconds`` at most; called at the end, after :meth:`run`."""
        try:
            async with asyncio.timeout(seconds):
                while self._waiting:
                    await self._post_next()
        except TimeoutError:
            _log.warning("Events were not posted before the end", count=len(self._waiting))

    async def _post_next(self) -> None:
        await _create(self._kube, self._waiting.popleft(), may_exist=False)

    async def _take_token(self) -> None:
        """Take a token of the bucket of Events, and wait for one if it is empty."""
        now = self._clock()
        self._tokens = min(self._tokens + (now - self._counted_at) * _PER_SECOND, _BURST)
        self._counted_at = now
        if self._tokens < 1:
            await self._sleep((1 - self._tokens) / _PER_SECOND)
        self._tokens -= 1


def _body(about: Subject, event: Event, once: str | None) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    namespace = about.namespace or _NO_NAMESPACE
    suffix = secrets.token_hex(8) if once is None else hashlib.sha256(f"{about.uid} {once}".encode()).hexdigest()[:16]
    return {
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


async def _create(kube: KubeClient, body: Mapping[str, Any], *, may_exist: bool) -> None:
    try:
        await kube.create_event(body["metadata"]["namespace"], body)
    except Conflict as exc:
        if not may_exist:
            _log.warning("an Event was not stored", reason=body["reason"], error=str(exc))
    except KubeError as exc:
        _log.warning("an Event was not stored", reason=body["reason"], error=str(exc))
