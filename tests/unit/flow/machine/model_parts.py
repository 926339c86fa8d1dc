"""What the model of the outside world consists of: copies, objects, processes, and what happens to a tick."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from imagecopy.api.imagecopy import ImageCopySpec, ImageCopyStatus
from imagecopy.flow.marker import Marker
from imagecopy.flow.observation import Cause, ImageState, JobObserved, JobState, ObservedImage, PostOutcome, Trouble
from imagecopy.flow.view import PacingMemory, is_resting
from unit.flow.builders import spec


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
    project: str
    forgotten: bool = False
    deleted: bool = False

    def ended(self, now: datetime) -> bool:
        return now >= self.begun + timedelta(seconds=self.seconds)

    def is_live(self, now: datetime) -> bool:
        return not self.deleted and not (self.fails and self.ended(now))

    def as_image(self, now: datetime) -> ObservedImage | None:
        """The image as lists show it: some time after the POST, and for a while after its job failed."""
        if self.deleted or now < self.begun + timedelta(seconds=min(self.hidden_for, self.seconds)):
            return None
        if not self.ended(now):
            return ObservedImage(self.image_id, ImageState.PENDING, "saving", self.marker)
        if self.fails:
            lingers = now < self.begun + timedelta(seconds=self.seconds + self.hidden_for)
            state, word = (ImageState.PENDING, "saving") if lingers else (ImageState.DEAD, "killed")
            return ObservedImage(self.image_id, state, word, self.marker)
        return ObservedImage(self.image_id, ImageState.ACTIVE, "active", self.marker)

    def as_job(self, now: datetime) -> JobObserved:
        image_id = self.image_id if self.names_image else None
        if not self.ended(now):
            return JobObserved(JobState.RUNNING, (now - self.begun).total_seconds() / self.seconds, image_id)
        if self.fails:
            return JobObserved(JobState.FAILED, None, image_id, Trouble(self.fails, "the job failed", "IMG.0100"))
        return JobObserved(JobState.SUCCEEDED, 1.0, image_id)


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
    recent: PacingMemory = field(default_factory=PacingMemory)
    looked_in_vain: tuple[int, datetime] | None = None
    """The attempt whose outcome is looked for, and since when."""
    deletion_requested_at: datetime | None = None

    def forget(self) -> None:
        """Lose all memory."""
        self.known, self.outcome, self.recent = None, None, PacingMemory()
        self.looked_in_vain, self.deletion_requested_at = None, None


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
    delete: Cause | None = None
    switched_before_post: str | None = None
    """The provider leads to this project from between the intent and its POST on."""
    crash_after: int | None = None
    """The process crashes after so many looks, writes and POSTs."""
