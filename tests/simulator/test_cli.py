"""The command `ims-simulator`, in real processes. Each takes about half a second to start."""

from __future__ import annotations

import signal
import socket

import pytest
from aiohttp.test_utils import TestClient, TestServer
from click.testing import CliRunner

from ims_simulator.app import create_app
from ims_simulator.cli import main
from ims_simulator.settings.knobs import Knobs
from simulator.harness import COPY_SECONDS, FakeClock, Sim
from simulator.process import running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number: int) -> None:
    with running(IMS_SIMULATOR_KNOB_QUOTA="7", IMS_SIMULATOR_KNOB_MAX_CONCURRENT="9") as process:
        knobs = process.call("GET", "/_simulator/knobs")[1]
        assert (knobs["quota"], knobs["max_concurrent"], knobs["copy_seconds"]) == (7, 9, 10)
        assert process.end(number) == 0


def test_a_knob_that_is_set_wins_over_the_edition() -> None:
    options = ("--knob", "progress_endpoint=on")
    with running(*options, IMS_SIMULATOR_EDITION="swiss", IMS_SIMULATOR_KNOB_PERMISSION_STATUS="403") as process:
        config = process.call("GET", "/_simulator/config")[1]
        knobs = config["knobs"]
        assert config["edition"] == "swiss"
        assert (knobs["progress_endpoint"], knobs["permission_status"], knobs["cmk_id_field"]) == (True, 403, False)


def test_a_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["--port", str(port)])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in result.output.lower()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "0", "--knob", "nonsense=1"], "the knobs are: copy_seconds, init_seconds"),
        (["--port", "0", "--knob", "quota"], "'quota' is not of the form NAME=VALUE"),
        (["--port", "0", "--knob", "status_case=title"], "knob status_case: Input should be 'upper' or 'lower'"),
        (["--port", "0", "--copy-seconds", "-1"], "-1.0 is not in the range"),
        (["--port", "0", "--copy-seconds", "inf"], "knob copy_seconds: Input should be a finite number"),
        (["--port", "70000"], "70000 is not in the range"),
        ([], "Missing option '--port'"),
    ],
)
def test_invalid_options_are_refused_with_the_reason(options: list[str], words: str) -> None:
    result = CliRunner().invoke(main, options, terminal_width=200)
    assert result.exit_code == 2
    assert words in result.output


def test_an_invalid_variable_is_refused_with_the_reason() -> None:
    result = CliRunner().invoke(main, ["--port", "0"], env={"IMS_SIMULATOR_KNOB_NONSENSE": "1"})
    assert result.exit_code == 2
    assert "unknown knob nonsense; the knobs are:" in result.output


def test_help_lists_every_knob() -> None:
    output = CliRunner().invoke(main, ["--help"], terminal_width=200).output
    for name, field in Knobs.model_fields.items():
        assert f" {name}=" in output
        assert field.description


async def test_thousands_of_copies_are_cheap() -> None:
    """1 500 copies running at once, then as many reads. Takes over a second, because it makes every request."""
    clock = FakeClock()
    knobs = Knobs(copy_seconds=COPY_SECONDS, max_concurrent=10_000, quota=10_000)
    async with TestClient(TestServer(create_app(knobs=knobs, clock=clock))) as client:
        sim = Sim(client, clock)
        await sim.start()
        jobs = [await sim.accepted(name=f"copy-{number}") for number in range(1500)]
        clock.move(COPY_SECONDS)
        assert all([(await sim.job(job)).body["status"] == "SUCCESS" for job in jobs])
        assert len(await sim.images(name="copy-7")) == 1
