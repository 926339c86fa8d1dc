"""What must hold: the objects as the API server had them, against what the cloud knows for certain.

The cloud's side comes from the simulator's control endpoints, which no fault touches; the markers are read with a
pattern of our own. What is found is sorted by what a user would suffer: see `Kind`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from chaos.plan import Object

_MARKER: Final = re.compile(r"(?:^|\s)imgcp1([0-9a-f]{16})([0-9a-f]{16})$")
_UNAUTHORIZED: Final = 401


class Kind(StrEnum):
    """What is wrong."""

    DUPLICATE = "duplicate"
    """More than one copy was made that did not fail, or a second image is alive."""
    LOST = "lost"
    """An image is in the cloud that no object knows of, or one that should be gone."""
    STUCK = "stuck"
    """An object did not come to its end within the bound."""
    POSTED_TWICE = "posted twice"
    """One attempt was sent more than once, or one was sent that was not stored."""
    UNTRUE = "untrue"
    """The status does not say what is so in the cloud."""
    DIED = "died"
    """The operator ended of itself."""


@dataclass(frozen=True)
class Violation:
    """One thing that is wrong."""

    kind: Kind
    name: str
    words: str
    during: int
    """Number of the round in which it was found."""

    def __str__(self) -> str:
        return f"{self.kind} in round {self.during}: {self.name}: {self.words}"


@dataclass
class Wanted:
    """One ImageCopy and what was seen of it."""

    plan: Object
    body: Mapping[str, Any] | None = None
    most_attempts: int = 0
    tokens: set[str] = field(default_factory=set)
    contradiction: str | None = None
    gone: bool = False

    @property
    def status(self) -> Mapping[str, Any]:
        """Its last status."""
        return ((self.body or {}).get("status")) or {}

    @property
    def phase(self) -> str:
        """Its last phase."""
        return str(self.status.get("phase", ""))

    @property
    def reason(self) -> str:
        """The reason of Ready."""
        return str(self.condition("Ready").get("reason", ""))

    def condition(self, kind: str) -> Mapping[str, Any]:
        """Return a condition; empty if it is not there."""
        return next((c for c in self.status.get("conditions", []) if c["type"] == kind), {})

    def saw(self, body: Mapping[str, Any]) -> None:
        """Note a state of the object."""
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
    def at_rest(self) -> bool:
        """Whether the operator is done with it."""
        if self.body is None:
            return False
        meta, status = self.body["metadata"], self.status
        ended = self.phase in ("Succeeded", "Failed") and status.get("observedGeneration") == meta["generation"]
        return ended and bool(meta.get("finalizers")) == self.plan.delete


@dataclass(frozen=True)
class CloudState:
    """What the cloud knows for certain."""

    posts: Sequence[Mapping[str, Any]]
    jobs: Sequence[Mapping[str, Any]]
    images: Sequence[Mapping[str, Any]]


class Truth:
    """All objects since the simulator started, and what must hold of them."""

    def __init__(self) -> None:
        self.wanted: dict[str, Wanted] = {}

    def want(self, objects: Sequence[Object]) -> list[Wanted]:
        """Note what is going to be created."""
        new = [Wanted(plan) for plan in objects]
        self.wanted |= {wanted.plan.name: wanted for wanted in new}
        return new

    def saw(self, body: object) -> None:
        """Note an object, if it is one of ours."""
        if not isinstance(body, dict) or body.get("kind") != "ImageCopy":
            return
        wanted = self.wanted.get(body["metadata"]["name"])
        if wanted is not None:
            wanted.saw(body)

    def check(self, cloud: CloudState, during: int) -> list[Violation]:
        """Return what is wrong with objects that are at rest or gone."""
        posts, jobs, images = defaultdict(list), defaultdict(list), defaultdict(list)
        for post in cloud.posts:
            posts[(post["body"] or {}).get("name", "")].append(post)
        for job in cloud.jobs:
            jobs[job["_simulator"]["image_name"]].append(job)
        for image in cloud.images:
            images[image["name"]].append(image)
        found = [
            Violation(kind, name, words, during)
            for name, wanted in self.wanted.items()
            for kind, words in _problems(wanted, posts[name], jobs[name], images[name])
        ]
        strangers = sorted({*posts, *jobs, *images} - {*self.wanted})
        return found + [Violation(Kind.LOST, name, "nobody wanted this copy", during) for name in strangers]


def _token(description: object) -> str:
    match = _MARKER.search(str(description or ""))
    return match[2] if match else ""


def _is_alive(image: Mapping[str, Any]) -> bool:
    return not image["_simulator"]["gone"] and image["status"] not in ("killed", "deleted")


def _problems(
    wanted: Wanted,
    posts: Sequence[Mapping[str, Any]],
    jobs: Sequence[Mapping[str, Any]],
    images: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[Kind, str]]:
    alive = [image for image in images if _is_alive(image)]
    made = [job for job in jobs if job["_simulator"]["phase"] != "FAIL"]
    if len(made) > 1 or len(alive) > 1:
        yield Kind.DUPLICATE, f"{len(made)} copies, {len(alive)} images alive: {[image['id'] for image in images]}"
    sent = Counter(_token(post["body"].get("description")) for post in posts if post["status"] != _UNAUTHORIZED)
    if any(count > 1 for count in sent.values()):
        yield Kind.POSTED_TWICE, f"POSTs by attempt: {dict(sent)}"
    if len(sent) > wanted.most_attempts or not sent.keys() <= wanted.tokens:
        yield (
            Kind.POSTED_TWICE,
            f"{len(sent)} attempts sent {sorted(sent)}, {wanted.most_attempts} stored {sorted(wanted.tokens)}",
        )
    if wanted.contradiction:
        yield Kind.UNTRUE, wanted.contradiction
    if wanted.gone:
        if wanted.plan.delete and alive:
            yield Kind.LOST, f"deleted with Delete, but there is {[image['id'] for image in alive]}"
        return
    unknown = [image["id"] for image in alive if image["id"] != wanted.status.get("imageID")]
    if unknown:
        yield Kind.LOST, f"{wanted.phase}, but there is {unknown}, of which its status does not tell"
    if wanted.phase == "Succeeded":
        yield from _untrue_success(wanted, alive)
    elif wanted.phase == "Failed":
        yield from _untrue_failure(wanted, made)


def _untrue_success(wanted: Wanted, alive: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Kind, str]]:
    image = next((image for image in alive if image["id"] == wanted.status.get("imageID")), None)
    if image is None or image["status"] != "active":
        yield Kind.UNTRUE, f"Succeeded, but its image is {image['status'] if image else 'not there'}"
        return
    if wanted.condition("Ready").get("status") != "True":
        yield Kind.UNTRUE, "Succeeded, but not Ready"
    if not _token(image["__description"]):
        yield Kind.UNTRUE, f"its image carries no marker: {image['__description']}"
    tags = dict(str(tag).split("=", 1) for tag in image.get("tags") or [])
    if tags != wanted.plan.tags:
        yield Kind.UNTRUE, f"tags {tags} instead of {wanted.plan.tags}"


def _untrue_failure(wanted: Wanted, made: Sequence[object]) -> Iterator[tuple[Kind, str]]:
    """No fault of a round is one that a copy may fail for, except an outcome that stays unknown."""
    if wanted.condition("Stalled").get("status") != "True":
        yield Kind.UNTRUE, "Failed, but not Stalled"
    if wanted.reason != "OutcomeUnknown" or not wanted.plan.halt:
        yield Kind.UNTRUE, f"Failed for {wanted.reason}: {wanted.condition('Ready').get('message')}"
    elif made:
        yield Kind.UNTRUE, "OutcomeUnknown, but the copy was made"
