"""Which provider is checked when, how often the cloud is called for it, and what is written."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from imagecopy.api.conditions import ConditionStatus, ConditionType, ProviderReason
from imagecopy.api.provider import ImagesUsed, ProviderKind, ProviderStatus
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.flow.provider import LoginWorks
from imagecopy.kube.errors import Conflict, KubeError, Missing, Refused, Unavailable
from imagecopy.kube.objects import ProviderSnapshot, merge_patch
from imagecopy.providers.checks import CheckResult, ProviderChecks, Version
from imagecopy.providers.objects import ProviderKey
from imagecopy.providers.statuses import COUNT_SECONDS, ProviderStatuses, RunningCopies
from unit.copies.builders import FakeKube, apply_merge_patch
from unit.flow.builders import PROJECT, T0

pytestmark = pytest.mark.looptime

KEY = ProviderKey(ProviderKind.CLUSTER, "", "default")
LOCAL = ProviderKey(ProviderKind.NAMESPACED, "team-a", "mine")
WORKS = LoginWorks(PROJECT, "eu-de", ImagesUsed(used=1, quota=50))
REFUSED = Trouble(Cause.CREDENTIALS, "wrong password", retry_after=60)
AWAY = Trouble(Cause.UNREACHABLE, "no route")


class _Kube(FakeKube):
    """Providers, with the API server's rules about resourceVersions."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: dict[ProviderKey, dict[str, Any]] = {}
        self.version = 100
        self.provider_writes: list[ProviderStatus] = []
        self.fails: KubeError | None = None

    def put(self, key: ProviderKey, *, secret_namespace: str = "ops", **meta: Any) -> dict[str, Any]:
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
        return self.bodies[key]

    async def provider(self, kind: ProviderKind, namespace: str, name: str) -> ProviderSnapshot:
        self.reads += 1
        try:
            return ProviderSnapshot.parse(kind, self.bodies[ProviderKey(kind, namespace, name)])
        except KeyError:
            raise Missing("not found", 404) from None

    async def write_provider_status(self, known: ProviderSnapshot, status: ProviderStatus) -> ProviderSnapshot:
        if self.fails:
            raise self.fails
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

    def told(self, key: ProviderKey = KEY) -> tuple[ConditionStatus, ProviderReason] | None:
        ready = [c for c in self.status_of(key).conditions if c.type is ConditionType.READY]
        return (ready[0].status, ready[0].reason) if ready else None


class _Checkup(ProviderChecks):
    """Finds what a test put there; ``calls`` is when the cloud was called, ``looks`` when provider and Secret were."""

    def __init__(self) -> None:
        self.finds: Any = WORKS
        self.version: Version = ("p", 1, "s", "1")
        self.warnings: tuple[str, ...] = ()
        self.calls: list[float] = []
        self.looks: list[float] = []
        self.during: Any = None

    async def check(self, key: ProviderKey, *, unless: Version | None = None) -> CheckResult:
        now = asyncio.get_running_loop().time()
        self.looks.append(now)
        if unless == self.version:
            return CheckResult(None, self.version, str(self.version), self.warnings)
        if self.during:
            self.during()
        if isinstance(self.finds, Trouble) and self.finds.cause in (Cause.PROVIDER_MISSING, Cause.PROVIDER_INVALID):
            return CheckResult(self.finds)
        self.calls.append(now)
        return CheckResult(self.finds, self.version, str(self.version), self.warnings)


class _Providers:
    """What the status of providers needs of the clients."""

    def __init__(self, checkup: _Checkup) -> None:
        self.listener: Any = None
        self.renewed: list[ProviderKey] = []
        self.dropped: list[ProviderKey] = []
        self._checkup = checkup

    def renew(self, key: ProviderKey) -> None:
        self.renewed.append(key)

    def version(self, key: ProviderKey) -> Version:
        return self._checkup.version

    async def drop(self, key: ProviderKey) -> None:
        self.dropped.append(key)


