from collections.abc import AsyncIterator

import pytest

from imagecopy.kube.objects import Snapshot
from imagecopy.reconcile import Sweeper
from unit.reconcile.builders import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def sweeper(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Sweeper:
    async def image_copies(namespace: str | None) -> AsyncIterator[Snapshot]:
        yield stage.kube.snapshot

    monkeypatch.setattr(stage.kube, "image_copies", image_copies)
    monkeypatch.setattr("imagecopy.reconcile.sweep._BETWEEN_PROVIDERS_SECONDS", 0)
    return Sweeper(stage.kube, stage.reconciler, (), 900)
