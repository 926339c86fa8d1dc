"""A controller of providers between a fake API server and fake checks, in virtual time."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from imagecopy.api.conditions import ConditionStatus, ConditionType, ProviderReason
from imagecopy.api.provider import ImagesUsed, ProviderKind, ProviderStatus
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.flow.provider import Finding, LoginWorks
from imagecopy.ims import Allowlist
from imagecopy.kube.errors import Conflict, KubeError, Missing
from imagecopy.kube.objects import ProviderSnapshot, merge_patch
from imagecopy.providers.checks import CheckResult, ProviderChecks
from imagecopy.providers.client_cache import ClientCache, Version
from imagecopy.providers.controller import ProviderController, RunningCopies
from imagecopy.providers.limiter import CallLimiter
from imagecopy.providers.objects import ProviderKey
from imagecopy.providers.record import ProviderRecord
from imagecopy.providers.registry import ProviderRegistry
from unit.copies.builders import FakeKube, apply_merge_patch
from unit.flow.builders import PROJECT, T0
from unit.providers.builders import KEY

WORKS = LoginWorks(PROJECT, "eu-de", ImagesUsed(used=1, quota=50))
REFUSED = Trouble(Cause.CREDENTIALS, "wrong password", retry_after=60)
UNREACHABLE = Trouble(Cause.UNREACHABLE, "no route")

AVAILABLE = (ConditionStatus.TRUE, ProviderReason.AVAILABLE)
CREDENTIALS_INVALID = (ConditionStatus.FALSE, ProviderReason.CREDENTIALS_INVALID)


class FakeApiServer(FakeKube):
    """Providers, with the API server's rules about resourceVersions."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: dict[ProviderKey, dict[str, Any]] = {}
        self.version = 100
        self.provider_writes: list[ProviderStatus] = []
        self.write_error: KubeError | None = None

    def put(self, key: ProviderKey, *, secret_namespace: str = "ops", **meta: Any) -> None:
        """Somebody creates or edits the provider."""
        self.version += 1
        before = self.bodies.get(key, {"status": {"observedGeneration": -1}, "metadata": {"generation": 0}})
        meta = {
            "namespace": key.namespace,
            "name": key.name,
            "uid": f"u-{key.name}",
            "resourceVersion": str(self.version),
            "generation": before["metadata"]["generation"] + 1,
        } | meta
        spec = {"credentialsSecretRef": {"name": "s", "namespace": secret_namespace}}
        self.bodies[key] = {"metadata": meta, "spec": spec, "status": before["status"]}

    async def provider(self, kind: ProviderKind, namespace: str, name: str) -> ProviderSnapshot:
        self.reads += 1
        try:
            return ProviderSnapshot.parse(kind, self.bodies[ProviderKey(kind, namespace, name)])
        except KeyError:
            raise Missing("not found", 404) from None

    async def write_provider_status(self, known: ProviderSnapshot, status: ProviderStatus) -> ProviderSnapshot:
        if self.write_error:
            raise self.write_error
        key = ProviderKey(known.kind, known.namespace, known.name)
        if key not in self.bodies:
            raise Missing("not found", 404)
        body = self.bodies[key]
        if body["metadata"]["resourceVersion"] != known.resource_version:
            raise Conflict("modified", 409)
        self.version += 1
        patched = apply_merge_patch(body["status"], merge_patch(known.status.to_wire(), status.to_wire()))
        meta = body["metadata"] | {"resourceVersion": str(self.version)}
        self.bodies[key] = {**body, "metadata": meta, "status": patched}
        self.provider_writes.append(status)
        return ProviderSnapshot.parse(known.kind, self.bodies[key])

    def status_of(self, key: ProviderKey = KEY) -> ProviderStatus:
        return ProviderStatus.model_validate(self.bodies[key]["status"])

    def ready(self, key: ProviderKey = KEY) -> tuple[ConditionStatus, ProviderReason] | None:
        """Status and reason of the condition Ready."""
        ready = [c for c in self.status_of(key).conditions if c.type is ConditionType.READY]
        return (ready[0].status, ready[0].reason) if ready else None


