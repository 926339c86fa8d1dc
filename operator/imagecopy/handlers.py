"""What kopf calls: one timer per ImageCopy in flight. Nothing else in the operator knows kopf, but for app.

kopf watches, starts and stops the timer as ``when`` says, and holds a finalizer as long as the timer runs. Everything
else is ours: a handler returns None, never uses kopf's ``patch`` (a failed one ends a timer for good), and raises
only to choose the pause until the next tick, which costs no write.
"""

import random
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import kopf
import structlog

from imagecopy.api.base import GROUP, VERSION
from imagecopy.flow.view import in_flight
from imagecopy.kube.client import IMAGE_COPIES
from imagecopy.kube.objects import Snapshot, Unreadable
from imagecopy.reconcile import Memory, Reconciler

FINALIZER: Final = f"{GROUP}/finalizer"

_IDLE_SECONDS: Final = 5.0
"""A timer with nothing left to do is stopped by kopf when the watch brings the last status; until then it idles."""
_FINALIZER_SECONDS: Final = 0.1
_BUG_SECONDS: Final = 60.0
_SPREAD_SECONDS: Final = 5.0
_JITTER: Final = 0.1

_log = structlog.stdlib.get_logger(__name__)


def register(registry: kopf.OperatorRegistry, reconciler: Reconciler) -> None:
    """Register the timer."""

    @kopf.timer(
        GROUP,
        VERSION,
        IMAGE_COPIES,
        registry=registry,
        id="copy",
        interval=_IDLE_SECONDS,
        initial_delay=_initial_delay,
        when=_has_work,
    )
    async def copy(body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:
        if FINALIZER not in body.metadata.get("finalizers", ()):
            # Before the finalizer has landed, the object could vanish with a copy in flight.
            _again(_FINALIZER_SECONDS)
        memory: Memory = memo.setdefault("memory", Memory())
        pause = await _tick(reconciler, body, memory)
        if pause is not None:
            _again(pause * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311


async def _tick(reconciler: Reconciler, body: Mapping[str, Any], memory: Memory) -> float | None:
    meta = body["metadata"]
    with structlog.contextvars.bound_contextvars(namespace=meta["namespace"], name=meta["name"]):
        try:
            snapshot = Snapshot.parse(body)
            attempt = in_flight((memory.stored or snapshot).status)
            if attempt is not None:
                structlog.contextvars.bind_contextvars(attempt=attempt.number, job=attempt.job_id)
            return await reconciler.tick(snapshot, memory)
        except Unreadable as exc:
            _log.error("the object does not fit this version of the operator; is its CRD newer?", error=str(exc))
        except Exception:
            _log.exception("a tick failed; this is a bug, please report it")
        finally:
            structlog.contextvars.unbind_contextvars("attempt", "job")
    return _BUG_SECONDS


def _again(seconds: float) -> NoReturn:
    raise kopf.TemporaryError("", delay=max(seconds, 0.05))


def _has_work(body: Mapping[str, Any], **_: Any) -> bool:
    try:
        return not Snapshot.parse(body).is_resting
    except Unreadable:
        return True


def _initial_delay(body: Mapping[str, Any], **_: Any) -> float:
    """Spread the copies that a restart finds in flight; what is new starts at once."""
    attempt = (body.get("status") or {}).get("attempt")
    return random.uniform(0, _SPREAD_SECONDS) if attempt else 0.0  # noqa: S311
