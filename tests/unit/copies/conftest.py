from collections.abc import AsyncIterator

import pytest

from imagecopy.copies.inventory import Inventory
from imagecopy.kube.objects import Snapshot
from unit.copies.builders import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def inventory(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    async def image_copies(namespace: str | None) -> AsyncIterator[Snapshot]:
        yield stage.kube.snapshot

    monkeypatch.setattr(stage.kube, "image_copies", image_copies)
    monkeypatch.setattr("imagecopy.copies.inventory._BETWEEN_PROVIDERS_SECONDS", 0)
    return stage.operator.inventory
