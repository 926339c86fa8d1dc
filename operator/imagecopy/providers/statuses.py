"""The status of providers: who is checked when, and what is written of it.

A provider is checked when it appears or its spec changes, again and again while it is broken, when a copy finds that
its login is refused or its Secret has changed, and every few minutes while copies use it. One that works and is
not used costs nothing. While one is broken, its Secret is read every few seconds; the cloud is called again only when
something changed or the login's pause is over.

Each write is ours, conditional, and only made where something new is told. Nothing is ever written because somebody
else wrote a status, so two operators at once can't drive each other.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from imagecopy.api.provider import ProviderKind, ProviderStatus
from imagecopy.flow import provider as telling
from imagecopy.flow.provider import Finding, LoginWorks
from imagecopy.flow.steps import Event, EventType
from imagecopy.kube import events
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import Conflict, KubeError, Missing, Refused
from imagecopy.kube.objects import ProviderSnapshot, Unreadable
from imagecopy.providers.checks import CheckResult, ProviderChecks
from imagecopy.providers.objects import ProviderKey
from imagecopy.providers.record import ProviderRecord
from imagecopy.providers.registry import Providers

COUNT_SECONDS: Final = 5.0
"""The number of running copies is written so long after it changed, and at most so often."""
SPREAD_SECONDS: Final = 60.0
SPREAD_PER_PROVIDER_SECONDS: Final = 0.2
"""What a start finds is checked within so long for each provider that there is, and within a minute at most."""
UNUSED_SECONDS: Final = 900.0
"""A provider that no copy asked for through so long is not in use."""
_AT_A_TIME: Final = 8
_RACES: Final = 3
_STORE_PAUSE_SECONDS: Final = 10.0
_BUG_SECONDS: Final = 60.0
SECRET_UNUSUAL: Final = "SecretUnusual"  # noqa: S105
"""Reason of an Event about what is odd about a Secret."""

_log = structlog.stdlib.get_logger(__name__)


class RunningCopies(Protocol):
    """Counts the copies that run in each project of the cloud."""

    on_change: Callable[[str], None] | None
    """Called with each project whose count changed."""

    def running(self, project: str) -> int:
        """Return how many copies run in a project."""


class OnCheck(Protocol):
    """The hook for metrics."""

    def __call__(self, kind: str, namespace: str, name: str, ready: bool | None) -> None:
        """Note whether a provider is ready; None: it is gone."""


class ProviderStatuses:
    """Keeps the status of all providers."""

    def __init__(
        self,
        kube: KubeClient,
        providers: Providers,
        slots: RunningCopies,
        *,
        clock: Callable[[], datetime],
        namespaces: Iterable[str] = (),
        check_seconds: float = 300.0,
        monotonic: Callable[[], float] = time.monotonic,
        checkup: ProviderChecks | None = None,
        on_check: OnCheck | None = None,
    ) -> None:
        """Begin with none, and listen to ``providers`` and ``slots``.

        ``namespaces``: the watched ones, none for all. With them, a ClusterImageProvider is checked only if its Secret
        is in one of them or a copy of theirs uses it: another operator looks after the others.
        ``check_seconds``: the pause between two checks of one that works and is used; 0: it is not checked again.
        """
        self._kube = kube
        self._providers = providers
        self._slots = slots
        self._clock = clock
        self._namespaces = frozenset(namespaces)
        self._check_seconds = check_seconds
        self._monotonic = monotonic
        self._checkup = checkup or ProviderChecks(providers)
        self._on_check = on_check
        self._known: dict[ProviderKey, ProviderRecord] = {}
        self._turns = asyncio.Semaphore(_AT_A_TIME)
        self._recounted: set[str] = set()
        self._recounting: asyncio.Task[None] | None = None
        self._dropping: set[asyncio.Task[None]] = set()
        providers.listener = self
        slots.on_change = self.recount

    async def aclose(self) -> None:
        """End all checks."""
        self._providers.listener = self._slots.on_change = None
        tasks = [known.task for known in self._known.values()] + [self._recounting, *self._dropping]
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def seen(self, kind: ProviderKind, change: str | None, body: Mapping[str, Any]) -> None:
        """The watch brought a provider; ``change`` is None where it was there at the start, or is listed anew."""
        try:
            snapshot = ProviderSnapshot.parse(kind, body)
        except Unreadable as exc:
            _log.warning("the status of a provider can't be read", name=body["metadata"]["name"], error=str(exc))
            return
        key = ProviderKey(kind, snapshot.namespace, snapshot.name)
        if change == "DELETED":
            self._gone(key)
            return
        known = self._of(key)
        before = known.seen
        if before is not None and not snapshot.is_newer_than(before):
            return
        known.seen, known.watched = snapshot, True
        if before is not None:
            if (before.uid, before.generation) != (snapshot.uid, snapshot.generation):
                self._edited(known)
            return
        if known.task is not None or known.checked_at is not None:
            return
        if telling.is_ready(snapshot.status, snapshot.generation):
            # Somebody checked it before us. If it is used, its turn comes; together they are spread out.
            known.checked_at = self._monotonic() - random.uniform(0, self._check_seconds)  # noqa: S311
            self._report(known, ready=True)
            self.recount(snapshot.status.project_id or "")
        else:
            spread = 0.0 if change == "ADDED" else min(SPREAD_SECONDS, SPREAD_PER_PROVIDER_SECONDS * len(self._known))
            self._soon(known, random.uniform(0, spread))  # noqa: S311

    def used(self, key: ProviderKey) -> None:
        """A copy asked for the provider."""
        known = self._of(key)
        now = known.used_at = self._monotonic()
        if known.task is None and self._is_due(known, now):
            self._soon(known)

    def changed(self, key: ProviderKey) -> None:
        """Its client is another one, or it can't be used or logged in to any more."""
        known = self._of(key)
        known.call_at = 0.0
        if known.checking:
            known.missed = True
        else:
            self._soon(known)

    def recount(self, project: str) -> None:
        """The number of copies that run in a project changed."""
        self._recounted.add(project)
        if self._recounting is None:
            self._recounting = asyncio.create_task(self._count())

    def _of(self, key: ProviderKey) -> ProviderRecord:
        return self._known.setdefault(key, ProviderRecord(key))

    def _is_due(self, known: ProviderRecord, now: float) -> bool:
        if known.checked_at is None or known.broken_since is not None:
            return True
        return self._check_seconds > 0 and now - known.checked_at >= self._check_seconds

    def _is_ours(self, known: ProviderRecord) -> bool:
        if not self._namespaces or known.key.kind is ProviderKind.NAMESPACED:
            return True
        if known.used_at is not None and self._monotonic() - known.used_at < UNUSED_SECONDS:
            return True
        return known.seen is not None and known.seen.secret_namespace in self._namespaces

    def _reset(self, known: ProviderRecord) -> None:
        known.finding = known.version = known.broken_since = None
        known.unsaved = False
        known.call_at = 0.0

    def _soon(self, known: ProviderRecord, seconds: float = 0.0) -> None:
        """Check it after so many seconds, or at once where its checks go on anyway."""
        if known.task is not None:
            known.wake.set()
        elif self._is_ours(known):
            known.task = asyncio.create_task(self._attend(known, seconds))

    def _gone(self, key: ProviderKey) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            if known.task is not None:
                known.task.cancel()
            self._report(known, ready=None)
        task = asyncio.create_task(self._providers.drop(key))
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    def _report(self, known: ProviderRecord, *, ready: bool | None) -> None:
        if self._on_check is not None and (known.reported or ready is not None):
            known.reported = ready is not None
            self._on_check(known.key.kind.value, known.key.namespace, known.key.name, ready)

    async def _attend(self, known: ProviderRecord, seconds: float) -> None:
        """Check until it works, or is somebody else's."""
        _log_about(known.key)  # and no longer about the copy whose tick may have set this off
        pause: float | None = seconds
        while pause is not None and self._known.get(known.key) is known and self._is_ours(known):
            try:
                async with asyncio.timeout(pause):
                    await known.wake.wait()
            except TimeoutError:
                pass
            known.wake.clear()
            try:
                async with self._turns:
                    pause = await self._check(known)
            except Exception:
                _log.exception("the check of a provider failed; this is a bug, please report it")
                pause = _BUG_SECONDS
            if pause is None and known.wake.is_set():
                pause = 0.0
        known.task = None

    async def _check(self, known: ProviderRecord) -> float | None:
        """Check once, and tell. Returns the seconds until it has to be looked at again, None: when it is used."""
        now = self._monotonic()
        unless = known.version if known.broken_since is not None and now < known.call_at else None
        known.checking, known.missed = True, False
        try:
            checked = await self._checkup.check(known.key, unless=unless)
        finally:
            known.checking = False
        if known.missed and checked.version != self._providers.version(known.key):
            known.wake.set()
        pause = self._found(known, checked, now)
        if checked.secret_version != known.warned:
            for warning in checked.warnings:
                await self._warn(known, checked.secret_version, warning)
        if known.unsaved and known.finding is not None:
            known.unsaved = not await self._store(known, known.finding)
        return min(pause or _STORE_PAUSE_SECONDS, _STORE_PAUSE_SECONDS) if known.unsaved else pause

    def _found(self, known: ProviderRecord, checked: CheckResult, now: float) -> float | None:
        """Note what a check found; return the pause until the next, as :meth:`_check`."""
        if isinstance(checked.finding, LoginWorks):
            known.broken_since = None
        elif checked.finding is not None:
            known.again = known.broken_since is not None
            known.broken_since = now if known.broken_since is None else known.broken_since
            known.call_at = now + telling.call_pause(checked.finding, now - known.broken_since)
        if checked.finding is not None:
            known.finding, known.version, known.checked_at, known.unsaved = checked.finding, checked.version, now, True
            self._report(known, ready=known.broken_since is None)
        return None if known.broken_since is None else telling.pause(now - known.broken_since)

    async def _store(self, known: ProviderRecord, finding: Finding) -> bool:
        """Write what a check found; tell whether that is done with."""
        try:
            for _ in range(_RACES):
                snapshot = known.seen if known.seen is not None and known.watched else await self._fresh(known)
                status = telling.tell(snapshot.status, snapshot.generation, finding, self._clock(), again=known.again)
                try:
                    await self._write(known, snapshot, self._counted(status))
                    return True
                except Conflict:
                    if (await self._fresh(known)).generation != snapshot.generation:
                        self._edited(known)
                        return True
        except Missing:
            self._known.pop(known.key, None)
            return True
        except Refused as exc:
            _log.warning("the status of a provider may not be written", error=str(exc))
            return True
        except (KubeError, Unreadable) as exc:
            _log.warning("the status of a provider can't be written now", error=str(exc))
        return False

    def _edited(self, known: ProviderRecord) -> None:
        """Its spec is another one: what was found is of no use."""
        self._providers.renew(known.key)
        self._reset(known)
        self._soon(known)

    async def _fresh(self, known: ProviderRecord) -> ProviderSnapshot:
        known.seen = await self._kube.provider(known.key.kind, known.key.namespace, known.key.name)
        return known.seen

    async def _write(self, known: ProviderRecord, snapshot: ProviderSnapshot, status: ProviderStatus) -> None:
        if status != snapshot.status:
            known.seen = await self._kube.write_provider_status(snapshot, status)

    def _counted(self, status: ProviderStatus) -> ProviderStatus:
        return telling.counted(status, self._slots.running(status.project_id or ""))

    async def _warn(self, known: ProviderRecord, secret_version: str, warning: str) -> None:
        if known.seen is not None:
            known.warned = secret_version
            event = Event(EventType.WARNING, SECRET_UNUSUAL, warning)
            await events.post(self._kube, known.seen, event, once=f"{secret_version} {warning}")

    async def _count(self) -> None:
        """Write the numbers of running copies that changed."""
        structlog.contextvars.clear_contextvars()
        while self._recounted:
            await asyncio.sleep(COUNT_SECONDS)
            projects, self._recounted = self._recounted, set()
            for known in list(self._known.values()):
                snapshot = known.seen
                if snapshot is None or snapshot.status.project_id not in projects or not self._is_ours(known):
                    continue
                try:
                    await self._write(known, snapshot, self._counted(snapshot.status))
                except Conflict:
                    await self._count_anew(known, snapshot)
                except (KubeError, Unreadable) as exc:
                    _log.debug("a provider's running copies can't be written", error=str(exc))
        self._recounting = None

    async def _count_anew(self, known: ProviderRecord, before: ProviderSnapshot) -> None:
        try:
            after = await self._fresh(known)
        except (KubeError, Unreadable):
            return
        if before.generation != after.generation:
            self._edited(known)
        elif after.status.project_id is not None:
            self._recounted.add(after.status.project_id)


def _log_about(key: ProviderKey) -> None:
    """Have the log lines of this task name the provider, as those of a tick name its copy."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(provider=str(key))
