from collections.abc import AsyncIterator

import pytest

from imagecopy.ims import Allowlist
from imagecopy.providers.registry import ProviderRegistry
from unit.copies.builders import Clock, FakeKube
from unit.providers.builders import PROVIDER_AT, SECRET_AT, provider, secret
from unit.providers.scene import Scene


@pytest.fixture
def kube() -> FakeKube:
    kube = FakeKube()
    kube.others[PROVIDER_AT] = provider()
    kube.secrets[SECRET_AT] = secret()
    return kube


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def registry(kube: FakeKube, clock: Clock) -> AsyncIterator[ProviderRegistry]:
    registry = ProviderRegistry(kube, Allowlist.default(), clock=clock.monotonic)
    yield registry
    await registry.aclose()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.stop()
