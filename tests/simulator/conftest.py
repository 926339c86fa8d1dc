from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ims_simulator.app import create_app
from ims_simulator.knobs import Knobs
from simulator.harness import COPY_SECONDS, FakeClock, Sim


@pytest.fixture
async def sim() -> AsyncIterator[Sim]:
    clock = FakeClock()
    app = create_app(knobs=Knobs(copy_seconds=COPY_SECONDS, init_seconds=10), clock=clock, sleep=clock.sleep)
    async with TestClient(TestServer(app)) as client:
        simulator = Sim(client, clock)
        await simulator.start()
        yield simulator
