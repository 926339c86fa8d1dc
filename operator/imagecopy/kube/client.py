"""The calls of the Kubernetes API that the operator makes itself; kopf makes the others (list, watch, finalizers).

Status is written by merge patch with ``metadata.resourceVersion`` in it, which the API server takes as a
precondition: 409 means that somebody else wrote in between. Every call has a deadline, none is repeated here.

Connection, TLS and login are those of ``kubernetes.aio``; its generated classes are left out, because the models behind
them take 90 MiB of memory, and the few calls below need none.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException

from imagecopy.api.base import GROUP, VERSION
from imagecopy.api.imagecopy import ImageCopyStatus
from imagecopy.api.provider import PLURALS, ProviderKind, ProviderStatus
from imagecopy.kube.errors import Conflict, KubeError, Missing, Refused, Unavailable
from imagecopy.kube.objects import ProviderSnapshot, Snapshot, Unreadable, merge_patch

FIELD_MANAGER: Final = "imagecopy-operator"
IMAGE_COPIES: Final = "imagecopies"
CALL_SECONDS: Final = 10.0
"""The deadline of a call, from the moment it is sent."""
AT_ONCE: Final = 24
"""How many calls are made at a time. More would wait in the API server, and reach their deadline there."""
PAGE_SIZE: Final = 500

_GROUP_PATH: Final = f"/apis/{GROUP}/{VERSION}"
_KINDS: Final[Mapping[int, type[KubeError]]] = {
    400: Refused,
    403: Refused,
    404: Missing,
    409: Conflict,
    413: Refused,
    415: Refused,
    422: Refused,
}


class KubeClient:
    """One connection pool to one API server."""

    def __init__(self, configuration: Configuration) -> None:
        self._api = ApiClient(configuration)
        self._api.user_agent = FIELD_MANAGER
        self._turn = asyncio.Semaphore(AT_ONCE)

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

    async def image_copies(self, namespace: str | None = None) -> AsyncIterator[Snapshot]:
        """Yield all ImageCopies, of one namespace or of all. Those that do not fit our models are left out.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        async for item in self._list_image_copies(namespace):
            with contextlib.suppress(Unreadable):
                yield Snapshot.parse(item)

    async def held_image_copies(self, finalizer: str, namespace: str | None = None) -> AsyncIterator[tuple[str, str]]:
        """Yield namespace and name of each ImageCopy with this finalizer, of one namespace or of all.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        async for item in self._list_image_copies(namespace):
            meta = item["metadata"]
            if finalizer in meta.get("finalizers", ()):
                yield meta["namespace"], meta["name"]

    async def _list_image_copies(self, namespace: str | None) -> AsyncIterator[dict[str, Any]]:
        where = "" if namespace is None else f"/namespaces/{quote(namespace)}"
        query = {"limit": str(PAGE_SIZE)}
        while True:
            page = await self._send("GET", f"{_GROUP_PATH}{where}/{IMAGE_COPIES}", query)
            for item in page["items"]:
                yield item
            following = page["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following

    async def write_status(self, known: Snapshot, status: ImageCopyStatus) -> Snapshot:
        """Change the status to ``status``, if the object still has the resourceVersion of ``known``.

        Raises:
            Conflict: it is not; nothing was written.
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        path = f"{_GROUP_PATH}/namespaces/{quote(known.namespace)}/{IMAGE_COPIES}/{quote(known.name)}/status"
        wires = (known.status.to_wire(), status.to_wire())
        return Snapshot.parse(await self._write_status(path, known.resource_version, *wires))

    async def _write_status(
        self, path: str, resource_version: str, before: Mapping[str, object], after: Mapping[str, object]
    ) -> dict[str, Any]:
        body = {"metadata": {"resourceVersion": resource_version}, "status": merge_patch(before, after)}
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        return await self._send("PATCH", path, query, body, "application/merge-patch+json")

    async def provider(self, kind: ProviderKind, namespace: str, name: str) -> ProviderSnapshot:
        """Return a provider as it is now; ``namespace`` is empty for a ClusterImageProvider.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
            Unreadable: its status does not fit our model.
        """
        return ProviderSnapshot.parse(kind, await self.custom_object(PLURALS[kind], name, namespace or None))

    async def write_provider_status(self, known: ProviderSnapshot, status: ProviderStatus) -> ProviderSnapshot:
        """Change the status to ``status``, if the provider still has the resourceVersion of ``known``.

        Raises:
            Conflict: it is not; nothing was written.
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        where = f"/namespaces/{quote(known.namespace)}" if known.namespace else ""
        path = f"{_GROUP_PATH}{where}/{PLURALS[known.kind]}/{quote(known.name)}/status"
        written = await self._write_status(path, known.resource_version, known.status.to_wire(), status.to_wire())
        return ProviderSnapshot.parse(known.kind, written)

    async def may_list(self, plural: str, namespace: str | None) -> bool:
        """Tell whether the operator may list these objects, in one namespace or in all (or cluster-scoped ones).

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        where = "" if namespace is None else f"/namespaces/{quote(namespace)}"
        try:
            await self._send("GET", f"{_GROUP_PATH}{where}/{plural}", {"limit": "1"})
        except Refused:
            return False
        return True

    async def custom_object(self, plural: str, name: str, namespace: str | None) -> dict[str, Any]:
        """Return an object of our API group; ``namespace`` is None for a cluster-scoped one.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        where = "" if namespace is None else f"/namespaces/{quote(namespace)}"
        return await self._send("GET", f"{_GROUP_PATH}{where}/{plural}/{quote(name)}")

    async def is_served(self, plural: str) -> bool:
        """Tell whether the API server serves this resource of our group, which needs its CRD.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        try:
            known = await self._send("GET", _GROUP_PATH)
        except Missing:
            return False
        return any(resource["name"] == plural for resource in known["resources"])

    async def secret(self, namespace: str, name: str) -> "Secret":
        """Return a Secret.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        found = await self._send("GET", f"/api/v1/namespaces/{quote(namespace)}/secrets/{quote(name)}")
        return Secret(found["metadata"]["uid"], found["metadata"]["resourceVersion"], found.get("data") or {})

    async def namespace_uid(self, name: str) -> str:
        """Return the uid of a namespace.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        found = await self._send("GET", f"/api/v1/namespaces/{quote(name)}")
        return str(found["metadata"]["uid"])

    async def namespace_labels(self, name: str) -> dict[str, str]:
        """Return the labels of a namespace.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        found = await self._send("GET", f"/api/v1/namespaces/{quote(name)}")
        return dict(found["metadata"].get("labels") or {})

    async def create_event(self, namespace: str, event: Mapping[str, object]) -> None:
        """Create a core/v1 Event.

        Raises:
            KubeError: see :mod:`imagecopy.kube.errors`.
        """
        path = f"/api/v1/namespaces/{quote(namespace)}/events"
        await self._send("POST", path, {"fieldManager": FIELD_MANAGER}, event)

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        request = await self._api.param_serialize(
            method, path, None, list((query or {}).items()), headers, body, auth_settings=["BearerToken"]
        )
        try:
            async with self._turn:
                reply = await self._api.call_api(*request, _request_timeout=CALL_SECONDS)
                text = await reply.read()
        except ApiException as exc:  # of the login, for example an exec plugin
            raise Unavailable(f"the API server can't be called: {exc.reason}") from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise Unavailable(f"the API server does not answer: {type(exc).__name__} {exc}".rstrip()) from exc
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        data: dict[str, Any] = found if isinstance(found, dict) else {}
        if not 200 <= reply.status < 300 or not data:
            words = data.get("message") or text[:300].decode(errors="replace")
            raise _KINDS.get(reply.status, Unavailable)(f"{reply.status} {words}", reply.status)
        return data


class Secret:
    """The data of a Secret, in base64, and what tells its versions apart. Never shown."""

    __slots__ = ("data", "resource_version", "uid")

    def __init__(self, uid: str, resource_version: str, data: Mapping[str, str]) -> None:
        self.uid = uid
        self.resource_version = resource_version
        self.data = data
