"""A cloud, an API server and operator processes of a few lines, for ``decide`` to be driven against.

Whatever can go wrong is ordered per call. The order of writes is reconcile's; a crash may come at each point of it.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from jsonschema import Draft202012Validator

from imagecopy.api.crd import crds
from imagecopy.api.imagecopy import DeletionPolicy, ImageCopyStatus
from imagecopy.flow.decide import decide
from imagecopy.flow.deletion import DeleteImage, DeletionRequested, decide_deletion, deletion_needs
from imagecopy.flow.deletion import Observation as DeletionSeen
from imagecopy.flow.image import target_to_follow
from imagecopy.flow.marker import Marker
from imagecopy.flow.observation import (
    Cause,
    ImageState,
    JobObserved,
    JobState,
    NothingObserved,
    Observation,
    ObservedImage,
    PostAccepted,
    PostOutcome,
    PostRejected,
    PostUnknown,
    PreflightObserved,
    SlotsBusy,
    TagsRefused,
    TagsSet,
    TargetObserved,
    TargetsObserved,
    Trouble,
    is_trouble,
)
from imagecopy.flow.project import wrong_project
from imagecopy.flow.steps import PostCopy, SetTags
from imagecopy.flow.view import Need, PacingMemory, View, begin_retry, in_flight, needs
from unit.flow.builders import FOREIGN, OWNER, PROJECT, T0, UID, image, source
from unit.flow.machine.model_parts import Copy, Crash, Plan, Post, Process, Stored, Write

SETTLE_SECONDS = 300.0
"""Longer than any copy stays hidden."""

CloudObservation = NothingObserved | Trouble | PreflightObserved | TargetsObserved | TargetObserved | JobObserved


class _Conflict(Exception):
    pass


class _Down(Exception):
    pass


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
        self.set_by = timedelta()
        self.deleting = False
        self.gone = False
        self.deleted_with: DeletionPolicy | None = None
        self.stored = Stored()
        self.copies: list[Copy] = []
        self.posted: list[str] = []
        self.source = ImageState.ACTIVE
        self.project = PROJECT
        """Where the provider leads to."""
        self.plan = Plan()
        self.points = 0

    def tick(self, process: Process, plan: Plan) -> float | None:
        """Run a tick of the process; a crash leaves the process without its memory."""
        self.plan, self.points = plan, 0
        self._writes = iter(plan.writes)
        if self.gone:
            return None
        try:
            return self._leave(process) if self.deleting else self._tick(process)
        except _Conflict:
            process.known = self.stored
        except _Down:
            pass
        except Crash:
            process.forget()
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
            recent=self._recent(process),
            settle_seconds=SETTLE_SECONDS,
        )

    def _recent(self, process: Process) -> PacingMemory:
        since, asked = process.looked_in_vain, process.deletion_requested_at
        return replace(
            process.recent,
            unresolved_for=(self.now - since[1]).total_seconds() if since else 0.0,
            deletion_requested_for=(self.now - asked).total_seconds() if asked else None,
        )

    @property
    def wall(self) -> datetime:
        """The time by a clock that is set now and then."""
        return self.now + self.set_by

    def _tick(self, process: Process) -> float | None:
        known = process.known = process.known or self.stored
        if process.outcome is None and known.is_resting:
            process.known = self.stored
            return None
        view = begin_retry(self._view(process, known), self.wall)
        seen: Observation = process.outcome or self._looks(process, view, needs(view, self.wall))
        self._point()
        while True:
            if is_trouble(seen):
                process.recent = replace(process.recent, trouble_since=process.recent.trouble_since or self.wall)
            else:
                process.recent = replace(process.recent, trouble_since=None)
            step = decide(replace(view, recent=self._recent(process)), seen, self.wall)
            if step.status != known.status:
                known = process.known = self._write(known, step.status)
                self._point()
            process.outcome = None
            if isinstance(seen, JobObserved) and seen.progress != process.recent.progress:
                process.recent = replace(process.recent, progress=seen.progress, progress_moved_at=self.wall)
            if step.action is None:
                return step.requeue_after
            view = self._view(process, known)
            if isinstance(step.action, PostCopy):
                if self.plan.switched_before_post:
                    self.project = self.plan.switched_before_post
                seen = process.outcome = self._post(view, step.action)
            else:
                seen = self._tags(view, step.action)
            self._point()

    def _leave(self, process: Process) -> float | None:
        """A step of the object's deletion."""
        known = process.known = process.known or self.stored
        view = self._view(process, known)
        seen: DeletionSeen | CloudObservation = process.outcome or self._looks(process, view, deletion_needs(view))
        self._point()
        while True:
            assert not isinstance(seen, PreflightObserved | TagsSet | TagsRefused | SlotsBusy)
            if isinstance(seen, DeletionRequested):
                process.deletion_requested_at = process.deletion_requested_at or self.now
            step = decide_deletion(self._view(process, known), seen, self.wall)
            if step.status != known.status:
                known = process.known = self._write(known, step.status)
                self._point()
            process.outcome = None
            if step.action is None:
                if step.requeue_after is None:
                    self.gone = True
                    self.deleted_with = known.spec.deletion_policy
                return step.requeue_after
            seen = self._delete(self._view(process, known), step.action)
            self._point()

    def _delete(self, view: View, order: DeleteImage) -> DeletionRequested | Trouble:
        if wrong := wrong_project(view, self.project):
            return wrong
        if self.plan.delete:
            return Trouble(self.plan.delete, "No.")
        named = [copy for copy in self.here() if copy.image_id == order.image_id]
        assert named, "an image of another was deleted"
        for copy in named:
            copy.deleted = True
        return DeletionRequested(order.image_id)

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

    def _post(self, view: View, order: PostCopy) -> PostOutcome:
        if wrong := wrong_project(view, self.project):
            return PostRejected(order.attempt, wrong)
        assert self.stored.status.attempt == order.attempt, "a POST without a stored intent"
        assert order.attempt.token not in self.posted, "an intent was POSTed twice"
        assert not self.live(), "a POST while an earlier attempt made a copy or may make one"
        assert self.stored.status.project_id == self.project, "a POST in another project than the stored one"
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
                plan.hidden_for, plan.names_image, self.project,
            )
        )  # fmt: skip
        if plan.post is Post.DONE_UNHEARD:
            return PostUnknown(order.attempt, Trouble(Cause.TRANSIENT, "no reply came"))
        return PostAccepted(order.attempt, f"job-{number}", "r-1")

    def _tags(self, view: View, order: SetTags) -> Observation:
        if wrong := wrong_project(view, self.project):
            return TagsRefused(order.image_id, wrong)
        assert order.image_id in [copy.image_id for copy in self.here()], "tags were set in another project"
        if self.plan.tags:
            return TagsRefused(order.image_id, Trouble(self.plan.tags, "No."))
        return TagsSet(order.image_id)

    def live(self) -> list[Copy]:
        """The copies that are made or being made, in all projects."""
        return [copy for copy in self.copies if copy.is_live(self.now)]

    def here(self) -> list[Copy]:
        """The copies of the project that the provider leads to."""
        return [copy for copy in self.copies if copy.project == self.project]

    def _images(self) -> Iterable[ObservedImage]:
        yield image(owner=FOREIGN, id="foreign")
        yield from (found for copy in self.here() if (found := copy.as_image(self.now)))

    def _looks(self, process: Process, view: View, need: Need) -> CloudObservation:
        seen = self._look(view, need)
        number = view.status.attempt.number if view.status.attempt else 0
        if process.looked_in_vain and process.looked_in_vain[0] != number:
            process.looked_in_vain = None
        absent = isinstance(seen, TargetObserved) and seen.target.state is ImageState.ABSENT
        if absent or (isinstance(seen, TargetsObserved) and target_to_follow(view, seen.targets) is None):
            process.looked_in_vain = process.looked_in_vain or (number, self.now)
        elif not isinstance(seen, Trouble):
            process.looked_in_vain = None
        return seen

    def _look(self, view: View, need: Need) -> CloudObservation:
        if need is Need.NOTHING:
            return NothingObserved()
        if wrong := wrong_project(view, self.project):
            return wrong
        if self.plan.look:
            return Trouble(self.plan.look, "can't be looked at")
        return replace(self._look_here(view, need), project=self.project)

    def _look_here(self, view: View, need: Need) -> PreflightObserved | TargetsObserved | TargetObserved | JobObserved:
        targets = tuple(found for found in self._images() if found.marker and found.marker.owner == OWNER)
        if need is Need.PREFLIGHT:
            return PreflightObserved(targets, None if target_to_follow(view, targets) else source(self.source))
        if need is Need.TARGET:
            found = next((found for found in self._images() if found.id == view.status.image_id), None)
            return TargetObserved(found or ObservedImage(view.status.image_id or "", ImageState.ABSENT, "missing"))
        attempt = in_flight(view.status)
        job = next((copy for copy in self.here() if attempt and copy.job_id == attempt.job_id), None)
        if need is Need.TARGETS or job is None or job.forgotten:
            return TargetsObserved(targets)
        seen = job.as_job(self.now)
        if seen.state is JobState.SUCCEEDED and not (seen.image_id or view.status.image_id):
            return TargetsObserved(targets)
        return seen