class Running(RunningCopies):
    """Counts copies that start and end."""

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
    """The status of providers between a fake API server and a fake cloud, in virtual time."""

    def __init__(self) -> None:
        self.kube = _Kube()
        self.checkup = _Checkup()
        self.slots = Running()
        self.providers = _Providers(self.checkup)
        self.metrics: list[tuple[str, bool | None]] = []
        self.statuses = self.process()

    def process(self, namespaces: Iterable[str] = (), check_seconds: float = 300.0) -> ProviderStatuses:
        loop = asyncio.get_running_loop()
        self.statuses = ProviderStatuses(
            self.kube, self.providers, self.slots,  # type: ignore[arg-type]
            clock=lambda: T0 + timedelta(seconds=loop.time()), monotonic=loop.time,
            namespaces=namespaces, check_seconds=check_seconds, checkup=self.checkup,
            on_check=lambda kind, namespace, name, ready: self.metrics.append((name, ready)),
        )  # fmt: skip
        return self.statuses

    def see(self, key: ProviderKey = KEY, change: str | None = "ADDED") -> None:
        self.statuses.seen(key.kind, change, self.kube.bodies[key])

    async def appears(self, key: ProviderKey = KEY, **how: Any) -> None:
        self.kube.put(key, **how)
        self.see(key)
        await asyncio.sleep(1)
        self.see(key, "MODIFIED")  # the watch brings our own write

    def clear(self) -> None:
        self.checkup.calls.clear()
        self.checkup.looks.clear()
        self.kube.provider_writes.clear()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.statuses.aclose()


async def test_a_new_provider_is_checked_at_once_with_one_call_and_one_write(scene: Scene) -> None:
    await scene.appears()
    assert scene.kube.told() == (ConditionStatus.TRUE, ProviderReason.AVAILABLE)
    assert (len(scene.checkup.calls), len(scene.kube.provider_writes)) == (1, 1)
    assert scene.kube.status_of().running_copies == 0
    assert scene.metrics == [("default", True)]


async def test_one_that_works_and_is_not_used_costs_nothing(scene: Scene) -> None:
    await scene.appears()
    scene.clear()
    await asyncio.sleep(100_000)
    assert (scene.checkup.looks, scene.kube.provider_writes) == ([], [])


async def test_one_that_is_used_is_checked_every_few_minutes_and_written_only_where_something_changed(
    scene: Scene,
) -> None:
    await scene.appears()
    scene.clear()
    for _ in range(3600):
        scene.statuses.used(KEY)
        await asyncio.sleep(1)
    assert 11 <= len(scene.checkup.calls) <= 12
    assert scene.kube.provider_writes == []


async def test_with_periodic_checks_off_a_used_one_is_not_checked_again(scene: Scene) -> None:
    scene.process(check_seconds=0)
    await scene.appears()
    scene.clear()
    for _ in range(100):
        scene.statuses.used(KEY)
        await asyncio.sleep(60)
    assert scene.checkup.looks == []


async def test_a_new_spec_is_checked_at_once(scene: Scene) -> None:
    await scene.appears()
    scene.clear()
    scene.checkup.finds = Trouble(Cause.PROVIDER_INVALID, "no such host")
    scene.kube.put(KEY)
    scene.see(KEY, "MODIFIED")
    await asyncio.sleep(1)
    assert scene.kube.told() == (ConditionStatus.FALSE, ProviderReason.INVALID_CONFIGURATION)
    assert scene.kube.status_of().observed_generation == 2
    assert scene.providers.renewed == [KEY]


async def test_a_refused_login_is_tried_again_at_the_pace_of_its_breaker_while_the_secret_is_looked_at(
    scene: Scene,
) -> None:
    scene.checkup.finds = REFUSED
    await scene.appears()
    await asyncio.sleep(600)
    assert len(scene.checkup.calls) <= 11, "one login a minute, as the breaker said"
    assert len(scene.checkup.looks) > 2 * len(scene.checkup.calls) - 8
    assert len(scene.kube.provider_writes) == 1


