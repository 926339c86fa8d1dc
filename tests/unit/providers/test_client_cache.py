"""The client of a provider: how long it is cached, when it is replaced, and when it is closed."""

import asyncio
from typing import Any

import pytest

from imagecopy.flow.observation import Cause, Trouble
from imagecopy.kube.errors import KubeError, Unavailable
from imagecopy.providers.client_cache import READ_BROKEN_SECONDS, READ_SECONDS
from imagecopy.providers.registry import ProviderRegistry
from unit.copies.builders import Clock, FakeKube
from unit.providers.builders import CLUSTER, KEY, PROVIDER_AT, SECRET_AT, is_closed, provider, secret, trouble, use


async def test_a_client_is_reused_while_nothing_changes(
    registry: ProviderRegistry, kube: FakeKube, clock: Clock
) -> None:
    client = await use(registry)
    for _ in range(100):
        clock.seconds += 1
        assert await use(registry) is client
    assert kube.reads <= 2 * (100 / READ_SECONDS + 1), "provider and Secret are read every few seconds at most"


async def test_a_hundred_callers_at_once_read_once_and_share_a_client(
    registry: ProviderRegistry, kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on, read = asyncio.Event(), asyncio.Event(), kube.custom_object

    async def slowly(plural: str, name: str, namespace: str | None) -> dict[str, Any]:
        reading.set()
        await go_on.wait()
        return await read(plural, name, namespace)

    monkeypatch.setattr(kube, "custom_object", slowly)
    callers = [asyncio.create_task(use(registry)) for _ in range(100)]
    await reading.wait()
    go_on.set()
    assert len({id(client) for client in await asyncio.gather(*callers)}) == 1
    assert kube.reads == 2


async def test_a_caller_that_is_cancelled_while_it_reads_does_not_cancel_the_others(
    registry: ProviderRegistry, kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, read = asyncio.Event(), kube.custom_object

    async def stuck_once(plural: str, name: str, namespace: str | None) -> dict[str, Any]:
        if not reading.is_set():
            reading.set()
            await asyncio.Event().wait()
        return await read(plural, name, namespace)

    monkeypatch.setattr(kube, "custom_object", stuck_once)
    first, second = asyncio.create_task(use(registry)), asyncio.create_task(use(registry))
    await reading.wait()
    first.cancel()
    assert not is_closed(await second)


async def test_a_missing_secret_is_used_soon_after_it_is_created(
    registry: ProviderRegistry, kube: FakeKube, clock: Clock
) -> None:
    del kube.secrets[SECRET_AT]
    await trouble(registry)
    kube.secrets[SECRET_AT] = secret()
    await trouble(registry)
    clock.seconds += READ_BROKEN_SECONDS
    assert not is_closed(await use(registry))


async def test_a_missing_provider_is_not_read_for_each_copy_that_waits(
    registry: ProviderRegistry, kube: FakeKube
) -> None:
    del kube.others[PROVIDER_AT]
    for _ in range(1000):
        await trouble(registry)
    assert kube.reads == 1


@pytest.mark.parametrize("what", ["Secret", "provider"])
async def test_a_change_replaces_the_client(
    registry: ProviderRegistry, kube: FakeKube, clock: Clock, what: str
) -> None:
    client = await use(registry)
    if what == "Secret":
        kube.secrets[SECRET_AT] = secret("2", password="another")
    else:
        kube.others[PROVIDER_AT] = provider(2, region="eu-nl")
    assert await use(registry) is client, "before it is read again"
    clock.seconds += READ_SECONDS
    assert await use(registry) is not client
    assert is_closed(client)


async def test_a_replaced_client_is_closed_when_its_last_user_is_done(
    registry: ProviderRegistry, kube: FakeKube, clock: Clock
) -> None:
    async with registry.access("team-a", CLUSTER) as lent:
        client = lent.client
        async with registry.access("team-a", CLUSTER) as again:
            assert again.client is client
            kube.secrets[SECRET_AT] = secret("2")
            clock.seconds += READ_SECONDS
            assert await use(registry) is not client
            assert not is_closed(client)
        assert not is_closed(client)
    assert is_closed(client)


async def test_a_deleted_provider_can_not_be_used_any_more(
    registry: ProviderRegistry, kube: FakeKube, clock: Clock
) -> None:
    async with registry.access("team-a", CLUSTER) as lent:
        client = lent.client
        del kube.others[PROVIDER_AT]
        clock.seconds += READ_SECONDS
        assert (await trouble(registry)).cause is Cause.PROVIDER_MISSING
        assert not is_closed(client)
    assert is_closed(client)


async def test_the_client_is_used_while_the_api_server_is_down(
    registry: ProviderRegistry, kube: FakeKube, clock: Clock
) -> None:
    client = await use(registry)
    kube.down = Unavailable("no answer")
    for _ in range(20):
        clock.seconds += READ_SECONDS
        assert await use(registry) is client
    assert not is_closed(client)
    kube.down = None
    clock.seconds += READ_SECONDS
    assert await use(registry) is client


@pytest.mark.parametrize("error", [Unavailable("no answer"), KubeError("odd", 500)])
async def test_without_a_client_an_api_server_that_is_down_is_transient(
    registry: ProviderRegistry, kube: FakeKube, clock: Clock, error: KubeError
) -> None:
    kube.down = error
    assert (await trouble(registry)).cause is Cause.TRANSIENT
    kube.down = None
    clock.seconds += READ_BROKEN_SECONDS
    assert not is_closed(await use(registry))


async def test_the_client_of_a_deleted_provider_is_closed(registry: ProviderRegistry) -> None:
    client = await use(registry)
    registry.gone(KEY)
    await asyncio.sleep(0)
    assert is_closed(client)
    assert registry.find(KEY) is None


async def test_a_copy_that_waits_for_the_client_of_a_deleted_provider_learns_that_it_is_gone(
    registry: ProviderRegistry, kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on, read = asyncio.Event(), asyncio.Event(), kube.secret

    async def slowly(namespace: str, name: str) -> Any:
        reading.set()
        await go_on.wait()
        return await read(namespace, name)

    monkeypatch.setattr(kube, "secret", slowly)
    first, second = asyncio.create_task(use(registry)), asyncio.create_task(trouble(registry))
    await reading.wait()
    registry.gone(KEY)
    go_on.set()
    client, found = await first, await second
    assert is_closed(client)
    assert found == Trouble(Cause.PROVIDER_MISSING, "ClusterImageProvider default was deleted: create it again")
