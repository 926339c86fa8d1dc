"""Which namespaces may use a ClusterImageProvider, and that nothing of it is used for the others."""

from typing import Any

import pytest

from imagecopy.flow.observation import Cause
from imagecopy.kube.errors import KubeError, Missing, Refused, Unavailable
from imagecopy.providers.admission import LABELS_SECONDS
from imagecopy.providers.client_cache import READ_SECONDS
from imagecopy.providers.registry import ProviderRegistry
from unit.copies.builders import Clock, FakeKube
from unit.providers.builders import KEY, PROVIDER_AT, SECRET_AT, Callbacks, provider, secret, trouble, use

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


@pytest.fixture
def kube() -> _Kube:
    kube = _Kube()
    kube.secrets[SECRET_AT] = secret()
    return kube


async def _refusal(registry: ProviderRegistry, namespace: str) -> str:
    found = await trouble(registry, namespace=namespace)
    assert found.cause is Cause.PROVIDER_INVALID
    return found.message


async def test_a_namespace_that_is_not_listed_is_refused_before_a_secret_is_read(
    registry: ProviderRegistry, kube: _Kube
) -> None:
    kube.others[PROVIDER_AT] = provider(allowedNamespaces={"matchNames": ["team-b", "team-c"]})
    callbacks = Callbacks(registry)
    message = await _refusal(registry, "team-a")
    assert message.startswith("ClusterImageProvider default may not be used from namespace team-a: ")
    assert "spec.allowedNamespaces.matchNames" in message
    assert (kube.secrets_read, kube.labels_read, callbacks.uses, callbacks.changes) == (0, 0, [], [])
    await use(registry, namespace="team-b")
    assert kube.secrets_read == 1


async def test_without_allowed_namespaces_every_namespace_may_use_it(registry: ProviderRegistry, kube: _Kube) -> None:
    kube.others[PROVIDER_AT] = provider()
    await use(registry, namespace="team-a")
    assert kube.labels_read == 0


async def test_a_selector_reads_labels_and_sees_a_change_within_seconds(
    registry: ProviderRegistry, kube: _Kube, clock: Clock
) -> None:
    kube.others[PROVIDER_AT] = provider(allowedNamespaces=_SELECTS)
    for _ in range(100):
        assert "spec.allowedNamespaces.selector" in await _refusal(registry, "team-a")
    assert (kube.labels_read, kube.secrets_read) == (1, 0)
    kube.labels["team-a"] = {"images": "golden"}
    clock.seconds += LABELS_SECONDS
    await use(registry, namespace="team-a")
    kube.labels["team-a"] = {}
    clock.seconds += LABELS_SECONDS
    await _refusal(registry, "team-a")


@pytest.mark.parametrize("error", [Refused("403 forbidden", 403), Missing("404 not found", 404)])
async def test_a_namespace_whose_labels_can_not_be_read_is_refused(
    registry: ProviderRegistry, kube: _Kube, error: KubeError
) -> None:
    kube.others[PROVIDER_AT] = provider(allowedNamespaces=_SELECTS)
    kube.no_labels = error
    message = await _refusal(registry, "team-a")
    assert "the labels of namespace team-a, which spec.allowedNamespaces.selector" in message
    assert kube.secrets_read == 0


async def test_while_the_api_server_is_down_the_last_labels_are_used(
    registry: ProviderRegistry, kube: _Kube, clock: Clock
) -> None:
    kube.others[PROVIDER_AT] = provider(allowedNamespaces=_SELECTS)
    kube.labels["team-a"] = {"images": "golden"}
    await use(registry, namespace="team-a")
    kube.no_labels = kube.down = Unavailable("no answer")
    clock.seconds += 60
    await use(registry, namespace="team-a")
    assert (await trouble(registry, namespace="team-b")).cause is Cause.TRANSIENT


async def test_a_namespace_that_is_removed_from_the_list_is_refused(
    registry: ProviderRegistry, kube: _Kube, clock: Clock
) -> None:
    kube.others[PROVIDER_AT] = provider()
    await use(registry, namespace="team-a")
    kube.others[PROVIDER_AT] = provider(2, allowedNamespaces={"matchNames": ["team-b"]})
    clock.seconds += READ_SECONDS
    await _refusal(registry, "team-a")


async def test_an_edit_that_the_watch_brought_is_used_at_once(registry: ProviderRegistry, kube: _Kube) -> None:
    kube.others[PROVIDER_AT] = provider()
    await use(registry, namespace="team-a")
    kube.others[PROVIDER_AT] = provider(2, allowedNamespaces={"matchNames": ["team-b"]})
    await use(registry, namespace="team-a")
    registry.record(KEY).client.expire_provider()
    await _refusal(registry, "team-a")
