"""What a tick saw before it decides: the inputs of :func:`imagecopy.flow.decide.decide`.

Everything the cloud or Kubernetes can answer is put into these words by ``reconcile``; no HTTP status, no IMG
code decides anything in here.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto

from imagecopy.api.imagecopy import Attempt
from imagecopy.flow.marker import Marker


class Cause(StrEnum):
    """Why something could not be looked at or done; surely nothing was done in the cloud."""

    PROVIDER_MISSING = auto()
    """The provider object or its Secret is not there (yet)."""
    PROVIDER_INVALID = auto()
    """The provider or its Secret can't work as written: a key is missing, a host is not allowed, ..."""
    OTHER_PROJECT = auto()
    """The provider leads to another project than the copy's, see :mod:`imagecopy.flow.project`."""
    UNREACHABLE = auto()
    """The endpoint can't be reached."""
    CREDENTIALS = auto()
    """The cloud refuses the login."""
    PERMISSION = auto()
    """The login lacks a permission."""
    THROTTLED = auto()
    QUOTA = auto()
    SOURCE_NOT_READY = auto()
    SOURCE_MISSING = auto()
    REFUSED = auto()
    """The cloud says that this will never work as asked."""
    TRANSIENT = auto()
    """Anything that may work when tried again."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something could not be looked at or done. ``message`` is for people, in the cloud's words where it spoke."""

    cause: Cause
    message: str
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    """Seconds the cloud asks us to wait, where it does."""

    @property
    def words(self) -> str:
        """Code and message, as people look for them."""
        return f"{self.code}: {self.message}" if self.code else self.message

    @property
    def is_final(self) -> bool:
        """Whether another attempt can't help."""
        return self.cause in (Cause.REFUSED, Cause.SOURCE_MISSING)


class ImageState(Enum):
    """The state of an image, as far as a copy is concerned."""

    ACTIVE = auto()
    PENDING = auto()
    """Not usable yet: queued, saving."""
    DEAD = auto()
    """Will never be usable: killed or deleted."""
    ABSENT = auto()
    """Not in the list. Proof of nothing by itself: lists may be late."""


@dataclass(frozen=True, slots=True)
class ObservedImage:
    """An image of the cloud; ``marker`` is ours if its description carries one."""

    id: str
    state: ImageState
    status: str
    """The cloud's word for the state."""
    marker: Marker | None = None


def alive(images: tuple[ObservedImage, ...]) -> tuple[str, ...]:
    """Return the ids of those that can be used or are being made."""
    return tuple(image.id for image in images if image.state in (ImageState.ACTIVE, ImageState.PENDING))


@dataclass(frozen=True, slots=True)
class NothingObserved:
    """Nothing needed to be looked at."""


@dataclass(frozen=True, slots=True)
class PreflightObserved:
    """Before an attempt: targets with our owner mark, and the source (None where a target was found)."""

    targets: tuple[ObservedImage, ...]
    source: ObservedImage | None
    project: str | None = None
    """Id of the project that was looked in, here and below."""


@dataclass(frozen=True, slots=True)
class TargetsObserved:
    """The targets that carry our owner mark, for an attempt whose job is unknown."""

    targets: tuple[ObservedImage, ...]
    project: str | None = None


@dataclass(frozen=True, slots=True)
class TargetObserved:
    """The target that is being followed by its image id."""

    target: ObservedImage
    project: str | None = None


@dataclass(frozen=True, slots=True)
class SlotsBusy:
    """All slots of the project are in use, or older objects wait for them."""

    limit: int
    ahead: int = 0
    """How many wait before this one."""


class JobState(Enum):
    """The state of a job."""

    RUNNING = auto()
    SUCCEEDED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class JobObserved:
    """The job of the attempt. ``progress`` is 0..1 or None; ``trouble`` is set if and only if the job failed."""

    state: JobState
    progress: float | None = None
    image_id: str | None = None
    trouble: Trouble | None = None
    ended_at: datetime | None = None
    """By the cloud's clock: for a metric, no decision rests on it."""
    project: str | None = None
    seconds: float | None = None
    """How long it ran, told when it ended: for pacing others."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """The job was not looked at, as so many are, and is to be in so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class PostAccepted:
    """The cloud took the POST and named a job."""

    attempt: Attempt
    """The attempt as its intent was written."""
    job_id: str
    request_id: str | None

    @property
    def with_job(self) -> Attempt:
        """The attempt as it is to be stored now."""
        return self.attempt.model_copy(update={"job_id": self.job_id, "request_id": self.request_id})


@dataclass(frozen=True, slots=True)
class PostRejected:
    """The POST surely made nothing."""

    attempt: Attempt
    trouble: Trouble


@dataclass(frozen=True, slots=True)
class PostUnknown:
    """Nobody knows what became of the POST; it must not be sent again."""

    attempt: Attempt
    trouble: Trouble


PostOutcome = PostAccepted | PostRejected | PostUnknown


@dataclass(frozen=True, slots=True)
class TagsSet:
    """The tags of the target are as wanted."""

    image_id: str


@dataclass(frozen=True, slots=True)
class TagsRefused:
    """The target is there, but its tags could not be set."""

    image_id: str
    trouble: Trouble


Observation = (
    NothingObserved
    | SlotsBusy
    | Trouble
    | PreflightObserved
    | TargetsObserved
    | TargetObserved
    | JobObserved
    | Postponed
    | PostOutcome
    | TagsSet
    | TagsRefused
)


def is_trouble(seen: Observation) -> bool:
    """Tell whether this brought nothing to go on with: pauses grow until something does."""
    if isinstance(seen, PreflightObserved):
        return seen.source is not None and seen.source.state is ImageState.PENDING
    return isinstance(seen, Trouble | TagsRefused)
