"""An API server and a cloud that do what a test tells them, and remember what was asked of them."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from imagecopy.api.imagecopy import ImageCopyStatus
from imagecopy.cloud.cloud import Cloud, CloudObservation, ImageList, Project
from imagecopy.copies.controller import Controller
from imagecopy.copies.record import Record
from imagecopy.copies.views import Clocks, Identity
from imagecopy.flow.deletion import DeletionRequested
from imagecopy.flow.marker import Marker
from imagecopy.flow.observation import (
    NothingObserved,
    ObservedImage,
    PostAccepted,
    PostOutcome,
    TagsRefused,
    TagsSet,
    Trouble,
)
from imagecopy.flow.steps import PostCopy, SetTags
from imagecopy.flow.view import Need, View
from imagecopy.kube import events
from imagecopy.kube.client import KubeClient, Secret
from imagecopy.kube.errors import Conflict, KubeError, Missing
from imagecopy.kube.objects import Snapshot, merge_patch
from unit.flow.builders import JOB, SOURCE, T0, TARGET, UID, image, preflight, spec

PROJECT = "project-1"

Fault = KubeError | Callable[[], None] | None


class Clock:
    """A clock that goes when it is told to, in both the ways that are asked for; only the wall's can be set."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.set_by = 0.0

    def __call__(self) -> datetime:
        return T0 + timedelta(seconds=self.seconds + self.set_by)

    def monotonic(self) -> float:
        return 1000.0 + self.seconds


def apply_merge_patch(target: object, patch: object) -> object:
    """RFC 7386, as its pseudo code has it."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply_merge_patch(result.get(key), value)
    return result


def body(**changes: Any) -> dict[str, Any]:
    meta = {"namespace": "team-a", "name": "golden", "uid": UID, "resourceVersion": "100", "generation": 1}
    return {"metadata": meta, "spec": {"source": {"imageID": SOURCE}}, "status": {"observedGeneration": -1}, **changes}


class FakeKube(KubeClient):
    """One ImageCopy, providers and Secrets, with the API server's rules about resourceVersions."""

    def __init__(self, log: list[str] | None = None) -> None:
        self.log = log if log is not None else []
        self.object: dict[str, Any] | None = body()
        self.faults: list[Fault] = []
        """What happens to the next status writes, one each: an error instead, something before, or nothing."""
        self.lost_replies = 0
        """So many of the next status writes are made but not answered."""
        self.events: list[Mapping[str, object]] = []
        self.event_error: KubeError | None = None
        self.writes = 0
        self.others: dict[tuple[str, str | None, str], dict[str, Any]] = {}
        self.secrets: dict[tuple[str, str], Secret] = {}
        self.down: KubeError | None = None
        self.reads = 0

    def change(self, **changes: Any) -> None:
        """Somebody else changes the object."""
        assert self.object is not None
        meta = self.object["metadata"]
        meta = {**meta, "resourceVersion": str(int(meta["resourceVersion"]) + 1), **changes.pop("metadata", {})}
        self.object = {**deepcopy(self.object), **changes, "metadata": meta}

    @property
    def snapshot(self) -> Snapshot:
        assert self.object is not None
        return Snapshot.parse(self.object)

    @property
    def status(self) -> ImageCopyStatus:
        return self.snapshot.status

    async def image_copy(self, namespace: str, name: str) -> Snapshot:
        self.log.append("read")
        if self.down:
            raise self.down
        if self.object is None:
            raise Missing("not found", 404)
        return self.snapshot

    async def write_status(self, known: Snapshot, status: ImageCopyStatus) -> Snapshot:
        attempt = status.attempt
        what = "job id" if attempt and attempt.job_id else "intent" if attempt else "status"
        if status.completion_time:
            what = "end"
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, KubeError):
            self.log.append(f"no write of {what}: {type(fault).__name__}")
            raise fault
        if fault is not None:
            fault()
        if self.object is None:
            raise Missing("not found", 404)
        if self.object["metadata"]["resourceVersion"] != known.resource_version:
            self.log.append(f"no write of {what}: conflict")
            raise Conflict("the object has been modified", 409)
        patch = merge_patch(known.status.to_wire(), status.to_wire())
        self.change(status=apply_merge_patch(self.object["status"], patch))
        self.writes += 1
        self.log.append(f"write {what}")
        if self.lost_replies:
            self.lost_replies -= 1
            raise KubeError("no reply")
        return self.snapshot

    async def create_event(self, namespace: str, event: Mapping[str, object]) -> None:
        if self.event_error:
            raise self.event_error
        self.events.append(event)

    async def custom_object(self, plural: str, name: str, namespace: str | None) -> dict[str, Any]:
        self.reads += 1
        if self.down:
            raise self.down
        try:
            return self.others[(plural, namespace, name)]
        except KeyError:
            raise Missing("not found", 404) from None

    async def secret(self, namespace: str, name: str) -> Secret:
        self.reads += 1
        if self.down:
            raise self.down
        try:
            return self.secrets[(namespace, name)]
        except KeyError:
            raise Missing("not found", 404) from None


