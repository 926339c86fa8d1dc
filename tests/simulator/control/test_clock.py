"""The cloud's own time."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from click.testing import CliRunner

from ims_simulator.app import create_app
from ims_simulator.cli import main
from ims_simulator.clock.cloud_clock import ClockChange, CloudClock
from ims_simulator.settings.knobs import Knobs
from ims_simulator.state.cloud import Cloud
from simulator.harness import COPY_SECONDS, START, FakeClock, Sim


async def _clock(sim: Sim, **change: object) -> Any:
    answer = await sim.control("POST", "/clock", change)
    assert answer.status == 200, answer.text
    return answer.body


async def test_moving_the_clock_finishes_a_copy(sim: Sim) -> None:
    job_id = await sim.accepted()
    shown = await _clock(sim, advance_seconds=COPY_SECONDS)
    assert (await sim.job(job_id)).body["status"] == "SUCCESS"
    assert (shown["ahead_seconds"], shown["epoch_seconds"]) == (COPY_SECONDS, START + COPY_SECONDS)
    assert (await sim.control("GET", "/clock")).body == shown == (await sim.control("GET", "/config")).body["clock"]


async def test_the_clock_starts_as_the_real_time(sim: Sim) -> None:
    assert (await sim.control("GET", "/clock")).body == {
        "now": "2025-06-15T15:06:40.250Z",
        "epoch_seconds": START,
        "frozen": False,
        "speed": 1,
        "ahead_seconds": 0,
        "real": True,
    }


async def test_tokens_windows_retention_and_dates_follow_the_clock(sim: Sim) -> None:
    await sim.knobs(job_retention_seconds=3600, rate_limit=1, rate_kind="copy")
    job_id = await sim.accepted()
    assert (await sim.copy()).status == 429
    await _clock(sim, advance_seconds=60)
    await sim.accepted(name="another")
    await _clock(sim, advance_seconds=3600 + COPY_SECONDS)
    answer = await sim.job(job_id)
    assert answer.code == (400, "IMG.0023")
    assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == int(START) + 3660 + COPY_SECONDS
    await _clock(sim, advance_seconds=86400)
    assert (await sim.job(job_id)).code == (401, "APIGW.0307")


async def test_a_frozen_clock_stands_still_until_it_is_moved(sim: Sim) -> None:
    assert (await _clock(sim, frozen=True))["frozen"] is True
    job_id = await sim.accepted()
    sim.clock.move(10 * COPY_SECONDS)
    assert (await sim.job(job_id)).body["status"] == "INIT"
    await _clock(sim, advance_seconds=COPY_SECONDS)
    job = (await sim.job(job_id)).body
    assert (job["status"], job["end_time"]) == ("SUCCESS", "2025-06-15T15:16:40.250Z")


async def test_a_frozen_clock_continues_from_where_it_stopped(sim: Sim) -> None:
    await _clock(sim, frozen=True)
    sim.clock.move(1000)
    assert (await sim.control("GET", "/clock")).body["ahead_seconds"] is None
    assert (await _clock(sim, frozen=False))["ahead_seconds"] == -1000
    sim.clock.move(5)
    assert (await sim.control("GET", "/clock")).body["epoch_seconds"] == START + 5


async def test_the_clock_can_run_faster(sim: Sim) -> None:
    job_id = await sim.accepted()
    await _clock(sim, speed=60)
    sim.clock.move(9)
    assert (await sim.job(job_id)).body["status"] == "RUNNING"
    sim.clock.move(1)
    assert (await sim.job(job_id)).body["status"] == "SUCCESS"


async def test_the_clock_can_be_set_to_a_later_time(sim: Sim) -> None:
    assert (await _clock(sim, now="2030-01-01T00:00:00Z", frozen=True))["now"] == "2030-01-01T00:00:00.000Z"
    answer = await sim.control("POST", "/clock", {"now": "2029-12-31T23:59:59Z"})
    assert answer.status == 400
    assert answer.body["error"] == (
        "now must not be before 2030-01-01T00:00:00.000Z, the cloud's time: the clock can't go back"
    )


async def test_a_clock_set_back_to_real_waits_for_the_real_time(sim: Sim) -> None:
    await _clock(sim, advance_seconds=600)
    shown = await _clock(sim, real=True)
    assert (shown["real"], shown["ahead_seconds"]) == (True, 600)
    sim.clock.move(599)
    assert (await sim.control("GET", "/clock")).body["epoch_seconds"] == START + 600
    sim.clock.move(2)
    assert (await sim.control("GET", "/clock")).body["epoch_seconds"] == START + 601


def test_the_clock_never_goes_back_even_if_the_real_time_does() -> None:
    real = FakeClock()
    clock = CloudClock(real)
    before = clock()
    real.move(-3600)
    assert clock() == before
    clock.apply(ClockChange(advance_seconds=10))
    assert clock() == before + 10


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"advance_seconds": -1}, "greater than or equal to 0"),
        ({"advance_seconds": 1e300}, "can't be set beyond 9000-01-01T00:00:00.000Z"),
        ({"now": "2030-01-01"}, "now: "),
        ({"now": "2030-01-01T00:00:00Z", "advance_seconds": 1}, "either advance_seconds or now, not both"),
        ({"frozen": True, "speed": 2}, "frozen means speed 0"),
        ({"real": True, "frozen": True}, "real can't be combined"),
        ({"real": False}, "real: Input should be True"),
        ({"speed": -1}, "greater than or equal to 0"),
        ({"back": 1}, "Extra inputs"),
    ],
)
async def test_invalid_changes_are_refused_with_the_reason(sim: Sim, change: dict[str, Any], words: str) -> None:
    answer = await sim.control("POST", "/clock", change)
    assert answer.status == 400
    assert words in answer.body["error"]
    assert (await sim.control("GET", "/clock")).body["real"] is True


async def test_a_restart_with_a_state_file_keeps_the_clock(tmp_path: Path) -> None:
    real, path = FakeClock(), tmp_path / "state"

    async def shown(change: object = None) -> Any:
        app = create_app(knobs=Knobs(), state_file=path, clock=real)
        async with TestClient(TestServer(app)) as client:
            sim = Sim(client, real)
            if change is not None:
                await sim.control("POST", "/clock", change)
            return (await sim.control("GET", "/clock")).body

    assert (await shown({"advance_seconds": 600}))["ahead_seconds"] == 600
    real.move(100)
    assert (await shown())["epoch_seconds"] == START + 700
    await shown({"frozen": True})
    real.move(100)
    assert (await shown({}))["epoch_seconds"] == START + 700


async def test_after_a_restart_the_time_is_not_before_the_last_call(tmp_path: Path) -> None:
    real, path = FakeClock(), tmp_path / "state"
    async with TestClient(TestServer(create_app(state_file=path, clock=real))) as client:
        await Sim(client, real).start()
    real.move(-3600)
    cloud = Cloud(state_file=path, clock=real)
    assert cloud.clock() == START
    cloud.close()


def test_the_clock_can_start_frozen() -> None:
    clock = CloudClock(FakeClock())
    clock.freeze_at(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
    assert clock.shown()["now"] == "2020-01-01T00:00:00.000Z"


def test_the_command_refuses_an_invalid_time() -> None:
    result = CliRunner().invoke(main, ["--port", "0", "--frozen-at", "today"])
    assert result.exit_code == 2
    assert "'today' does not match the format" in result.output
