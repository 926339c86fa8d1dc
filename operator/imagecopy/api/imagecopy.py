"""The ImageCopy resource: one wanted copy."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from imagecopy.api.base import ApiModel, Timestamp
from imagecopy.api.conditions import Conditions
from imagecopy.api.provider import ProviderKind
from imagecopy.api.rules import extensions, immutable, immutable_field
from imagecopy.api.text import (
    EnterpriseProjectID,
    ImageDescription,
    ImageID,
    ImageName,
    JobID,
    KeyID,
    Message,
    ProviderName,
    Tags,
    Word,
    known_words,
)

RETRY_ANNOTATION = "imagecopy.io/retry-requested-at"
"""Any new value starts a Failed copy again; the value handled last is ``status.lastHandledRetryAt``."""

RETRY_MAX_LENGTH: Final = 256
"""As many characters of the retry annotation's value are kept and compared."""

KEPT_ATTEMPTS: Final = 5
"""So many ended attempts are kept in status, the last ones."""


class Source(ApiModel):
    """The image copied from."""

    model_config = ConfigDict(json_schema_extra=extensions(immutable("source"), map_type="atomic"))

    image_id: ImageID = Field(examples=["7c9a2b1e-4f60-4d6b-9c0f-2f1d3b5a8e47"])
    """Id of the image to copy, as the cloud's console shows it.

    It must be in the provider's region and at most 128 GiB, and neither a full-ECS nor an ISO image. A source
    that is not active yet is waited for.
    """


class Target(ApiModel):
    """The copy."""

    model_config = ConfigDict(
        json_schema_extra=extensions(
            *(
                immutable_field("target", name)
                for name in ("name", "description", "kmsKeyID", "enterpriseProjectID", "adoptImageID")
            )
        )
    )

    name: ImageName | None = Field(default=None, examples=["golden-2026-09"])
    """Name of the copy: 1 to 128 letters, digits, Chinese characters, '-', '.', '_' and blanks, none at the ends.

    When absent: metadata.name. It can't be changed.
    """

    description: ImageDescription | None = Field(default=None, examples=["Golden image of September 2026"])
    """Description of the copy, up to 980 characters in one line, without < and >.

    The operator adds its marker (letters and digits) to it. When absent: the marker alone. It can't be changed.
    """

    kms_key_id: KeyID | None = Field(default=None, examples=["0d0466b0-e727-4d9c-b35d-f84bb474a37f"])
    """Id of the KMS key that encrypts the copy; it must be another than the source's own.

    When absent: the copy is not encrypted, even when the source is. It can't be changed.
    """

    enterprise_project_id: EnterpriseProjectID | None = Field(
        default=None, examples=["0aad99bc-f5f6-4f78-8404-c598d76b0ed2"]
    )
    """Id of the enterprise project that the copy belongs to, or "0" for the default one.

    When absent: the default one. It can't be changed.
    """

    adopt_image_id: ImageID | None = Field(default=None, examples=["3f1c8e52-90ab-4c1d-8a7e-5b6c7d8e9f01"])
    """Id of an image that is this copy already, made by Terraform or by hand: it is taken over, nothing is copied.

    It keeps its name and key; tags are set. As it carries no marker, deletionPolicy Delete leaves it alone.
    When absent: the copy is made. It can't be changed.
    """

    tags: Tags | None = Field(default=None, examples=[{"team": "web", "os": "debian13"}])
    """Tags of the copy, at most 10: keys of 1 to 36 and values of up to 43 characters.

    Letters, digits, Chinese characters, '_' and '-' are allowed. Tags are set after the copy and may be changed
    at any time. When absent: no tags are set.
    """


class ProviderRef(ApiModel):
    """Which provider makes the copy."""

    model_config = ConfigDict(json_schema_extra=extensions(immutable("providerRef"), map_type="atomic"))

    kind: ProviderKind = Field(default=ProviderKind.CLUSTER, examples=["ImageProvider"])
    """Kind of the provider: ClusterImageProvider, or ImageProvider for one in the namespace of this object."""

    name: ProviderName = Field(default="default", examples=["team-a"])
    """Name of the provider."""


class DeletionPolicy(StrEnum):
    """What deleting the object does to the copy."""

    RETAIN = "Retain"
    DELETE = "Delete"


class UnknownOutcomePolicy(StrEnum):
    """What follows when nobody can tell what became of an attempt."""

    RETRY = "Retry"
    HALT = "Halt"