class FakeCloud(Cloud):
    """Answers observations with ``sees`` (the last one for ever) and POSTs with a job."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.sees: list[CloudObservation] = [preflight()]
        self.posts: list[PostCopy] = []
        self.tags: list[SetTags] = []
        self.outcome: Callable[[PostCopy], PostOutcome] = lambda order: PostAccepted(order.attempt, JOB, "r-1")
        self.tagged: TagsSet | TagsRefused = TagsSet(TARGET)
        self.during_post: Callable[[], Any] | None = None
        self.at_project: Project | Trouble = Project(PROJECT, 5)
        self.deletes: list[str] = []
        self.deleted: DeletionRequested | Trouble = DeletionRequested(TARGET)
        self.during_delete: Callable[[], Any] | None = None
        self.lists: tuple[ObservedImage, ...] | Trouble = ()
        self.not_allowed: set[str] = set()
        self.may_postpone: list[bool] = []

    async def project(self, view: View, *, copying: bool = False) -> Project | Trouble:
        return self.at_project

    async def observe(self, view: View, need: Need, *, may_postpone: bool = False) -> CloudObservation:
        self.log.append(f"observe {need.name}")
        self.may_postpone.append(may_postpone)
        if need is Need.NOTHING:
            return NothingObserved()
        return self.sees.pop(0) if len(self.sees) > 1 else self.sees[0]

    async def post(self, view: View, order: PostCopy, **_: object) -> PostOutcome:
        self.log.append("POST")
        self.posts.append(order)
        if self.during_post:
            await self.during_post()
        return self.outcome(order)

    async def set_tags(self, view: View, order: SetTags) -> TagsSet | TagsRefused:
        self.log.append("tags")
        self.tags.append(order)
        return self.tagged

    async def delete_image(self, view: View, image_id: str) -> DeletionRequested | Trouble:
        self.log.append("delete")
        self.deletes.append(image_id)
        if self.during_delete:
            self.during_delete()
        return self.deleted

    async def images(self, view: View) -> ImageList | Trouble:
        self.log.append("list")
        return ImageList(PROJECT, self.lists) if isinstance(self.lists, tuple) else self.lists

    async def may_use(self, view: View) -> bool:
        return view.namespace not in self.not_allowed


class Operator(Controller):
    """One operator process between a fake API server and a fake cloud."""

    def __init__(
        self, kube: KubeClient, cloud: Cloud, clock: Clock, writer: str = "pod/1", *, installation: str = "test"
    ) -> None:
        clocks = Clocks(clock, clock.monotonic)
        super().__init__(kube, cloud, Identity(installation, writer), clocks, partial(events.post, kube))

    async def reconcile(self, snapshot: Snapshot) -> float | None:
        """Reconcile the object of which the watch has this version, without its timer."""
        return await self.reconciler.reconcile(self.registry.record(snapshot))

    async def clean(self, snapshot: Snapshot) -> float | None:
        """Run one step of the cleanup of this object."""
        return await self.cleanup.clean_up(self.registry.record(snapshot))


@dataclass
class Stage:
    """An operator between a fake API server and a fake cloud; ``log`` is what happened, in order."""

    log: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.kube = FakeKube(self.log)
        self.cloud = FakeCloud(self.log)
        self.operator = self.process("pod/1")

    def process(self, writer: str) -> Operator:
        """Start one more operator."""
        return Operator(self.kube, self.cloud, self.clock, writer)

    def restart(self) -> None:
        """Start an operator that remembers nothing, in the place of the one before."""
        self.operator = self.process("pod/1")

    @property
    def record(self) -> Record:
        """What the operator holds of the object."""
        return self.operator.registry.record(self._watched)

    @property
    def holds_slot(self) -> bool:
        """Whether the object holds a slot of a known project."""
        return self.record.slot.is_held

    @property
    def _watched(self) -> Snapshot:
        return self.kube.snapshot if self.kube.object else Snapshot.parse(body())

    async def reconcile(self, seconds: float = 0, *observed: CloudObservation) -> float | None:
        """Reconcile the object so many seconds later, while the cloud shows ``observed``."""
        self.clock.seconds += seconds
        if observed:
            self.cloud.sees = list(observed)
        return await self.operator.reconcile(self._watched)

    async def clean_up(self, seconds: float = 0, *observed: CloudObservation) -> float | None:
        """Run a step of the object's cleanup so many seconds later."""
        self.clock.seconds += seconds
        if observed:
            self.cloud.sees = list(observed)
        return await self.operator.clean(self._watched)

    def edit(self, **fields: Any) -> None:
        """Somebody edits the spec."""
        generation = self.kube.snapshot.generation + 1
        self.kube.change(spec=spec(**fields).to_wire(), metadata={"generation": generation})

    @property
    def marked(self) -> ObservedImage:
        """The image of the last POST, as a list shows it when it is done."""
        return replace(image(), marker=Marker.find(self.cloud.posts[-1].description))
