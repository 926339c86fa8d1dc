"""The provider resources: where copies are made and with whose credentials."""

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
"""The resources of the two kinds."""


class Cloud(StrEnum):
    """Clouds whose endpoints are known."""

    HUAWEI_CLOUD = "HuaweiCloud"
    OPEN_TELEKOM_CLOUD = "OpenTelekomCloud"
    SWISS_OTC = "SwissOTC"
    FLEXIBLE_ENGINE = "FlexibleEngine"


class Endpoints(ApiModel):
    """Endpoints of the cloud's services."""

    ims: ServiceURL | None = Field(default=None, examples=["https://ims.eu-de.otc.t-systems.com"])
    """URL of the Image Management Service: scheme, host and optional port.

    When absent: the one of cloud and region, or of the catalogue that the login returns. The operator refuses hosts
    that are not in its allowlist (IMAGECOPY_ENDPOINT_ALLOWLIST); http:// is only allowed for hosts named there.
    """

    iam: LoginURL | None = Field(default=None, examples=["https://iam.eu-de.otc.t-systems.com/v3"])
    """URL of the identity service (IAM), where the operator logs in: scheme, host, optional port, optional /v3.

    When absent: the one of cloud and region. It has to be in the operator's allowlist, too.
    """


class LocalSecretRef(ApiModel):
    """A Secret of the provider's own namespace."""

    model_config = ConfigDict(json_schema_extra=extensions(map_type="atomic"))

    name: SecretName = Field(examples=["otc-credentials"])
    """Name of the Secret in the provider's namespace."""


class SecretRef(ApiModel):
    """A Secret of any namespace."""

    model_config = ConfigDict(json_schema_extra=extensions(map_type="atomic"))

    name: SecretName = Field(examples=["otc-credentials"])
    """Name of the Secret."""

    namespace: NamespaceName = Field(examples=["imagecopy-system"])
    """Namespace of the Secret."""


_WHERE_TO_LOG_IN = Rule(
    "(has(self.cloud) && has(self.region)) || (has(self.endpoints) && has(self.endpoints.iam))",
    "the operator does not know where to log in: set both cloud and region, or endpoints.iam",
)


class _ProviderSpec(ApiModel):
    model_config = ConfigDict(json_schema_extra=extensions(_WHERE_TO_LOG_IN))

    cloud: Cloud | None = Field(default=None, examples=["OpenTelekomCloud"])
    """The cloud, if it is one whose endpoints the operator knows.

    For any other cloud, leave it out and set endpoints.iam.
    """

    region: Region | None = Field(default=None, examples=["eu-de"])
    """Id of the region in which images are copied. Needed with cloud.

    With endpoints.iam alone, it selects the region's endpoint from the catalogue that the login returns.
    """

    project_id: ProjectID | None = Field(default=None, examples=["5dd3c0b24cdc4d31952c49589182a89d"])
    """Id of the project (tenant) that owns the images, 32 hex digits.

    When absent: the project named by projectName in the Secret.
    """

    endpoints: Endpoints | None = Field(default=None, examples=[{"iam": "https://iam.example.com/v3"}])
    """Endpoints to use instead of the known ones, for private clouds and proxies."""

    ca_bundle: CABundle | None = Field(default=None, examples=["-----BEGIN CERTIFICATE----- ..."])
    """Certificates (PEM) of the CAs that sign the certificates of the endpoints, of both IAM and IMS.

    They replace the public CAs. When absent: the public CAs are trusted.
    """

    max_concurrent_copies: int = Field(default=5, ge=1, le=100000, examples=[3])
    """How many copies may run at a time in the project, through any provider; the others wait, oldest first.

    The clouds allow 5 for each tenant. A lower number leaves room for copies that are made by hand.
    """


class ImageProviderSpec(_ProviderSpec):
    """Where the copies of one namespace are made and with whose credentials. It may be changed at any time."""

    credentials_secret_ref: LocalSecretRef = Field(examples=[{"name": "otc-credentials"}])
    """The Secret, in the namespace of this object, with the login to the cloud.

    Its keys: username, password, domainName (the account that the user belongs to), and projectName unless
    projectID is set here.
    """


class ClusterImageProviderSpec(_ProviderSpec):
    """Where copies of any namespace are made and with whose credentials. It may be changed at any time."""

    allowed_namespaces: AllowedNamespaces | None = Field(default=None, examples=[{"matchNames": ["team-a"]}])
    """Which namespaces may use the provider: either by matchNames or by selector.

    An ImageCopy of another namespace is not served, and nothing is read or called for it. When absent: every namespace.
    """

    credentials_secret_ref: SecretRef = Field(examples=[{"name": "otc-credentials", "namespace": "imagecopy-system"}])
    """The Secret with the login to the cloud.

    Its keys: username, password, domainName (the account that the user belongs to), and projectName unless
    projectID is set here.
    """


class ImagesUsed(ApiModel):
    """The quota of private images of the project."""

    used: int = Field(examples=[12])
    """How many private images there are."""

    quota: int = Field(examples=[50])
    """How many private images there may be."""


class ProviderStatus(ApiModel):
    """Whether the login works, and to which project it belongs. Written by the operator when it checks the provider."""

    observed_generation: int = Field(default=-1, examples=[1])
    """The metadata.generation that this status is about; -1 until the operator has checked the provider."""

    project_id: str | None = Field(default=None, max_length=256, examples=["5dd3c0b24cdc4d31952c49589182a89d"])
    """Id of the project that the login is for. Absent until a login has worked."""

    project_name: str | None = Field(default=None, max_length=256, examples=["eu-de_images"])
    """Name of the project. Absent if the login does not return it."""

    images: ImagesUsed | None = Field(default=None, examples=[{"used": 12, "quota": 50}])
    """Private images of the project and their quota, at the last check. Absent if the login may not read them."""

    running_copies: int | None = Field(default=None, examples=[2])
    """How many copies run in the project, as far as this operator knows. Absent while the project is not known."""

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
    """The state for tools such as Argo CD and kubectl wait: Ready, and Reconciling while it is checked again."""
