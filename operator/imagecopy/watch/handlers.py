"""What kopf calls: the events of ImageCopies and providers, and deletions whose image goes, too.

Nothing else in the operator knows kopf but app and watching.

kopf watches, and holds a finalizer on what is deleted with its image. Everything else is ours: an event only tells
the scheduler, which makes the ticks; a handler returns None and never uses kopf's ``patch``.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, cast

import kopf
import structlog

from imagecopy.api.base import GROUP, VERSION
from imagecopy.api.imagecopy import DeletionPolicy
from imagecopy.api.provider import PLURALS, ProviderKind
from imagecopy.copies.cleanup import farewell
from imagecopy.copies.phase_counts import PhaseCounts
from imagecopy.copies.reconciler import Reconciler
from imagecopy.copies.record import Record
from imagecopy.copies.timers import Timers
from imagecopy.flow.view import in_flight
from imagecopy.kube.client import IMAGE_COPIES
from imagecopy.kube.objects import ProviderSnapshot, Snapshot, Unreadable
from imagecopy.providers.controller import ProviderController
from imagecopy.providers.objects import ProviderKey

FINALIZER: Final = f"{GROUP}/finalizer"

_EDIT_SECONDS: Final = 5.0
"""An object whose deletion is blocked is looked at so often: setting its policy to Retain frees it."""
_BUG_SECONDS: Final = 60.0
_SPREAD_SECONDS: Final = 5.0
"""The copies that a start finds in flight are looked at over so long."""
_PACK_SECONDS: Final = 5.0
_MANY: Final = 500
"""Where so many have work, those that pause for so long are packed."""
_JITTER: Final = 0.1
_JITTER_SECONDS: Final = 1.0

_Step = Callable[[Snapshot, Record], Awaitable[float | None]]

_log = structlog.stdlib.get_logger(__name__)


class NoDiffStorage(kopf.DiffBaseStorage):
    """Keeps kopf from storing the last seen object in an annotation: no object differs from what it was.

    What kopf would compare is left empty, as it copies that deeply, several times for each event.
    """

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        """Return nothing to compare."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Return the same."""
        return kopf.BodyEssence()

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