async def test_a_changed_secret_of_a_broken_provider_is_used_within_seconds(scene: Scene) -> None:
    scene.checkup.finds = REFUSED
    await scene.appears()
    await asyncio.sleep(7)
    scene.checkup.finds, scene.checkup.version = WORKS, ("p", 1, "s", "2")
    await asyncio.sleep(6)
    assert scene.kube.told() == (ConditionStatus.TRUE, ProviderReason.AVAILABLE)
    scene.clear()
    await asyncio.sleep(3600)
    assert scene.checkup.looks == [], "it works, and is not used"


async def test_a_missing_secret_is_waited_for_without_a_call(scene: Scene) -> None:
    scene.checkup.finds = Trouble(Cause.PROVIDER_MISSING, "Secret ops/s does not exist")
    await scene.appears()
    await asyncio.sleep(3600)
    assert scene.kube.told() == (ConditionStatus.FALSE, ProviderReason.WAITING_FOR_SECRET)
    assert scene.checkup.calls == []
    assert len(scene.checkup.looks) < 100
    scene.checkup.finds = WORKS
    await asyncio.sleep(61)
    assert scene.kube.told() == (ConditionStatus.TRUE, ProviderReason.AVAILABLE)


async def test_a_passing_fault_of_one_that_is_ready_is_looked_at_twice_before_it_is_told(scene: Scene) -> None:
    await scene.appears()
    scene.checkup.finds = AWAY
    scene.statuses.changed(KEY)
    await asyncio.sleep(1)
    assert scene.kube.told() == (ConditionStatus.TRUE, ProviderReason.AVAILABLE)
    await asyncio.sleep(6)
    assert scene.kube.told() == (ConditionStatus.FALSE, ProviderReason.TRANSIENT_ERROR)
    scene.checkup.finds = WORKS
    await asyncio.sleep(20)
    assert scene.kube.told() == (ConditionStatus.TRUE, ProviderReason.AVAILABLE)


async def test_what_a_copy_finds_out_is_checked_at_once(scene: Scene) -> None:
    await scene.appears()
    scene.checkup.finds = REFUSED
    scene.statuses.changed(KEY)
    await asyncio.sleep(1)
    assert scene.kube.told() == (ConditionStatus.FALSE, ProviderReason.CREDENTIALS_INVALID)


async def test_a_check_does_not_set_off_another(scene: Scene) -> None:
    scene.checkup.during = lambda: scene.statuses.changed(KEY)  # a new client is made during the check
    await scene.appears()
    await asyncio.sleep(60)
    assert len(scene.checkup.calls) == 1


async def test_a_secret_that_changes_during_a_check_is_checked_again(scene: Scene) -> None:
    def changes() -> None:
        scene.checkup.during = None
        scene.checkup.version = ("p", 1, "s", "2")
        scene.statuses.changed(KEY)

    finds = CheckResult(WORKS, ("p", 1, "s", "1"), "1")

    async def check(key: ProviderKey, *, unless: Version | None = None) -> CheckResult:
        scene.checkup.looks.append(0)
        if scene.checkup.during:
            scene.checkup.during()
            return finds
        return CheckResult(REFUSED, scene.checkup.version, "2")

    scene.checkup.during = changes
    scene.checkup.check = check  # type: ignore[method-assign]
    await scene.appears()
    assert scene.kube.told() == (ConditionStatus.FALSE, ProviderReason.CREDENTIALS_INVALID)


async def test_a_start_leaves_what_was_checked_alone_and_spreads_the_rest(scene: Scene) -> None:
    await scene.appears()
    for number in range(100):
        scene.kube.put(ProviderKey(ProviderKind.CLUSTER, "", f"new-{number}"))
    await scene.statuses.aclose()
    scene.clear()
    scene.process()
    begin = asyncio.get_running_loop().time()
    for key in scene.kube.bodies:
        scene.see(key, None)
    await asyncio.sleep(120)
    assert len(scene.checkup.calls) == 100
    assert max(scene.checkup.calls) - begin > 5
    assert len(scene.kube.provider_writes) == 100


