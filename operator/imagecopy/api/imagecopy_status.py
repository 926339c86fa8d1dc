"""The status of an ImageCopy: where its copy stands. Written by the operator only."""

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
"""How many ended attempts status keeps, the last ones."""


class Phase(StrEnum):
    """A summary of the conditions for people."""

    PENDING = "Pending"
    COPYING = "Copying"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SUSPENDED = "Suspended"
    DELETING = "Deleting"


class Attempt(ApiModel):
    """The latest attempt: one copy request, stored before it is sent (the intent)."""

    number: int = Field(ge=1, examples=[1])
    """Number of the attempt, from 1."""

    token: str = Field(max_length=64, examples=["8f14e45fceea167a"])
    """The part of the marker in the copy's description that identifies this attempt; 16 hexadecimal digits."""

    posted_at: Timestamp = Field(examples=["2026-09-01T12:00:00Z"])
    """When the request was about to be sent to the cloud (UTC, whole seconds)."""

    writer: str | None = Field(default=None, max_length=64, examples=["imagecopy-operator-7d9f/3b1c9a02"])
    """The operator process that stored the attempt. Only that process may send it."""

    job_id: JobID | None = Field(default=None, examples=["edc89b490d7d4392898e19b2deb34797"])
    """Id of the cloud's job that makes the copy. Absent until the cloud returns it."""

    request_id: Word | None = Field(default=None, examples=["f1d3b5a8e477c9a2b1e4f604d6b9c0f2"])
    """The cloud's id of the request, which its support asks for. Absent if it gave none."""


class AttemptOutcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "Succeeded"
    REJECTED = "Rejected"
    FAILED = "Failed"
    LOST = "Lost"


class EndedAttempt(ApiModel):
    """An attempt that has ended."""

    number: int = Field(ge=1, examples=[1])
    """Number of the attempt, from 1."""

    outcome: AttemptOutcome = Field(examples=["Failed"])
    """How it ended: Succeeded, Rejected (the cloud refused it, nothing was made), Failed (the job failed) or Lost.

    Lost: the reply was lost, and no copy appeared within the settle window.
    """

    job_id: JobID | None = Field(default=None, examples=["edc89b490d7d4392898e19b2deb34797"])
    """Id of the cloud's job. Absent if there was none."""

    code: Word | None = Field(default=None, examples=["IMG.0130"])
    """The cloud's error code. Absent if it gave none; cut at 128 characters."""

    message: Message | None = Field(default=None, examples=["The whole image cannot be copied."])
    """The cloud's own words about the failure. Absent if it gave none; cut at 1024 characters."""

    posted_at: Timestamp = Field(examples=["2026-09-01T12:00:00Z"])
    """When the request was about to be sent to the cloud (UTC, whole seconds)."""

    ended_at: Timestamp = Field(examples=["2026-09-01T12:10:30Z"])
    """When the operator noticed its end (UTC, whole seconds)."""


class Failure(ApiModel):
    """The last error, in the cloud's own words."""

    code: Word | None = Field(default=None, examples=["IMG.0130"])
    """The cloud's error code. Absent if it gave none; cut at 128 characters."""

    message: Message = Field(default="", examples=["The whole image cannot be copied."])
    """The cloud's message, or why the operator could not reach the cloud; cut at 1024 characters."""

    request_id: Word | None = Field(default=None, examples=["f1d3b5a8e477c9a2b1e4f604d6b9c0f2"])
    """The cloud's id of the request, which its support asks for. Absent if it gave none."""


def _last_attempts(attempts: tuple[EndedAttempt, ...]) -> tuple[EndedAttempt, ...]:
    return attempts[-KEPT_ATTEMPTS:]


def _known_phase(word: object) -> object:
    return word if word in set(Phase) else None


class ImageCopyStatus(ApiModel):
    """The state of the copy, written by the operator, which keeps everything that it must remember in here."""

    observed_generation: int = Field(default=-1, examples=[1])
    """The metadata.generation that this status is about; -1 until the operator has seen the object."""

    phase: Annotated[Phase | None, known_words(*Phase), BeforeValidator(_known_phase)] = Field(
        default=Phase.PENDING, examples=["Copying"]
    )
    """The state of the copy in one word, for people. Scripts should use the conditions."""

    progress: str | None = Field(default=None, max_length=8, examples=["42%"])
    """How much is copied, in percent, as the cloud reports it. Absent until then."""

    job_id: JobID | None = Field(default=None, examples=["edc89b490d7d4392898e19b2deb34797"])
    """Id of the cloud's job of the last attempt. Absent until there is one."""

    image_id: str | None = Field(default=None, max_length=64, examples=["3f1c8e52-90ab-4c1d-8a7e-5b6c7d8e9f01"])
    """Id of the copied image. Absent until the cloud returns it; the image can be used only when Ready is True."""

    project_id: str | None = Field(default=None, max_length=256, examples=["5dd3c0b24cdc4d31952c49589182a89d"])
    """Id of the cloud's project that the copy is made in, stored before the copy request. Absent until then.

    If the provider points to another project later, the copy waits until it points back to this one.
    """

    target_name: str | None = Field(default=None, max_length=256, examples=["golden-2026-09"])
    """Name of the copy in the cloud. Absent until the first attempt."""

    target_tags: dict[str, Annotated[str, Field(max_length=43)]] | None = Field(
        default=None,
        max_length=10,
        examples=[{"team": "web"}],
        json_schema_extra=extensions(map_type="granular"),
    )
    """The tags that the operator has set on the copy. Absent if none."""

    start_time: Timestamp | None = Field(default=None, examples=["2026-09-01T12:00:00Z"])
    """Start of the time that activeDeadlineSeconds counts (UTC, whole seconds).

    It is when the first copy request was about to be sent, or an unfinished copy was adopted. It starts anew on a
    requested retry, and after suspend is set to false.
    """

    completion_time: Timestamp | None = Field(default=None, examples=["2026-09-01T12:10:30Z"])
    """When the operator noticed that the copy had succeeded or failed (UTC, whole seconds). Absent until then."""

    next_attempt_time: Timestamp | None = Field(default=None, examples=["2026-09-01T12:12:00Z"])
    """When the next attempt is due (UTC, whole seconds). Absent if none is planned."""

    failed_jobs: int = Field(default=0, ge=0, examples=[1])
    """How many attempts ended without a copy: by a failed job, or by a lost reply and no copy found.

    It is compared with spec.backoffLimit. Absent means 0.
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
    """The last 5 attempts that ended, oldest first."""

    failure: Failure | None = Field(
        default=None, examples=[{"code": "IMG.0130", "message": "The whole image cannot be copied."}]
    )
    """The last error, in the cloud's own words. Absent if there was none."""

    last_handled_retry_at: str | None = Field(
        default=None, max_length=RETRY_MAX_LENGTH, examples=["2026-09-01T14:00:00Z"]
    )
    """The last value of the annotation imagecopy.io/retry-requested-at that the operator has acted on."""

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
    """The state for tools such as Argo CD, Flux and kubectl wait: Ready, Reconciling and Stalled, then their causes.

    Ready is True when the image can be used. Reconciling is True while the operator works on the copy or will try
    again. Stalled is True when the copy has failed and will not be tried again by itself.
    """
