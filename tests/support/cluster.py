"""The API server as its administrator sees it: installing our CRDs, and an asyncio client."""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import aiohttp

from controlplane import ControlPlane
from support.cloud import SimulatorBase
from support.objects import Manifest, collection, image_provider, secret, secrets_of
from support.waiting import NotInTime

CRDS: Final = Path(__file__).parents[2] / "crds"
_RETRY_SECONDS: Final = 90.0
_PAUSE_SECONDS: Final = 0.2


def install_crds(plane: ControlPlane) -> None:
    """Install our CRDs and wait until they are served."""
    plane.kubectl("apply", "--server-side", "-f", CRDS)
    # A CRD created a moment ago may have no conditions yet, which kubectl wait takes as an error.
    established = ["wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS)]
    if plane.kubectl(*established, check=False).returncode:
        plane.kubectl(*established)


class Cluster:
    """An asyncio client of one API server. It repeats calls that fail because the API server is away or overloaded."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.context = ssl.create_default_context(cafile=str(plane.ca))
        self._http: aiohttp.ClientSession | None = None
        self.restarts = 0
        self._restarting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
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
        """Kill the API server and start it again. Callers that come during a restart wait for its end."""
        if self._restarting.locked():
            async with self._restarting:
                return
        async with self._restarting:
            await asyncio.to_thread(self.plane.restart_apiserver)
            self.restarts += 1

    async def create(self, path: str, manifest: Manifest) -> None:
        """Create an object in a collection.

        An object that exists already counts as created: a call that is repeated may have succeeded the first time.
        """
        await self._call("POST", path, 409, manifest)

    async def merge(self, path: str, change: Mapping[str, object]) -> None:
        """Apply a merge patch to an object."""
        await self._call("PATCH", path, None, change, "application/merge-patch+json")

    async def get(self, path: str) -> Manifest | None:
        """Return an object or a list; None if it does not exist."""
        return await self._call("GET", path, 404)

    async def delete(self, path: str) -> None:
        """Delete an object, if it exists."""
        await self._call("DELETE", path, 404)

    async def create_provider(self, namespace: str, cloud: SimulatorBase, *, url: str = "", slots: int) -> None:
        """Create a namespace with the ImageProvider `cloud` and its Secret `login`.

        The provider points to the simulator, or to a proxy at `url` before it; `slots` is its maxConcurrentCopies.
        """
        await self.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        await self.create(secrets_of(namespace), secret("login", cloud.login()))
        provider = image_provider("cloud", **cloud.provider_spec(url), maxConcurrentCopies=slots)
        await self.create(collection(namespace, "imageproviders"), provider)

    async def _call(
        self,
        method: str,
        path: str,
        accepted: int | None,
        body: Mapping[str, object] | None = None,
        content_type: str = "application/json",
    ) -> Manifest | None:
        """Return the reply of a call, or None if its status is `accepted`."""
        assert self._http is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _RETRY_SECONDS
        while True:
            try:
                headers = {"Content-Type": content_type}
                async with self._http.request(method, path, json=body, headers=headers) as reply:
                    if reply.status == accepted:
                        return None
                    if reply.ok:
                        found: Manifest = await reply.json()
                        return found
                    problem = f"{reply.status} {await reply.text()}"
                    if reply.status < 500 and reply.status != 429:
                        raise RuntimeError(f"{method} {path}: {problem}")
            except (aiohttp.ClientError, TimeoutError, OSError) as exc:
                problem = f"{type(exc).__name__} {exc}"
            if loop.time() > deadline:
                raise NotInTime(f"{method} {path}: {problem}")
            await asyncio.sleep(_PAUSE_SECONDS)
