"""The spec of an ImageCopy: what to copy, to what, through which provider, and what to do when it fails."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from imagecopy.api.base import ApiModel
from imagecopy.api.provider import ProviderKind
from imagecopy.api.rules import extensions, immutable, immutable_field
from imagecopy.api.text import EnterpriseProjectID, ImageDescription, ImageID, ImageName, KeyID, ProviderName, Tags


class Source(ApiModel):
    """The image to copy."""

    model_config = ConfigDict(json_schema_extra=extensions(immutable("source"), map_type="atomic"))

    image_id: ImageID = Field(examples=["7c9a2b1e-4f60-4d6b-9c0f-2f1d3b5a8e47"])
    """Id of the image to copy, as the cloud's console shows it.

    The image must be in the provider's region and at most 128 GiB, and neither a full-ECS nor an ISO image. If it is
    not active yet, the operator waits for it.
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
    """Name of the copy: 1 to 128 letters, digits, Chinese characters, '-', '.', '_' and spaces.

    It must not begin or end with a space. When absent: metadata.name. It can't be changed.
    """

    description: ImageDescription | None = Field(default=None, examples=["Golden image of September 2026"])
    """Description of the copy: one line of up to 980 characters, without < and >.

    The operator appends its marker, by which it recognises the copy. When absent: the marker only. It can't be changed.
    """

    kms_key_id: KeyID | None = Field(default=None, examples=["0d0466b0-e727-4d9c-b35d-f84bb474a37f"])
    """Id of the KMS key to encrypt the copy with; it must differ from the source's key.

    WARNING: without it the copy is NOT encrypted, even if the source is. It can't be changed.
    """

    enterprise_project_id: EnterpriseProjectID | None = Field(
        default=None, examples=["0aad99bc-f5f6-4f78-8404-c598d76b0ed2"]
    )
    """Id of the enterprise project that the copy belongs to, or "0" for the default enterprise project.

    When absent: the default enterprise project. It can't be changed.
    """

    adopt_image_id: ImageID | None = Field(default=None, examples=["3f1c8e52-90ab-4c1d-8a7e-5b6c7d8e9f01"])
    """Id of an existing image (made by Terraform or by hand) to use instead of making a copy.

    The image keeps its name, description and key; the operator sets its tags. The image carries no marker, so the
    operator never deletes it, even if deletionPolicy is Delete. When absent: a copy is made. It can't be changed.
    """

    tags: Tags | None = Field(default=None, examples=[{"team": "web", "os": "debian13"}])
    """Tags of the copy: at most 10, with keys of 1 to 36 and values of up to 43 characters.

    Letters, digits, Chinese characters, '_' and '-' are allowed. The operator sets the tags when the copy is made;
    they can be changed at any time. When absent: no tags are set.
    """


class ProviderRef(ApiModel):
    """The provider that makes the copy."""

    model_config = ConfigDict(json_schema_extra=extensions(immutable("providerRef"), map_type="atomic"))

    kind: ProviderKind = Field(default=ProviderKind.CLUSTER, examples=["ImageProvider"])
    """Kind of the provider: ClusterImageProvider, or ImageProvider for one in the namespace of this ImageCopy."""

    name: ProviderName = Field(default="default", examples=["team-a"])
    """Name of the provider."""


class DeletionPolicy(StrEnum):
    """What the deletion of the ImageCopy does to the copy."""

    RETAIN = "Retain"
    DELETE = "Delete"


class UnknownOutcomePolicy(StrEnum):
    """What follows an attempt whose outcome stayed unknown."""

    RETRY = "Retry"
    HALT = "Halt"


class ImageCopySpec(ApiModel):
    """The wanted copy. source, providerRef and target can't be changed, except for target.tags; the rest can."""

    source: Source = Field(examples=[{"imageID": "7c9a2b1e-4f60-4d6b-9c0f-2f1d3b5a8e47"}])
    """The image to copy. It can't be changed."""

    target: Target = Field(default=Target(), examples=[{"name": "golden-2026-09", "tags": {"team": "web"}}])
    """The copy. Only its tags can be changed. When absent: the copy is named metadata.name and is NOT encrypted."""

    provider_ref: ProviderRef = Field(default=ProviderRef(), examples=[{"kind": "ImageProvider", "name": "team-a"}])
    """The provider (cloud, region, project and login) that makes the copy. It can't be changed.

    When absent: the ClusterImageProvider named default.
    """

    suspend: bool = Field(default=False, examples=[True])
    """true pauses: no new copy is started. A running copy is still watched to its end.

    The deadline of a paused copy starts anew with the first copy request after suspend is set to false.
    """

    active_deadline_seconds: int = Field(default=7200, ge=1, le=604800, examples=[3600])
    """Time limit in seconds, 1 to 604800 (7 days), counted from the first copy request over all attempts.

    Waiting before the first request (for the provider, a slot or the source) does not count; waiting for quota after it
    does. After this time the copy is Failed with the reason DeadlineExceeded. The cloud's job is not cancelled: a
    requested retry watches it further. A copy usually takes about 600 seconds.
    """

    backoff_limit: int = Field(default=2, ge=0, le=10, examples=[0])
    """How many times to try again (0 to 10) after a failed job or a lost attempt.

    Requests that the cloud refused for now (quota, throttling) do not count.
    """

    deletion_policy: DeletionPolicy = Field(default=DeletionPolicy.RETAIN, examples=["Delete"])
    """What happens to the copy when this ImageCopy is deleted: Retain keeps it in the cloud, Delete deletes it.

    Delete waits for a running copy to end, and deletes only images that carry the operator's marker. If the deletion is
    blocked, change the policy to Retain: the ImageCopy is then removed and the image stays.
    """

    unknown_outcome_policy: UnknownOutcomePolicy = Field(default=UnknownOutcomePolicy.RETRY, examples=["Halt"])
    """What to do if the reply to a copy request was lost and no copy appears within the settle window.

    The settle window is the operator's setting IMAGECOPY_SETTLE_SECONDS, 300 seconds by default. Retry asks again,
    which counts against backoffLimit. Halt ends as Failed with the reason OutcomeUnknown, so that a person can check
    the cloud first; a later change to Retry asks again.
    """
