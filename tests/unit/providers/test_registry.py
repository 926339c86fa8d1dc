"""The registry of providers: what it lends, and what it calls back."""

import pytest

from imagecopy.ims import Allowlist, CredentialsInvalid
from imagecopy.providers.client_cache import READ_SECONDS
from imagecopy.providers.registry import ProviderRegistry
from unit.copies.builders import Clock, FakeKube
from unit.providers.builders import CLUSTER, KEY, PASSWORD, SECRET_AT, Callbacks, is_closed, secret, trouble, use


async def test_closing_closes_every_client(kube: FakeKube, clock: Clock) -> None:
    registry = ProviderRegistry(kube, Allowlist.default(), clock=clock.monotonic)
    client = await use(registry)
    await registry.aclose()
    assert is_closed(client)


async def test_uses_and_changes_are_called_back(registry: ProviderRegistry, kube: FakeKube, clock: Clock) -> None:
    callbacks = Callbacks(registry)
    await use(registry)
    await use(registry)
    assert (len(callbacks.uses), callbacks.changes) == (2, ["ClusterImageProvider default"])
    kube.secrets[SECRET_AT] = secret("2")
    clock.seconds += READ_SECONDS
    await use(registry)
    assert len(callbacks.changes) == 2
    del kube.secrets[SECRET_AT]
    for _ in range(3):
        clock.seconds += READ_SECONDS
        await trouble(registry)
    assert len(callbacks.changes) == 3, "the same trouble is no change"


async def test_a_refused_login_is_called_back_once_and_names_the_secret(registry: ProviderRegistry) -> None:
    callbacks = Callbacks(registry)
    await use(registry)
    for _ in range(3):
        with pytest.raises(CredentialsInvalid, match=r"the login is from Secret imagecopy-system/otc"):
            async with registry.access("team-a", CLUSTER):
                raise CredentialsInvalid("wrong password")
    assert len(callbacks.changes) == 2


async def test_a_check_shares_the_client_of_the_copies(registry: ProviderRegistry, kube: FakeKube) -> None:
    callbacks = Callbacks(registry)
    client = await use(registry)
    async with registry.inspect(KEY) as found:
        assert found.client is client
        assert found.secret_version == "s-1/1"
        assert found.version == registry.record(KEY).client.version
    assert len(callbacks.uses) == 1


async def test_warnings_about_a_secret_are_kept_with_its_client(registry: ProviderRegistry, kube: FakeKube) -> None:
    kube.secrets[SECRET_AT] = secret(password=f"{PASSWORD}\n")
    async with registry.inspect(KEY) as found:
        [warning] = found.warnings
    assert "password" in warning
    assert PASSWORD not in warning


async def test_a_record_that_ended_calls_nothing_back(registry: ProviderRegistry) -> None:
    async with registry.access("team-a", CLUSTER):
        callbacks = Callbacks(registry)
        registry.gone(KEY)
        with pytest.raises(CredentialsInvalid):
            async with registry.access("team-a", CLUSTER):
                raise CredentialsInvalid("wrong password")
    assert callbacks.changes == [str(KEY)] * 2, "those of the new record"
