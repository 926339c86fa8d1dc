"""What must hold whatever happens; a schedule that breaks one of these has failed."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from imagecopy.api.conditions import ConditionType
from imagecopy.flow.view import is_finished, is_true, occupies_slot
from imagecopy.kube.objects import Snapshot
from simulation.apiserver import ApiServer
from simulation.cloud import Cloud, Copy
from simulation.operator import Operator


class Broken(AssertionError):
    """An invariant does not hold; the message says which and where."""


def check_new_copy(cloud: Cloud, copy: Copy, now: float) -> None:
    """At most one copy of an owner: a second one may begin only when the first has ended without an image.

    Raises:
        Broken: another one is there, or is being made.
    """
    others = [other for other in cloud.copies if other.marker.owner == copy.marker.owner and other.is_alive(now)]
    if others:
        raise Broken(f"second copy: {copy.image_id} of {copy.request.name} beside {[o.image_id for o in others]}")


def check_removed(cloud: Cloud, found: dict[str, Any], now: float) -> None:
    """An object that was always to be deleted with its image is released only when that image is gone.

    Raises:
        Broken: it is there.
    """
    image_id = found["status"].get("imageID")
    if found["spec"]["deletionPolicy"] == "Delete" and any(
        copy.image_id == image_id and copy.is_alive(now) for copy in cloud.copies
    ):
        raise Broken(f"lost image: {found['metadata']['name']} was released, and its image {image_id} is there")


def check_rest(server: ApiServer, cloud: Cloud, operators: Iterable[Operator], now: float) -> None:
    """When faults have stopped and time has passed, everything is at rest, and every status is true.

    Raises:
        Broken: something is not.
    """
    alive = [operator for operator in operators if operator.is_alive]
    objects = {found["metadata"]["uid"]: Snapshot.parse(found) for found in server}
    for snapshot in objects.values():
        _check_status(snapshot, cloud, now)
    for operator in alive:
        _check_process(operator, objects)


def _check_status(snapshot: Snapshot, cloud: Cloud, now: float) -> None:
    status, name = snapshot.status, f"{snapshot.namespace}/{snapshot.name}"
    if snapshot.is_deleting:
        raise Broken(f"{name} is still being deleted: {_words(status)}")
    if not snapshot.is_resting:
        raise Broken(f"{name} does not come to rest: {_words(status)}")
    if is_finished(status) and is_true(status, ConditionType.READY):
        image = next((copy for copy in cloud.copies if copy.image_id == status.image_id), None)
        if image is None or not image.is_alive(now) or image.is_running(now):
            raise Broken(f"{name} is Ready, and its image {status.image_id} is not there")
        if image.request.name != snapshot.name:
            raise Broken(f"{name} is Ready with an image of another object")


def _check_process(operator: Operator, objects: dict[str, Snapshot]) -> None:
    registry, slots = operator.controller.registry, operator.controller.slots
    held = registry.uids().difference(objects)
    if held:
        raise Broken(f"{operator.name} still holds {sorted(held)}, which are gone")
    if len(registry):
        raise Broken(f"{operator.name} has {len(registry)} records of objects that rest")
    running = Counter(occupies_slot(snapshot.status) for snapshot in objects.values())[True]
    used = {project: slots.used(project) for project in slots.projects()}
    waiting = {project: slots.waiting(project) for project in slots.projects()}
    if any(used.values()) or any(waiting.values()):
        raise Broken(f"{operator.name}: slots in use {used}, waiting {waiting}, and {running} attempts run")


def _words(status: Any) -> str:
    return f"{status.phase}, " + "; ".join(f"{c.type}={c.status} {c.reason}: {c.message}" for c in status.conditions)
