"""An environment of the matrix: a namespace, a simulator, two proxies and operators, for one round after another.

Environments share only the API server, so that rounds run in parallel.
"""

import json
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import yaml

from chaos.invariants import CloudState, Tracker, Violation
from chaos.operators import Operator, Operators
from chaos.plan import PlannedCopy
from chaos.proxy import Proxy, Reply, Request
from support.cloud import Simulator, call_line
from support.cluster import Cluster
from support.objects import collection, image_copy
from support.waiting import until

SETTLE_SECONDS: Final = 10.0
SLOTS: Final = 10
_OBJECTS_PER_SIMULATOR: Final = 250
_WATCH_SECONDS: Final = 60.0
_KNOBS: Final = {
    "max_concurrent": SLOTS,
    "quota": 100_000,
    "delete_delay_seconds": 0.3,
    "init_seconds": 0.1,
    "copy_seconds": 1,
}


class Environment:
    """One environment."""

    def __init__(self, number: int, cluster: Cluster, operators: Operators, folder: Path) -> None:
        self.namespace = f"chaos-{number}"
        self.cluster = cluster
        self.log = folder / f"operator-{self.namespace}.log"
        self.cloud = Simulator(folder / f"simulator-{self.namespace}.log", _KNOBS)
        self.api_proxy = Proxy(cluster.plane.url, context=cluster.context)
        self.cloud_proxy = Proxy("")
        self.tracker = Tracker()
        self.operators: list[Operator] = []
        self.crashes: list[str] = []
        self.timeline: deque[str] = deque(maxlen=3000)
        self._starter = operators
        self._kubeconfig = folder / f"{self.namespace}.kubeconfig"
        self._stack = AsyncExitStack()
        self._objects = collection(self.namespace, "imagecopies")

    async def __aenter__(self) -> Self:
        """Start everything but the operator."""
        try:
            for proxy in (self.api_proxy, self.cloud_proxy):
                await self._stack.enter_async_context(proxy)
            self.api_proxy.on_reply = self._on_api_reply
            self.cloud_proxy.on_reply = self._on_cloud_reply
            self._stack.push_async_callback(self.kill_operators)
            await self._start_cloud()
            self._write_kubeconfig()
            await self.cluster.create_provider(self.namespace, self.cloud, url=self.cloud_proxy.url, slots=SLOTS)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End everything."""
        await self._stack.aclose()
        await self.cloud.stop()

    def note(self, event: str) -> None:
        """Add an event to the timeline, which becomes evidence of a violation."""
        self.timeline.append(f"{datetime.now(UTC):%H:%M:%S.%f} {event}")

    async def renew_cloud(self) -> None:
        """Start a new simulator if the old one has many objects, as each check reads all of them."""
        if len(self.tracker.copies) > _OBJECTS_PER_SIMULATOR:
            await self.kill_operators()
            await self._replace_cloud()

    async def start_over(self) -> None:
        """Remove all objects, operators and the simulator after a violation, and start a new simulator."""
        await self.kill_operators()
        found = await self.cluster.get(self._objects)
        for body in found["items"] if found else []:
            path = f"{self._objects}/{body['metadata']['name']}"
            await self.cluster.merge(path, {"metadata": {"finalizers": None}})
            await self.cluster.delete(path)
        await self._replace_cloud()

    def start_operator(self, *, cold: bool = False) -> Operator:
        """Start an operator."""
        settings = {
            "IMAGECOPY_NAMESPACES": self.namespace,
            "IMAGECOPY_INSTALLATION_ID": "chaos",
            "IMAGECOPY_HEALTH_PORT": "0",
            "IMAGECOPY_METRICS_PORT": "0",
            "IMAGECOPY_MIN_POLL_SECONDS": "0.2",
            "IMAGECOPY_MAX_POLL_SECONDS": "5",
            "IMAGECOPY_SETTLE_SECONDS": f"{SETTLE_SECONDS:g}",
            "IMAGECOPY_CALLS_PER_SECOND": "100",
            "IMAGECOPY_LOG_LEVEL": "debug",
            "IMAGECOPY_ENDPOINT_ALLOWLIST": self.cloud_proxy.url.removeprefix("http://"),
        }
        operator = self._starter.start(self._kubeconfig, settings, self.log, cold=cold)
        self.note(f"{operator.name} starts{' cold' if cold else ''}")
        self.operators.append(operator)
        return operator

    async def kill(self, operator: Operator) -> None:
        """Kill an operator."""
        await operator.kill()
        self.note(f"{operator.name} is killed")
        if operator in self.operators:
            self.operators.remove(operator)
        if not self.operators:
            self.api_proxy.cut_streams()

    async def kill_operators(self) -> None:
        """Kill all operators."""
        for operator in list(self.operators):
            await self.kill(operator)

    async def until_watching(self, streams_before: int) -> None:
        """Wait until an operator that was just started watches."""

        async def watching() -> bool:
            return self.api_proxy.streams_opened > streams_before or not self.operators

        await until(watching, "the operator watches", _WATCH_SECONDS)

    def replace_crashed(self) -> None:
        """Record operators that crashed, and start others in their place."""
        for operator in [operator for operator in self.operators if operator.crashed]:
            self.note(f"{operator.name} crashed with exit code {operator.code}")
            self.crashes.append(f"{operator.name} crashed with exit code {operator.code}")
            self.operators.remove(operator)
            self.start_operator()

    async def create(self, objects: Sequence[PlannedCopy]) -> None:
        """Create the objects of a round."""
        self.tracker.expect(objects)
        for plan in objects:
            manifest = image_copy(
                plan.name,
                self.cloud.source(),
                backoffLimit=10,
                deletionPolicy="Delete" if plan.delete else "Retain",
                unknownOutcomePolicy="Halt" if plan.halt else "Retry",
                target={"tags": plan.tags} if plan.tags else None,
            )
            await self.cluster.create(self._objects, manifest)
        self.note(f"{len(objects)} objects are created")

    async def refresh(self) -> None:
        """Read all objects."""
        self.replace_crashed()
        found = await self.cluster.get(self._objects)
        items = found["items"] if found else []
        for body in items:
            self.tracker.observe({"kind": "ImageCopy", **body})
        names = {body["metadata"]["name"] for body in items}
        for name, copy in self.tracker.copies.items():
            copy.gone = name not in names

    async def edit(self, name: str, **spec: object) -> None:
        """Change fields of an object's spec."""
        await self.cluster.merge(f"{self._objects}/{name}", {"spec": spec})

    async def delete(self, names: Sequence[str]) -> None:
        """Delete objects, without waiting until they are gone."""
        for name in names:
            await self.cluster.delete(f"{self._objects}/{name}")
        self.note(f"deletion of {len(names)} objects is requested")

    async def check(self, during: int) -> list[Violation]:
        """Return the violations of the objects, in the state of the last refresh."""
        posts = await self.cloud.calls(kind="copy")
        state = CloudState(posts, await self.cloud.jobs(), await self.cloud.copies())
        return self.tracker.check(state, during)

    async def evidence(self, names: Sequence[str]) -> str:
        """Return objects, images, timeline, calls and log as text."""
        parts = []
        for name in names:
            copy = self.tracker.copies.get(name)
            body: dict[str, Any] = dict(copy.body or {}) if copy else {}
            metadata = {key: value for key, value in body.get("metadata", {}).items() if key != "managedFields"}
            parts.append(yaml.safe_dump(body | {"metadata": metadata}, sort_keys=False))
            parts += [json.dumps(image) for image in await self.cloud.copies() if image["name"] == name]
        calls = [f"{call_line(call)} {call['body'] or ''}" for call in await self.cloud.calls()]
        log = self.log.read_text(errors="replace").splitlines()[-600:] if self.log.exists() else []
        for title, lines in (("timeline", self.timeline), ("calls of the cloud", calls[-400:]), ("operator", log)):
            parts.append(f"--- {title}\n" + "\n".join(lines))
        return "\n".join(parts)

    def _on_api_reply(self, request: Request, reply: Reply | None) -> None:
        if request.method != "GET":
            body = request.body.decode(errors="replace")[:600] if "/events" not in request.path else ""
            self.note(f"api {request.method} {request.path} -> {reply.status if reply else 'lost'} {body}")
        if reply is not None and reply.status < 300 and "/imagecopies/" in request.path:
            self.tracker.observe(reply.json)

    def _on_cloud_reply(self, request: Request, reply: Reply | None) -> None:
        body = reply.body.decode(errors="replace")[:200] if reply else ""
        self.note(f"cloud {request.method} {request.path} -> {reply.status if reply else 'lost'} {body}")

    async def _start_cloud(self) -> None:
        await self.cloud.start()
        self.cloud_proxy.upstream = self.cloud.url

    async def _replace_cloud(self) -> None:
        await self.cloud.stop()
        self.tracker = Tracker()
        await self._start_cloud()

    def _write_kubeconfig(self) -> None:
        named: dict[str, object] = {"name": "proxy"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [named | {"cluster": {"server": self.api_proxy.url}}],
            "users": [named | {"user": {"token": self.cluster.plane.token}}],
            "contexts": [named | {"context": {"cluster": "proxy", "user": "proxy"}}],
            "current-context": "proxy",
        }
        self._kubeconfig.write_text(yaml.safe_dump(config))
        self._kubeconfig.chmod(0o600)
