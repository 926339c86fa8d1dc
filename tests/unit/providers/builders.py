"""A provider with its Secret as the API server has them, and a copy that uses it."""

import base64
from typing import Any

import httpx
import pytest

from imagecopy.api.imagecopy import ProviderRef
from imagecopy.api.provider import ProviderKind
from imagecopy.flow.observation import Trouble
from imagecopy.ims import ImsClient
from imagecopy.kube.client import Secret
from imagecopy.providers.objects import ProviderKey, Unusable
from imagecopy.providers.record import ProviderRecord
from imagecopy.providers.registry import ProviderRegistry

PASSWORD = "correct-horse-battery"

CLUSTER = ProviderRef()
LOCAL = ProviderRef(kind=ProviderKind.NAMESPACED, name="mine")
KEY = ProviderKey(ProviderKind.CLUSTER, "", "default")
LOCAL_KEY = ProviderKey(ProviderKind.NAMESPACED, "team-a", "mine")

PROVIDER_AT = ("clusterimageproviders", None, "default")
SECRET_AT = ("imagecopy-system", "otc")


def provider(generation: int = 1, **changes: Any) -> dict[str, Any]:
    spec = {
        "cloud": "OpenTelekomCloud",
        "region": "eu-de",
        "credentialsSecretRef": {"name": "otc", "namespace": "imagecopy-system"},
    }
    return {"metadata": {"uid": "p-1", "generation": generation}, "spec": spec | changes}


def secret(version: str = "1", **changes: str) -> Secret:
    texts = {"username": "bot", "password": PASSWORD, "domainName": "OTC-1", "projectName": "eu-de"} | changes
    return Secret("s-1", version, {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()})


async def use(registry: ProviderRegistry, ref: ProviderRef = CLUSTER, namespace: str = "team-a") -> ImsClient:
    """Use the provider for a moment, as a copy does."""
    async with registry.access(namespace, ref) as access:
        return access.client


async def trouble(registry: ProviderRegistry, ref: ProviderRef = CLUSTER, namespace: str = "team-a") -> Trouble:
    """Return why a copy can't use the provider."""
    with pytest.raises(Unusable) as caught:
        await use(registry, ref, namespace)
    assert PASSWORD not in str(caught.value)
    return caught.value.trouble


def is_closed(client: ImsClient) -> bool:
    http: httpx.AsyncClient = client._http
    return http.is_closed


class Callbacks:
    """Takes the callbacks of a registry, and lists the providers that they were about."""

    def __init__(self, registry: ProviderRegistry) -> None:
        self.uses: list[str] = []
        self.changes: list[str] = []
        registry.on_use = self._used
        registry.on_change = self._changed

    def _used(self, record: ProviderRecord) -> None:
        self.uses.append(str(record.key))

    def _changed(self, record: ProviderRecord) -> None:
        self.changes.append(str(record.key))
