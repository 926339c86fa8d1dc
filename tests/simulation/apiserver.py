"""An API server in memory: resourceVersions, conditional writes, finalizers, and watches with gaps."""

import asyncio
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from imagecopy.api.base import FINALIZER
from imagecopy.kube.errors import Conflict, Missing, Refused
from imagecopy.kube.objects import Snapshot, Unreadable
from unit.copies.builders import apply_merge_patch

Event = tuple[str | None, dict[str, Any]]
"""Type (None for an object of the first list) and object, as kopf has it."""


class ApiServer:
    """The ImageCopies of a cluster. A stored object is replaced and never changed, so that readers can share it."""

    def __init__(self, now: Callable[[], str]) -> None:
        self._now = now
        self._objects: dict[tuple[str, str], dict[str, Any]] = {}
        self._version = 100
        self._uids = 0
        self._watches: list[asyncio.Queue[Event]] = []
        self.on_remove: Callable[[dict[str, Any]], None] = lambda _: None
        """Called with each object that is removed, as it was last stored."""

    def create(self, namespace: str, name: str, spec: dict[str, Any]) -> None:
        """Create an object; one that is there already is left as it is."""
        if (namespace, name) in self._objects:
            return
        self._uids += 1
        meta = {
            "namespace": namespace, "name": name, "uid": f"uid-{self._uids}", "generation": 1,
            "creationTimestamp": self._now(),
        }  # fmt: skip
        self._store("ADDED", {"metadata": meta, "spec": spec, "status": {"observedGeneration": -1}})

    def edit(self, namespace: str, name: str, **fields: Any) -> None:
        """Change fields of the spec."""
        found = self._objects.get((namespace, name))
        if found is not None:
            changed = deepcopy(found)
            changed["spec"].update(fields)
            changed["metadata"]["generation"] += changed["spec"] != found["spec"]
            self._store("MODIFIED", changed)

    def annotate(self, namespace: str, name: str, key: str, value: str) -> None:
        """Set an annotation."""
        found = self._objects.get((namespace, name))
        if found is not None:
            changed = deepcopy(found)
            changed["metadata"].setdefault("annotations", {})[key] = value
            self._store("MODIFIED", changed)

    def delete(self, namespace: str, name: str) -> None:
        """Delete an object: at once, or when its last finalizer goes."""
        found = self._objects.get((namespace, name))
        if found is None:
            return
        if not found["metadata"].get("finalizers"):
            self._remove(found)
        elif "deletionTimestamp" not in found["metadata"]:
            changed = deepcopy(found)
            changed["metadata"]["deletionTimestamp"] = self._now()
            changed["metadata"]["generation"] += 1
            self._store("MODIFIED", changed)

    def set_finalizer(self, uid: str, *, held: bool) -> None:
        """Add or remove our finalizer, as kopf does."""
        found = next((each for each in self._objects.values() if each["metadata"]["uid"] == uid), None)
        if found is None:
            return
        meta = found["metadata"]
        others = [each for each in meta.get("finalizers", ()) if each != FINALIZER]
        wanted = [*others, FINALIZER] if held else others
        if wanted == meta.get("finalizers", []):
            return
        changed = deepcopy(found)
        changed["metadata"]["finalizers"] = wanted
        if not wanted and "deletionTimestamp" in meta:
            self._remove(changed)
        else:
            self._store("MODIFIED", changed)

    def get(self, namespace: str, name: str) -> dict[str, Any]:
        """Return an object.

        Raises:
            Missing: there is none.
        """
        try:
            return self._objects[(namespace, name)]
        except KeyError:
            raise Missing("not found", 404) from None

    def list(self) -> list[dict[str, Any]]:
        """Return all objects."""
        return list(self._objects.values())

    def patch_status(self, namespace: str, name: str, version: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Change the status, if the object is still of this version.

        Raises:
            Missing: there is no such object.
            Conflict: it is of another version.
            Refused: it does not fit the CRD.
        """
        found = self.get(namespace, name)
        if found["metadata"]["resourceVersion"] != version:
            raise Conflict("the object has been modified", 409)
        changed = {**found, "metadata": dict(found["metadata"]), "status": apply_merge_patch(found["status"], patch)}
        try:
            Snapshot.parse(changed)
        except Unreadable as exc:
            raise Refused(f"the CRD does not allow this status: {exc}", 422) from None
        self._store("MODIFIED", changed)
        return self.get(namespace, name)

    def watch(self) -> "asyncio.Queue[Event]":
        """Return a new stream, which begins with a list."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        for found in self.list():
            queue.put_nowait((None, found))
        self._watches.append(queue)
        return queue

    def unwatch(self, queue: "asyncio.Queue[Event]") -> None:
        """End a stream: what happens from now on is not told to it."""
        if queue in self._watches:
            self._watches.remove(queue)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._objects.values())

    def _store(self, kind: str, found: dict[str, Any]) -> None:
        meta = found["metadata"]
        if kind == "MODIFIED" and found == self._objects[(meta["namespace"], meta["name"])]:
            return  # a write that changes nothing makes no version
        self._version += 1
        meta["resourceVersion"] = str(self._version)
        self._objects[(meta["namespace"], meta["name"])] = found
        self._tell(kind, found)

    def _remove(self, found: dict[str, Any]) -> None:
        self.on_remove(found)
        del self._objects[(found["metadata"]["namespace"], found["metadata"]["name"])]
        self._version += 1
        self._tell("DELETED", {**found, "metadata": {**found["metadata"], "resourceVersion": str(self._version)}})

    def _tell(self, kind: str, found: dict[str, Any]) -> None:
        for queue in self._watches:
            queue.put_nowait((kind, found))
