"""The environment of a scenario: a control plane, a simulator and one operator, each as a process of its own."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from bench.usage import Usage
from controlplane import ControlPlane, find_binaries
from controlplane.components import free_ports
from support.cloud import Simulator
from support.cluster import Cluster, install_crds
from support.objects import collection, image_copy
from support.processes import Operator
from support.waiting import NotInTime, until

NAMESPACE: Final = "bench"
UNLIMITED: Final = 100_000
_PARALLEL_CREATIONS: Final = 16


class Environment:
    """One control plane, one simulator, and one operator at a time."""

    def __init__(self, cluster: Cluster, cloud: Simulator, folder: Path) -> None:
        self.plane, self.cluster, self.cloud = cluster.plane, cluster, cloud
        self._folder = folder
        self._running: Operator | None = None
        self._starts = 0
        self._last_call = 0
        (self._operator_port,) = free_ports(1)
        self.created_at: dict[str, float] = {}
        """When the creation of each ImageCopy was requested, by name, in seconds since the epoch."""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, **knobs: object) -> AsyncIterator["Environment"]:
        """Start everything but the operator. `knobs` are the simulator's. Nothing is left at the end."""
        with tempfile.TemporaryDirectory(prefix="imagecopy-bench-") as name, ControlPlane(find_binaries()) as plane:
            folder = Path(name)
            await asyncio.to_thread(install_crds, plane)
            cloud = Simulator(folder / "simulator.log", {"max_concurrent": UNLIMITED, "quota": UNLIMITED} | knobs)
            async with Cluster(plane) as cluster:
                environment = cls(cluster, cloud, folder)
                try:
                    await cloud.start()
                    await cluster.create_provider(NAMESPACE, cloud, slots=UNLIMITED)
                    yield environment
                finally:
                    if environment._running:
                        await environment.kill_operator()
                    await cloud.stop()

    # -- objects

    async def set_slots(self, count: int) -> None:
        """Set how many copies may run at a time."""
        path = f"{collection(NAMESPACE, 'imageproviders')}/cloud"
        await self.cluster.merge(path, {"spec": {"maxConcurrentCopies": count}})

    async def create_copy(self, name: str) -> None:
        """Create one ImageCopy, and record when."""
        manifest = image_copy(name, self.cloud.source())
        self.created_at[name] = time.time()
        await self.cluster.create(collection(NAMESPACE, "imagecopies"), manifest)

    async def create_copies(self, names: Iterable[str]) -> None:
        """Create many ImageCopies, several at a time."""
        left = iter(names)

        async def creator() -> None:
            for name in left:
                await self.create_copy(name)

        await asyncio.gather(*(creator() for _ in range(_PARALLEL_CREATIONS)))

    # -- the operator

    @property
    def operator(self) -> Operator:
        """The operator that was started last."""
        assert self._running is not None
        return self._running

    async def start_operator(self, **settings: str) -> float:
        """Start an operator and wait until it is ready; return the seconds that took."""
        self._starts += 1
        allowed = {"IMAGECOPY_ENDPOINT_ALLOWLIST": self.cloud.url.removeprefix("http://")}
        log = self._folder / f"operator-{self._starts}.log"
        begin = time.monotonic()
        self._running = Operator(self.plane.kubeconfig, log, self._operator_port, allowed | settings)
        await asyncio.to_thread(self._running.wait_ready, 120, 0.05)
        return time.monotonic() - begin

    async def kill_operator(self) -> None:
        """Kill the operator, as the kernel does when memory is short."""
        await asyncio.to_thread(self.operator.kill)

    def usage(self) -> Usage:
        """Return what the operator has used."""
        return Usage.of(self.operator.process.pid)

    async def metric(self, name: str, label: str) -> dict[str, float]:
        """Return the samples of one of the operator's metrics, by the value of a label."""
        _, text = await asyncio.to_thread(self.operator.ask, "/metrics")
        return {
            sample.labels[label]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }

    # -- waiting

    async def until(
        self, check: Callable[[], Awaitable[bool]], what: str, seconds: float, every: float = 0.25
    ) -> float:
        """Wait until a condition holds; return the time then, in seconds since the epoch.

        Raises:
            NotInTime: it did not hold before the deadline. The error has the end of the operator's log.
        """
        try:
            await until(check, what, seconds, every)
        except NotInTime as exc:
            if self._running:
                exc.add_note(self._running.last_lines())
            raise
        return time.time()

    async def until_posted(self, count: int, seconds: float) -> dict[str, float]:
        """Wait until this many copies were POSTed; return the arrival of each by name, in seconds since the epoch."""
        posted: dict[str, float] = {}
        last = 0

        async def check() -> bool:
            nonlocal last
            for call in await self.cloud.calls(since=last, kind="copy"):
                if call["status"] is None:
                    break  # not answered yet: the next check reads it again
                last = call["sequence"]
                if call["status"] == 200:
                    posted[call["body"]["name"]] = call["time"]
            return len(posted) >= count

        await self.until(check, f"{count} copies are POSTed", seconds, 0.5)
        return posted

    async def until_phase(self, phase: str, count: int, seconds: float) -> float:
        """Wait until this many copies are in a phase; return the time then, in seconds since the epoch."""

        async def check() -> bool:
            return (await self.metric("imagecopy_copies", "phase")).get(phase, 0) >= count

        return await self.until(check, f"{count} copies are {phase}", seconds, 1.0)

    async def until_idle(self, seconds: float, *, for_seconds: float = 3.0, cores: float = 0.1) -> float:
        """Wait until the operator uses almost no CPU; return when that began, in seconds since the epoch.

        Raises:
            NotInTime: it was still busy at the deadline.
        """
        idle_since = time.time()
        before = self.usage()
        deadline = time.monotonic() + seconds
        while time.time() - idle_since < for_seconds:
            if time.monotonic() > deadline:
                raise NotInTime(f"the operator is not idle within {seconds:g} s")
            await asyncio.sleep(0.25)
            now = self.usage()
            if now.cores_since(before) > cores:
                idle_since = time.time()
            before = now
        return idle_since

    async def last_call(self) -> int:
        """Return the sequence number of the last call that the simulator received."""
        calls = await self.cloud.calls(since=self._last_call)
        if calls:
            self._last_call = calls[-1]["sequence"]
        return self._last_call
