"""A cloud, an API server and operator processes of a few lines, for ``decide`` to be driven against.

Whatever can go wrong is ordered per call. The order of writes is reconcile's; a crash may come at each point of it.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from jsonschema import Draft202012Validator

from imagecopy.api.crd import crds
from imagecopy.api.imagecopy import ImageCopySpec, ImageCopyStatus
from imagecopy.flow.decide import decide, to_follow
from imagecopy.flow.marker import Marker
from imagecopy.flow.seen import (
    Cause,
    ImageSeen,
    ImageState,
    JobSeen,
    JobState,
    NothingSeen,
    PostAccepted,
    PostOutcome,
    PostRejected,
    PostUnknown,
    PreflightSeen,
    Seen,
    TagsRefused,
    TagsSet,
    TargetSeen,
    TargetsSeen,
    Trouble,
    is_trouble,
)
from imagecopy.flow.steps import PostCopy, SetTags
from imagecopy.flow.view import Need, Recent, View, in_flight, is_resting, needs, prepare
from unit.flow.builders import FOREIGN, OWNER, T0, UID, image, source, spec


class Post(Enum):
    """What a POST does, and what is heard of it."""

    ACCEPTED = auto()
    REJECTED = auto()
    DONE_UNHEARD = auto()
    NOT_DONE_UNHEARD = auto()


class Write(Enum):
    """What a status write does, and what is heard of it."""

    WORKS = auto()
    CONFLICT = auto()
    DONE_UNHEARD = auto()
    NOT_DONE = auto()


class Crash(Exception):
    """The process ends here."""


class _Conflict(Exception):
    pass


class _Down(Exception):
    pass


@dataclass
class Copy:
    """A copy that the cloud makes: its job and its image."""

    job_id: str
    image_id: str
    marker: Marker
    begun: datetime
    seconds: float
    fails: Cause | None
    hidden_for: float
    names_image: bool
    forgotten: bool = False
    deleted: bool = False

    def ended(self, now: datetime) -> bool:
        return now >= self.begun + timedelta(seconds=self.seconds)

    def is_live(self, now: datetime) -> bool:
        return not self.deleted and not (self.fails and self.ended(now))

    def as_image(self, now: datetime) -> ImageSeen | None:
        """The image as lists show it: some time after the POST, and for a while after its job failed."""
        if self.deleted or now < self.begun + timedelta(seconds=min(self.hidden_for, self.seconds)):
            return None
        if not self.ended(now):
            return ImageSeen(self.image_id, ImageState.PENDING, "saving", self.marker)
        if self.fails:
            lingers = now < self.begun + timedelta(seconds=self.seconds + self.hidden_for)
            state, word = (ImageState.PENDING, "saving") if lingers else (ImageState.DEAD, "killed")
            return ImageSeen(self.image_id, state, word, self.marker)
        return ImageSeen(self.image_id, ImageState.ACTIVE, "active", self.marker)

    def as_job(self, now: datetime) -> JobSeen:
        image_id = self.image_id if self.names_image else None
        if not self.ended(now):
            return JobSeen(JobState.RUNNING, (now - self.begun).total_seconds() / self.seconds, image_id)
        if self.fails:
            return JobSeen(JobState.FAILED, None, image_id, Trouble(self.fails, "the job failed", "IMG.0100"))
        return JobSeen(JobState.SUCCEEDED, 1.0, image_id)


@dataclass(frozen=True)
class Stored:
    """The object at one resourceVersion."""

    version: int = 1
    generation: int = 1
    retry: str | None = None
    spec: ImageCopySpec = field(default_factory=lambda: spec(activeDeadlineSeconds=1800))
    status: ImageCopyStatus = field(default_factory=ImageCopyStatus)

    @property
    def is_resting(self) -> bool:
        return is_resting(self.spec, self.status, self.generation, self.retry)


@dataclass
class Process:
    """One operator process and what it holds in memory."""

    name: str
    known: Stored | None = None
    outcome: PostOutcome | None = None
    recent: Recent = field(default_factory=Recent)


@dataclass
class Plan:
    """What happens to one tick."""

    look: Cause | None = None
    post: Post = Post.ACCEPTED
    reject: Cause = Cause.THROTTLED
    job_fails: Cause | None = None
    seconds: float = 600
    hidden_for: float = 30
    names_image: bool = True
    writes: tuple[Write, ...] = ()
    tags: Cause | None = None
    crash_after: int | None = None
    """The process crashes after so many looks, writes and POSTs."""


_STATUS = crds()["imagecopy.io_imagecopies.yaml"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
_SCHEMA = Draft202012Validator(_STATUS["properties"]["status"])


def check_stored(status: ImageCopyStatus) -> None:
    """What is written is what the schema allows, and is read back as it was."""
    wire = json.loads(json.dumps(status.to_wire()))
    assert [error.message for error in _SCHEMA.iter_errors(wire)] == []
    assert ImageCopyStatus.model_validate(wire) == status


class World:
    """Everything outside of ``decide``."""

    def __init__(self) -> None:
        self.now = T0
        self.stored = Stored()
        self.copies: list[Copy] = []
        self.posted: list[str] = []
        self.source = ImageState.ACTIVE
        self.plan = Plan()
        self.points = 0

    def tick(self, process: Process, plan: Plan) -> float | None:
        """Run a tick of the process; a crash leaves the process without its memory."""
        self.plan, self.points = plan, 0
        self._writes = iter(plan.writes)
        try:
            return self._tick(process)
        except _Conflict:
            process.known = self.stored
        except _Down:
            pass
        except Crash:
            process.known, process.outcome, process.recent = None, None, Recent()
        return 1.0

    def edit(self, **changes: object) -> None:
        """Somebody edits the object."""
        if "spec" in changes:
            changes["generation"] = self.stored.generation + 1
        self.stored = replace(self.stored, version=self.stored.version + 1, **changes)  # type: ignore[arg-type]

    def _point(self) -> None:
        self.points += 1
        if self.points == self.plan.crash_after:
            raise Crash

    def _view(self, process: Process, known: Stored) -> View:
        return View(
            namespace="team-a",
            name="golden",
            uid=UID,
            generation=known.generation,
            owner=OWNER,
            writer=process.name,
            spec=known.spec,
            status=known.status,
            retry_requested_at=known.retry,
            recent=process.recent,
        )

    def _tick(self, process: Process) -> float | None:
        known = process.known = process.known or self.stored
        if process.outcome is None and known.is_resting:
            process.known = self.stored
            return None
        view = prepare(self._view(process, known), self.now)
        seen = process.outcome or self._look(view, needs(view, self.now))
        self._point()
        while True:
            if is_trouble(seen):
                process.recent = replace(process.recent, trouble_since=process.recent.trouble_since or self.now)
            else:
                process.recent = replace(process.recent, trouble_since=None)
            step = decide(replace(view, recent=process.recent), seen, self.now)
            if step.status != known.status:
                known = process.known = self._write(known, step.status)
                self._point()
            process.outcome = None
            if isinstance(seen, JobSeen) and seen.progress != process.recent.progress:
                process.recent = replace(process.recent, progress=seen.progress, progress_moved_at=self.now)
            if step.act is None:
                return step.again
            view = self._view(process, known)
            if isinstance(step.act, PostCopy):
                seen = process.outcome = self._post(step.act)
            else:
                seen = self._tags(step.act)
            self._point()

    def _write(self, known: Stored, status: ImageCopyStatus) -> Stored:
        check_stored(status)
        how = next(self._writes, Write.WORKS)
        if how is Write.NOT_DONE:
            raise _Down
        if how is Write.CONFLICT or known.version != self.stored.version:
            raise _Conflict
        self.stored = replace(self.stored, version=self.stored.version + 1, status=status)
        if how is Write.DONE_UNHEARD:
            raise _Down
        return self.stored

    def _post(self, order: PostCopy) -> PostOutcome:
        assert self.stored.status.attempt == order.attempt, "a POST without a stored intent"
        assert order.attempt.token not in self.posted, "an intent was POSTed twice"
        assert not self.live(), "a POST while an earlier attempt made a copy or may make one"
        self.posted.append(order.attempt.token)
        plan = self.plan
        if plan.post is Post.REJECTED:
            return PostRejected(order.attempt, Trouble(plan.reject, "No.", "IMG.0060"))
        if plan.post is Post.NOT_DONE_UNHEARD:
            return PostUnknown(order.attempt, Trouble(Cause.TRANSIENT, "no reply came"))
        marker = Marker.find(order.description)
        assert marker is not None
        number = len(self.copies) + 1
        self.copies.append(
            Copy(
                f"job-{number}", f"image-{number}", marker, self.now, plan.seconds, plan.job_fails,
                plan.hidden_for, plan.names_image,
            )
        )  # fmt: skip
        if plan.post is Post.DONE_UNHEARD:
            return PostUnknown(order.attempt, Trouble(Cause.TRANSIENT, "no reply came"))
        return PostAccepted(order.attempt, f"job-{number}", "r-1")

    def _tags(self, order: SetTags) -> Seen:
        if self.plan.tags:
            return TagsRefused(order.image_id, Trouble(self.plan.tags, "No."))
        return TagsSet(order.image_id)

    def live(self) -> list[Copy]:
        """The copies that are made or being made."""
        return [copy for copy in self.copies if copy.is_live(self.now)]

    def _images(self) -> Iterable[ImageSeen]:
        yield image(owner=FOREIGN, id="foreign")
        yield from (found for copy in self.copies if (found := copy.as_image(self.now)))

    def _look(self, view: View, need: Need) -> Seen:
        if need is Need.NOTHING:
            return NothingSeen()
        if self.plan.look:
            return Trouble(self.plan.look, "can't be looked at")
        targets = tuple(found for found in self._images() if found.marker and found.marker.owner == OWNER)
        if need is Need.PREFLIGHT:
            return PreflightSeen(targets, None if to_follow(view, targets) else source(self.source))
        if need is Need.TARGET:
            found = next((found for found in self._images() if found.id == view.status.image_id), None)
            return TargetSeen(found or ImageSeen(view.status.image_id or "", ImageState.DEAD, "not there any more"))
        attempt = in_flight(view.status)
        job = next((copy for copy in self.copies if attempt and copy.job_id == attempt.job_id), None)
        if need is Need.TARGETS or job is None or job.forgotten:
            return TargetsSeen(targets)
        seen = job.as_job(self.now)
        if seen.state is JobState.SUCCEEDED and not (seen.image_id or view.status.image_id):
            return TargetsSeen(targets)
        return seen
