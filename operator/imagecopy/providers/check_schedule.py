"""The schedule of checks of providers. A provider is checked:

- at once when its spec is new or changed. Checks of providers that a list brought are spread over up to a minute.
- at once when a use by a copy replaced its client, made it unusable, or ended with a refused login.
- at growing intervals of 5 to 60 s while it does not work. Each of these checks reads provider and Secret. It calls the
  cloud only if one of them has changed, or the pause after the last call is over.
- at once when a copy uses it and its last check is too old (IMAGECOPY_PROVIDER_CHECK_SECONDS).

A provider that works and is not used is not checked, and costs nothing.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import structlog

from imagecopy.api.provider import ProviderKind
from imagecopy.flow import provider as provider_status
from imagecopy.flow.provider import LoginWorks
from imagecopy.providers.checks import CheckResult, ProviderChecks
from imagecopy.providers.objects import ProviderKey
from imagecopy.providers.record import CheckState, ProviderRecord
from imagecopy.providers.registry import ProviderRegistry
from imagecopy.providers.statuses import StatusWriter, Written

SPREAD_SECONDS: Final = 60.0
SPREAD_PER_PROVIDER_SECONDS: Final = 0.2
"""The first checks after a start are spread over this time for each provider, and over SPREAD_SECONDS at most."""
UNUSED_SECONDS: Final = 900.0
"""A provider counts as used for this time after a copy used it."""
_AT_A_TIME: Final = 8
_STORE_PAUSE_SECONDS: Final = 10.0
_BUG_SECONDS: Final = 60.0

_log = structlog.stdlib.get_logger(__name__)


class OnCheck(Protocol):
    """The hook for metrics."""

    def __call__(self, kind: str, namespace: str, name: str, ready: bool | None) -> None:
        """Record whether a provider is ready; None: it is gone."""


class CheckSchedule:
    """Checks each provider when that is due, and has the result written to its status."""

    def __init__(
        self,
        registry: ProviderRegistry,
        checks: ProviderChecks,
        writer: StatusWriter,
        *,
        namespaces: Iterable[str] = (),
        check_seconds: float = 300.0,
        monotonic: Callable[[], float] = time.monotonic,
        on_check: OnCheck | None = None,
    ) -> None:
        """Begin without a check.

        ``namespaces``: the watched ones, none for all. With them, a ClusterImageProvider is checked only if its Secret
        is in one of them, or a copy of theirs uses it: the others are another operator's.
        ``check_seconds``: the interval of checks of a provider that works and is used; 0: it is not checked again.
        """
        self._registry = registry
        self._checks = checks
        self._writer = writer
        self._namespaces = frozenset(namespaces)
        self._check_seconds = check_seconds
        self._monotonic = monotonic
        self._on_check = on_check
        self._turns = asyncio.Semaphore(_AT_A_TIME)

    async def aclose(self) -> None:
        """End all checks."""
        tasks = [record.checks.task for record in self._registry.records]
        for record in self._registry.records:
            record.cancel_checks()
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)

    def is_ours(self, record: ProviderRecord) -> bool:
        """Whether this operator keeps the provider's status, and not one that watches other namespaces."""
        checks = record.checks
        if not self._namespaces or record.key.kind is ProviderKind.NAMESPACED:
            return True
        if checks.used_at is not None and self._monotonic() - checks.used_at < UNUSED_SECONDS:
            return True
        return checks.snapshot is not None and checks.snapshot.secret_namespace in self._namespaces

    def appeared(self, record: ProviderRecord, *, at_once: bool) -> None:
        """Check a provider that is new to this process and not ready."""
        providers = len(self._registry.records)
        spread = 0.0 if at_once else min(SPREAD_SECONDS, SPREAD_PER_PROVIDER_SECONDS * providers)
        self._check_within(record, random.uniform(0, spread))  # noqa: S311

    def ready_already(self, record: ProviderRecord) -> None:
        """Take over the status of a provider that is new to this process but ready.

        Its last check counts as made at a random time within the interval of checks, so that the next checks of many
        providers do not come together.
        """
        record.checks.checked_at = self._monotonic() - random.uniform(0, self._check_seconds)  # noqa: S311
        self._report(record, ready=True)

    def spec_changed(self, record: ProviderRecord) -> None:
        """Check the new spec of a provider; what was found about the old one is dropped."""
        record.client.expire_provider()
        record.checks.spec_changed()
        self._check_within(record)

    def used(self, record: ProviderRecord) -> None:
        """Check a provider that a copy uses, if its last check is too old."""
        checks = record.checks
        now = checks.used_at = self._monotonic()
        if checks.task is None and self._is_due(checks, now):
            self._check_within(record)

    def changed(self, record: ProviderRecord) -> None:
        """Check a provider whose client was replaced, can't be used any more, or whose login was refused."""
        checks = record.checks
        checks.call_at = 0.0
        if checks.checking:
            checks.changed_meanwhile = True
        else:
            self._check_within(record)

    def gone(self, record: ProviderRecord) -> None:
        """Report to the metrics that a provider was deleted. Its checks end with its record."""
        self._report(record, ready=None)

    def _is_due(self, checks: CheckState, now: float) -> bool:
        if checks.checked_at is None or checks.broken_since is not None:
            return True
        return self._check_seconds > 0 and now - checks.checked_at >= self._check_seconds

    def _check_within(self, record: ProviderRecord, seconds: float = 0.0) -> None:
        """Begin to check the provider in so many seconds; at once if a task checks it already."""
        if record.checks.task is not None:
            record.checks.wake.set()
        elif self.is_ours(record):
            record.checks.task = asyncio.create_task(self._run(record, record.checks, seconds))

    async def _run(self, record: ProviderRecord, checks: CheckState, seconds: float) -> None:
        """Check the provider until it works, is gone, or is another operator's."""
        _bind_log_fields(record.key)
        pause: float | None = seconds
        while pause is not None and record.checks is checks and self.is_ours(record):
            try:
                async with asyncio.timeout(pause):
                    await checks.wake.wait()
            except TimeoutError:
                pass
            checks.wake.clear()
            try:
                async with self._turns:
                    pause = await self._check(record, checks)
            except Exception:
                _log.exception("the check of a provider failed; this is a bug, please report it")
                pause = _BUG_SECONDS
            if pause is None and checks.wake.is_set():
                pause = 0.0
        checks.task = None

    async def _check(self, record: ProviderRecord, checks: CheckState) -> float | None:
        """Check once and write the result. Return the seconds until the next check; None: when a copy uses it."""
        now = self._monotonic()
        unless = checks.version if checks.broken_since is not None and now < checks.call_at else None
        checks.checking, checks.changed_meanwhile = True, False
        try:
            result = await self._checks.check(record.key, unless=unless)
        finally:
            checks.checking = False
        if checks.changed_meanwhile and result.version != record.client.version:
            checks.wake.set()
        self._keep(record, checks, result, now)
        if result.secret_version != checks.warned and checks.snapshot is not None:
            for warning in result.warnings:
                checks.warned = result.secret_version
                await self._writer.warn(checks.snapshot, result.secret_version, warning)
        if checks.unsaved and checks.finding is not None:
            written = await self._writer.write_finding(record.key, checks, checks.finding)
            checks.unsaved = written is Written.NOT_NOW
            if written is Written.SPEC_CHANGED:
                self.spec_changed(record)
            elif written is Written.GONE:
                self._report(record, ready=None)
                record.checks = CheckState()  # not the client, which remembers what was reported as missing
        pause = None if checks.broken_since is None else provider_status.pause(now - checks.broken_since)
        return min(pause or _STORE_PAUSE_SECONDS, _STORE_PAUSE_SECONDS) if checks.unsaved else pause

    def _keep(self, record: ProviderRecord, checks: CheckState, result: CheckResult, now: float) -> None:
        """Keep the finding of a check."""
        if result.finding is None:
            return  # nothing had changed, so the cloud was not called
        if isinstance(result.finding, LoginWorks):
            checks.broken_since = None
        else:
            checks.failed_before = checks.broken_since is not None
            checks.broken_since = now if checks.broken_since is None else checks.broken_since
            checks.call_at = now + provider_status.call_pause(result.finding, now - checks.broken_since)
        checks.finding, checks.version, checks.checked_at = result.finding, result.version, now
        checks.unsaved = True
        self._report(record, ready=checks.broken_since is None)

    def _report(self, record: ProviderRecord, *, ready: bool | None) -> None:
        if self._on_check is not None and (record.checks.in_metrics or ready is not None):
            record.checks.in_metrics = ready is not None
            self._on_check(record.key.kind.value, record.key.namespace, record.key.name, ready)


def _bind_log_fields(key: ProviderKey) -> None:
    """Bind the provider to the log lines of this task, instead of the copy whose reconcile began the task."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(provider=str(key))
