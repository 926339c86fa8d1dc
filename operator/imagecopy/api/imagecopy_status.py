"""The status of an ImageCopy: what the operator knows of the copy, and all that it needs to know after a restart."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field

from imagecopy.api.base import ApiModel, Timestamp
from imagecopy.api.conditions import Conditions
from imagecopy.api.rules import extensions
from imagecopy.api.text import JobID, Message, Word, known_words

RETRY_MAX_LENGTH: Final = 256
"""How many characters of the retry annotation's value are kept and compared."""

KEPT_ATTEMPTS: Final = 5
"""How many ended attempts the status keeps, the latest ones."""


class Phase(StrEnum):
    """Summary of the conditions in one word, for people."""

    PENDING = "Pending"
    COPYING = "Copying"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SUSPENDED = "Suspended"
    DELETING = "Deleting"


class Attempt(ApiModel):
    """The latest copy request, stored before it is sent (the intent)."""

    number: int = Field(ge=1, examples=[1])
    """Number of the attempt, from 1."""

    token: str = Field(max_length=64, examples=["8f14e45fceea167a"])
    """The part of the marker that identifies this attempt: 16 hex digits. The marker is in the copy's description."""

    posted_at: Timestamp = Field(examples=["2026-09-01T12:00:00Z"])
    """When the operator was about to send the copy request (UTC, whole seconds)."""

    writer: str | None = Field(default=None, max_length=64, examples=["imagecopy-operator-7d9f/3b1c9a02"])
    """Name of the operator process that stored this attempt.

    It makes the attempts of two processes differ, so that the API server accepts only one of them.
    """

    job_id: JobID | None = Field(default=None, examples=["edc89b490d7d4392898e19b2deb34797"])
    """Id of the cloud's job that makes the copy. Absent until the cloud has returned it."""

    request_id: Word | None = Field(default=None, examples=["f1d3b5a8e477c9a2b1e4f604d6b9c0f2"])
    """The cloud's id of the request, to quote to the cloud's support. Absent if the cloud returned none."""


class AttemptOutcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "Succeeded"
    REJECTED = "Rejected"
    FAILED = "Failed"
    LOST = "Lost"


class EndedAttempt(ApiModel):
    """An attempt that is over."""

    number: int = Field(ge=1, examples=[1])
    """Number of the attempt, from 1."""

    outcome: AttemptOutcome = Field(examples=["Failed"])
    """How it ended: Succeeded, Rejected, Failed or Lost.

    Rejected: the cloud refused the request and made nothing. Failed: the job failed. Lost: the reply was lost and no
    copy appeared within the settle window (operator setting IMAGECOPY_SETTLE_SECONDS, 300 seconds by default).
    """

    job_id: JobID | None = Field(default=None, examples=["edc89b490d7d4392898e19b2deb34797"])
    """Id of the cloud's job. Absent if there was none."""

    code: Word | None = Field(default=None, examples=["IMG.0130"])
    """The cloud's error code, cut at 128 characters. Absent if the cloud returned none."""

    message: Message | None = Field(default=None, examples=["The full-ECS image cannot be exported or replicated."])
    """The cloud's error message, cut at 1024 characters. Absent if the cloud returned none."""

    posted_at: Timestamp = Field(examples=["2026-09-01T12:00:00Z"])
    """When the operator was about to send the copy request (UTC, whole seconds)."""

    ended_at: Timestamp = Field(examples=["2026-09-01T12:10:30Z"])
    """When the operator learned that the attempt was over (UTC, whole seconds)."""


class Failure(ApiModel):
    """The latest error, in the cloud's own words."""

    code: Word | None = Field(default=None, examples=["IMG.0130"])
    """The cloud's error code, cut at 128 characters. Absent if the cloud returned none."""

    message: Message = Field(default="", examples=["The full-ECS image cannot be exported or replicated."])
    """The cloud's error message, or why the operator could not reach the cloud; cut at 1024 characters."""

    request_id: Word | None = Field(default=None, examples=["f1d3b5a8e477c9a2b1e4f604d6b9c0f2"])
    """The cloud's id of the request, to quote to the cloud's support. Absent if the cloud returned none."""


def _last_attempts(attempts: tuple[EndedAttempt, ...]) -> tuple[EndedAttempt, ...]:
    return attempts[-KEPT_ATTEMPTS:]


def _known_phase(word: object) -> object:
    return word if word in set(Phase) else None


