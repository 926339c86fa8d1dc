"""The provider resources, ImageProvider and ClusterImageProvider: where copies are made and with which login."""

from enum import StrEnum
from typing import Final

from pydantic import ConfigDict, Field

from imagecopy.api.base import ApiModel
from imagecopy.api.conditions import ProviderConditions
from imagecopy.api.rules import Rule, extensions
from imagecopy.api.selector import AllowedNamespaces
from imagecopy.api.text import CABundle, LoginURL, NamespaceName, ProjectID, Region, SecretName, ServiceURL


class ProviderKind(StrEnum):
    """The two kinds of provider."""

    CLUSTER = "ClusterImageProvider"
    NAMESPACED = "ImageProvider"


PLURALS: Final = {ProviderKind.CLUSTER: "clusterimageproviders", ProviderKind.NAMESPACED: "imageproviders"}
"""The plural resource name of each kind."""


class Cloud(StrEnum):
    """Clouds whose endpoints the operator derives from the region."""

    HUAWEI_CLOUD = "HuaweiCloud"
    OPEN_TELEKOM_CLOUD = "OpenTelekomCloud"
    SWISS_OTC = "SwissOTC"
    FLEXIBLE_ENGINE = "FlexibleEngine"


class Endpoints(ApiModel):
    """Endpoints of the cloud's services."""

    ims: ServiceURL | None = Field(default=None, examples=["https://ims.eu-de.otc.t-systems.com"])
    """URL of the Image Management Service: scheme, host and optional port.

    When absent: the known URL for cloud and region, or the one in the catalogue that the login returns. The operator
    refuses hosts that are not in its setting IMAGECOPY_ENDPOINT_ALLOWLIST; http:// works only for hosts that this
    setting lists by full name, without a wildcard.
    """

    iam: LoginURL | None = Field(default=None, examples=["https://iam.eu-de.otc.t-systems.com/v3"])
    """URL of the identity service (IAM), where the operator logs in: scheme, host, optional port, optional /v3.

    When absent: the known URL for cloud and region. IMAGECOPY_ENDPOINT_ALLOWLIST applies to it, too.
    """


class LocalSecretRef(ApiModel):
    """A Secret in the provider's own namespace."""

    model_config = ConfigDict(json_schema_extra=extensions(map_type="atomic"))

    name: SecretName = Field(examples=["otc-credentials"])
    """Name of the Secret in the provider's namespace."""


class SecretRef(ApiModel):
    """A Secret in any namespace."""

    model_config = ConfigDict(json_schema_extra=extensions(map_type="atomic"))

    name: SecretName = Field(examples=["otc-credentials"])
    """Name of the Secret."""

    namespace: NamespaceName = Field(examples=["imagecopy-system"])
    """Namespace of the Secret."""


_WHERE_TO_LOG_IN = Rule(
    "(has(self.cloud) && has(self.region)) || (has(self.endpoints) && has(self.endpoints.iam))",
    "set both cloud and region, or set endpoints.iam: the operator must know where to log in",
)


class _ProviderSpec(ApiModel):
    model_config = ConfigDict(json_schema_extra=extensions(_WHERE_TO_LOG_IN))

    cloud: Cloud | None = Field(default=None, examples=["OpenTelekomCloud"])
    """The cloud, if it is one of those whose endpoints the operator knows. It needs region.

    For any other cloud, leave it out and set endpoints.iam.
    """

    region: Region | None = Field(default=None, examples=["eu-de"])
    """Id of the region in which images are copied. Required if cloud is set.

    With endpoints.iam it selects the region's endpoint in the catalogue that the login returns.
    """

    project_id: ProjectID | None = Field(default=None, examples=["5dd3c0b24cdc4d31952c49589182a89d"])
    """Id of the project (tenant) that owns the images: 32 hex digits.

    When absent: the project that projectName in the Secret names, or else the project named like the region.
    """

    endpoints: Endpoints | None = Field(default=None, examples=[{"iam": "https://iam.example.com/v3"}])
    """Endpoints to use instead of the known ones, for example of a private cloud or a proxy."""

    ca_bundle: CABundle | None = Field(default=None, examples=["-----BEGIN CERTIFICATE----- ..."])
    """CA certificates in PEM, at most 65536 characters, to verify the cloud's endpoints with, IAM and IMS alike.

    They replace the public CAs. When absent: the public CAs are trusted.
    """

    max_concurrent_copies: int = Field(default=5, ge=1, le=100000, examples=[3])
    """How many copies may run at once in the cloud project (1 to 100000). The others wait, oldest first.

    Copies of all providers and namespaces that use the project are counted. The clouds allow 5 per tenant; a lower
    number leaves room for copies that are made by hand.
    """


class ImageProviderSpec(_ProviderSpec):
    """Where the copies of one namespace are made and with which login. It can be changed at any time."""

    credentials_secret_ref: LocalSecretRef = Field(examples=[{"name": "otc-credentials"}])
    """The Secret with the login to the cloud, in the namespace of this object.

    Its keys choose the authentication method: for example username, password and domainName (the account that the user
    belongs to), or accessKeyID and secretAccessKey. docs/clouds.md lists all methods. projectName names the project if
    projectID is not set here.
    """


class ClusterImageProviderSpec(_ProviderSpec):
    """Where copies of any namespace are made and with which login. It can be changed at any time."""

    allowed_namespaces: AllowedNamespaces | None = Field(default=None, examples=[{"matchNames": ["team-a"]}])
    """Which namespaces may use the provider: set either matchNames or selector.

    For an ImageCopy in another namespace the operator reads no Secret and calls no cloud. When absent: every namespace.
    """

    credentials_secret_ref: SecretRef = Field(examples=[{"name": "otc-credentials", "namespace": "imagecopy-system"}])
    """The Secret with the login to the cloud.

    Its keys choose the authentication method: for example username, password and domainName (the account that the user
    belongs to), or accessKeyID and secretAccessKey. docs/clouds.md lists all methods. projectName names the project if
    projectID is not set here.
    """


class ImagesUsed(ApiModel):
    """Number and quota of the project's private images."""

    used: int = Field(examples=[12])
    """Number of private images in the project."""

    quota: int = Field(examples=[50])
    """Highest number of private images that the project may have."""


class ProviderStatus(ApiModel):
    """Whether the login works and which project it points to, written by the operator when it checks the provider."""

    observed_generation: int = Field(default=-1, examples=[1])
    """The metadata.generation that this status describes; -1 until the operator has checked the provider."""

    project_id: str | None = Field(default=None, max_length=256, examples=["5dd3c0b24cdc4d31952c49589182a89d"])
    """Id of the project that the login points to. Absent until a login has worked."""

    project_name: str | None = Field(default=None, max_length=256, examples=["eu-de_images"])
    """Name of the project that the login points to. Absent if the login does not return it."""

    images: ImagesUsed | None = Field(default=None, examples=[{"used": 12, "quota": 50}])
    """Number and quota of the project's private images at the last check. Absent if the login may not read them."""

    running_copies: int | None = Field(default=None, examples=[2])
    """Number of copies of this operator that run in the project. Absent while the project is unknown."""

    conditions: ProviderConditions = Field(
        default=(),
        json_schema_extra=extensions(list_type="map", list_map_keys=["type"]) | {"maxItems": 16},
        examples=[
            [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Available",
                    "lastTransitionTime": "2026-09-01T12:00:00Z",
                }
            ]
        ],
    )
    """Conditions as kstatus expects them: Ready, and Reconciling while it is not ready and will be checked again."""