async def test_a_start_checks_a_used_one_when_its_turn_comes_not_at_once(scene: Scene) -> None:
    keys = [ProviderKey(ProviderKind.CLUSTER, "", f"p-{number}") for number in range(20)]
    for key in keys:
        await scene.appears(key)
    await scene.statuses.aclose()
    scene.process()
    scene.clear()
    for key in keys:
        scene.see(key, None)
    for _ in range(300):
        for key in keys:
            scene.statuses.used(key)
        await asyncio.sleep(1)
    times = sorted(scene.checkup.calls)
    assert 15 <= len(times) <= 40
    assert times[-1] - times[0] > 60


async def test_one_that_is_gone_is_forgotten(scene: Scene) -> None:
    scene.checkup.finds = REFUSED
    await scene.appears()
    body = scene.kube.bodies.pop(KEY)
    scene.statuses.seen(KEY.kind, "DELETED", body)
    scene.clear()
    await asyncio.sleep(600)
    assert scene.checkup.looks == []
    assert scene.providers.dropped == [KEY]
    assert scene.metrics[-1] == ("default", None)


async def test_one_that_never_was_is_not_looked_for_for_ever(scene: Scene) -> None:
    scene.checkup.finds = Trouble(Cause.PROVIDER_MISSING, "does not exist")
    scene.statuses.changed(KEY)
    await asyncio.sleep(600)
    assert len(scene.checkup.looks) == 1


async def test_one_that_may_not_be_watched_is_checked_when_it_is_used(scene: Scene) -> None:
    scene.kube.put(KEY)
    scene.statuses.used(KEY)
    await asyncio.sleep(1)
    assert scene.kube.told() == (ConditionStatus.TRUE, ProviderReason.AVAILABLE)
    scene.kube.put(KEY)
    await asyncio.sleep(300)
    scene.statuses.used(KEY)
    await asyncio.sleep(1)
    assert scene.kube.status_of().observed_generation == 2


async def test_with_namespaces_a_cluster_provider_is_looked_after_by_whose_its_secret_is(scene: Scene) -> None:
    scene.process(namespaces=("team-a",))
    await scene.appears(secret_namespace="ops")
    assert scene.checkup.looks == []
    another = ProviderKey(ProviderKind.CLUSTER, "", "another")
    await scene.appears(another, secret_namespace="team-a")
    assert scene.kube.told(another) == (ConditionStatus.TRUE, ProviderReason.AVAILABLE)


async def test_with_namespaces_a_cluster_provider_is_looked_after_while_copies_use_it(scene: Scene) -> None:
    scene.process(namespaces=("team-a",))
    scene.checkup.finds = REFUSED
    await scene.appears(secret_namespace="ops")
    scene.statuses.used(KEY)
    await asyncio.sleep(1)
    assert scene.kube.told() == (ConditionStatus.FALSE, ProviderReason.CREDENTIALS_INVALID)
    await asyncio.sleep(1000)
    scene.clear()
    await asyncio.sleep(3600)
    assert scene.checkup.looks == []


async def test_somebody_elses_status_is_no_reason_to_write(scene: Scene) -> None:
    await scene.appears()
    scene.clear()
    other = scene.kube.bodies[KEY]["status"] | {"runningCopies": 7}
    for version in range(500, 520):
        scene.kube.bodies[KEY] = {
            **scene.kube.bodies[KEY],
            "metadata": scene.kube.bodies[KEY]["metadata"] | {"resourceVersion": str(version)},
            "status": other,
        }
        scene.see(KEY, "MODIFIED")
        await asyncio.sleep(10)
    assert (scene.checkup.looks, scene.kube.provider_writes) == ([], [])


async def test_two_operators_end_with_one_write(scene: Scene) -> None:
    scene.kube.put(KEY)
    first, second = scene.statuses, scene.process()
    for statuses in (first, second):
        statuses.seen(KEY.kind, "ADDED", scene.kube.bodies[KEY])
    await asyncio.sleep(60)
    assert len(scene.kube.provider_writes) == 1
    await first.aclose()


async def test_a_spec_that_is_edited_during_a_check_is_checked_anew(scene: Scene) -> None:
    def edit() -> None:
        scene.checkup.during = None
        scene.kube.put(KEY)

    scene.checkup.during = edit
    await scene.appears()
    assert scene.kube.status_of().observed_generation == 2
    assert len(scene.checkup.calls) == 2


