"""The probes and the metrics over a real socket, as a kubelet and a Prometheus ask for them."""

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from structlog.testing import capture_logs

import imagecopy.metrics  # noqa: F401  (what /metrics shows)
from controlplane.components import free_ports
from imagecopy.watch.endpoints import Endpoints, PortTaken
from imagecopy.watch.liveness import Liveness

HOST = "127.0.0.1"


class Patient(Liveness):
    """Has what a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.has: list[str] = []
        self.lacks: list[str] = []

    def failures(self) -> list[str]:
        return self.has

    def not_ready(self) -> list[str]:
        return self.lacks


@pytest.fixture
def patient() -> Patient:
    return Patient()


@pytest.fixture
async def url(patient: Patient) -> AsyncIterator[str]:
    endpoints = Endpoints(patient)
    (port,) = free_ports(1)
    await endpoints.start(port, port)
    yield f"http://{HOST}:{port}"
    await endpoints.aclose()


async def ask(url: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as http, http.get(url) as reply:
        return reply.status, await reply.text(), reply.content_type


async def test_who_is_well_says_ok(url: str) -> None:
    assert await ask(f"{url}/healthz") == (200, "ok\n", "text/plain")
    assert await ask(f"{url}/readyz") == (200, "ok\n", "text/plain")


async def test_who_is_ill_says_each_reason_in_a_line(url: str, patient: Patient) -> None:
    patient.has = ["late", "silent"]
    assert await ask(f"{url}/healthz") == (503, "late\nsilent\n", "text/plain")
    assert (await ask(f"{url}/readyz"))[0] == 200


async def test_who_is_not_ready_says_why_and_is_alive(url: str, patient: Patient) -> None:
    patient.lacks = ["stopping"]
    assert await ask(f"{url}/readyz") == (503, "stopping\n", "text/plain")
    assert (await ask(f"{url}/healthz"))[0] == 200


async def test_an_illness_is_logged_when_it_comes_and_when_it_goes(url: str, patient: Patient) -> None:
    with capture_logs() as logs:
        for has in ([], ["late"], ["late"], ["late", "silent"], [], []):
            patient.has = has
            await ask(f"{url}/healthz")
    assert [(line["log_level"], line["failures"]) for line in logs] == [("error", ["late"]), ("info", [])]


async def test_metrics_are_in_the_text_format(url: str) -> None:
    status, text, kind = await ask(f"{url}/metrics")
    assert (status, kind) == (200, "text/plain")
    assert "# TYPE imagecopy_events_total counter" in text


async def test_a_port_of_0_is_left_out(patient: Patient) -> None:
    endpoints = Endpoints(patient)
    (port,) = free_ports(1)
    await endpoints.start(0, port)
    assert (await ask(f"http://{HOST}:{port}/metrics"))[0] == 200
    assert (await ask(f"http://{HOST}:{port}/healthz"))[0] == 404
    await endpoints.aclose()


async def test_a_taken_port_is_named_with_its_variable(patient: Patient) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        endpoints = Endpoints(patient)
        with pytest.raises(PortTaken, match=f"IMAGECOPY_METRICS_PORT={port} can't be listened on"):
            await endpoints.start(0, port)
        await endpoints.aclose()
