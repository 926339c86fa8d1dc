"""Views and things seen, in few words. States are made by deciding, so that no test rests on one that can't be."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from imagecopy.api.conditions import ConditionStatus, ConditionType, Reason
from imagecopy.api.imagecopy import Attempt, ImageCopySpec, ImageCopyStatus, Phase
from imagecopy.flow.decide import decide
from imagecopy.flow.marker import Marker, token_of
from imagecopy.flow.observation import (
    Cause,
    ImageState,
    JobObserved,
    JobState,
    Observation,
    ObservedImage,
    PostAccepted,
    PostRejected,
    PostUnknown,
    PreflightObserved,
    Trouble,
)
from imagecopy.flow.steps import PostCopy, SetTags
from imagecopy.flow.view import Need, PacingMemory, View, begin_retry

T0 = datetime(2026, 9, 1, 12, 0, 0, tzinfo=UTC)
SOURCE = "7c9a2b1e-4f60-4d6b-9c0f-2f1d3b5a8e47"
TARGET = "3f1c8e52-90ab-4c1d-8a7e-5b6c7d8e9f01"
KEY = "0d0466b0-e727-4d9c-b35d-f84bb474a37f"
JOB = "edc89b490d7d4392898e19b2deb34797"
UID = "5f0c7a52-0000-4000-8000-000000000001"
OWNER = "00112233445566aa"
FOREIGN = "ffffffffffffffff"
PROJECT = "5dd3c0b24cdc4d31952c49589182a89d"
ELSEWHERE = "0123456789abcdef0123456789abcdef"
"""Another project, to which a provider leads after a switch."""
TAGS = {"team": "web", "os": "debian13"}


_WORDS = {
    ImageState.ACTIVE: "active",
    ImageState.PENDING: "saving",
    ImageState.DEAD: "killed",
    ImageState.ABSENT: "missing",
}


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def spec(**fields: Any) -> ImageCopySpec:
    """A spec, with fields as a manifest spells them."""
    return ImageCopySpec.model_validate({"source": {"imageID": SOURCE}, **fields})


def new(wanted: ImageCopySpec | None = None, **fields: Any) -> View:
    """An object that nobody has looked at yet."""
    return View(
        **{
            "namespace": "team-a",
            "name": "golden",
            "uid": UID,
            "generation": 1,
            "owner": OWNER,
            "writer": "pod/1",
            "spec": wanted or spec(),
            "status": ImageCopyStatus(),
            **fields,
        }
    )


def then(view: View, seen: Observation, seconds: float = 0) -> View:
    """The view after it was decided about, with what was decided stored."""
    return replace(view, status=decide(begin_retry(view, at(seconds)), seen, at(seconds)).status)


def intended(wanted: ImageCopySpec | None = None, **fields: Any) -> View:
    """After the intent was stored at T0: what a crash before the POST's reply leaves behind, too."""
    return then(new(wanted, **fields), preflight())


def copying(wanted: ImageCopySpec | None = None, **fields: Any) -> View:
    """After the cloud took the POST at T0."""
    view = intended(wanted, **fields)
    return then(view, accepted(view))


def backing_off(wanted: ImageCopySpec | None = None) -> View:
    """After a job failed at 100 s: the next attempt is due at 110 s."""
    return then(copying(wanted), failed_job(), 100)


def done(wanted: ImageCopySpec | None = None) -> View:
    """Succeeded at 600 s, without tags."""
    return then(copying(wanted), succeeded_job(), 600)


def failed(wanted: ImageCopySpec | None = None) -> View:
    """Failed for good at 100 s, as the cloud said that it will never work."""
    return then(copying(wanted), failed_job(Cause.REFUSED), 100)


def looked_for(view: View, seconds: float = 0) -> View:
    """The view after so many seconds in which an outcome was looked for in vain."""
    return remembering(view, unresolved_for=seconds)


def edited(view: View, wanted: ImageCopySpec) -> View:
    return replace(view, spec=wanted, generation=view.generation + 1)


def asked(view: View, value: str) -> View:
    """The view with a value of the retry annotation."""
    return replace(view, retry_requested_at=value)


def remembering(view: View, **recent: Any) -> View:
    return replace(view, recent=replace(view.recent, **recent))


def troubled_since(view: View, seconds: float) -> View:
    return replace(view, recent=PacingMemory(trouble_since=at(seconds)))


def attempt_of(view: View) -> Attempt:
    attempt = view.status.attempt
    assert attempt is not None
    return attempt


def image(
    state: ImageState = ImageState.ACTIVE,
    *,
    number: int = 1,
    owner: str = OWNER,
    id: str = TARGET,  # noqa: A002
) -> ObservedImage:
    return ObservedImage(id, state, _WORDS[state], Marker(owner, token_of(UID, number)))


def source(state: ImageState = ImageState.ACTIVE) -> ObservedImage:
    return replace(image(state, id=SOURCE), marker=None)


def preflight(*targets: ObservedImage, found: ObservedImage | None = source()) -> PreflightObserved:  # noqa: B008
    return PreflightObserved(targets, found)


def trouble(cause: Cause = Cause.TRANSIENT, retry_after: float | None = None) -> Trouble:
    return Trouble(cause, "the cloud's words", "IMG.0042", "r-42", retry_after)


def accepted(view: View) -> PostAccepted:
    return PostAccepted(attempt_of(view), JOB, "r-1")


def rejected(view: View, cause: Cause, retry_after: float | None = None) -> PostRejected:
    return PostRejected(attempt_of(view), trouble(cause, retry_after))


def unknown(view: View) -> PostUnknown:
    return PostUnknown(attempt_of(view), Trouble(Cause.TRANSIENT, "no reply came"))


def running(progress: float | None = None, image_id: str | None = None) -> JobObserved:
    return JobObserved(JobState.RUNNING, progress, image_id)


def succeeded_job(image_id: str | None = TARGET) -> JobObserved:
    return JobObserved(JobState.SUCCEEDED, 1.0, image_id)


def failed_job(cause: Cause = Cause.TRANSIENT) -> JobObserved:
    return JobObserved(JobState.FAILED, 0.5, None, trouble(cause))


@dataclass(frozen=True)
class Row:
    """One line of the table: what is seen of an object ``seconds`` after T0, and what is decided."""

    id: str
    view: View
    seen: Observation
    seconds: float
    phase: Phase
    ready: tuple[ConditionStatus, Reason] | None
    need: Need | None = None
    """What is looked at before; None for what an act brought."""
    again: tuple[float, float] | None = None
    """The least and the longest pause; None: none until someone edits the object, or there is an act."""
    act: type[PostCopy | SetTags] | None = None
    events: tuple[str, ...] = ()
    fields: dict[str, object] = field(default_factory=dict)
    """Values in the stored form of the status, by path."""
    also: dict[ConditionType, tuple[ConditionStatus, Reason]] = field(default_factory=dict)
    reconciling: bool | None = None
    """Whether it is told that work goes on; None: as the phase says."""


FALSE, TRUE, UNSURE = ConditionStatus.FALSE, ConditionStatus.TRUE, ConditionStatus.UNKNOWN
ABSENT = object()


def value_at(wire: object, path: str) -> object:
    """The value at a dotted path of a status in its stored form, ABSENT if there is none."""
    for part in path.split("."):
        if isinstance(wire, list):
            wire = wire[int(part)] if wire else ABSENT
        else:
            wire = wire.get(part, ABSENT) if isinstance(wire, dict) else ABSENT
    return ABSENT if wire == [] else wire
