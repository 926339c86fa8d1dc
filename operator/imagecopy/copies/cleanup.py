"""The end of an object whose image goes with it: one step of its deletion, the counterpart of a tick."""

from dataclasses import replace

from imagecopy.copies.reconciler import Reconciler
from imagecopy.copies.record import Record
from imagecopy.flow.deletion import DeletionRequested, Observation, decide_deletion, deletion_needs
from imagecopy.flow.observation import PreflightObserved, Trouble
from imagecopy.flow.view import in_flight
from imagecopy.kube.objects import Snapshot


async def farewell(reconciler: Reconciler, seen: Snapshot, memory: Record) -> float | None:
    """Bring the deletion of one object one step further.

    Returns the seconds until the next step, or None when nothing holds the object any more.
    """

    async def step(known: Snapshot, memory: Record) -> float | None:
        view = reconciler.view(known, memory)
        looked = memory.outcome or await reconciler.look(view, deletion_needs(view), memory)
        return await reconciler.unbreakable(_carry_out(reconciler, known, looked, memory))

    async with memory.lock:
        again = await reconciler.persisting(seen, memory, step)
        if again is None or in_flight((memory.stored or seen).status) is None:
            reconciler.slots.release(seen.uid)  # until then its job may still run
        return again


async def _carry_out(reconciler: Reconciler, known: Snapshot, seen: object, memory: Record) -> float | None:
    if isinstance(seen, PreflightObserved) or not isinstance(seen, Observation):
        raise TypeError(f"a deletion can't be decided on {type(seen).__name__}")
    troubled = isinstance(seen, Trouble)
    while True:
        now = reconciler.clock()
        if isinstance(seen, Trouble):
            troubled = True
            memory.recent = replace(memory.recent, trouble_since=memory.recent.trouble_since or now)
        elif isinstance(seen, DeletionRequested):
            memory.deletion_requested_at = memory.deletion_requested_at or reconciler.monotonic()
        step = decide_deletion(reconciler.view(known, memory), seen, now)
        known = await reconciler.store(known, step.status, step.events, memory)
        if step.act is None:
            if not troubled:
                memory.recent = replace(memory.recent, trouble_since=None)
            return step.again
        seen = await reconciler.cloud.delete_image(reconciler.view(known, memory), step.act.image_id)
