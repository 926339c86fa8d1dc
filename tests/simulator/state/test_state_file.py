"""The state file: a restart loses nothing that was answered."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from click.testing import CliRunner

from ims_simulator.app import create_app
from ims_simulator.cli import main
from ims_simulator.settings.knobs import Knobs
from ims_simulator.state.cloud import Cloud
from simulator.harness import COPY_SECONDS, FakeClock, Sim
from simulator.process import running


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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--state", "{path}", "--seed", "2"], "was made with --seed 1, not 2"),
        (["--state", "{path}/missing/state"], "cannot "),
        (["--state", "{garbage}"], "line 1 is not a line of a state file"),
    ],
)
def test_an_unusable_state_file_is_reported(tmp_path: Path, options: list[str], words: str) -> None:
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
    """A kill in the middle of a write leaves the image and its job, or neither of them."""
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


async def test_changes_survive_a_restart(tmp_path: Path) -> None:
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
