"""The ImageCopy resource, one wanted copy: its spec here, its status in ``imagecopy_status``."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from imagecopy.api.base import ApiModel
from imagecopy.api.imagecopy_status import (
    KEPT_ATTEMPTS,
    RETRY_MAX_LENGTH,
    Attempt,
    AttemptOutcome,
    EndedAttempt,
    Failure,
    ImageCopyStatus,
    Phase,
)
from imagecopy.api.provider import ProviderKind
from imagecopy.api.rules import extensions, immutable, immutable_field
from imagecopy.api.text import (
    EnterpriseProjectID,
    ImageDescription,
    ImageID,
    ImageName,
    KeyID,
    ProviderName,
    Tags,
)

__all__ = [
    "KEPT_ATTEMPTS",
    "RETRY_ANNOTATION",
    "RETRY_MAX_LENGTH",
    "Attempt",
    "AttemptOutcome",
    "DeletionPolicy",
    "EndedAttempt",
    "Failure",
    "ImageCopySpec",
    "ImageCopyStatus",
    "Phase",
    "ProviderRef",
    "Source",
    "Target",
    "UnknownOutcomePolicy",
]

RETRY_ANNOTATION = "imagecopy.io/retry-requested-at"
"""Any new value starts a Failed copy again; the value handled last is ``status.lastHandledRetryAt``."""


class Source(ApiModel):
    """The image to copy."""

    model_config = ConfigDict(json_schema_extra=extensions(immutable("source"), map_type="atomic"))

    image_id: ImageID = Field(examples=["7c9a2b1e-4f60-4d6b-9c0f-2f1d3b5a8e47"])
    """Id of the image to copy, as the cloud's console shows it.

    The image must be in the provider's region, at most 128 GiB large, and neither a full-ECS nor an ISO image. If it is
    not active yet, the copy starts when it is.
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
    """Name of the copy: 1 to 128 letters, digits, Chinese characters, '-', '.', '_' and spaces; no space at either end.

    When absent: metadata.name. It can't be changed.
    """

    description: ImageDescription | None = Field(default=None, examples=["Golden image of September 2026"])
    """Description of the copy: up to 980 characters in one line, without < and >.

    The operator appends its marker (letters and digits), by which it recognises the copy. When absent: only the marker.
    It can't be changed.
    """

    kms_key_id: KeyID | None = Field(default=None, examples=["0d0466b0-e727-4d9c-b35d-f84bb474a37f"])
    """Id of the KMS key to encrypt the copy with; must differ from the key of the source.

    When absent: the copy is NOT encrypted, even if the source is. It can't be changed.
    """

    enterprise_project_id: EnterpriseProjectID | None = Field(
        default=None, examples=["0aad99bc-f5f6-4f78-8404-c598d76b0ed2"]
    )
    """Id of the enterprise project that the copy belongs to, or "0" for the default one.

    When absent: the default enterprise project. It can't be changed.
    """

    adopt_image_id: ImageID | None = Field(default=None, examples=["3f1c8e52-90ab-4c1d-8a7e-5b6c7d8e9f01"])
    """Id of an existing image (made by Terraform or by hand) to use instead of making a copy.

    Its name and key stay, and its tags are set. The operator never deletes it, not even with deletionPolicy Delete,
    because it carries no marker. When absent: a copy is made. It can't be changed.
    """

    tags: Tags | None = Field(default=None, examples=[{"team": "web", "os": "debian13"}])
    """Tags of the copy, at most 10: keys of 1 to 36 and values of up to 43 characters.

    Letters, digits, Chinese characters, '_' and '-' are allowed. Tags are set after the copy and may be changed
    at any time. When absent: no tags are set.
    """


class ProviderRef(ApiModel):
    """The provider that makes the copy."""

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
    """What to do when the outcome of an attempt stays unknown."""

    RETRY = "Retry"
    HALT = "Halt"


class ImageCopySpec(ApiModel):
    """The wanted copy. source, target (except its tags) and providerRef can't be changed; everything else can."""

    source: Source = Field(examples=[{"imageID": "7c9a2b1e-4f60-4d6b-9c0f-2f1d3b5a8e47"}])
    """The image to copy. It can't be changed."""

    target: Target = Field(default=Target(), examples=[{"name": "golden-2026-09", "tags": {"team": "web"}}])
    """The copy to make. When absent: named like this object and not encrypted. Only its tags can be changed."""

    provider_ref: ProviderRef = Field(default=ProviderRef(), examples=[{"kind": "ImageProvider", "name": "team-a"}])
    """The provider (cloud, region, project and login) that makes the copy. It can't be changed.

    When absent: the ClusterImageProvider named default.
    """

    suspend: bool = Field(default=False, examples=[True])
    """true pauses: no new copy is started. A running one is still followed to its end.

    When it is set to false again, the deadline starts anew.
    """

    active_deadline_seconds: int = Field(default=7200, ge=1, le=604800, examples=[3600])
    """How long the copy may take, in seconds from the first copy request, including further attempts.

    Waiting before the first request does not count. After that time the copy is Failed with the reason
    DeadlineExceeded; the cloud's job is not cancelled, and a requested retry follows it. At most 604800 (7 days); a
    copy takes about 600.
    """

    backoff_limit: int = Field(default=2, ge=0, le=10, examples=[0])
    """How many times to try again (0 to 10) after a failed job or a lost attempt.

    Requests that the cloud refused for now (quota, throttling) do not count.
    """

    deletion_policy: DeletionPolicy = Field(default=DeletionPolicy.RETAIN, examples=["Delete"])
    """What deleting this object does to the copy: Retain keeps it in the cloud, Delete deletes it, too.

    Delete waits until a running copy has ended, and only deletes an image that carries the operator's marker. If a
    deletion is blocked, changing this field to Retain deletes the object and keeps the image.
    """

    unknown_outcome_policy: UnknownOutcomePolicy = Field(default=UnknownOutcomePolicy.RETRY, examples=["Halt"])
    """What to do when the reply to a copy request was lost and no copy appears within the settle window.

    The settle window is a setting of the operator, IMAGECOPY_SETTLE_SECONDS (300 s by default). Retry makes the next
    attempt, which backoffLimit counts. Halt fails with the reason OutcomeUnknown, so that a person can check the cloud
    first; changing it to Retry then makes the next attempt.
    """