class ImageCopySpec(ApiModel):
    """The wanted copy. What it copies, to what and where can't be changed; the rest can."""

    source: Source = Field(examples=[{"imageID": "7c9a2b1e-4f60-4d6b-9c0f-2f1d3b5a8e47"}])
    """The image to copy. It can't be changed."""

    target: Target = Field(default=Target(), examples=[{"name": "golden-2026-09", "tags": {"team": "web"}}])
    """The copy. When absent: named like this object, not encrypted. Only its tags can be changed."""

    provider_ref: ProviderRef = Field(default=ProviderRef(), examples=[{"kind": "ImageProvider", "name": "team-a"}])
    """Which provider (cloud, region, project, login) makes the copy. It can't be changed.

    When absent: the ClusterImageProvider named default.
    """

    suspend: bool = Field(default=False, examples=[True])
    """Whether to start nothing new. A copy that is under way goes on and is still followed."""

    active_deadline_seconds: int = Field(default=7200, ge=1, le=604800, examples=[3600])
    """How long the copy may take, in seconds from its first attempt, further attempts included.

    Then it is Failed with the reason DeadlineExceeded. At most 604800 (7 days); a copy takes about 600.
    """

    backoff_limit: int = Field(default=2, ge=0, le=10, examples=[0])
    """How many further attempts (0 to 10) are made after a copy that the cloud began and did not finish."""

    deletion_policy: DeletionPolicy = Field(default=DeletionPolicy.RETAIN, examples=["Delete"])
    """What deleting this object does to the copy: Retain leaves it in the cloud, Delete deletes it there, too.

    Delete waits for a running copy to end, and only ever deletes an image that carries the operator's marker.
    Changing it to Retain lets go of an object whose deletion is blocked.
    """

    unknown_outcome_policy: UnknownOutcomePolicy = Field(default=UnknownOutcomePolicy.RETRY, examples=["Halt"])
    """What follows when the reply to an attempt was lost and no copy of it shows up within the settle window.

    Retry makes the next attempt (counted by backoffLimit). Halt fails with the reason OutcomeUnknown, for someone
    to look; changing it to Retry goes on from there.
    """


class Phase(StrEnum):
    """A word for people, derived from the conditions."""

    PENDING = "Pending"
    COPYING = "Copying"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SUSPENDED = "Suspended"
    DELETING = "Deleting"


class Attempt(ApiModel):
    """The latest attempt: one POST of the copy call. Written before the POST (the intent)."""

    number: int = Field(ge=1, examples=[1])
    """Number of the attempt, from 1."""

    token: str = Field(max_length=64, examples=["8f14e45fceea167a"])
    """The part of the marker in the copy's description that names this attempt; 16 hex digits."""

    posted_at: Timestamp = Field(examples=["2026-09-01T12:00:00Z"])
    """When the attempt was about to be sent to the cloud (UTC, whole seconds)."""

    writer: str | None = Field(default=None, max_length=64, examples=["imagecopy-operator-7d9f/3b1c9a02"])
    """The operator process that stored the attempt, so that no two can both believe to have been first."""

    job_id: JobID | None = Field(default=None, examples=["edc89b490d7d4392898e19b2deb34797"])
    """Id of the cloud's job that makes the copy. Absent until the cloud names it."""

    request_id: Word | None = Field(default=None, examples=["f1d3b5a8e477c9a2b1e4f604d6b9c0f2"])
    """Id that the cloud gave to the request, for its support. Absent when it gave none."""


class AttemptOutcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "Succeeded"
    REJECTED = "Rejected"
    FAILED = "Failed"
    LOST = "Lost"


class EndedAttempt(ApiModel):
    """One attempt that ended."""

    number: int = Field(ge=1, examples=[1])
    """Number of the attempt, from 1."""

    outcome: AttemptOutcome = Field(examples=["Failed"])
    """How it ended: Succeeded, Rejected (surely nothing was made), Failed (the job failed) or Lost.

    Lost: its reply was lost, and no copy of it showed up within the settle window.
    """

    job_id: JobID | None = Field(default=None, examples=["edc89b490d7d4392898e19b2deb34797"])
    """Id of the cloud's job. Absent when there was none."""

    code: Word | None = Field(default=None, examples=["IMG.0130"])
    """The cloud's error code. Absent when it gave none; cut at 128 characters."""

    message: Message | None = Field(default=None, examples=["The image quota is used up."])
    """The cloud's own words about the failure. Absent when it said nothing; cut at 1024 characters."""

    posted_at: Timestamp = Field(examples=["2026-09-01T12:00:00Z"])
    """When the attempt was about to be sent to the cloud (UTC, whole seconds)."""

    ended_at: Timestamp = Field(examples=["2026-09-01T12:10:30Z"])
    """When its end was seen (UTC, whole seconds)."""


