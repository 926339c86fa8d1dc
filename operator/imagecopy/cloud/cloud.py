"""The cloud as one ImageCopy sees it, through the provider that it names: what it observes, and what it does."""

from imagecopy.cloud.access import CloudAccess, ProviderClients
from imagecopy.cloud.act import Actions
from imagecopy.cloud.observe import CloudObservation, ImageList, Observations, Project

__all__ = ["Cloud", "CloudObservation", "ImageList", "Project", "ProviderClients"]


class Cloud(Observations, Actions):
    """Observes and acts through providers; built once, shared by all objects."""

    def __init__(self, providers: ProviderClients) -> None:
        self._access = CloudAccess(providers)
