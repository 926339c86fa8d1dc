"""Which namespaces may use a ClusterImageProvider: decided before its Secret is read or anything of it is used.

Labels of namespaces are read when a selector asks for them, at most every few seconds, and never watched.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from imagecopy.api.selector import AllowedNamespaces
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import KubeError, Missing, Refused

LABELS_SECONDS: Final = 5.0
"""A namespace's labels are read again after so long."""
_KEPT: Final = 10_000


class Admission:
    """Admits namespaces to providers."""

    def __init__(self, kube: KubeClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._clock = clock
        self._labels: dict[str, tuple[float, Mapping[str, str]]] = {}

    async def refusal(self, named: str, allowed: AllowedNamespaces | None, namespace: str) -> Trouble | None:
        """Return why the provider ``named`` may not be used from this namespace, None where it may."""
        if allowed is None:
            return None
        if allowed.match_names is not None:
            if namespace in allowed.match_names:
                return None
            return Trouble(
                Cause.PROVIDER_INVALID,
                f"{named} may not be used from namespace {namespace}: have its administrator add the namespace to "
                "spec.allowedNamespaces.matchNames, or name another provider in a new ImageCopy",
            )
        try:
            labels = await self._labels_of(namespace)
        except (Missing, Refused) as exc:
            words = (
                f"the labels of namespace {namespace} can't be read, and {named} looks at them "
                f"(spec.allowedNamespaces.selector): {exc}"
            )
            return Trouble(Cause.PROVIDER_INVALID, words)
        except KubeError:
            return Trouble(Cause.TRANSIENT, "the Kubernetes API does not answer")
        if allowed.selector is not None and allowed.selector.matches(labels):
            return None
        return Trouble(
            Cause.PROVIDER_INVALID,
            f"{named} may not be used from namespace {namespace}: have its administrator give the namespace the labels "
            "that spec.allowedNamespaces.selector asks for, or name another provider in a new ImageCopy",
        )

    async def _labels_of(self, namespace: str) -> Mapping[str, str]:
        now = self._clock()
        known = self._labels.get(namespace)
        if known is not None and now < known[0]:
            return known[1]
        try:
            labels = await self._kube.namespace_labels(namespace)
        except (Missing, Refused):
            self._labels.pop(namespace, None)
            raise
        except KubeError:
            if known is None:
                raise
            return known[1]  # as with clients: what is there goes on serving while the API server does not answer
        if len(self._labels) >= _KEPT:
            self._labels.clear()
        self._labels[namespace] = (now + LABELS_SECONDS, labels)
        return labels
