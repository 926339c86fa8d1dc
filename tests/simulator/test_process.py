"""The command and the state file, in real processes (each takes about half a second to start)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from click.testing import CliRunner

from ims_simulator.app import create_app
from ims_simulator.cli import main
from ims_simulator.knobs import Knobs
from ims_simulator.state import Cloud
from simulator.harness import COPY_SECONDS, FakeClock, Sim

COMMAND = [sys.executable, "-c", "from ims_simulator.cli import main; main()"]


class Process:
    """A simulator in a process of its own."""

    def __init__(self, *options: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "--port", "0", *options],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ims-simulator ready on http://127.0.0.1:"), line
        self.url = line.split()[-1]

    def call(self, method: str, path: str, body: object = None, token: str = "") -> tuple[int, Any, str]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.load(response), response.headers.get("X-Subject-Token", "")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error), ""

    def login(self) -> str:
        login = self.call("GET", "/_simulator/config")[1]["logins"][0]
        user = {"name": login["user"], "password": login["password"], "domain": {"name": login["domain"]}}
        auth = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"id": login["project_id"]}},
        }
        return self.call("POST", "/v3/auth/tokens", {"auth": auth})[2]

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@contextmanager
def running(*options: str, **environment: str) -> Iterator[Process]:
    process = Process(*options, **environment)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait()
        if process.process.stdout is not None:
            process.process.stdout.close()


def test_sigkill_and_a_restart_lose_nothing(tmp_path: Path) -> None:
    options = ("--copy-seconds", "3600", "--knob", "init_seconds=360", "--state", str(tmp_path / "state"))
    with running(*options) as first:
        token = first.login()
        config = first.call("GET", "/_simulator/config")[1]
        path = f"/v1/cloudimages/{config['source_images'][0]['id']}/copy"
        jobs = [first.call("POST", path, {"name": f"copy-{n}"}, token)[1]["job_id"] for n in range(3)]
        before = first.call("GET", "/_simulator/images")[1]
        calls = first.call("GET", "/_simulator/calls")[1]["calls"]
        first.end(signal.SIGKILL)
    with running(*options) as second:
        for job in jobs:
            status, body, _ = second.call("GET", f"/v1/cloudimages/job/{job}", None, token)
            assert (status, body["status"]) == (200, "INIT")
        assert second.call("GET", "/_simulator/images")[1] == before
        assert second.call("GET", "/_simulator/calls")[1]["calls"][: len(calls)] == calls
        after = second.call("GET", "/_simulator/config")[1]
        assert (after["project_id"], after["logins"]) == (config["project_id"], config["logins"])


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


def test_a_port_that_is_taken_is_said_so() -> None:
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
def test_bad_options_say_what_is_allowed(options: list[str], words: str) -> None:
    result = CliRunner().invoke(main, options, terminal_width=200)
    assert result.exit_code == 2
    assert words in result.output


def test_a_bad_variable_says_what_is_allowed() -> None:
    result = CliRunner().invoke(main, ["--port", "0"], env={"IMS_SIMULATOR_KNOB_NONSENSE": "1"})
    assert result.exit_code == 2
    assert "unknown knob nonsense; the knobs are:" in result.output


def test_help_lists_every_knob() -> None:
    output = CliRunner().invoke(main, ["--help"], terminal_width=200).output
    for name, field in Knobs.model_fields.items():
        assert f" {name}=" in output
        assert field.description


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--state", "{path}", "--seed", "2"], "was made with --seed 1, not 2"),
        (["--state", "{path}/missing/state"], "cannot "),
        (["--state", "{garbage}"], "line 1 is not a line of a state file"),
    ],
)
def test_a_state_file_that_is_of_no_use_is_said_so(tmp_path: Path, options: list[str], words: str) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_text("hello\n")
    path = tmp_path / "state"
    Cloud(state_file=path).close()
    arguments = [option.format(path=path, garbage=garbage) for option in options]
    result = CliRunner().invoke(main, ["--port", "0", *arguments])
    assert result.exit_code == 1
    assert words in result.output
    assert garbage.read_text() == "hello\n"


async def test_a_restart_at_any_byte_of_the_state_file_works(tmp_path: Path) -> None:
    """A death in the middle of a write leaves the image and its job, or neither."""
    clock, path = FakeClock(), tmp_path / "state"

    async def life(state: Path) -> tuple[set[str], set[str]]:
        app = create_app(knobs=Knobs(copy_seconds=COPY_SECONDS), state_file=state, clock=clock)
        async with TestClient(TestServer(app)) as client:
            sim = Sim(client, clock)
            images = (await sim.control("GET", "/images", kind="copy")).body["images"]
            jobs = (await sim.control("GET", "/jobs")).body["jobs"]
            return {i["id"] for i in images}, {j["_simulator"]["image_id"] for j in jobs}

    app = create_app(knobs=Knobs(copy_seconds=COPY_SECONDS), state_file=path, clock=clock)
    async with TestClient(TestServer(app)) as client:
        sim = Sim(client, clock)
        await sim.start()
        start = path.stat().st_size
        await sim.accepted()
        written = path.read_bytes()
    for cut in range(start, len(written) + 1, 7):
        part = tmp_path / f"state-{cut}"
        part.write_bytes(written[:cut])
        images, jobs = await life(part)
        assert images == jobs


async def test_what_was_changed_is_there_after_a_restart(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "state"

    def app_of() -> web.Application:
        return create_app(knobs=Knobs(copy_seconds=COPY_SECONDS), state_file=path, clock=clock)

    async with TestClient(TestServer(app_of())) as client:
        sim = Sim(client, clock)
        await sim.start()
        image_id = await sim.copied()
        await sim.tag(image_id, "create", a="b")
        await sim.delete(sim.source("iso"))
        await sim.control("PATCH", f"/kms_keys/{sim.key()}", {"state": "disabled"})
        await sim.control("DELETE", "/calls")
        for _ in range(5):
            await sim.authenticate(password="wrong")
        calls = await sim.calls()
    clock.move(60)
    async with TestClient(TestServer(app_of())) as client:
        again = Sim(client, clock)
        again.config, again.token = sim.config, sim.token
        assert (await again.image(image_id))["tags"] == ["a=b"]
        assert await again.images(name="sim-iso") == []
        assert (await again.copy(cmk_id=sim.key())).code == (400, "IMG.0097")
        assert (await again.authenticate()).status == 401
        kept = await again.calls()
        assert kept[:5] == calls
        assert [call["sequence"] for call in kept] == sorted({call["sequence"] for call in kept})


async def test_thousands_of_copies_are_cheap() -> None:
    """1 500 copies under way at once, then as many reads; takes over a second because it really asks."""
    clock = FakeClock()
    knobs = Knobs(copy_seconds=COPY_SECONDS, max_concurrent=10_000, quota=10_000)
    async with TestClient(TestServer(create_app(knobs=knobs, clock=clock))) as client:
        sim = Sim(client, clock)
        await sim.start()
        jobs = [await sim.accepted(name=f"copy-{number}") for number in range(1500)]
        clock.move(COPY_SECONDS)
        assert all([(await sim.job(job)).body["status"] == "SUCCESS" for job in jobs])
        assert len(await sim.images(name="copy-7")) == 1
