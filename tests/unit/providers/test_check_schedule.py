"""When providers are checked, and how often the cloud is called for that."""

import asyncio

import pytest

from imagecopy.api.conditions import ConditionStatus, ProviderReason
from imagecopy.api.provider import ProviderKind
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.providers.objects import ProviderKey
from unit.providers.builders import KEY
from unit.providers.scene import AVAILABLE, CREDENTIALS_INVALID, REFUSED, UNREACHABLE, WORKS, Scene

pytestmark = pytest.mark.looptime


async def test_a_new_provider_is_checked_at_once_with_one_call_and_one_write(scene: Scene) -> None:
    await scene.appears()
    assert scene.kube.ready() == AVAILABLE
    assert (len(scene.checks.calls), len(scene.kube.provider_writes)) == (1, 1)
    assert scene.kube.status_of().running_copies == 0
    assert scene.metrics == [("default", True)]


async def test_a_provider_that_works_and_is_not_used_costs_nothing(scene: Scene) -> None:
    await scene.appears()
    scene.clear()
    await asyncio.sleep(100_000)
    assert (scene.checks.made, scene.kube.provider_writes) == ([], [])


async def test_a_used_provider_is_checked_every_few_minutes_and_written_only_when_something_changed(
    scene: Scene,
) -> None:
    await scene.appears()
    scene.clear()
    for _ in range(3600):
        scene.use()
        await asyncio.sleep(1)
    assert 11 <= len(scene.checks.calls) <= 12
    assert scene.kube.provider_writes == []


async def test_without_periodic_checks_a_used_provider_is_not_checked_again(scene: Scene) -> None:
    scene.start(check_seconds=0)
    await scene.appears()
    scene.clear()
    for _ in range(100):
        scene.use()
        await asyncio.sleep(60)
    assert scene.checks.made == []


async def test_a_new_spec_is_checked_at_once(scene: Scene) -> None:
    await scene.appears()
    scene.clear()
    scene.checks.finding = Trouble(Cause.PROVIDER_INVALID, "no such host")
    scene.kube.put(KEY)
    scene.see()
    await asyncio.sleep(1)
    assert scene.kube.ready() == (ConditionStatus.FALSE, ProviderReason.INVALID_CONFIGURATION)
    assert scene.kube.status_of().observed_generation == 2
    assert scene.registry.caches[KEY].expired == 1


async def test_a_refused_login_is_tried_at_its_own_pace_while_the_secret_is_read_more_often(scene: Scene) -> None:
    scene.checks.finding = REFUSED
    await scene.appears()
    await asyncio.sleep(600)
    assert len(scene.checks.calls) <= 11, "one login a minute, as its circuit breaker asks"
    assert len(scene.checks.made) > 2 * len(scene.checks.calls) - 8
    assert len(scene.kube.provider_writes) == 1


async def test_a_changed_secret_of_a_broken_provider_is_used_within_seconds(scene: Scene) -> None:
    scene.checks.finding = REFUSED
    await scene.appears()
    await asyncio.sleep(7)
    scene.checks.finding, scene.checks.version = WORKS, ("p", 1, "s", "2")
    await asyncio.sleep(6)
    assert scene.kube.ready() == AVAILABLE
    scene.clear()
    await asyncio.sleep(3600)
    assert scene.checks.made == [], "it works, and is not used"


async def test_a_missing_secret_is_waited_for_without_a_call(scene: Scene) -> None:
    scene.checks.finding = Trouble(Cause.PROVIDER_MISSING, "Secret ops/s does not exist")
    await scene.appears()
    await asyncio.sleep(3600)
    assert scene.kube.ready() == (ConditionStatus.FALSE, ProviderReason.WAITING_FOR_SECRET)
    assert scene.checks.calls == []
    assert len(scene.checks.made) < 100
    scene.checks.finding = WORKS
    await asyncio.sleep(61)
    assert scene.kube.ready() == AVAILABLE


async def test_a_passing_error_of_a_ready_provider_is_reported_when_it_was_found_twice(scene: Scene) -> None:
    await scene.appears()
    scene.checks.finding = UNREACHABLE
    scene.change()
    await asyncio.sleep(1)
    assert scene.kube.ready() == AVAILABLE
    await asyncio.sleep(6)
    assert scene.kube.ready() == (ConditionStatus.FALSE, ProviderReason.TRANSIENT_ERROR)
    scene.checks.finding = WORKS
    await asyncio.sleep(20)
    assert scene.kube.ready() == AVAILABLE


async def test_a_change_that_a_copy_found_is_checked_at_once(scene: Scene) -> None:
    await scene.appears()
    scene.checks.finding = REFUSED
    scene.change()
    await asyncio.sleep(1)
    assert scene.kube.ready() == CREDENTIALS_INVALID


async def test_the_client_that_a_check_makes_causes_no_other_check(scene: Scene) -> None:
    scene.checks.during = scene.change
    await scene.appears()
    await asyncio.sleep(60)
    assert len(scene.checks.calls) == 1