class FakeChecks(ProviderChecks):
    """Finds what a test sets. ``made`` lists the times of the checks, ``calls`` those that called the cloud."""

    def __init__(self) -> None:
        self.finding: Finding = WORKS
        self.version: Version = ("p", 1, "s", "1")
        self.warnings: tuple[str, ...] = ()
        self.made: list[float] = []
        self.calls: list[float] = []
        self.during: Callable[[], None] | None = None
        """Runs once, in the middle of the next check."""

    async def check(self, key: ProviderKey, *, unless: Version | None = None) -> CheckResult:
        now = asyncio.get_running_loop().time()
        self.made.append(now)
        version, finding = self.version, self.finding
        if unless == version:
            return CheckResult(None, version, str(version), self.warnings)
        if self.during:
            during, self.during = self.during, None
            during()
        if isinstance(finding, Trouble) and finding.cause in (Cause.PROVIDER_MISSING, Cause.PROVIDER_INVALID):
            return CheckResult(finding)
        self.calls.append(now)
        return CheckResult(finding, version, str(version), self.warnings)


class FakeClientCache(ClientCache):
    """Has the client that the fake checks use."""

    def __init__(self, checks: FakeChecks) -> None:
        self._checks = checks
        self.expired = 0
        self.is_retired = False

    @property
    def version(self) -> Version:
        return self._checks.version

    def expire_provider(self) -> None:
        self.expired += 1

    async def retire(self) -> None:
        self.is_retired = True

    async def aclose(self) -> None:
        pass


class FakeRegistry(ProviderRegistry):
    """Owns records whose clients are fakes."""

    def __init__(self, kube: FakeApiServer, checks: FakeChecks) -> None:
        super().__init__(kube, Allowlist.default())
        self._checks = checks
        self.caches: dict[ProviderKey, FakeClientCache] = {}

    def _new_record(self, key: ProviderKey) -> ProviderRecord:
        self.caches[key] = FakeClientCache(self._checks)
        return ProviderRecord(key, CallLimiter(asyncio.get_running_loop().time, 10.0), self.caches[key])


class FakeRunningCopies(RunningCopies):
    """Counts the copies that a test starts and ends."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.on_change: Callable[[str], None] | None = None

    def running(self, project: str) -> int:
        return self.counts[project]

    def change(self, project: str, by: int = 1) -> None:
        self.counts[project] += by
        if self.on_change is not None:
            self.on_change(project)


class Scene:
    """One operator's controller of providers, and all that it works with."""

    def __init__(self) -> None:
        self.kube = FakeApiServer()
        self.checks = FakeChecks()
        self.running = FakeRunningCopies()
        self.metrics: list[tuple[str, bool | None]] = []
        self._controllers: list[ProviderController] = []
        self.controller = self.start()

    def start(self, namespaces: Iterable[str] = (), check_seconds: float = 300.0) -> ProviderController:
        """Start an operator that remembers nothing."""
        loop = asyncio.get_running_loop()
        self.registry = FakeRegistry(self.kube, self.checks)
        self.controller = ProviderController(
            self.kube, self.registry, self.running,
            clock=lambda: T0 + timedelta(seconds=loop.time()), monotonic=loop.time,
            namespaces=namespaces, check_seconds=check_seconds, checks=self.checks,
            on_check=lambda kind, namespace, name, ready: self.metrics.append((name, ready)),
        )  # fmt: skip
        self._controllers.append(self.controller)
        return self.controller

    async def stop(self) -> None:
        """Stop all operators."""
        for controller in self._controllers:
            await controller.aclose()
        self._controllers.clear()

    def see(self, key: ProviderKey = KEY, *, is_listed: bool = False) -> None:
        """The watch brings the provider as it is."""
        self.controller.seen(ProviderSnapshot.parse(key.kind, self.kube.bodies[key]), is_listed=is_listed)

    async def appears(self, key: ProviderKey = KEY, **how: Any) -> None:
        """Somebody creates the provider; the watch brings it, and then our own write to it."""
        self.kube.put(key, **how)
        self.see(key, is_listed=False)
        await asyncio.sleep(1)
        self.see(key)

    def use(self, key: ProviderKey = KEY) -> None:
        """A copy uses the provider."""
        assert self.registry.on_use
        self.registry.on_use(self.registry.record(key))

    def change(self, key: ProviderKey = KEY) -> None:
        """The state of the provider's client changes."""
        assert self.registry.on_change
        self.registry.on_change(self.registry.record(key))

    def clear(self) -> None:
        """Forget which checks and writes were made."""
        self.checks.calls.clear()
        self.checks.made.clear()
        self.kube.provider_writes.clear()
