"""The invariants: compares the objects that the API server showed with what really exists in the cloud.

The cloud's side comes from the simulator's control API, which no fault affects. Markers are read with a pattern of this
module, not with the operator's code. A violation is sorted by what a user would suffer, see `Kind`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from chaos.plan import PlannedCopy

_MARKER: Final = re.compile(r"(?:^|\s)imgcp1([0-9a-f]{16})([0-9a-f]{16})$")
_UNAUTHORIZED: Final = 401


class Kind(StrEnum):
    """Kinds of violations."""

    DUPLICATE = "duplicate"
    """An object has more than one copy that did not fail, or more than one image."""
    LOST = "lost"
    """The cloud has an image that no object knows of, or one that should be deleted."""
    STUCK = "stuck"
    """An object did not reach its end in time."""
    POSTED_TWICE = "posted twice"
    """An attempt was sent more than once, or was sent without being stored."""
    UNTRUE = "untrue"
    """The status contradicts the cloud."""
    DIED = "died"
    """The operator ended without being killed."""


@dataclass(frozen=True)
class Violation:
    """One violation of an invariant."""

    kind: Kind
    name: str
    message: str
    during: int
    """Number of the round in which it was found."""

    def __str__(self) -> str:
        return f"{self.kind} in round {self.during}: {self.name}: {self.message}"


@dataclass
class TrackedCopy:
    """One ImageCopy, and the states of it that the API server showed."""

    plan: PlannedCopy
    body: Mapping[str, Any] | None = None
    most_attempts: int = 0
    tokens: set[str] = field(default_factory=set)
    contradiction: str | None = None
    gone: bool = False

    @property
    def status(self) -> Mapping[str, Any]:
        """Its latest status."""
        return ((self.body or {}).get("status")) or {}

    @property
    def phase(self) -> str:
        """Its latest phase."""
        return str(self.status.get("phase", ""))

    @property
    def reason(self) -> str:
        """The reason of its condition Ready."""
        return str(self.condition("Ready").get("reason", ""))

    def condition(self, kind: str) -> Mapping[str, Any]:
        """Return a condition, or an empty dict if it has none of this type."""
        return next((c for c in self.status.get("conditions", []) if c["type"] == kind), {})

    def observe(self, body: Mapping[str, Any]) -> None:
        """Record a state of the object."""
        version = int(body["metadata"]["resourceVersion"])
        if self.body is None or version >= int(self.body["metadata"]["resourceVersion"]):
            self.body = body
        attempt = (body.get("status") or {}).get("attempt") or {}
        if attempt:
            self.most_attempts = max(self.most_attempts, attempt["number"])
            self.tokens.add(attempt["token"])
        true = {c["type"] for c in (body.get("status") or {}).get("conditions", []) if c["status"] == "True"}
        if {"Reconciling", "Stalled"} <= true or {"Ready", "Stalled"} <= true:
            self.contradiction = f"conditions {sorted(true)} at once at resourceVersion {version}"

    @property
    def finished(self) -> bool:
        """Whether the operator has nothing more to do for it."""
        if self.body is None:
            return False
        meta, status = self.body["metadata"], self.status
        ended = self.phase in ("Succeeded", "Failed") and status.get("observedGeneration") == meta["generation"]
        return ended and bool(meta.get("finalizers")) == self.plan.delete


@dataclass(frozen=True)
class CloudState:
    """What really exists in the cloud."""

    posts: Sequence[Mapping[str, Any]]
    jobs: Sequence[Mapping[str, Any]]
    images: Sequence[Mapping[str, Any]]


class Tracker:
    """All ImageCopies since the simulator started."""

    def __init__(self) -> None:
        self.copies: dict[str, TrackedCopy] = {}

    def expect(self, objects: Sequence[PlannedCopy]) -> None:
        """Track objects that are about to be created."""
        self.copies |= {plan.name: TrackedCopy(plan) for plan in objects}

    def observe(self, body: object) -> None:
        """Record a state of an object, if it is a tracked one."""
        if not isinstance(body, dict) or body.get("kind") != "ImageCopy":
            return
        copy = self.copies.get(body["metadata"]["name"])
        if copy is not None:
            copy.observe(body)

    def check(self, cloud: CloudState, during: int) -> list[Violation]:
        """Return the violations of objects that are finished or deleted."""
        posts, jobs, images = defaultdict(list), defaultdict(list), defaultdict(list)
        for post in cloud.posts:
            posts[(post["body"] or {}).get("name", "")].append(post)
        for job in cloud.jobs:
            jobs[job["_simulator"]["image_name"]].append(job)
        for image in cloud.images:
            images[image["name"]].append(image)
        found = [
            Violation(kind, name, message, during)
            for name, copy in self.copies.items()
            for kind, message in _problems(copy, posts[name], jobs[name], images[name])
        ]
        unknown = sorted({*posts, *jobs, *images} - {*self.copies})
        return found + [Violation(Kind.LOST, name, "no object asked for this copy", during) for name in unknown]


def _token(description: object) -> str:
    match = _MARKER.search(str(description or ""))
    return match[2] if match else ""


def _is_alive(image: Mapping[str, Any]) -> bool:
    return not image["_simulator"]["gone"] and image["status"] not in ("killed", "deleted")


def _problems(
    copy: TrackedCopy,
    posts: Sequence[Mapping[str, Any]],
    jobs: Sequence[Mapping[str, Any]],
    images: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[Kind, str]]:
    alive = [image for image in images if _is_alive(image)]
    made = [job for job in jobs if job["_simulator"]["phase"] != "FAIL"]
    if len(made) > 1 or len(alive) > 1:
        yield Kind.DUPLICATE, f"{len(made)} copies, {len(alive)} images exist: {[image['id'] for image in images]}"
    sent = Counter(_token(post["body"].get("description")) for post in posts if post["status"] != _UNAUTHORIZED)
    if any(count > 1 for count in sent.values()):
        yield Kind.POSTED_TWICE, f"POSTs by attempt: {dict(sent)}"
    if len(sent) > copy.most_attempts or not sent.keys() <= copy.tokens:
        yield (
            Kind.POSTED_TWICE,
            f"{len(sent)} attempts sent {sorted(sent)}, {copy.most_attempts} stored {sorted(copy.tokens)}",
        )
    if copy.contradiction:
        yield Kind.UNTRUE, copy.contradiction
    if copy.gone:
        if copy.plan.delete and alive:
            yield Kind.LOST, f"deleted with policy Delete, but these images exist: {[image['id'] for image in alive]}"
        return
    unknown = [image["id"] for image in alive if image["id"] != copy.status.get("imageID")]
    if unknown:
        yield Kind.LOST, f"{copy.phase}, but its status does not name these images: {unknown}"
    if copy.phase == "Succeeded":
        yield from _untrue_success(copy, alive)
    elif copy.phase == "Failed":
        yield from _untrue_failure(copy, made)


def _untrue_success(copy: TrackedCopy, alive: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Kind, str]]:
    image = next((image for image in alive if image["id"] == copy.status.get("imageID")), None)
    if image is None or image["status"] != "active":
        yield Kind.UNTRUE, f"Succeeded, but its image is {image['status'] if image else 'missing'}"
        return
    if copy.condition("Ready").get("status") != "True":
        yield Kind.UNTRUE, "Succeeded, but not Ready"
    if not _token(image["__description"]):
        yield Kind.UNTRUE, f"its image has no marker: {image['__description']}"
    tags = dict(str(tag).split("=", 1) for tag in image.get("tags") or [])
    if tags != copy.plan.tags:
        yield Kind.UNTRUE, f"tags {tags} instead of {copy.plan.tags}"


def _untrue_failure(copy: TrackedCopy, made: Sequence[object]) -> Iterator[tuple[Kind, str]]:
    """A copy may fail for one reason only: an unknown outcome with policy Halt. Every other fault is temporary."""
    if copy.condition("Stalled").get("status") != "True":
        yield Kind.UNTRUE, "Failed, but not Stalled"
    if copy.reason != "OutcomeUnknown" or not copy.plan.halt:
        yield Kind.UNTRUE, f"Failed for {copy.reason}: {copy.condition('Ready').get('message')}"
    elif made:
        yield Kind.UNTRUE, "OutcomeUnknown, but the copy exists"