async def test_a_status_that_can_not_be_written_now_is_written_later_without_a_call(scene: Scene) -> None:
    scene.kube.fails = Unavailable("no answer")
    scene.checkup.finds = REFUSED
    await scene.appears()
    scene.kube.fails = None
    await asyncio.sleep(11)
    assert scene.kube.told() == (ConditionStatus.FALSE, ProviderReason.CREDENTIALS_INVALID)
    assert len(scene.checkup.calls) == 1


async def test_a_status_that_may_not_be_written_is_not_tried_again_and_again(scene: Scene) -> None:
    scene.kube.fails = Refused("forbidden", 403)
    await scene.appears()
    scene.clear()
    await asyncio.sleep(3600)
    assert scene.checkup.looks == []


async def test_running_copies_follow_the_slots_with_few_writes(scene: Scene) -> None:
    await scene.appears()
    scene.clear()
    for _ in range(5):
        scene.slots.change(PROJECT)
        scene.slots.change("another project")
    await asyncio.sleep(COUNT_SECONDS + 1)
    assert scene.kube.status_of().running_copies == 5
    assert len(scene.kube.provider_writes) == 1
    for _ in range(100):  # one ends and the next begins
        scene.slots.change(PROJECT, -1)
        scene.slots.change(PROJECT)
        await asyncio.sleep(1)
    assert len(scene.kube.provider_writes) == 1
    assert scene.checkup.calls == []


async def test_running_copies_of_before_a_start_are_mended(scene: Scene) -> None:
    scene.slots.change(PROJECT)
    await scene.appears()
    assert scene.kube.status_of().running_copies == 1
    await scene.statuses.aclose()
    scene.slots = Running()
    scene.process()
    scene.clear()
    scene.see(KEY, None)
    await asyncio.sleep(COUNT_SECONDS + 1)
    assert scene.kube.status_of().running_copies == 0
    assert scene.checkup.calls == []


async def test_running_copies_are_counted_anew_where_somebody_else_wrote(scene: Scene) -> None:
    await scene.appears()
    scene.kube.put(KEY, generation=1)  # a label, which the watch has not brought yet
    scene.slots.change(PROJECT)
    await asyncio.sleep(2 * COUNT_SECONDS + 1)
    assert scene.kube.status_of().running_copies == 1


@pytest.mark.parametrize("key", [KEY, LOCAL], ids=str)
async def test_what_is_odd_about_a_secret_is_told_once_for_each_version_of_it(scene: Scene, key: ProviderKey) -> None:
    scene.checkup.warnings = ("key password of Secret ops/s ends with a line break, which is left out",)
    scene.checkup.finds = REFUSED
    await scene.appears(key)
    await asyncio.sleep(300)
    [event] = scene.kube.events
    assert (event["type"], event["reason"], event["message"]) == (
        "Warning", "SecretUnusual", scene.checkup.warnings[0],
    )  # fmt: skip
    assert event["metadata"]["namespace"] == (key.namespace or "default")  # type: ignore[index]
    assert event["involvedObject"]["kind"] == key.kind.value  # type: ignore[index]
    await scene.statuses.aclose()
    scene.process()
    scene.see(key, None)
    await asyncio.sleep(60)
    assert scene.kube.events[-1]["metadata"]["name"] == event["metadata"]["name"], "the API server knows it already"  # type: ignore[index]
    scene.checkup.version = ("p", 1, "s", "2")
    await asyncio.sleep(61)
    assert len({one["metadata"]["name"] for one in scene.kube.events}) == 2  # type: ignore[index]


async def test_a_check_that_raises_is_tried_again_later(scene: Scene) -> None:
    def fail() -> None:
        scene.checkup.during = None
        raise RuntimeError("bug")

    scene.checkup.during = fail
    await scene.appears()
    assert scene.kube.told() is None
    await asyncio.sleep(61)
    assert scene.kube.told() == (ConditionStatus.TRUE, ProviderReason.AVAILABLE)
