"""A lane: a namespace, a simulator, two gateways and an operator, for one round after another.

Lanes share the API server and nothing else, so that several rounds go on at once.
"""

import json
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import yaml

from chaos.cluster import GROUP, VERSION, Cluster
from chaos.gateway import Gateway, Reply, Request
from chaos.plan import Object
from chaos.processes import Nursery, Operator, Simulator
from chaos.truth import CloudState, Truth, Violation
from chaos.waiting import until

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


class Lane:
    """One lane."""

    def __init__(self, number: int, cluster: Cluster, nursery: Nursery, folder: Path) -> None:
        self.namespace = f"lane-{number}"
        self.cluster = cluster
        self.log = folder / f"operator-{self.namespace}.log"
        self.cloud = Simulator(folder / f"simulator-{self.namespace}.log", _KNOBS)
        self.kube_gate = Gateway(cluster.plane.url, context=cluster.context)
        self.cloud_gate = Gateway("")
        self.truth = Truth()
        self.operators: list[Operator] = []
        self.died: list[str] = []
        self.told: deque[str] = deque(maxlen=3000)
        self._nursery = nursery
        self._kubeconfig = folder / f"{self.namespace}.kubeconfig"
        self._stack = AsyncExitStack()
        self._objects = f"{GROUP}/namespaces/{self.namespace}/imagecopies"

    async def __aenter__(self) -> Self:
        """Start everything but the operator."""
        try:
            for gate in (self.kube_gate, self.cloud_gate):
                await self._stack.enter_async_context(gate)
            self.kube_gate.on_reply = self._kube_replied
            self.cloud_gate.on_reply = self._cloud_replied
            self._stack.push_async_callback(self.kill_operators)
            await self._start_cloud()
            self._write_kubeconfig()
            await self._create_provider()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End everything."""
        await self._stack.aclose()
        await self.cloud.stop()

    def tell(self, words: str) -> None:
        """Note what happens, for whoever has to find out why."""
        self.told.append(f"{datetime.now(UTC):%H:%M:%S.%f} {words}")

    async def fresh_cloud(self) -> None:
        """Start a new simulator when the old one has seen much, as it tells all of it each time."""
        if len(self.truth.wanted) > _OBJECTS_PER_SIMULATOR:
            await self.kill_operators()
            await self.cloud.stop()
            self.truth = Truth()
            await self._start_cloud()

    async def start_over(self) -> None:
        """Forget everything after something went wrong: objects, operators, the cloud."""
        await self.kill_operators()
        found = await self.cluster.get(self._objects)
        for body in found["items"] if found else []:
            path = f"{self._objects}/{body['metadata']['name']}"
            await self.cluster.merge(path, {"metadata": {"finalizers": None}})
            await self.cluster.delete(path)
        await self.cloud.stop()
        self.truth = Truth()
        await self._start_cloud()

    def start_operator(self, *, cold: bool = False) -> Operator:
        """Start an operator."""
        env = {
            "KUBECONFIG": str(self._kubeconfig),
            "IMAGECOPY_NAMESPACES": self.namespace,
            "IMAGECOPY_INSTALLATION_ID": "chaos",
            "IMAGECOPY_HEALTH_PORT": "0",
            "IMAGECOPY_METRICS_PORT": "0",
            "IMAGECOPY_MIN_POLL_SECONDS": "0.2",
            "IMAGECOPY_MAX_POLL_SECONDS": "5",
            "IMAGECOPY_SETTLE_SECONDS": f"{SETTLE_SECONDS:g}",
            "IMAGECOPY_CALLS_PER_SECOND": "100",
            "IMAGECOPY_LOG_LEVEL": "debug",
            "IMAGECOPY_ENDPOINT_ALLOWLIST": self.cloud_gate.url.removeprefix("http://"),
        }
        operator = self._nursery.start(env, self.log, cold=cold)
        self.tell(f"{operator.name} starts{' cold' if cold else ''}")
        self.operators.append(operator)
        return operator

    async def kill(self, operator: Operator) -> None:
        """Kill an operator."""
        await operator.kill()
        self.tell(f"{operator.name} is killed")
        if operator in self.operators:
            self.operators.remove(operator)
        if not self.operators:
            self.kube_gate.cut_streams()

    async def kill_operators(self) -> None:
        """Kill all operators."""
        for operator in list(self.operators):
            await self.kill(operator)

    async def until_watching(self, seen_before: int) -> None:
        """Wait until an operator that was just started watches."""

        async def watching() -> bool:
            return self.kube_gate.streams_opened > seen_before or not self.operators

        await until(watching, "the operator watches", _WATCH_SECONDS)

    def notice_deaths(self) -> None:
        """Note operators that ended of themselves, and start others."""
        for operator in [operator for operator in self.operators if operator.died]:
            self.tell(f"{operator.name} ended of itself with {operator.code}")
            self.died.append(f"{operator.name} ended with {operator.code}")
            self.operators.remove(operator)
            self.start_operator()

    async def create(self, objects: Sequence[Object]) -> None:
        """Create the objects."""
        self.truth.want(objects)
        for plan in objects:
            spec = {
                "source": {"imageID": self._source},
                "providerRef": {"kind": "ImageProvider", "name": "cloud"},
                "backoffLimit": 10,
                "deletionPolicy": "Delete" if plan.delete else "Retain",
                "unknownOutcomePolicy": "Halt" if plan.halt else "Retry",
                **({"target": {"tags": plan.tags}} if plan.tags else {}),
            }
            body = {"apiVersion": VERSION, "kind": "ImageCopy", "metadata": {"name": plan.name}, "spec": spec}
            await self.cluster.create(self._objects, body)
        self.tell(f"{len(objects)} objects were created")

    async def look(self) -> None:
        """Look at all objects."""
        self.notice_deaths()
        found = await self.cluster.get(self._objects)
        items = found["items"] if found else []
        for body in items:
            self.truth.saw({"kind": "ImageCopy", **body})
        there = {body["metadata"]["name"] for body in items}
        for name, wanted in self.truth.wanted.items():
            wanted.gone = name not in there

    async def edit(self, name: str, **spec: object) -> None:
        """Change an object's spec."""
        await self.cluster.merge(f"{self._objects}/{name}", {"spec": spec})

    async def delete(self, names: Sequence[str]) -> None:
        """Ask for the deletion of objects."""
        for name in names:
            await self.cluster.delete(f"{self._objects}/{name}")
        self.tell(f"{len(names)} objects are to be deleted")

    async def check(self, during: int) -> list[Violation]:
        """Return what is wrong with the objects as they were looked at last."""
        state = CloudState(await self.cloud.posts(), await self.cloud.jobs(), await self.cloud.copies())
        return self.truth.check(state, during)

    async def evidence(self, names: Sequence[str]) -> str:
        """Return all that explains what happened to objects."""
        parts = []
        for name in names:
            wanted = self.truth.wanted.get(name)
            body: dict[str, Any] = dict(wanted.body or {}) if wanted else {}
            metadata = {key: value for key, value in body.get("metadata", {}).items() if key != "managedFields"}
            parts.append(yaml.safe_dump(body | {"metadata": metadata}, sort_keys=False))
            parts += [json.dumps(image) for image in await self.cloud.copies() if image["name"] == name]
        calls = [
            f"{call['time']:.3f} {call['method']} {call['path']}?{call['query']} -> {call['status']} "
            f"{call['error_code'] or ''} {call['fault'] or ''} {call['body'] or ''}"
            for call in await self.cloud.calls()
        ]
        log = self.log.read_text(errors="replace").splitlines()[-600:] if self.log.exists() else []
        for title, lines in (("timeline", self.told), ("calls of the cloud", calls[-400:]), ("operator", log)):
            parts.append(f"--- {title}\n" + "\n".join(lines))
        return "\n".join(parts)

    def _kube_replied(self, request: Request, reply: Reply | None) -> None:
        if request.method != "GET":
            words = request.body.decode(errors="replace")[:600] if "/events" not in request.path else ""
            self.tell(f"kube {request.method} {request.path} -> {reply.status if reply else 'lost'} {words}")
        if reply is not None and reply.status < 300 and "/imagecopies/" in request.path:
            self.truth.saw(reply.json)

    def _cloud_replied(self, request: Request, reply: Reply | None) -> None:
        words = reply.body.decode(errors="replace")[:200] if reply else ""
        self.tell(f"cloud {request.method} {request.path} -> {reply.status if reply else 'lost'} {words}")

    async def _start_cloud(self) -> None:
        await self.cloud.start()
        self.cloud_gate.upstream = self.cloud.url
        self._source = next(str(i["id"]) for i in self.cloud.config["source_images"] if i["kind"] == "plain")

    async def _create_provider(self) -> None:
        login = next(login for login in self.cloud.config["logins"] if login["can_copy"])
        secret = {"username": login["user"], "password": login["password"], "domainName": login["domain"]}
        url = self.cloud_gate.url
        spec = {
            "endpoints": {"ims": url, "iam": f"{url}/v3"},
            "projectID": self.cloud.config["project_id"],
            "credentialsSecretRef": {"name": "login"},
            "maxConcurrentCopies": SLOTS,
        }
        await self.cluster.create("/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        secrets = f"/api/v1/namespaces/{self.namespace}/secrets"
        await self.cluster.create(secrets, {"metadata": {"name": "login"}, "stringData": secret})
        provider = {"apiVersion": VERSION, "kind": "ImageProvider", "metadata": {"name": "cloud"}, "spec": spec}
        await self.cluster.create(f"{GROUP}/namespaces/{self.namespace}/imageproviders", provider)

    def _write_kubeconfig(self) -> None:
        named: dict[str, object] = {"name": "gateway"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [named | {"cluster": {"server": self.kube_gate.url}}],
            "users": [named | {"user": {"token": self.cluster.plane.token}}],
            "contexts": [named | {"context": {"cluster": "gateway", "user": "gateway"}}],
            "current-context": "gateway",
        }
        self._kubeconfig.write_text(yaml.safe_dump(config))
        self._kubeconfig.chmod(0o600)
