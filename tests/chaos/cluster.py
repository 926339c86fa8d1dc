"""The API server, as its administrator. Calls go around the gateway, and are repeated while it is away."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final, Self

import aiohttp

from chaos.waiting import NotInTime
from controlplane import ControlPlane

GROUP: Final = "/apis/imagecopy.io/v1alpha1"
VERSION: Final = "imagecopy.io/v1alpha1"
_PATIENCE_SECONDS: Final = 90.0
_PAUSE_SECONDS: Final = 0.2

Manifest = dict[str, Any]


class Cluster:
    """One API server."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.context = ssl.create_default_context(cafile=str(plane.ca))
        self._http: aiohttp.ClientSession | None = None
        self.restarts = 0
        self._restarting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Connect."""
        self._http = aiohttp.ClientSession(
            base_url=self.plane.url,
            headers={"Authorization": f"Bearer {self.plane.token}"},
            connector=aiohttp.TCPConnector(ssl=self.context, limit=0),
            timeout=aiohttp.ClientTimeout(total=20),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        if self._http:
            await self._http.close()

    async def restart(self) -> None:
        """Kill the API server and start it again; all who ask meanwhile wait for the same restart."""
        if self._restarting.locked():
            async with self._restarting:
                return
        async with self._restarting:
            await asyncio.to_thread(self.plane.restart_apiserver)
            self.restarts += 1

    async def create(self, collection: str, manifest: Manifest) -> None:
        """Create an object; one that is there already is taken for ours."""
        await self._call("POST", collection, 409, manifest)

    async def merge(self, path: str, change: Mapping[str, object]) -> None:
        """Merge a change into an object."""
        await self._call("PATCH", path, None, change, "application/merge-patch+json")

    async def get(self, path: str) -> Manifest | None:
        """Return an object or a list, None if it is not there."""
        return await self._call("GET", path, 404)

    async def delete(self, path: str) -> None:
        """Delete an object that may be gone."""
        await self._call("DELETE", path, 404)

    async def _call(
        self,
        method: str,
        path: str,
        accepted: int | None,
        body: Mapping[str, object] | None = None,
        content_type: str = "application/json",
    ) -> Manifest | None:
        assert self._http is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE_SECONDS
        while True:
            words = "no answer"
            try:
                headers = {"Content-Type": content_type}
                async with self._http.request(method, path, json=body, headers=headers) as reply:
                    if reply.status == accepted:
                        return None
                    if reply.ok:
                        found: Manifest = await reply.json()
                        return found
                    words = f"{reply.status} {await reply.text()}"
                    if reply.status < 500 and reply.status != 429:
                        raise RuntimeError(f"{method} {path}: {words}")
            except (aiohttp.ClientError, TimeoutError, OSError) as exc:
                words = f"{type(exc).__name__} {exc}"
            if loop.time() > deadline:
                raise NotInTime(f"{method} {path}: {words}")
            await asyncio.sleep(_PAUSE_SECONDS)
