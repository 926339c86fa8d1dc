"""The end of an object whose image goes with it: one step of its deletion, the counterpart of a tick."""

from dataclasses import replace

from imagecopy.flow.deletion import DeletionAsked, Seen, decide_deletion, deletion_needs
from imagecopy.flow.seen import PreflightSeen, Trouble
from imagecopy.flow.view import in_flight
from imagecopy.kube.objects import Snapshot
from imagecopy.reconcile.memory import Memory
from imagecopy.reconcile.tick import Reconciler


async def farewell(reconciler: Reconciler, seen: Snapshot, memory: Memory) -> float | None:
    """Bring the deletion of one object one step further.

    Returns the seconds until the next step, or None when nothing holds the object any more.
    """

    async def step(known: Snapshot, memory: Memory) -> float | None:
        view = reconciler.view(known, memory)
        looked = memory.outcome or await reconciler.look(view, deletion_needs(view), memory)
        return await reconciler.unbreakable(_carry_out(reconciler, known, looked, memory))

    async with memory.lock:
        again = await reconciler.persisting(seen, memory, step)
        if again is None or in_flight((memory.stored or seen).status) is None:
            reconciler.slots.release(seen.uid)  # until then its job may still run
        return again


async def _carry_out(reconciler: Reconciler, known: Snapshot, seen: object, memory: Memory) -> float | None:
    if isinstance(seen, PreflightSeen) or not isinstance(seen, Seen):
        raise TypeError(f"a deletion can't be decided on {type(seen).__name__}")
    troubled = isinstance(seen, Trouble)
    while True:
        now = reconciler.clock()
        if isinstance(seen, Trouble):
            troubled = True
            memory.recent = replace(memory.recent, trouble_since=memory.recent.trouble_since or now)
        elif isinstance(seen, DeletionAsked):
            memory.deletion_asked_at = memory.deletion_asked_at or reconciler.monotonic()
        step = decide_deletion(reconciler.view(known, memory), seen, now)
        known = await reconciler.store(known, step.status, step.events, memory)
        if step.act is None:
            if not troubled:
                memory.recent = replace(memory.recent, trouble_since=None)
            return step.again
        seen = await reconciler.cloud.delete_image(reconciler.view(known, memory), step.act.image_id)