class Failure(ApiModel):
    """The cloud's own words about the last thing that went wrong."""

    code: Word | None = Field(default=None, examples=["IMG.0130"])
    """The cloud's error code. Absent when it gave none; cut at 128 characters."""

    message: Message = Field(default="", examples=["The whole image cannot be copied."])
    """The cloud's message, or what kept the operator from reaching the cloud; cut at 1024 characters."""

    request_id: Word | None = Field(default=None, examples=["f1d3b5a8e477c9a2b1e4f604d6b9c0f2"])
    """Id that the cloud gave to the request, for its support. Absent when it gave none."""


def _last_attempts(attempts: tuple[EndedAttempt, ...]) -> tuple[EndedAttempt, ...]:
    return attempts[-KEPT_ATTEMPTS:]


def _known_phase(word: object) -> object:
    return word if word in set(Phase) else None


class ImageCopyStatus(ApiModel):
    """What became of the copy so far, written by the operator: its only memory."""

    observed_generation: int = Field(default=-1, examples=[1])
    """The metadata.generation that this status is about; -1 until the operator has seen the object."""

    phase: Annotated[Phase | None, known_words(*Phase), BeforeValidator(_known_phase)] = Field(
        default=Phase.PENDING, examples=["Copying"]
    )
    """Where the copy stands, as a word for people. Scripts look at the conditions instead."""

    progress: str | None = Field(default=None, max_length=8, examples=["42%"])
    """How much is copied, in percent, as the cloud says. Absent while the cloud says nothing."""

    job_id: JobID | None = Field(default=None, examples=["edc89b490d7d4392898e19b2deb34797"])
    """Id of the cloud's job that makes the copy, of the last attempt. Absent until there is one."""

    image_id: str | None = Field(default=None, max_length=64, examples=["3f1c8e52-90ab-4c1d-8a7e-5b6c7d8e9f01"])
    """Id of the copy. Absent until the cloud names it; usable only when Ready is True."""

    project_id: str | None = Field(default=None, max_length=256, examples=["5dd3c0b24cdc4d31952c49589182a89d"])
    """Id of the cloud's project that the copy is made in, stored before it is asked for. Absent until then.

    Where the provider leads to another project later, nothing is done about the copy until it leads back.
    """

    target_name: str | None = Field(default=None, max_length=256, examples=["golden-2026-09"])
    """Name of the copy in the cloud. Absent until the first attempt."""

    target_tags: dict[str, Annotated[str, Field(max_length=43)]] | None = Field(
        default=None,
        max_length=10,
        examples=[{"team": "web"}],
        json_schema_extra=extensions(map_type="granular"),
    )
    """The tags that the operator set on the copy. Absent until it set some."""

    start_time: Timestamp | None = Field(default=None, examples=["2026-09-01T12:00:00Z"])
    """When the first attempt, or the first after a requested retry, was about to be sent (UTC, whole seconds)."""

    completion_time: Timestamp | None = Field(default=None, examples=["2026-09-01T12:10:30Z"])
    """When the copy was seen to have succeeded or failed for good (UTC, whole seconds). Absent until then."""

    next_attempt_time: Timestamp | None = Field(default=None, examples=["2026-09-01T12:12:00Z"])
    """When the next attempt is due (UTC, whole seconds). Absent when none is planned."""

    failed_jobs: int = Field(default=0, ge=0, examples=[1])
    """How many of the cloud's jobs failed; compared with spec.backoffLimit. Absent means 0."""

    attempt: Attempt | None = Field(
        default=None,
        examples=[{"number": 1, "token": "8f14e45fceea167a", "postedAt": "2026-09-01T12:00:00Z"}],
    )
    """The latest attempt: one request for a copy, stored before it is sent. It ended if attempts lists its number."""

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
    """The last thing that went wrong, in the cloud's own words. Absent when nothing did."""

    last_handled_retry_at: str | None = Field(
        default=None, max_length=RETRY_MAX_LENGTH, examples=["2026-09-01T14:00:00Z"]
    )
    """The value of the annotation imagecopy.io/retry-requested-at that was acted on last."""

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
    """The state in the words of kstatus: Ready, Reconciling and Stalled, then what they rest on.

    Ready is True when the copy can be used. Reconciling is True while the operator works on it or will try again.
    Stalled is True when it failed and will not be tried again by itself.
    """
