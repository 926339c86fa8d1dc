"""Checks which namespaces may use a ClusterImageProvider, before its Secret is read or anything of it is used.

A selector needs the labels of the namespace. They are read every few seconds at most, and never watched.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from imagecopy.api.provider import ClusterImageProviderSpec
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import KubeError, Missing, Refused
from imagecopy.providers.objects import Provider, Unusable

LABELS_SECONDS: Final = 5.0
"""How long the labels of a namespace are used before they are read again."""
_KEPT: Final = 10_000

_OR_ANOTHER: Final = "or create a new ImageCopy that names another provider"


class Admission:
    """Admits namespaces to providers."""

    def __init__(self, kube: KubeClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._clock = clock
        self._labels: dict[str, tuple[float, Mapping[str, str]]] = {}

    async def check(self, provider: Provider, namespace: str) -> None:
        """Return if copies of this namespace may use the provider.

        Raises:
            Unusable: they may not, or the labels of the namespace can't be read.
        """
        if not isinstance(provider.spec, ClusterImageProviderSpec):
            return
        allowed = provider.spec.allowed_namespaces
        if allowed is None:
            return
        refusal = f"{provider.named} may not be used from namespace {namespace}: ask its administrator to"
        if allowed.match_names is not None:
            if namespace not in allowed.match_names:
                raise _unusable(f"{refusal} add the namespace to spec.allowedNamespaces.matchNames, {_OR_ANOTHER}")
            return
        labels = await self._labels_of(namespace, provider.named)
        if allowed.selector is None or not allowed.selector.matches(labels):
            raise _unusable(
                f"{refusal} give the namespace the labels that spec.allowedNamespaces.selector requires, {_OR_ANOTHER}"
            )

    async def _labels_of(self, namespace: str, named: str) -> Mapping[str, str]:
        """Return the labels of a namespace.

        Raises:
            Unusable: they can't be read.
        """
        now = self._clock()
        known = self._labels.get(namespace)
        if known is not None and now < known[0]:
            return known[1]
        try:
            labels = await self._kube.namespace_labels(namespace)
        except (Missing, Refused) as exc:
            self._labels.pop(namespace, None)
            words = f"the labels of namespace {namespace}, which spec.allowedNamespaces.selector of {named} needs, "
            todo = ". Grant the operator the verb get on namespaces (RBAC)" if isinstance(exc, Refused) else ""
            raise _unusable(f"{words}can't be read: {exc}{todo}") from None
        except KubeError:
            if known is None:
                words = (
                    f"the Kubernetes API server does not answer, so the labels of namespace {namespace} can't be read"
                )
                raise Unusable(Trouble(Cause.TRANSIENT, words)) from None
            return known[1]  # as with clients: what was read before is used while the API server does not answer
        if len(self._labels) >= _KEPT:
            self._labels.clear()
        self._labels[namespace] = (now + LABELS_SECONDS, labels)
        return labels


def _unusable(words: str) -> Unusable:
    return Unusable(Trouble(Cause.PROVIDER_INVALID, words))
