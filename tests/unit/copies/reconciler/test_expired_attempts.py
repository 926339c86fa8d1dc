"""A process that stood still between the intent and the POST: by then somebody else may have given the attempt up."""

from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from imagecopy.api.imagecopy import AttemptOutcome
from imagecopy.cloud.access import CloudAccess
from imagecopy.cloud.act import Actions
from imagecopy.flow.observation import PostOutcome
from imagecopy.flow.steps import PostCopy
from imagecopy.flow.view import View
from unit.copies.builders import Stage
from unit.flow.builders import preflight


class _NotToBeCalled:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is asked for")


class _Access(CloudAccess):
    """Stops where the client would be used."""

    def __init__(self) -> None:
        pass

    @asynccontextmanager
    async def client(self, view: View, *, copying: bool = False, longest_turn: float | None = None) -> Any:
        yield _NotToBeCalled(), "project-1"


class _RealActions(Actions):
    _access = _Access()


def _watch(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Let POSTs be made as the real Cloud makes them, as long as they are held up; return what was asked."""
    asked: list[bool] = []
    fake = stage.cloud.post

    async def post(view: View, order: PostCopy, *, is_stale: Callable[[], bool]) -> PostOutcome:
        asked.append(is_stale())
        return await (_RealActions().post(view, order, is_stale=is_stale) if asked[-1] else fake(view, order))

    monkeypatch.setattr(stage.cloud, "post", post)
    return asked


@pytest.mark.parametrize(
    ("seconds", "set_by"), [(31.0, 0.0), (0.0, 31.0), (31.0, -3600.0)], ids=["stopped", "suspended", "set back"]
)
async def test_an_attempt_is_not_sent_long_after_it_was_decided_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, seconds: float, set_by: float
) -> None:
    asked = _watch(stage, monkeypatch)

    def stand_still() -> None:
        stage.clock.seconds += seconds
        stage.clock.set_by += set_by

    stage.kube.faults = [stand_still]
    await stage.reconcile(0, preflight())
    assert asked == [True]
    assert not stage.cloud.posts
    assert [ended.outcome for ended in stage.kube.status.attempts] == [AttemptOutcome.REJECTED]


async def test_an_attempt_is_sent_soon_after_it_was_decided_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _watch(stage, monkeypatch)
    await stage.reconcile(0, preflight())
    assert asked == [False]
    assert len(stage.cloud.posts) == 1
