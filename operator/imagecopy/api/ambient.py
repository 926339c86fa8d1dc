"""Who may use the operator's own identity in the cloud, and where that is found."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from imagecopy.api.provider import ProviderKind

IDENTITY_TOKEN_FILE: Final = "/var/run/secrets/imagecopy.io/identity/token"  # noqa: S105
METADATA_ENDPOINT: Final = "http://169.254.169.254"


class AmbientCredentials(StrEnum):
    """The providers that may; the value of the setting IMAGECOPY_AMBIENT_CREDENTIALS."""

    NONE = "None"
    CLUSTER_IMAGE_PROVIDERS = "ClusterImageProviders"
    ALL = "All"

    def allows(self, kind: ProviderKind) -> bool:
        """Tell whether providers of ``kind`` may."""
        return self is self.ALL or (self is self.CLUSTER_IMAGE_PROVIDERS and kind is ProviderKind.CLUSTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambient:
    """The operator's own identity in the cloud."""

    allowed: AmbientCredentials = AmbientCredentials.CLUSTER_IMAGE_PROVIDERS
    identity_token_file: str = IDENTITY_TOKEN_FILE
    metadata_endpoint: str = METADATA_ENDPOINT


CLUSTER_ONLY: Final = Ambient()
"""As it is without settings."""
