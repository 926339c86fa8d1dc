"""The operator's own code between the simulator, over real HTTP, and an API server in memory; all with one clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp.test_utils import TestServer

from golden.record import Record, RecordingTransport
from imagecopy import ims
from imagecopy.api.imagecopy import Phase, ProviderRef
from imagecopy.flow.pacing import Bounds
from imagecopy.reconcile import Cloud, Memory, Reconciler, farewell
from imagecopy.reconcile.gate import Gate
from imagecopy.reconcile.providers import Access
from ims_simulator.app import create_app
from ims_simulator.control.requests import CLOUD
from ims_simulator.settings.assignments import apply
from ims_simulator.settings.knobs import Knobs
from ims_simulator.state.faults import FaultSpec
from ims_simulator.state.ids import uuid_id
from unit.flow.builders import T0
from unit.reconcile.builders import Clock, FakeKube, body

COPY_SECONDS = 600
SEED = 1
IAM = "https://iam.eu-de.otc.t-systems.com"
IMS = "https://ims.eu-de.otc.t-systems.com"
MANY = 1_000_000.0
"""Calls per second: the budget never makes a call wait."""
_MOST_STEPS = 200


class _Noted(list[str]):
    """What FakeKube did, for the record; reads are left out, as they change nothing."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self._record = record

    def append(self, entry: str) -> None:
        if entry != "read":
            self._record.note(f"Kubernetes: {entry}")


class _OneProvider:
    """Lends one client, whatever provider is asked for."""

    def __init__(self, client: ims.ImsClient, gate: Gate) -> None:
        self._access = Access(client, gate, 5)

    @asynccontextmanager
    async def access(self, namespace: str, ref: ProviderRef) -> AsyncIterator[Access]:
        yield self._access


class World:
    """One ImageCopy, one operator, one cloud, and time that goes only when the operator waits for it."""

    def __init__(self, record: Record, clock: Clock, server: TestServer, transport: RecordingTransport) -> None:
        self._record = record
        self._clock = clock
        self.cloud = server.app[CLOUD]
        self.kube = FakeKube(_Noted(record))
        login = self.cloud.accounts.logins[0]
        wire = ims.Wire(allowlist=ims.Allowlist.default(), transport=transport)
        credentials = ims.PasswordCredentials(
            username=login.user,
            password=login.password,
            domain_name=self.cloud.accounts.domain_name,
            project=ims.ProjectRef(id=self.cloud.accounts.project.id),
        )
        auth = ims.PasswordTokenAuth(IAM, credentials, wire, clock=clock.monotonic)
        self.client = ims.ImsClient(auth, wire, ims_endpoint=IMS)
        self._providers = _OneProvider(self.client, Gate(clock.monotonic, MANY))
        self.memory = Memory()
        self._started = 0
        self.start_operator()

    def start_operator(self) -> None:
        """Start an operator that remembers nothing, in the place of the one before."""
        self._started += 1
        self.memory = Memory()
        self._operator = Reconciler(
            self.kube,
            Cloud(self._providers),
            installation="golden",
            writer=f"pod/{self._started}",
            bounds=Bounds(),
            clock=self._clock,
            monotonic=self._clock.monotonic,
        )

    def apply(self, kind: str = "plain", **spec: Any) -> None:
        """Create the ImageCopy of a source image of this kind, as a new object."""
        source = {"source": {"imageID": self.source(kind)}}
        uid = f"5f0c7a52-0000-4000-8000-{self._started:012}"
        meta = {"namespace": "team-a", "name": "golden", "uid": uid, "resourceVersion": "100", "generation": 1}
        self.kube.object = body(metadata=meta, spec={**source, **spec})

    def source(self, kind: str) -> str:
        return uuid_id(SEED, f"image/{kind}")

    def key(self, name: str) -> str:
        return uuid_id(SEED, f"kms/{name}")

    def knobs(self, **changes: Any) -> None:
        self._record.note("the cloud: " + ", ".join(f"{name}={value}" for name, value in changes.items()))
        self.cloud.knobs = apply(self.cloud.knobs, changes)

    def fault(self, **spec: Any) -> None:
        self.cloud.faults.add(FaultSpec.model_validate(spec))

    def note(self, text: str) -> None:
        self._record.note(text)

    def wait(self, seconds: float) -> None:
        self._clock.seconds += seconds

    async def tick(self) -> float | None:
        return await self._operator.tick(self.kube.snapshot, self.memory)

    async def run(self, *, seconds: float | None = None) -> None:
        """Let the operator work until it rests, or until so much time has passed."""
        until = None if seconds is None else self._clock.seconds + seconds
        for _ in range(_MOST_STEPS):
            pause = await self.tick()
            if pause is None:
                return
            if until is not None and self._clock.seconds + pause >= until:
                self._clock.seconds = until
                return
            self.wait(pause)
        raise AssertionError(f"the operator does not come to rest:\n{self._record.text()}")

    async def delete(self) -> None:
        """Delete the object whose image goes with it."""
        self.note("kubectl delete")
        while (pause := await farewell(self._operator, self.kube.snapshot, self.memory)) is not None:
            self.wait(pause)

    def end(self, phase: Phase, *, copies: int) -> None:
        """Check what came of it, so that no log of a failure is taken for a good one; and write it down."""
        status = self.kube.status
        made = [image for image in self.cloud.images.values() if image.kind == "copy"]
        left = [image for image in made if not self.cloud.gone(image, self.cloud.clock())]
        assert (status.phase, len(left)) == (phase, copies), self._record.text()
        words = [f"the ImageCopy is {phase}", f"{self._record.calls} calls", f"{self.kube.writes} status writes"]
        self.note("; ".join([*words, f"copies in the cloud: {copies}"]))


@asynccontextmanager
async def world(title: str) -> AsyncIterator[tuple[World, Record]]:
    """A new cloud and a new cluster."""
    clock = Clock()
    record = Record(title, lambda: clock.seconds)

    async def sleep(seconds: float) -> None:
        clock.seconds += seconds

    app = create_app(
        knobs=Knobs(copy_seconds=COPY_SECONDS, init_seconds=10, delete_delay_seconds=3),
        seed=SEED,
        clock=lambda: T0.timestamp() + clock.seconds,
        sleep=sleep,
    )
    server = TestServer(app)
    async with server:
        transport = RecordingTransport(record, str(server.host), int(server.port or 0))
        stage = World(record, clock, server, transport)
        try:
            yield stage, record
        finally:
            await stage.client.aclose()
            await transport.close()
