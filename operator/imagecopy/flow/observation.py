"""Observations: what was found out before a decision, as inputs of :func:`imagecopy.flow.decide.decide`.

``cloud`` and ``providers`` translate all replies and errors into these types. No HTTP status and no IMG code decides
anything in here.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto

from imagecopy.api.imagecopy import Attempt
from imagecopy.flow.marker import Marker


class Cause(StrEnum):
    """Why something could not be observed or done. Surely nothing was done in the cloud."""

    PROVIDER_MISSING = auto()
    """The provider object or its Secret is not there (yet)."""
    PROVIDER_INVALID = auto()
    """The provider or its Secret can't work as it is: a key is missing, a host is not allowed, ..."""
    OTHER_PROJECT = auto()
    """The provider points to another project than the copy's, see :mod:`imagecopy.flow.project`."""
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
    """Anything that may work when it is tried again."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something could not be observed or done. ``message`` is for people, in the cloud's own words if it gave any."""

    cause: Cause
    message: str
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    """How many seconds the cloud asks us to wait, if it does."""

    @property
    def words(self) -> str:
        """Code and message, as people search for them."""
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
    """Not in the list. That alone proves nothing, because lists may be late."""


@dataclass(frozen=True, slots=True)
class ObservedImage:
    """An image of the cloud; ``marker`` is ours if its description carries one."""

    id: str
    state: ImageState
    status: str
    """The cloud's word for the state."""
    marker: Marker | None = None


def alive(images: tuple[ObservedImage, ...]) -> tuple[str, ...]:
    """Return the ids of those images that can be used or are being made."""
    return tuple(image.id for image in images if image.state in (ImageState.ACTIVE, ImageState.PENDING))


@dataclass(frozen=True, slots=True)
class NothingObserved:
    """Nothing had to be observed."""


@dataclass(frozen=True, slots=True)
class PreflightObserved:
    """Before an attempt: targets with our owner mark, and the source (None where a target was found)."""

    targets: tuple[ObservedImage, ...]
    source: ObservedImage | None
    project: str | None = None
    """Id of the project that was read, here and below."""


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
    """By the cloud's clock; only for a metric."""
    project: str | None = None
    seconds: float | None = None
    """How long it ran, once it has ended; paces the polls of other copies."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """The job was not polled, because so many are running; its turn comes in so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class PostAccepted:
    """The cloud accepted the POST and returned a job id."""

    attempt: Attempt
    """The attempt, as its intent was stored."""
    job_id: str
    request_id: str | None

    @property
    def with_job(self) -> Attempt:
        """The attempt as it is to be stored now."""
        return self.attempt.model_copy(update={"job_id": self.job_id, "request_id": self.request_id})


@dataclass(frozen=True, slots=True)
class PostRejected:
    """Surely the POST made nothing."""

    attempt: Attempt
    trouble: Trouble


@dataclass(frozen=True, slots=True)
class PostUnknown:
    """It is not known whether the POST made a copy. It must not be sent again."""

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
    """Tell whether this observation failed, or found a source that is not ready: the pauses grow while that lasts."""
    if isinstance(seen, PreflightObserved):
        return seen.source is not None and seen.source.state is ImageState.PENDING
    return isinstance(seen, Trouble | TagsRefused)