async def test_a_secret_that_changes_during_a_check_is_checked_again(scene: Scene) -> None:
    def change_secret() -> None:
        scene.checks.finding, scene.checks.version = REFUSED, ("p", 1, "s", "2")
        scene.change()

    scene.checks.during = change_secret
    await scene.appears()
    assert scene.kube.ready() == CREDENTIALS_INVALID


async def test_a_start_checks_no_ready_provider_and_spreads_the_checks_of_the_others(scene: Scene) -> None:
    await scene.appears()
    for number in range(100):
        scene.kube.put(ProviderKey(ProviderKind.CLUSTER, "", f"new-{number}"))
    await scene.stop()
    scene.clear()
    scene.start()
    begin = asyncio.get_running_loop().time()
    for key in scene.kube.bodies:
        scene.see(key, is_listed=True)
    await asyncio.sleep(120)
    assert len(scene.checks.calls) == 100
    assert max(scene.checks.calls) - begin > 5
    assert len(scene.kube.provider_writes) == 100


async def test_after_a_start_the_checks_of_used_providers_are_spread(scene: Scene) -> None:
    keys = [ProviderKey(ProviderKind.CLUSTER, "", f"p-{number}") for number in range(20)]
    for key in keys:
        await scene.appears(key)
    await scene.stop()
    scene.start()
    scene.clear()
    for key in keys:
        scene.see(key, is_listed=True)
    for _ in range(300):
        for key in keys:
            scene.use(key)
        await asyncio.sleep(1)
    times = sorted(scene.checks.calls)
    assert 15 <= len(times) <= 40
    assert times[-1] - times[0] > 60


async def test_a_deleted_provider_is_forgotten(scene: Scene) -> None:
    scene.checks.finding = REFUSED
    await scene.appears()
    del scene.kube.bodies[KEY]
    scene.controller.gone(KEY)
    scene.clear()
    await asyncio.sleep(600)
    assert scene.checks.made == []
    assert scene.registry.records == []
    assert scene.registry.caches[KEY].is_retired
    assert scene.metrics[-1] == ("default", None)


async def test_a_provider_that_never_existed_is_not_checked_for_ever(scene: Scene) -> None:
    scene.checks.finding = Trouble(Cause.PROVIDER_MISSING, "does not exist")
    scene.change()
    await asyncio.sleep(600)
    assert len(scene.checks.made) == 1
    assert scene.metrics == [("default", False), ("default", None)]


async def test_a_provider_that_may_not_be_watched_is_checked_when_it_is_used(scene: Scene) -> None:
    scene.kube.put(KEY)
    scene.use()
    await asyncio.sleep(1)
    assert scene.kube.ready() == AVAILABLE
    scene.kube.put(KEY)
    await asyncio.sleep(300)
    scene.use()
    await asyncio.sleep(1)
    assert scene.kube.status_of().observed_generation == 2


async def test_with_namespaces_a_cluster_provider_is_checked_by_the_operator_of_its_secret(scene: Scene) -> None:
    scene.start(namespaces=("team-a",))
    await scene.appears(secret_namespace="ops")
    assert scene.checks.made == []
    another = ProviderKey(ProviderKind.CLUSTER, "", "another")
    await scene.appears(another, secret_namespace="team-a")
    assert scene.kube.ready(another) == AVAILABLE


async def test_with_namespaces_a_cluster_provider_is_checked_while_copies_use_it(scene: Scene) -> None:
    scene.start(namespaces=("team-a",))
    scene.checks.finding = REFUSED
    await scene.appears(secret_namespace="ops")
    scene.use()
    await asyncio.sleep(1)
    assert scene.kube.ready() == CREDENTIALS_INVALID
    await asyncio.sleep(1000)
    scene.clear()
    await asyncio.sleep(3600)
    assert scene.checks.made == []


async def test_a_spec_that_is_edited_during_a_check_is_checked_again(scene: Scene) -> None:
    scene.checks.during = lambda: scene.kube.put(KEY)
    await scene.appears()
    assert scene.kube.status_of().observed_generation == 2
    assert len(scene.checks.calls) == 2


async def test_a_check_that_raises_is_made_again_later(scene: Scene) -> None:
    def fail() -> None:
        raise RuntimeError("bug")

    scene.checks.during = fail
    await scene.appears()
    assert scene.kube.ready() is None
    await asyncio.sleep(61)
    assert scene.kube.ready() == AVAILABLE


async def test_closing_ends_all_checks_and_gives_the_callbacks_back(scene: Scene) -> None:
    scene.checks.finding = REFUSED
    await scene.appears()
    await scene.controller.aclose()
    assert (scene.registry.on_use, scene.registry.on_change, scene.running.on_change) == (None, None, None)
    scene.clear()
    await asyncio.sleep(600)
    assert scene.checks.made == []