def register(registry: kopf.OperatorRegistry, reconciler: Reconciler, scheduler: Timers, census: PhaseCounts) -> None:
    """Register the handlers; ``census`` is told of every object, ``scheduler`` of those that have work."""

    @kopf.on.event(GROUP, VERSION, IMAGE_COPIES, registry=registry, id="see")
    async def see(event: kopf.RawEvent, uid: str, memo: kopf.Memo, **_: Any) -> None:
        if event["type"] == "DELETED":
            census.forget(uid)
            scheduler.forget(uid)
            reconciler.forget(uid)
            return
        body = cast("Mapping[str, Any]", event["object"])
        census.note(body)
        _attend(body, _memory(memo), reconciler, scheduler, is_listed=event["type"] is None)

    @kopf.on.delete(GROUP, VERSION, IMAGE_COPIES, registry=registry, id="farewell", when=_deletes_image)
    async def farewell_to(body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:
        # One call to the end, because a retry of a handler costs a write; the object is read anew at each step.
        memory = _memory(memo)
        while (pause := await _step(partial(farewell, reconciler), body, memory)) is not None:
            await _rest(reconciler, body, memory, _with_jitter(pause))


def make_scheduler(reconciler: Reconciler) -> Timers:
    """Return what makes the ticks of ``reconciler`` when they are due, and when something happened to an object."""

    async def step(memory: Record) -> float | None:
        known = memory.stored
        if known is None:
            return None
        pause = await _guarded(reconciler.tick, known, memory)
        if pause is None:
            return None
        if pause > _PACK_SECONDS and len(scheduler) > _MANY:
            memory.pack()
        return _with_jitter(pause)

    scheduler = Timers(step)
    reconciler.slots.on_turn = reconciler.starts.on_turn = scheduler.prompt
    return scheduler


def register_providers(
    registry: kopf.OperatorRegistry, controller: ProviderController, kinds: Iterable[ProviderKind]
) -> None:
    """Register the handlers of providers of these kinds. kopf writes nothing to them: no finalizer, no annotation."""
    for kind in kinds:
        _register_provider(registry, controller, kind)


def _register_provider(registry: kopf.OperatorRegistry, controller: ProviderController, kind: ProviderKind) -> None:
    @kopf.on.event(GROUP, VERSION, PLURALS[kind], registry=registry, id=f"see-{PLURALS[kind]}")
    async def see(event: kopf.RawEvent, namespace: str | None, name: str, **_: Any) -> None:
        if event["type"] == "DELETED":
            controller.gone(ProviderKey(kind, namespace or "", name))
            return
        try:
            snapshot = ProviderSnapshot.parse(kind, event["object"])
        except Unreadable as exc:
            _log.warning(
                "the status of a provider does not fit this version of the operator; is its CRD newer?",
                provider=str(ProviderKey(kind, namespace or "", name)),
                error=str(exc),
            )
            return
        controller.seen(snapshot, is_new=event["type"] == "ADDED")


def _attend(
    body: Mapping[str, Any], memory: Record, reconciler: Reconciler, scheduler: Timers, *, is_listed: bool
) -> None:
    """Take note of an object as the watch has it, and have its tick made where something is to be done."""
    meta = body["metadata"]
    uid: str = meta["uid"]
    before = memory.fingerprint
    try:
        _note(body, memory)
    except Unreadable as exc:
        with structlog.contextvars.bound_contextvars(namespace=meta["namespace"], name=meta["name"]):
            _log.error("the object does not fit this version of the operator; is its CRD newer?", error=str(exc))
        return
    if memory.forget_if_resting():
        scheduler.forget(uid)
        if not memory.lock.locked():
            reconciler.forget(uid)
    elif meta.get("deletionTimestamp"):
        scheduler.forget(uid)
    elif _deletes_image(body.get("spec") or {}) and not _is_held(meta) and not memory.is_in_flight:
        # Without the finalizer it could vanish with a copy in flight; the event that brings it is on its way.
        scheduler.forget(uid)
    elif not scheduler.knows(uid):
        found_running = is_listed and memory.is_in_flight
        if found_running:
            reconciler.watch_over(memory)
        scheduler.add(uid, memory, random.uniform(0, _SPREAD_SECONDS) if found_running else 0.0)  # noqa: S311
        if found_running and len(scheduler) > _MANY:
            memory.pack()
    elif before is not None and memory.fingerprint is not None and before.wanted != memory.fingerprint.wanted:
        scheduler.add(uid, memory)


def _note(body: Mapping[str, Any], memory: Record) -> None:
    """Remember the object as the watch has it, where that is newer; most events bring back what we wrote.

    Raises:
        Unreadable: it does not fit our models.
    """
    meta = body["metadata"]
    if memory.fingerprint is not None and memory.fingerprint.version == (meta["uid"], meta["resourceVersion"]):
        return
    seen = Snapshot.parse(body)
    if memory.stored is None or seen.is_newer_than(memory.stored):
        memory.stored = seen


async def _step(work: _Step, body: Mapping[str, Any], memory: Record) -> float | None:
    """Make one step on what the watch has; what can't be read is looked at again later."""
    try:
        _note(body, memory)
        return await _guarded(work, memory.stored or Snapshot.parse(body), memory)
    except Unreadable as exc:
        meta = body["metadata"]
        _log.error("the object does not fit our models", namespace=meta["namespace"], name=meta["name"], error=str(exc))
        return _BUG_SECONDS


async def _guarded(work: _Step, known: Snapshot, memory: Record) -> float | None:
    """Make one step with everything bound that its log lines should carry; a bug makes it wait, not end."""
    with structlog.contextvars.bound_contextvars(namespace=known.namespace, name=known.name):
        try:
            attempt = in_flight((memory.stored or known).status)
            if attempt is not None:
                structlog.contextvars.bind_contextvars(attempt=attempt.number, job=attempt.job_id)
            return await work(known, memory)
        except Unreadable as exc:
            _log.error("the object does not fit this version of the operator; is its CRD newer?", error=str(exc))
        except Exception:
            _log.exception("a step failed; this is a bug, please report it")
        finally:
            structlog.contextvars.unbind_contextvars("attempt", "job")
    return _BUG_SECONDS


async def _rest(reconciler: Reconciler, body: Mapping[str, Any], memory: Record, seconds: float) -> None:
    """Sleep until someone edits the object, at most so long: no event is brought to us while a handler runs."""
    generation = memory.stored.generation if memory.stored else None
    done = False
    while not done:
        await asyncio.sleep(min(seconds, _EDIT_SECONDS))
        seconds -= _EDIT_SECONDS
        await reconciler.refresh(body["metadata"]["namespace"], body["metadata"]["name"], memory)
        done = seconds <= 0 or (memory.stored is not None and memory.stored.generation != generation)


def _memory(memo: kopf.Memo) -> Record:
    memory: Record = memo.setdefault("memory", Record())
    return memory


def _is_held(meta: Mapping[str, Any]) -> bool:
    return FINALIZER in (meta.get("finalizers") or ())


def _with_jitter(seconds: float) -> float:
    """Keep objects from acting in step; never earlier than asked, as looks are aimed at an end."""
    return seconds + random.uniform(0, min(_JITTER * seconds, _JITTER_SECONDS))  # noqa: S311


def _deletes_image(spec: Mapping[str, Any], **_: Any) -> bool:
    return spec.get("deletionPolicy") == DeletionPolicy.DELETE
