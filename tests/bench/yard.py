"""Where a scenario takes place: a control plane, a simulator and an operator, each as its own process."""

import asyncio
import contextlib
import os
import ssl
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bench.probe import Usage
from chaos.waiting import NotInTime
from controlplane import ControlPlane, find_binaries
from controlplane.components import free_ports
from controlplane.process import Process
from support.cluster import install_crds
from support.processes import HOST, Operator

GROUP: Final = "/apis/imagecopy.io/v1alpha1"
VERSION: Final = "imagecopy.io/v1alpha1"
NAMESPACE: Final = "bench"
MANY: Final = 100_000
_CREATORS: Final = 16
_PROGRAMS: Final = Path(sys.executable).parent

Calls = list[dict[str, Any]]


@dataclass(slots=True)
class Mark:
    """Where the counters stood at one moment."""

    usage: Usage
    kubernetes: Counter[str]
    sequence: int
    lag: dict[float, float]
    audit: int
    others: dict[str, Usage]


@dataclass(slots=True)
class Window:
    """What happened between two marks."""

    operator: dict[str, float]
    kubernetes: dict[str, Any]
    cloud: dict[str, Any]
    loop_lag: dict[str, float]
    others: dict[str, float]
    """Cores that the other processes kept busy."""
    calls: Calls = field(default_factory=list)


