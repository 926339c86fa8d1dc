"""Providers and their Secrets: what is read when, and which client serves."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from imagecopy import ims
from imagecopy.api.imagecopy import ProviderRef
from imagecopy.api.provider import ProviderKind
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.ims import Allowlist, CredentialsInvalid, ImsClient, ssl_context
from imagecopy.kube.client import Secret
from imagecopy.kube.errors import KubeError, Refused, Unavailable
from imagecopy.providers.objects import ProviderKey, Unusable
from imagecopy.providers.registry import CHECK_BROKEN_SECONDS, CHECK_SECONDS, Providers
from unit.copies.builders import Clock, FakeKube
from unit.ims.sockets import own_certificate

PASSWORD = "correct-horse-battery"
CLUSTER = ProviderRef()
LOCAL = ProviderRef(kind=ProviderKind.NAMESPACED, name="mine")
CLUSTER_KEY = ("clusterimageproviders", None, "default")
SECRET_KEY = ("imagecopy-system", "otc")


def provider(generation: int = 1, **changes: Any) -> dict[str, Any]:
    told = {
        "cloud": "OpenTelekomCloud",
        "region": "eu-de",
        "credentialsSecretRef": {"name": "otc", "namespace": "imagecopy-system"},
    }
    return {"metadata": {"uid": "p-1", "generation": generation}, "spec": told | changes}


def secret(version: str = "1", **changes: str) -> Secret:
    texts = {"username": "bot", "password": PASSWORD, "domainName": "OTC-1", "projectName": "eu-de"} | changes
    return Secret("s-1", version, {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()})


@pytest.fixture
def kube() -> FakeKube:
    kube = FakeKube()
    kube.others[CLUSTER_KEY] = provider()
    kube.secrets[SECRET_KEY] = secret()
    return kube


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def providers(kube: FakeKube, clock: Clock) -> AsyncIterator[Providers]:
    providers = Providers(kube, Allowlist.default(), clock=clock.monotonic)
    yield providers
    await providers.aclose()


async def use(providers: Providers, ref: ProviderRef = CLUSTER) -> ImsClient:
    async with providers.access("team-a", ref) as access:
        return access.client


async def trouble(providers: Providers, ref: ProviderRef = CLUSTER) -> Trouble:
    with pytest.raises(Unusable) as caught:
        await use(providers, ref)
    assert PASSWORD not in str(caught.value)
    return caught.value.trouble


def is_closed(client: ImsClient) -> bool:
    http: httpx.AsyncClient = client._http
    return http.is_closed


async def test_a_client_is_reused_while_nothing_changes(providers: Providers, kube: FakeKube, clock: Clock) -> None:
    client = await use(providers)
    for _ in range(100):
        clock.seconds += 1
        assert await use(providers) is client
    assert kube.reads <= 2 * (100 / CHECK_SECONDS + 1), "provider and Secret are read every few seconds at most"


async def test_a_hundred_callers_at_once_read_once_and_share_a_client(
    providers: Providers, kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on, read = asyncio.Event(), asyncio.Event(), kube.custom_object

    async def slowly(plural: str, name: str, namespace: str | None) -> dict[str, Any]:
        reading.set()
        await go_on.wait()
        return await read(plural, name, namespace)

    monkeypatch.setattr(kube, "custom_object", slowly)
    callers = [asyncio.create_task(use(providers)) for _ in range(100)]
    await reading.wait()
    go_on.set()
    assert len({id(client) for client in await asyncio.gather(*callers)}) == 1
    assert kube.reads == 2


async def test_a_caller_that_is_cancelled_while_it_reads_leaves_the_others_served(
    providers: Providers, kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, read = asyncio.Event(), kube.custom_object

    async def stuck_once(plural: str, name: str, namespace: str | None) -> dict[str, Any]:
        if not reading.is_set():
            reading.set()
            await asyncio.Event().wait()
        return await read(plural, name, namespace)

    monkeypatch.setattr(kube, "custom_object", stuck_once)
    first, second = asyncio.create_task(use(providers)), asyncio.create_task(use(providers))
    await reading.wait()
    first.cancel()
    assert not is_closed(await second)


async def test_a_provider_that_does_not_exist_is_named_with_what_to_do(providers: Providers) -> None:
    told = await trouble(providers, ProviderRef(name="nope"))
    assert told.cause is Cause.PROVIDER_MISSING
    assert told.message.startswith("ClusterImageProvider nope does not exist: create it")
    told = await trouble(providers, LOCAL)
    assert told.message.startswith("ImageProvider team-a/mine does not exist: create it")


async def test_a_secret_that_does_not_exist_is_named(providers: Providers, kube: FakeKube) -> None:
    del kube.secrets[SECRET_KEY]
    told = await trouble(providers)
    assert told.cause is Cause.PROVIDER_MISSING
    assert "Secret imagecopy-system/otc does not exist, ClusterImageProvider default needs it" in told.message


async def test_a_key_that_is_missing_is_named(providers: Providers, kube: FakeKube) -> None:
    kube.secrets[SECRET_KEY] = secret(password="")
    told = await trouble(providers)
    assert told.cause is Cause.PROVIDER_INVALID
    assert "Secret imagecopy-system/otc lacks password" in told.message


async def test_what_the_operator_may_not_read_is_named(
    providers: Providers, kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forbidden(namespace: str, name: str) -> Secret:
        raise Refused("403 forbidden", 403)

    monkeypatch.setattr(kube, "secret", forbidden)
    told = await trouble(providers)
    assert told.cause is Cause.PROVIDER_INVALID
    assert "may not read Secret imagecopy-system/otc" in told.message
    kube.down = Refused("403 forbidden", 403)
    assert "may not read ImageProvider team-a/mine" in (await trouble(providers, LOCAL)).message


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"endpoints": {"iam": "https://iam.evil.example"}}, "iam.evil.example"),
        ({"endpoints": {"ims": "https://ims.evil.example"}}, "ims.evil.example"),
        ({"cloud": None, "region": None}, "needs cloud and region, or endpoints.iam"),
        ({"cloud": "Unheard"}, "ClusterImageProvider default can't be read"),
        ({"credentialsSecretRef": None}, "ClusterImageProvider default can't be read"),
    ],
    ids=["login not allowed", "service not allowed", "nowhere to log in", "unknown cloud", "no Secret"],
)
async def test_a_provider_that_can_not_work_says_why(
    providers: Providers, kube: FakeKube, changes: dict[str, Any], word: str
) -> None:
    kube.others[CLUSTER_KEY] = provider(**changes)
    told = await trouble(providers)
    assert told.cause is Cause.PROVIDER_INVALID
    assert word in told.message


async def test_a_field_that_can_not_be_read_is_named(providers: Providers, kube: FakeKube) -> None:
    kube.others[CLUSTER_KEY] = provider(cloud="Unheard")
    assert "spec.cloud" in (await trouble(providers)).message


async def test_a_namespaced_provider_takes_the_secret_of_its_own_namespace(
    providers: Providers, kube: FakeKube, clock: Clock
) -> None:
    stolen = {"name": "otc", "namespace": "imagecopy-system"}
    kube.others[("imageproviders", "team-a", "mine")] = provider(credentialsSecretRef=stolen)
    assert "Secret team-a/otc does not exist" in (await trouble(providers, LOCAL)).message
    kube.secrets[("team-a", "otc")] = secret()
    clock.seconds += CHECK_BROKEN_SECONDS
    assert not is_closed(await use(providers, LOCAL))


async def test_what_is_missing_is_picked_up_soon_after_it_appears(
    providers: Providers, kube: FakeKube, clock: Clock
) -> None:
    del kube.secrets[SECRET_KEY]
    await trouble(providers)
    kube.secrets[SECRET_KEY] = secret()
    await trouble(providers)
    clock.seconds += CHECK_BROKEN_SECONDS
    assert not is_closed(await use(providers))


async def test_what_is_missing_is_not_read_for_each_object_that_waits(providers: Providers, kube: FakeKube) -> None:
    del kube.others[CLUSTER_KEY]
    for _ in range(1000):
        await trouble(providers)
    assert kube.reads == 1


@pytest.mark.parametrize("what", ["Secret", "provider"])
async def test_a_change_brings_another_client(providers: Providers, kube: FakeKube, clock: Clock, what: str) -> None:
    client = await use(providers)
    if what == "Secret":
        kube.secrets[SECRET_KEY] = secret("2", password="another")
    else:
        kube.others[CLUSTER_KEY] = provider(2, region="eu-nl")
    assert await use(providers) is client, "before the time to check has come"
    clock.seconds += CHECK_SECONDS
    assert await use(providers) is not client
    assert is_closed(client)


async def test_a_client_that_was_replaced_is_closed_when_its_last_user_is_done(
    providers: Providers, kube: FakeKube, clock: Clock
) -> None:
    async with providers.access("team-a", CLUSTER) as lent:
        client = lent.client
        async with providers.access("team-a", CLUSTER) as again:
            assert again.client is client
            kube.secrets[SECRET_KEY] = secret("2")
            clock.seconds += CHECK_SECONDS
            assert await use(providers) is not client
            assert not is_closed(client)
        assert not is_closed(client)
    assert is_closed(client)


async def test_a_provider_that_is_taken_away_serves_no_more(providers: Providers, kube: FakeKube, clock: Clock) -> None:
    async with providers.access("team-a", CLUSTER) as lent:
        client = lent.client
        del kube.others[CLUSTER_KEY]
        clock.seconds += CHECK_SECONDS
        assert (await trouble(providers)).cause is Cause.PROVIDER_MISSING
        assert not is_closed(client)
    assert is_closed(client)


async def test_the_client_goes_on_serving_while_the_api_server_is_down(
    providers: Providers, kube: FakeKube, clock: Clock
) -> None:
    client = await use(providers)
    kube.down = Unavailable("no answer")
    for _ in range(20):
        clock.seconds += CHECK_SECONDS
        assert await use(providers) is client
    assert not is_closed(client)
    kube.down = None
    clock.seconds += CHECK_SECONDS
    assert await use(providers) is client


@pytest.mark.parametrize("error", [Unavailable("no answer"), KubeError("odd", 500)])
async def test_without_a_client_an_api_server_that_is_down_is_a_passing_trouble(
    providers: Providers, kube: FakeKube, clock: Clock, error: KubeError
) -> None:
    kube.down = error
    assert (await trouble(providers)).cause is Cause.TRANSIENT
    kube.down = None
    clock.seconds += CHECK_BROKEN_SECONDS
    assert not is_closed(await use(providers))


async def test_closing_closes_every_client(kube: FakeKube, clock: Clock) -> None:
    providers = Providers(kube, Allowlist.default(), clock=clock.monotonic)
    client = await use(providers)
    await providers.aclose()
    assert is_closed(client)


class _Listener:
    def __init__(self) -> None:
        self.uses: list[str] = []
        self.changes: list[str] = []

    def used(self, key: ProviderKey) -> None:
        self.uses.append(str(key))

    def changed(self, key: ProviderKey) -> None:
        self.changes.append(str(key))


KEY = ProviderKey(ProviderKind.CLUSTER, "", "default")


async def test_uses_and_changes_are_told(providers: Providers, kube: FakeKube, clock: Clock) -> None:
    providers.listener = listener = _Listener()
    await use(providers)
    await use(providers)
    assert (len(listener.uses), listener.changes) == (2, ["ClusterImageProvider default"])
    kube.secrets[SECRET_KEY] = secret("2")
    clock.seconds += CHECK_SECONDS
    await use(providers)
    assert len(listener.changes) == 2
    del kube.secrets[SECRET_KEY]
    for _ in range(3):
        clock.seconds += CHECK_SECONDS
        await trouble(providers)
    assert len(listener.changes) == 3, "the same trouble is no change"


async def test_a_refused_login_is_told_once_and_names_the_secret(providers: Providers) -> None:
    providers.listener = listener = _Listener()
    await use(providers)
    for _ in range(3):
        with pytest.raises(CredentialsInvalid, match=r"the login is from Secret imagecopy-system/otc"):
            async with providers.access("team-a", CLUSTER):
                raise CredentialsInvalid("wrong password")
    assert len(listener.changes) == 2


async def test_a_look_at_the_provider_itself_shares_the_client_of_the_copies(
    providers: Providers, kube: FakeKube
) -> None:
    providers.listener = listener = _Listener()
    client = await use(providers)
    async with providers.inspect(KEY) as found:
        assert found.client is client
        assert found.secret_version == "s-1/1"
        assert found.made_from == providers.version(KEY)
    assert len(listener.uses) == 1


async def test_what_is_odd_about_a_secret_is_kept_with_its_client(providers: Providers, kube: FakeKube) -> None:
    kube.secrets[SECRET_KEY] = secret(password=f"{PASSWORD}\n")
    async with providers.inspect(KEY) as found:
        [warning] = found.warnings
    assert "password" in warning
    assert PASSWORD not in warning


async def test_one_that_is_gone_is_closed(providers: Providers) -> None:
    client = await use(providers)
    await providers.drop(KEY)
    assert is_closed(client)
    assert providers.version(KEY) is None


async def test_a_ca_bundle_is_trusted_by_login_and_image_service_alike(
    providers: Providers, kube: FakeKube, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    login_trusts: list[object] = []
    real = ims.auth_for

    def auth_for(credentials: ims.Credentials, iam: str, wire: ims.Wire, **options: Any) -> ims.ImsAuth:
        login_trusts.append(wire.context)
        return real(credentials, iam, wire, **options)

    monkeypatch.setattr(ims, "auth_for", auth_for)
    _, bundle = own_certificate()
    _, another = own_certificate()
    kube.others[CLUSTER_KEY] = provider(caBundle=bundle)
    client = await use(providers)
    assert client._wire.context is ssl_context(bundle)
    kube.others[CLUSTER_KEY] = provider(2, caBundle=another)
    clock.seconds += CHECK_SECONDS
    assert (await use(providers))._wire.context is ssl_context(another)
    assert login_trusts == [ssl_context(bundle), ssl_context(another)]


async def test_a_ca_bundle_that_can_not_be_read_is_named(providers: Providers, kube: FakeKube) -> None:
    kube.others[CLUSTER_KEY] = provider(caBundle="-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    told = await trouble(providers)
    assert told.cause is Cause.PROVIDER_INVALID
    assert told.message.startswith("spec.caBundle of ClusterImageProvider default: the CA bundle can't be read")
