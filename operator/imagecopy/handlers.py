"""What kopf calls: one timer per ImageCopy in flight, a deletion, and the events of providers.

Nothing else in the operator knows kopf but app.

kopf watches, starts and stops the timer as ``when`` says, and holds a finalizer as long as the timer runs. Everything
else is ours: a handler returns None, never uses kopf's ``patch`` (a failed one ends a timer for good), and raises
only to choose the pause until the next tick, which costs no write.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, NoReturn

import kopf
import structlog

from imagecopy.api.base import GROUP, VERSION
from imagecopy.api.imagecopy import DeletionPolicy
from imagecopy.api.provider import PLURALS, ProviderKind
from imagecopy.flow.view import in_flight
from imagecopy.kube.client import IMAGE_COPIES
from imagecopy.kube.objects import Snapshot, Unreadable
from imagecopy.reconcile import Census, Memory, ProviderStatuses, Reconciler, farewell

FINALIZER: Final = f"{GROUP}/finalizer"

_IDLE_SECONDS: Final = 5.0
"""A timer with nothing left to do is stopped by kopf when the watch brings the last status; until then it idles."""
_FINALIZER_SECONDS: Final = 0.1
_EDIT_SECONDS: Final = 5.0
"""An object whose deletion is blocked is looked at so often: setting its policy to Retain frees it."""
_BUG_SECONDS: Final = 60.0
_SPREAD_SECONDS: Final = 5.0
_JITTER: Final = 0.1

_Step = Callable[[Snapshot, Memory], Awaitable[float | None]]

_log = structlog.stdlib.get_logger(__name__)


class NoDiffs(kopf.DiffBaseStorage):
    """Keeps kopf from storing the last seen object in an annotation: every object is as it was seen last."""

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Return the object as it is now."""
        return self.build(body=body)

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


def register(registry: kopf.OperatorRegistry, reconciler: Reconciler, census: Census) -> None:
    """Register the handlers; ``census`` is told of every object."""

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
        pause = await _step(reconciler.tick, body, memory)
        if pause is not None:
            _again(pause * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311

    @kopf.on.delete(GROUP, VERSION, IMAGE_COPIES, registry=registry, id="farewell", when=_deletes_image)
    async def farewell_to(body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:
        # One call to the end, because a retry of a handler costs a write; the object is read anew at each step.
        memory: Memory = memo.setdefault("memory", Memory())
        while (pause := await _step(partial(farewell, reconciler), body, memory)) is not None:
            await _rest(reconciler, body, memory, pause * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311

    @kopf.on.event(GROUP, VERSION, IMAGE_COPIES, registry=registry, id="wake")
    async def wake(event: kopf.RawEvent, uid: str, **_: Any) -> None:
        if event["type"] == "DELETED":
            census.forget(uid)
            reconciler.slots.release(uid)
        else:
            census.note(event["object"])
            reconciler.slots.wake(uid)


def register_providers(
    registry: kopf.OperatorRegistry, statuses: ProviderStatuses, kinds: Iterable[ProviderKind]
) -> None:
    """Register what hears of providers of these kinds. kopf writes nothing to them: no finalizer, no annotation."""
    for kind in kinds:
        _register_provider(registry, statuses, kind)


def _register_provider(registry: kopf.OperatorRegistry, statuses: ProviderStatuses, kind: ProviderKind) -> None:
    @kopf.on.event(GROUP, VERSION, PLURALS[kind], registry=registry, id=f"see-{PLURALS[kind]}")
    async def see(event: kopf.RawEvent, **_: Any) -> None:
        statuses.seen(kind, event["type"], event["object"])


async def _step(work: _Step, body: Mapping[str, Any], memory: Memory) -> float | None:
    """Make one step with everything bound that its log lines should carry; a bug makes it wait, not end."""
    meta = body["metadata"]
    with structlog.contextvars.bound_contextvars(namespace=meta["namespace"], name=meta["name"]):
        try:
            snapshot = Snapshot.parse(body)
            attempt = in_flight((memory.stored or snapshot).status)
            if attempt is not None:
                structlog.contextvars.bind_contextvars(attempt=attempt.number, job=attempt.job_id)
            return await work(snapshot, memory)
        except Unreadable as exc:
            _log.error("the object does not fit this version of the operator; is its CRD newer?", error=str(exc))
        except Exception:
            _log.exception("a step failed; this is a bug, please report it")
        finally:
            structlog.contextvars.unbind_contextvars("attempt", "job")
    return _BUG_SECONDS


async def _rest(reconciler: Reconciler, body: Mapping[str, Any], memory: Memory, seconds: float) -> None:
    """Sleep until someone edits the object, at most so long: no event is brought to us while a handler runs."""
    generation = memory.stored.generation if memory.stored else None
    done = False
    while not done:
        await asyncio.sleep(min(seconds, _EDIT_SECONDS))
        seconds -= _EDIT_SECONDS
        await reconciler.refresh(body["metadata"]["namespace"], body["metadata"]["name"], memory)
        done = seconds <= 0 or (memory.stored is not None and memory.stored.generation != generation)


def _again(seconds: float) -> NoReturn:
    raise kopf.TemporaryError("", delay=max(seconds, 0.05))


def _has_work(body: Mapping[str, Any], **_: Any) -> bool:
    try:
        return not Snapshot.parse(body).is_resting
    except Unreadable:
        return True


def _deletes_image(spec: Mapping[str, Any], **_: Any) -> bool:
    return spec.get("deletionPolicy") == DeletionPolicy.DELETE


def _initial_delay(body: Mapping[str, Any], **_: Any) -> float:
    """Spread the copies that a restart finds in flight; what is new starts at once."""
    attempt = (body.get("status") or {}).get("attempt")
    return random.uniform(0, _SPREAD_SECONDS) if attempt else 0.0  # noqa: S311
