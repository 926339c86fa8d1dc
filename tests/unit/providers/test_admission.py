"""Which namespaces may use a ClusterImageProvider, and that nothing of it is used for the others."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from imagecopy.api.imagecopy import ProviderRef
from imagecopy.flow.observation import Cause
from imagecopy.ims import Allowlist
from imagecopy.kube.errors import KubeError, Missing, Refused, Unavailable
from imagecopy.providers.admission import LABELS_SECONDS
from imagecopy.providers.objects import ProviderKey, Unusable
from imagecopy.providers.registry import CHECK_SECONDS, Providers
from unit.copies.builders import Clock, FakeKube
from unit.providers.test_registry import CLUSTER, CLUSTER_KEY, SECRET_KEY, provider, secret

_SELECTS = {"selector": {"matchLabels": {"images": "golden"}}}


class _Kube(FakeKube):
    def __init__(self) -> None:
        super().__init__()
        self.labels: dict[str, dict[str, str]] = {}
        self.no_labels: KubeError | None = None
        self.secrets_read = 0
        self.labels_read = 0

    async def secret(self, namespace: str, name: str) -> Any:
        self.secrets_read += 1
        return await super().secret(namespace, name)

    async def namespace_labels(self, name: str) -> dict[str, str]:
        self.labels_read += 1
        if self.no_labels:
            raise self.no_labels
        return self.labels.get(name, {})


class _Listener:
    def __init__(self) -> None:
        self.told: list[ProviderKey] = []

    def used(self, key: ProviderKey) -> None:
        self.told.append(key)

    def changed(self, key: ProviderKey) -> None:
        self.told.append(key)


@pytest.fixture
def kube() -> _Kube:
    kube = _Kube()
    kube.secrets[SECRET_KEY] = secret()
    return kube


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def providers(kube: _Kube, clock: Clock) -> AsyncIterator[Providers]:
    providers = Providers(kube, Allowlist.default(), clock=clock.monotonic)
    yield providers
    await providers.aclose()


async def _use(providers: Providers, namespace: str, ref: ProviderRef = CLUSTER) -> None:
    async with providers.access(namespace, ref):
        pass


async def _refusal(providers: Providers, namespace: str) -> str:
    with pytest.raises(Unusable) as caught:
        await _use(providers, namespace)
    assert caught.value.trouble.cause is Cause.PROVIDER_INVALID
    return caught.value.trouble.message


async def test_a_namespace_that_is_not_named_is_refused_before_a_secret_is_read(
    providers: Providers, kube: _Kube
) -> None:
    kube.others[CLUSTER_KEY] = provider(allowedNamespaces={"matchNames": ["team-b", "team-c"]})
    providers.listener = listener = _Listener()
    told = await _refusal(providers, "team-a")
    assert told.startswith("ClusterImageProvider default may not be used from namespace team-a: ")
    assert "spec.allowedNamespaces.matchNames" in told
    assert (kube.secrets_read, kube.labels_read, listener.told) == (0, 0, [])
    await _use(providers, "team-b")
    assert kube.secrets_read == 1


async def test_without_a_word_about_namespaces_every_one_may(providers: Providers, kube: _Kube) -> None:
    kube.others[CLUSTER_KEY] = provider()
    await _use(providers, "team-a")
    assert kube.labels_read == 0


async def test_a_selector_looks_at_labels_and_sees_a_change_within_seconds(
    providers: Providers, kube: _Kube, clock: Clock
) -> None:
    kube.others[CLUSTER_KEY] = provider(allowedNamespaces=_SELECTS)
    for _ in range(100):
        assert "spec.allowedNamespaces.selector" in await _refusal(providers, "team-a")
    assert (kube.labels_read, kube.secrets_read) == (1, 0)
    kube.labels["team-a"] = {"images": "golden"}
    clock.seconds += LABELS_SECONDS
    await _use(providers, "team-a")
    kube.labels["team-a"] = {}
    clock.seconds += LABELS_SECONDS
    await _refusal(providers, "team-a")


@pytest.mark.parametrize("error", [Refused("403 forbidden", 403), Missing("404 not found", 404)])
async def test_labels_that_may_not_be_read_let_nobody_in(providers: Providers, kube: _Kube, error: KubeError) -> None:
    kube.others[CLUSTER_KEY] = provider(allowedNamespaces=_SELECTS)
    kube.no_labels = error
    told = await _refusal(providers, "team-a")
    assert "the labels of namespace team-a can't be read" in told
    assert kube.secrets_read == 0


async def test_while_the_api_server_is_down_what_was_known_serves(
    providers: Providers, kube: _Kube, clock: Clock
) -> None:
    kube.others[CLUSTER_KEY] = provider(allowedNamespaces=_SELECTS)
    kube.labels["team-a"] = {"images": "golden"}
    await _use(providers, "team-a")
    kube.no_labels = kube.down = Unavailable("no answer")
    clock.seconds += 60
    await _use(providers, "team-a")
    with pytest.raises(Unusable) as caught:
        await _use(providers, "team-b")
    assert caught.value.trouble.cause is Cause.TRANSIENT


async def test_a_namespace_that_is_taken_off_the_list_is_refused(
    providers: Providers, kube: _Kube, clock: Clock
) -> None:
    kube.others[CLUSTER_KEY] = provider()
    await _use(providers, "team-a")
    kube.others[CLUSTER_KEY] = provider(2, allowedNamespaces={"matchNames": ["team-b"]})
    clock.seconds += CHECK_SECONDS
    await _refusal(providers, "team-a")


async def test_an_edit_that_the_watch_brought_counts_at_once(providers: Providers, kube: _Kube) -> None:
    kube.others[CLUSTER_KEY] = provider()
    await _use(providers, "team-a")
    kube.others[CLUSTER_KEY] = provider(2, allowedNamespaces={"matchNames": ["team-b"]})
    await _use(providers, "team-a")
    providers.renew(ProviderKey(CLUSTER.kind, "", "default"))
    await _refusal(providers, "team-a")
