"""The provider resources: where copies are made and with whose credentials."""

from enum import StrEnum

from pydantic import ConfigDict, Field

from imagecopy.api.base import ApiModel
from imagecopy.api.rules import Rule, extensions
from imagecopy.api.text import LoginURL, NamespaceName, ProjectID, Region, SecretName, ServiceURL


class ProviderKind(StrEnum):
    """The two kinds of provider."""

    CLUSTER = "ClusterImageProvider"
    NAMESPACED = "ImageProvider"


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

    When absent: the one that belongs to cloud and region or that the cloud names at login. The operator refuses
    hosts that are not in its allow-list (IMAGECOPY_ENDPOINT_ALLOWLIST); http:// only works with hosts named there.
    """

    iam: LoginURL | None = Field(default=None, examples=["https://iam.eu-de.otc.t-systems.com/v3"])
    """URL of the identity service (IAM), where the operator logs in: scheme, host, optional port, optional /v3.

    When absent: the one that belongs to cloud and region. The operator's allow-list holds for it, too.
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
    "set both cloud and region, or set endpoints.iam: it must be known where to log in",
)


class _ProviderSpec(ApiModel):
    model_config = ConfigDict(json_schema_extra=extensions(_WHERE_TO_LOG_IN))

    cloud: Cloud | None = Field(default=None, examples=["OpenTelekomCloud"])
    """The cloud, if it is one whose endpoints the operator knows from the region.

    Leave it out for any other cloud and give endpoints.iam.
    """

    region: Region | None = Field(default=None, examples=["eu-de"])
    """Id of the region in which images are copied. Needed with cloud.

    With endpoints.iam alone it chooses the region's endpoint among those that the cloud names at login.
    """

    project_id: ProjectID | None = Field(default=None, examples=["5dd3c0b24cdc4d31952c49589182a89d"])
    """Id of the project (tenant) that owns the images, 32 hex digits.

    When absent: the project that projectName of the Secret names.
    """

    endpoints: Endpoints | None = Field(default=None, examples=[{"iam": "https://iam.example.com/v3"}])
    """Endpoints to use instead of the known ones, for private clouds and proxies."""

    max_concurrent_copies: int = Field(default=5, ge=1, le=100000, examples=[3])
    """How many copies may run at a time in the project, whichever provider they use; the others wait, oldest first.

    The clouds allow 5 for each tenant; less leaves room for copies that are made by hand.
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

    credentials_secret_ref: SecretRef = Field(examples=[{"name": "otc-credentials", "namespace": "imagecopy-system"}])
    """The Secret with the login to the cloud.

    Its keys: username, password, domainName (the account that the user belongs to), and projectName unless
    projectID is set here.
    """
