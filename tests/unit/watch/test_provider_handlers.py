"""What events of the watch about providers lead to."""

from typing import Any

import kopf
import pytest

from imagecopy.api.provider import ProviderKind
from imagecopy.kube.objects import ProviderSnapshot
from imagecopy.providers.controller import ProviderController
from imagecopy.providers.objects import ProviderKey
from imagecopy.watch import handlers

KEY = ProviderKey(ProviderKind.NAMESPACED, "team-a", "mine")
BODY = {
    "metadata": {"namespace": "team-a", "name": "mine", "uid": "u", "resourceVersion": "7", "generation": 1},
    "spec": {"credentialsSecretRef": {"name": "s"}},
}


class _Controller(ProviderController):
    def __init__(self) -> None:
        self.calls: list[object] = []

    def seen(self, snapshot: ProviderSnapshot, *, is_listed: bool) -> None:
        self.calls.append((snapshot.name, is_listed))

    def gone(self, key: ProviderKey) -> None:
        self.calls.append(key)


async def _brings(kind: str | None, body: dict[str, Any] = BODY) -> list[object]:
    """Return the calls that one event makes."""
    controller, registry = _Controller(), kopf.OperatorRegistry()
    handlers.register_providers(registry, controller, [ProviderKind.NAMESPACED])
    (handler,) = registry._watching.get_all_handlers()
    call: Any = handler.fn
    await call(event={"type": kind, "object": body}, namespace="team-a", name="mine")
    return controller.calls


@pytest.mark.parametrize(("kind", "is_listed"), [("ADDED", False), ("MODIFIED", False), (None, True)])
async def test_a_provider_is_seen_as_the_watch_brings_it(kind: str | None, is_listed: bool) -> None:
    assert await _brings(kind) == [("mine", is_listed)]


async def test_a_deleted_provider_is_gone() -> None:
    assert await _brings("DELETED") == [KEY]


async def test_a_status_that_can_not_be_read_is_logged_but_its_deletion_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    unreadable = {**BODY, "status": {"observedGeneration": "one"}}
    assert await _brings("MODIFIED", unreadable) == []
    shown = capsys.readouterr().out
    assert "does not fit this version" in shown
    assert "ImageProvider team-a/mine" in shown
    assert await _brings("DELETED", unreadable) == [KEY]