class ImageCopyStatus(ApiModel):
    """State of the copy, written by the operator. The operator continues from it after a restart: do not edit it."""

    observed_generation: int = Field(default=-1, examples=[1])
    """The metadata.generation that this status describes; -1 until the operator has handled the object."""

    phase: Annotated[Phase | None, known_words(*Phase), BeforeValidator(_known_phase)] = Field(
        default=Phase.PENDING, examples=["Copying"]
    )
    """Summary of the conditions in one word, for people. Scripts should read the conditions instead."""

    progress: str | None = Field(default=None, max_length=8, examples=["42%"])
    """Progress of the copy in percent, as the cloud reports it. Absent while the cloud reports none."""

    job_id: JobID | None = Field(default=None, examples=["edc89b490d7d4392898e19b2deb34797"])
    """Id of the cloud's job of the latest attempt. Absent until the cloud has returned one."""

    image_id: str | None = Field(default=None, max_length=64, examples=["3f1c8e52-90ab-4c1d-8a7e-5b6c7d8e9f01"])
    """Id of the copy. Absent until the cloud has returned it. Use the image only when the condition Ready is True."""

    project_id: str | None = Field(default=None, max_length=256, examples=["5dd3c0b24cdc4d31952c49589182a89d"])
    """Id of the cloud project in which the copy is made. Absent until shortly before the first copy request.

    If the provider later points to another project, the operator does nothing until it points to this one again.
    """

    target_name: str | None = Field(default=None, max_length=256, examples=["golden-2026-09"])
    """Name of the copy in the cloud. Absent until the first copy request."""

    target_tags: dict[str, Annotated[str, Field(max_length=43)]] | None = Field(
        default=None,
        max_length=10,
        examples=[{"team": "web"}],
        json_schema_extra=extensions(map_type="granular"),
    )
    """Tags that the operator has set on the copy. Absent until it has set any."""

    start_time: Timestamp | None = Field(default=None, examples=["2026-09-01T12:00:00Z"])
    """Start of the time that spec.activeDeadlineSeconds counts (UTC, whole seconds).

    It is when the first copy request was about to be sent, or when the operator adopted an unfinished copy. It starts
    anew on a requested retry and after a suspension. Absent before.
    """

    completion_time: Timestamp | None = Field(default=None, examples=["2026-09-01T12:10:30Z"])
    """When the operator learned that the copy succeeded or failed permanently (UTC, whole seconds). Absent before."""

    next_attempt_time: Timestamp | None = Field(default=None, examples=["2026-09-01T12:12:00Z"])
    """When the next copy request is due (UTC, whole seconds). Absent if none is planned."""

    failed_jobs: int = Field(default=0, ge=0, examples=[1])
    """How many attempts ended without a copy (job failed, or reply lost and no copy found). Absent means 0.

    It is compared with spec.backoffLimit. A requested retry sets it to 0.
    """

    attempt: Attempt | None = Field(
        default=None,
        examples=[{"number": 1, "token": "8f14e45fceea167a", "postedAt": "2026-09-01T12:00:00Z"}],
    )
    """The latest copy request, stored before it is sent. It is over once its number also appears in status.attempts."""

    attempts: Annotated[tuple[EndedAttempt, ...], AfterValidator(_last_attempts)] = Field(
        default=(),
        json_schema_extra=extensions(list_type="atomic") | {"maxItems": KEPT_ATTEMPTS},
        examples=[
            [
                {
                    "number": 1,
                    "outcome": "Failed",
                    "postedAt": "2026-09-01T12:00:00Z",
                    "endedAt": "2026-09-01T12:10:30Z",
                }
            ]
        ],
    )
    """The latest 5 attempts that are over, oldest first."""

    failure: Failure | None = Field(
        default=None, examples=[{"code": "IMG.0130", "message": "The full-ECS image cannot be exported or replicated."}]
    )
    """The latest error, in the cloud's own words. Absent if there was none; success and a requested retry remove it."""

    last_handled_retry_at: str | None = Field(
        default=None, max_length=RETRY_MAX_LENGTH, examples=["2026-09-01T14:00:00Z"]
    )
    """The value of the annotation imagecopy.io/retry-requested-at that the operator handled last.

    To request a retry of a Failed copy, set the annotation to another value. Only its first 256 characters count.
    """

    conditions: Conditions = Field(
        default=(),
        json_schema_extra=extensions(list_type="map", list_map_keys=["type"]) | {"maxItems": 16},
        examples=[
            [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Succeeded",
                    "lastTransitionTime": "2026-09-01T12:10:30Z",
                }
            ]
        ],
    )
    """Conditions as kstatus expects them: Ready, Reconciling and Stalled. The other types give the details.

    Ready is True when the copy can be used. Reconciling is True while the operator works on the copy or will try again.
    Stalled is True when the copy failed and the operator does nothing more until it is asked to.
    """
