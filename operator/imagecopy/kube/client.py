"""The few calls of the Kubernetes API that we make ourselves; kopf makes the others (list, watch, finalizers).

Status is written by merge patch with ``metadata.resourceVersion`` in it, which the API server takes as a
precondition: 409 means that somebody else wrote in between. Every call has a deadline, none is repeated here.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration, CoreV1Api, CoreV1Event, CustomObjectsApi
from kubernetes.aio.client.exceptions import ApiException

from imagecopy.api.base import GROUP, VERSION
from imagecopy.api.imagecopy import ImageCopyStatus
from imagecopy.kube.errors import Conflict, KubeError, Missing, Refused, Unavailable
from imagecopy.kube.objects import Snapshot, merge_patch

FIELD_MANAGER: Final = "imagecopy-operator"
IMAGE_COPIES: Final = "imagecopies"
CALL_SECONDS: Final = 10.0

_T = TypeVar("_T")


class KubeClient:
    """One connection pool to one API server."""

    def __init__(self, configuration: Configuration) -> None:
        self._api = ApiClient(configuration)
        self._api.user_agent = FIELD_MANAGER
        self._objects = CustomObjectsApi(self._api)
        self._core = CoreV1Api(self._api)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def image_copy(self, namespace: str, name: str) -> Snapshot:
        """Return the ImageCopy as it is now.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
            Unreadable: it does not fit our models.
        """
        return Snapshot.parse(await self.custom_object(IMAGE_COPIES, name, namespace))

    async def write_status(self, known: Snapshot, status: ImageCopyStatus) -> Snapshot:
        """Turn the status that we know into ``status``, if the object is still as we know it.

        Raises:
            Conflict: it is not; nothing was written.
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        body = {
            "metadata": {"resourceVersion": known.resource_version},
            "status": merge_patch(known.status.to_wire(), status.to_wire()),
        }
        written = await self._call(
            self._objects.patch_namespaced_custom_object_status(
                GROUP,
                VERSION,
                known.namespace,
                IMAGE_COPIES,
                known.name,
                body,
                field_manager=FIELD_MANAGER,
                field_validation="Strict",
                _content_type="application/merge-patch+json",
                _request_timeout=CALL_SECONDS,
            )
        )
        return Snapshot.parse(written)

    async def custom_object(self, plural: str, name: str, namespace: str | None) -> dict[str, Any]:
        """Return an object of our API group; ``namespace`` is None for a cluster-scoped one.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        if namespace is None:
            call = self._objects.get_cluster_custom_object(GROUP, VERSION, plural, name, _request_timeout=CALL_SECONDS)
        else:
            call = self._objects.get_namespaced_custom_object(
                GROUP, VERSION, namespace, plural, name, _request_timeout=CALL_SECONDS
            )
        found: dict[str, Any] = await self._call(call)
        return found

    async def is_served(self, plural: str) -> bool:
        """Tell whether the API server knows this resource of our group, which takes its CRD.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        call = self._objects.get_api_resources(GROUP, VERSION, _request_timeout=CALL_SECONDS)
        try:
            resources = await self._call(call)
        except Missing:
            return False
        return any(resource.name == plural for resource in resources.resources)

    async def secret(self, namespace: str, name: str) -> "Secret":
        """Return a Secret.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        found = await self._call(self._core.read_namespaced_secret(name, namespace, _request_timeout=CALL_SECONDS))
        return Secret(found.metadata.uid, found.metadata.resource_version, dict(found.data or {}))

    async def namespace_uid(self, name: str) -> str:
        """Return the uid of a namespace.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        found = await self._call(self._core.read_namespace(name, _request_timeout=CALL_SECONDS))
        return str(found.metadata.uid)

    async def create_event(self, event: CoreV1Event) -> None:
        """Create an Event in the namespace that it names.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        await self._call(
            self._core.create_namespaced_event(
                event.metadata.namespace, event, field_manager=FIELD_MANAGER, _request_timeout=CALL_SECONDS
            )
        )

    async def _call(self, call: Awaitable[_T]) -> _T:
        try:
            return await call
        except ApiException as exc:
            raise _sorted(exc) from exc
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as exc:
            raise Unavailable(f"the API server does not answer: {type(exc).__name__} {exc}") from exc


class Secret:
    """A Secret's data, base64 as it came, and what tells one version from another. Never shown."""

    __slots__ = ("data", "resource_version", "uid")

    def __init__(self, uid: str, resource_version: str, data: dict[str, str]) -> None:
        self.uid = uid
        self.resource_version = resource_version
        self.data = data


def _sorted(exc: ApiException) -> KubeError:
    words = f"{exc.status} {exc.reason}: {(exc.body or '')[:300]}"
    kinds: dict[int, type[KubeError]] = {404: Missing, 409: Conflict, 400: Refused, 403: Refused, 422: Refused}
    return kinds.get(exc.status, Unavailable)(words, exc.status)
