"""The ImageCopy resource: one wanted copy."""

from enum import StrEnum

from pydantic import Field

from imagecopy.api.base import ApiModel, Timestamp
from imagecopy.api.conditions import Condition
from imagecopy.api.provider import ProviderKind

RETRY_ANNOTATION = "imagecopy.io/retry-requested-at"
"""Any new value starts a Failed copy again; the value handled last is ``status.lastHandledRetryAt``."""


class Source(ApiModel):
    """The image copied from."""

    image_id: str


class Target(ApiModel):
    """The copy."""

    name: str | None = Field(default=None, min_length=1, max_length=128)
    description: str | None = Field(default=None, max_length=980)
    kms_key_id: str | None = None
    enterprise_project_id: str | None = None
    tags: dict[str, str] | None = None


class ProviderRef(ApiModel):
    """Which provider makes the copy."""

    kind: ProviderKind = ProviderKind.CLUSTER
    name: str = "default"


class ImageCopySpec(ApiModel):
    """The wanted copy."""

    source: Source
    target: Target = Target()
    provider_ref: ProviderRef = ProviderRef()
    suspend: bool = False
    active_deadline_seconds: int = Field(default=7200, ge=1, le=604800)
    backoff_limit: int = Field(default=2, ge=0, le=10)


class Phase(StrEnum):
    """A word for people, derived from the conditions."""

    PENDING = "Pending"
    COPYING = "Copying"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SUSPENDED = "Suspended"


class Attempt(ApiModel):
    """The attempt under way: one POST of the copy call. Written before the POST (the intent)."""

    number: int = Field(ge=1)
    token: str
    posted_at: Timestamp
    job_id: str | None = None
    request_id: str | None = None


class AttemptOutcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "Succeeded"
    REJECTED = "Rejected"
    FAILED = "Failed"


class EndedAttempt(ApiModel):
    """One attempt that ended."""

    number: int = Field(ge=1)
    outcome: AttemptOutcome
    job_id: str | None = None
    code: str | None = None
    message: str | None = None
    posted_at: Timestamp
    ended_at: Timestamp


class Failure(ApiModel):
    """The cloud's own words about the last thing that went wrong."""

    code: str | None = None
    message: str = ""
    request_id: str | None = None


class ImageCopyStatus(ApiModel):
    """What became of it so far. The only memory of the operator that counts."""

    observed_generation: int = -1
    phase: Phase | None = None
    progress: str | None = None
    job_id: str | None = None
    image_id: str | None = None
    target_name: str | None = None
    target_tags: dict[str, str] | None = None
    start_time: Timestamp | None = None
    completion_time: Timestamp | None = None
    next_attempt_time: Timestamp | None = None
    failed_jobs: int = 0
    attempt: Attempt | None = None
    attempts: tuple[EndedAttempt, ...] = ()
    failure: Failure | None = None
    last_handled_retry_at: str | None = None
    conditions: tuple[Condition, ...] = ()
