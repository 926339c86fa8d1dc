"""The operator's own identity in the cloud: which providers may use it, and where its credentials are read."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from imagecopy.api.provider import ProviderKind

IDENTITY_TOKEN_FILE: Final = "/var/run/secrets/imagecopy.io/identity/token"  # noqa: S105
METADATA_ENDPOINT: Final = "http://169.254.169.254"


class AmbientCredentials(StrEnum):
    """Which providers may use the operator's own identity: the setting IMAGECOPY_AMBIENT_CREDENTIALS."""

    NONE = "None"
    CLUSTER_IMAGE_PROVIDERS = "ClusterImageProviders"
    ALL = "All"

    def allows(self, kind: ProviderKind) -> bool:
        """Tell whether providers of ``kind`` may use it."""
        return self is self.ALL or (self is self.CLUSTER_IMAGE_PROVIDERS and kind is ProviderKind.CLUSTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambient:
    """Which providers may use the operator's own identity, and where its token and metadata are read."""

    allowed: AmbientCredentials = AmbientCredentials.CLUSTER_IMAGE_PROVIDERS
    identity_token_file: str = IDENTITY_TOKEN_FILE
    metadata_endpoint: str = METADATA_ENDPOINT


CLUSTER_ONLY: Final = Ambient()
"""The default: only ClusterImageProviders may use it."""
