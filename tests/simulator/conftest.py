from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ims_simulator.app import create_app
from ims_simulator.settings.knobs import Knobs
from simulator import sdk
from simulator.harness import COPY_SECONDS, FakeClock, Sim
from simulator.process import Process, running


@pytest.fixture
async def sim() -> AsyncIterator[Sim]:
    clock = FakeClock()
    app = create_app(knobs=Knobs(copy_seconds=COPY_SECONDS, init_seconds=10), clock=clock, sleep=clock.sleep)
    async with TestClient(TestServer(app)) as client:
        simulator = Sim(client, clock)
        await simulator.start()
        yield simulator


@pytest.fixture(scope="module")
def cloud() -> Iterator[Process]:
    """A simulator in a process of its own, for the official SDK."""
    with running("--copy-seconds", "600", "--knob", "init_seconds=0", "--knob", "delete_delay_seconds=0") as process:
        yield process


@pytest.fixture(scope="module")
def config(cloud: Process) -> Any:
    return cloud.call("GET", "/_simulator/config")[1]


@pytest.fixture(scope="module")
def client(cloud: Process, config: Any) -> Any:
    """The official SDK's client of `cloud`, with the access key of the first login."""
    known = config["logins"][0]
    return sdk.client(cloud.url, sdk.credentials(known["access_key"], known["secret_key"], config["project_id"]))


@pytest.fixture
def sdks_own_warnings() -> Iterator[None]:
    """Ignore warnings that the SDK causes: open connections, and its use of deprecated functions."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ResourceWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"huaweicloudsdk.*")
        yield