class Yard:
    """One control plane, one simulator, and one operator at a time."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane = plane
        self.folder = folder
        self._cloud_port, self._operator_port = free_ports(2)
        self.cloud_url = f"http://{HOST}:{self._cloud_port}"
        self._simulator: Process | None = None
        self.operator: Operator | None = None
        self._cloud: aiohttp.ClientSession | None = None
        self._cluster: aiohttp.ClientSession | None = None
        self.config: Any = None
        self._starts = 0
        self._last_sequence = 0
        self.created_at: dict[str, float] = {}
        """When each ImageCopy was asked for, by name, seconds since the epoch."""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, **knobs: object) -> AsyncIterator["Yard"]:
        """Set all up but the operator; ``knobs`` are the simulator's. Nothing is left at the end."""
        with tempfile.TemporaryDirectory(prefix="imagecopy-bench-") as folder, ControlPlane(find_binaries()) as plane:
            await asyncio.to_thread(install_crds, plane)
            yard = cls(plane, Path(folder))
            try:
                await yard._start(knobs)
                yield yard
            finally:
                await yard._stop()

    async def _start(self, knobs: dict[str, object]) -> None:
        context = ssl.create_default_context(cafile=str(self.plane.ca))
        self._cluster = aiohttp.ClientSession(
            base_url=self.plane.url,
            headers={"Authorization": f"Bearer {self.plane.token}"},
            connector=aiohttp.TCPConnector(ssl=context, limit=0),
        )
        wanted = {"max_concurrent": MANY, "quota": MANY} | knobs
        options = [f"--knob={name}={value}" for name, value in wanted.items()]
        command: list[str | Path] = [_PROGRAMS / "ims-simulator", "--port", str(self._cloud_port), *options]
        self._simulator = Process(command, log=self.folder / "simulator.log")
        self._cloud = aiohttp.ClientSession(base_url=self.cloud_url, timeout=aiohttp.ClientTimeout(total=120))
        await self.until(self._cloud_answers, "the simulator answers", 40)
        await self.create_namespace_and_login()

    async def _stop(self) -> None:
        for session in (self._cluster, self._cloud):
            if session:
                await session.close()
        if self.operator:
            await asyncio.to_thread(self.operator.kill)
        if self._simulator:
            await asyncio.to_thread(self._simulator.stop)

    async def _cloud_answers(self) -> bool:
        try:
            self.config = await self.cloud("GET", "/config")
        except aiohttp.ClientError:
            return False
        return True

    async def until(self, look: Any, what: str, seconds: float, every: float = 0.25) -> float:
        """Look again and again until it is so; return the seconds since the epoch then.

        Raises:
            NotInTime: it was not for so long.
        """
        deadline = time.monotonic() + seconds
        while not await look():
            if time.monotonic() > deadline:
                told = self.operator.last_lines() if self.operator else ""
                raise NotInTime(f"not within {seconds:g} s: {what}\n{told}")
            await asyncio.sleep(every)
        return time.time()

    # -- the cluster

    async def create_namespace_and_login(self) -> None:
        """Create what the copies need: namespace, Secret, provider."""
        await self.create("/api/v1/namespaces", "Namespace", "v1", NAMESPACE, {})
        login = next(login for login in self.config["logins"] if login["can_copy"])
        data = {"username": login["user"], "password": login["password"], "domainName": login["domain"]}
        await self.create(f"/api/v1/namespaces/{NAMESPACE}/secrets", "Secret", "v1", "login", {"stringData": data})
        spec = {
            "endpoints": {"ims": self.cloud_url, "iam": f"{self.cloud_url}/v3"},
            "projectID": self.config["project_id"],
            "credentialsSecretRef": {"name": "login"},
            "maxConcurrentCopies": MANY,
        }
        where = f"{GROUP}/namespaces/{NAMESPACE}/imageproviders"
        await self.create(where, "ImageProvider", VERSION, "cloud", {"spec": spec})

    async def slots(self, count: int) -> None:
        """Set how many copies may run at a time."""
        path = f"{GROUP}/namespaces/{NAMESPACE}/imageproviders/cloud"
        await self.patch(path, {"spec": {"maxConcurrentCopies": count}})

    async def copy(self, name: str, **spec: object) -> None:
        """Create one ImageCopy, and note when."""
        source = next(image["id"] for image in self.config["source_images"] if image["kind"] == "plain")
        wanted = {"source": {"imageID": source}, "providerRef": {"kind": "ImageProvider", "name": "cloud"}} | spec
        self.created_at[name] = time.time()
        path = f"{GROUP}/namespaces/{NAMESPACE}/imagecopies"
        await self.create(path, "ImageCopy", VERSION, name, {"spec": wanted})

    async def copies(self, names: Iterable[str]) -> None:
        """Create many, several at a time."""
        left = iter(names)

        async def creator() -> None:
            for name in left:
                await self.copy(name)

        await asyncio.gather(*(creator() for _ in range(_CREATORS)))

    async def create(self, path: str, kind: str, version: str, name: str, content: dict[str, Any]) -> None:
        """Create an object."""
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **content}
        assert self._cluster
        async with self._cluster.post(path, json=body) as reply:
            if not reply.ok:
                raise RuntimeError(f"POST {path}: {reply.status} {await reply.text()}")

    async def patch(self, path: str, change: dict[str, Any]) -> None:
        """Merge a change into an object."""
        assert self._cluster
        headers = {"Content-Type": "application/merge-patch+json"}
        async with self._cluster.patch(path, json=change, headers=headers) as reply:
            if not reply.ok:
                raise RuntimeError(f"PATCH {path}: {reply.status} {await reply.text()}")

    # -- the cloud

    async def cloud(self, method: str, path: str, body: object = None) -> Any:
        """Use a control endpoint of the simulator."""
        assert self._cloud
        async with self._cloud.request(method, f"/_simulator{path}", json=body) as reply:
            if not reply.ok:
                raise RuntimeError(f"{method} {path}: {reply.status} {await reply.text()}")
            return await reply.json()

    async def calls(self, since: int = 0, kind: str | None = None) -> Calls:
        """Return the calls the simulator got after this sequence number."""
        found: Calls = (await self.cloud("GET", f"/calls?since={since}{f'&kind={kind}' if kind else ''}"))["calls"]
        return found

    async def all_posted(self, count: int, seconds: float) -> dict[str, float]:
        """Wait until so many copies were POSTed; return the arrival of each by name, seconds since the epoch."""
        posted: dict[str, float] = {}
        last = 0

        async def look() -> bool:
            nonlocal last
            for call in await self.calls(last, "copy"):
                if call["status"] is None:
                    break  # not answered yet: it is read again
                last = call["sequence"]
                if call["status"] == 200:
                    posted[call["body"]["name"]] = call["time"]
            return len(posted) >= count

        await self.until(look, f"{count} copies are POSTed (so far {len(posted)})", seconds, 0.5)
        return posted

    # -- the operator

    async def start_operator(self, **knobs: str) -> float:
        """Start it and wait until it is ready; return the seconds that took."""
        self._starts += 1
        settings = {"IMAGECOPY_ENDPOINT_ALLOWLIST": f"{HOST}:{self._cloud_port}", **knobs}
        log = self.folder / f"operator-{self._starts}.log"
        begin = time.monotonic()
        self.operator = Operator(self.plane.kubeconfig, log, self._operator_port, settings)
        await self.until(self._ready, "the operator is ready", 120, 0.05)
        return time.monotonic() - begin

    async def kill_operator(self) -> None:
        """End it as the kernel does when memory is short."""
        assert self.operator
        await asyncio.to_thread(self.operator.kill)

    async def _ready(self) -> bool:
        assert self.operator
        assert self.operator.process.running(), self.operator.last_lines()
        try:
            return (await asyncio.to_thread(self.operator.ask, "/readyz"))[0] == 200
        except OSError:
            return False

    def usage(self) -> Usage:
        """Return what the operator used so far."""
        assert self.operator
        return Usage.of(self.operator.process.pid)

    async def phases(self) -> dict[str, int]:
        """Return how many copies there are of each phase, as the operator has it."""
        assert self.operator
        _, text = await asyncio.to_thread(self.operator.ask, "/metrics")
        return {
            sample.labels["phase"]: int(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "imagecopy_copies"
        }

    async def all_in(self, phase: str, count: int, seconds: float) -> float:
        """Wait until so many copies are in this phase; return the seconds since the epoch then."""

        async def look() -> bool:
            return (await self.phases()).get(phase, 0) >= count

        return await self.until(look, f"{count} copies {phase}", seconds, 1.0)

    async def quiet(self, seconds: float, *, for_seconds: float = 3.0, cores: float = 0.1) -> float:
        """Wait until the operator does next to nothing; return when that began, seconds since the epoch."""
        calm_since = time.time()
        before = self.usage()
        deadline = time.monotonic() + seconds
        while time.time() - calm_since < for_seconds:
            if time.monotonic() > deadline:
                raise NotInTime(f"not quiet within {seconds:g} s")
            await asyncio.sleep(0.25)
            now = self.usage()
            if now.cores_since(before) > cores:
                calm_since = time.time()
            before = now
        return calm_since

    # -- measuring

    async def mark(self) -> Mark:
        """Note where all counters stand."""
        calls = await self.calls(self._last_sequence)
        if calls:
            self._last_sequence = calls[-1]["sequence"]
        return Mark(
            self.usage(),
            await self.requests(),
            self._last_sequence,
            await self._beats(),
            self.plane.audit_position(),
            self._others(),
        )

    async def since(self, mark: Mark) -> Window:
        """Return what happened since the mark."""
        usage, requests, beats = self.usage(), await self.requests(), await self._beats()
        calls = await self.calls(mark.sequence)
        spent = requests - mark.kubernetes
        late = {bound: count - mark.lag.get(bound, 0.0) for bound, count in beats.items()}
        return Window(
            operator={
                "cpu_seconds": usage.cpu_seconds - mark.usage.cpu_seconds,
                "cores": usage.cores_since(mark.usage),
                "rss_mib": usage.rss_mib,
                "peak_rss_mib": usage.peak_rss_mib,
                "wall_seconds": usage.at - mark.usage.at,
            },
            kubernetes={"requests": dict(sorted(spent.items()))},
            cloud=counted(calls),
            loop_lag={f"p{share:g}": _bucket(late, share / 100) for share in (50, 95, 99)} | {"max": _bucket(late, 1)},
            others={name: used.cores_since(mark.others[name]) for name, used in self._others().items()},
            calls=calls,
        )

    def _others(self) -> dict[str, Usage]:
        assert self._simulator
        pids = {**self.plane.pids, "simulator": self._simulator.pid, "bench": os.getpid()}
        return {name: Usage.of(pid) for name, pid in pids.items()}

    def status_writes(self, mark: Mark) -> dict[str, list[float]]:
        """Return when each copy's status was written since the mark, by name, seconds since the epoch."""
        found: defaultdict[str, list[float]] = defaultdict(list)
        for event in self.plane.audit_events(mark.audit):
            if event.resource == "imagecopies" and event.subresource == "status" and event.code == 200:
                found[event.name].append(_epoch(event.completed))
        return dict(found)

    async def job_ends(self) -> dict[str, float]:
        """Return when the job of each copy ended, by name, seconds since the epoch."""
        jobs = (await self.cloud("GET", "/jobs"))["jobs"]
        ended = ((job["_simulator"]["image_name"], job["end_time"]) for job in jobs if job["end_time"])
        return {name: datetime.fromisoformat(end).timestamp() for name, end in ended}

    async def requests(self) -> Counter[str]:
        """Return the requests that the API server has answered to the operator: ours are creations and reads."""
        text = await asyncio.to_thread(self.plane.metrics)
        found: Counter[str] = Counter()
        for line in text.splitlines():
            if not line.startswith("apiserver_request_total{"):
                continue
            for family in text_string_to_metric_families(line):
                for sample in family.samples:
                    label = sample.labels
                    ours = label["resource"] in ("imagecopies", "events", "imageproviders", "clusterimageproviders")
                    if (ours or label["resource"] == "secrets") and label.get("group", "") != "apiextensions.k8s.io":
                        what = "/".join(part for part in (label["resource"], label["subresource"]) if part)
                        if (label["verb"], what) != ("POST", "imagecopies"):
                            found[f"{label['verb']} {what} {label['code']}"] += int(sample.value)
        return found

    async def _beats(self) -> dict[float, float]:
        assert self.operator
        _, text = await asyncio.to_thread(self.operator.ask, "/metrics")
        return {
            float(sample.labels["le"]): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "imagecopy_event_loop_delay_seconds_bucket"
        }


def counted(calls: Calls) -> dict[str, Any]:
    """Return how many calls there were of each kind, and in the busiest second."""
    seconds: Counter[int] = Counter(int(call["time"]) for call in calls)
    return {
        "calls": dict(sorted(Counter(call["kind"] for call in calls).items())),
        "most_per_second": max(seconds.values(), default=0),
    }


def _bucket(counts: dict[float, float], share: float) -> float:
    """Return the upper bound of the bucket that the quantile is in."""
    total = max(counts.values(), default=0.0)
    return next((bound for bound, count in sorted(counts.items()) if total and count >= share * total), 0.0)


def _epoch(when: datetime) -> float:
    return when.timestamp()
