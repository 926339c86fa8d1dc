"""The environment of a scenario: the operator's code, the simulator over real HTTP, and an API server in memory.

All of them use one virtual clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp.test_utils import TestServer

from golden.record import Recording, RecordingTransport
from imagecopy import ims
from imagecopy.api.imagecopy import Phase, ProviderRef
from imagecopy.cloud.cloud import Cloud
from imagecopy.providers.limiter import CallLimiter
from imagecopy.providers.registry import Access
from ims_simulator.app import create_app
from ims_simulator.control.requests import CLOUD
from ims_simulator.settings.assignments import apply
from ims_simulator.settings.knobs import Knobs
from ims_simulator.state.faults import FaultSpec
from ims_simulator.state.ids import uuid_id
from unit.copies.builders import Clock, FakeKube, Operator, body
from unit.flow.builders import T0

COPY_SECONDS = 600
SEED = 1
IAM = "https://iam.eu-de.otc.t-systems.com"
IMS = "https://ims.eu-de.otc.t-systems.com"
MANY = 1_000_000.0
"""Calls per second of the operator. With this budget no call has to wait."""
_MOST_STEPS = 200


class _ApiServerLog(list[str]):
    """Notes the actions of FakeKube in the recording. Reads are left out."""

    def __init__(self, record: Recording) -> None:
        super().__init__()
        self._record = record

    def append(self, entry: str) -> None:
        if entry != "read":
            self._record.note(f"Kubernetes: {entry}")


class _OneProvider:
    """Gives the same client to every provider."""

    def __init__(self, client: ims.ImsClient, limiter: CallLimiter) -> None:
        self._access = Access(client, limiter, 5)

    @asynccontextmanager
    async def access(self, namespace: str, ref: ProviderRef) -> AsyncIterator[Access]:
        yield self._access


class Environment:
    """One ImageCopy, one operator and one cloud. Time passes only while the operator waits."""

    def __init__(self, record: Recording, clock: Clock, server: TestServer, transport: RecordingTransport) -> None:
        self._record = record
        self._clock = clock
        self.cloud = server.app[CLOUD]
        self.kube = FakeKube(_ApiServerLog(record))
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
        self._providers = _OneProvider(self.client, CallLimiter(clock.monotonic, MANY))
        self._started = 0
        self.start_operator()

    def start_operator(self) -> None:
        """Start a new operator with empty memory in place of the old one."""
        self._started += 1
        self._operator = Operator(
            self.kube, Cloud(self._providers), self._clock, f"pod/{self._started}", installation="golden"
        )

    def apply(self, kind: str = "plain", **spec: Any) -> None:
        """Create the ImageCopy as a new object. `kind` selects the source image."""
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

    async def reconcile(self) -> float | None:
        return await self._operator.reconcile(self.kube.snapshot)

    async def run(self, *, seconds: float | None = None) -> None:
        """Reconcile until the operator has nothing more to do, or until this time has passed."""
        until = None if seconds is None else self._clock.seconds + seconds
        for _ in range(_MOST_STEPS):
            pause = await self.reconcile()
            if pause is None:
                return
            if until is not None and self._clock.seconds + pause >= until:
                self._clock.seconds = until
                return
            self.wait(pause)
        raise AssertionError(f"the operator does not finish:\n{self._record.text()}")

    async def delete(self) -> None:
        """Delete the object, whose deletionPolicy is Delete."""
        self.note("kubectl delete")
        while (pause := await self._operator.clean(self.kube.snapshot)) is not None:
            self.wait(pause)

    def end(self, phase: Phase, *, copies: int) -> None:
        """Check the outcome, so that the log of a failed scenario is never kept, and add it to the recording."""
        status = self.kube.status
        made = [image for image in self.cloud.images.values() if image.kind == "copy"]
        left = [image for image in made if not self.cloud.gone(image, self.cloud.clock())]
        assert (status.phase, len(left)) == (phase, copies), self._record.text()
        words = [f"the ImageCopy is {phase}", f"{self._record.calls} calls", f"{self.kube.writes} status writes"]
        self.note("; ".join([*words, f"copies in the cloud: {copies}"]))


@asynccontextmanager
async def environment(title: str) -> AsyncIterator[tuple[Environment, Recording]]:
    """Create an environment with a new cloud, and the recording of its traffic."""
    clock = Clock()
    record = Recording(title, lambda: clock.seconds)

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
        env = Environment(record, clock, server, transport)
        try:
            yield env, record
        finally:
            await env.client.aclose()
            await transport.close()
