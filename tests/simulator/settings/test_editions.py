"""Editions: presets of knobs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp.test_utils import TestClient, TestServer
from click.testing import CliRunner

from ims_simulator.app import create_app
from ims_simulator.cli import main
from ims_simulator.settings import editions
from ims_simulator.settings.assignments import apply
from ims_simulator.settings.knobs import Knobs
from simulator.harness import COPY_SECONDS, FakeClock, Sim

NAMES = ("huawei", "otc", "swiss", "flexibleengine")


@asynccontextmanager
async def _cloud(edition: str) -> AsyncIterator[Sim]:
    clock = FakeClock()
    preset = apply(Knobs(copy_seconds=COPY_SECONDS), editions.EDITIONS[edition].knobs)
    async with TestClient(TestServer(create_app(knobs=preset, edition=edition, clock=clock))) as client:
        sim = Sim(client, clock)
        await sim.start()
        yield sim


def test_there_are_four_editions() -> None:
    assert tuple(editions.EDITIONS) == NAMES


@pytest.mark.parametrize("edition", NAMES)
def test_every_value_fits_its_knob_and_has_a_source(edition: str) -> None:
    for name, difference in editions.EDITIONS[edition].differences.items():
        assert getattr(apply(Knobs(), {name: difference.value}), name) == difference.value
        assert re.search(r"\[[VI]\]", difference.source)


@pytest.mark.parametrize("edition", NAMES)
async def test_a_plain_copy_works_in_each_edition(edition: str) -> None:
    async with _cloud(edition) as sim:
        assert (await sim.image(await sim.copied(description="why not")))["status"] == "active"
        assert sim.config["edition"] == edition


async def test_the_code_of_a_missing_permission() -> None:
    seen = {}
    for edition in NAMES:
        async with _cloud(edition) as sim:
            sim.token = await sim.login(login=1)
            seen[edition] = (await sim.copy()).code
    assert {code for _, code in seen.values()} == {"IMG.0026"}
    assert [status for status, _ in seen.values()] == [400, 403, 400, 400]


async def test_which_editions_have_the_newer_calls() -> None:
    seen = {}
    for edition in NAMES:
        async with _cloud(edition) as sim:
            job_id = await sim.accepted()
            seen[edition] = ((await sim.copy(api="v2.1")).status, (await sim.progress(job_id)).status)
    assert seen == {"huawei": (200, 200), "otc": (404, 200), "swiss": (404, 404), "flexibleengine": (404, 200)}


async def test_huawei_accepts_chinese_names_and_the_type_market_and_shows_the_next_page() -> None:
    async with _cloud("huawei") as sim:
        await sim.accepted(name="镜像")
        body = (await sim.call("GET", "/v2/cloudimages?__imagetype=market")).body
        assert body == {"images": [], "page_info": {}}
    async with _cloud("otc") as sim:
        assert (await sim.copy(name="镜像")).code == (400, "IMG.0003")
        assert (await sim.call("GET", "/v2/cloudimages?__imagetype=market")).code == (400, "IMG.0024")
        assert "page_info" not in (await sim.call("GET", "/v2/cloudimages")).body


@pytest.mark.behaviour(21)
async def test_which_copies_of_shared_images_are_allowed() -> None:
    async with _cloud("huawei") as sim:
        assert (await sim.copy("shared-encrypted")).code == (400, "IMG.0197")
        assert (await sim.copy("shared", cmk_id=sim.key())).code == (400, "IMG.0105")
    async with _cloud("otc") as sim:
        image = await sim.image(await sim.copied("shared-encrypted", cmk_id=sim.key()))
        assert image["__system__cmkid"] == sim.key()


async def test_huawei_copies_no_windows_images() -> None:
    async with _cloud("huawei") as sim:
        await sim.control("PATCH", f"/images/{sim.source()}", {"props": {"__os_type": "Windows"}})
        assert (await sim.copy()).code == (400, "IMG.0105")
        await sim.knobs(windows_images="copy")
        await sim.accepted()


async def test_swiss_ignores_keys_and_flexibleengine_enterprise_projects() -> None:
    async with _cloud("swiss") as sim:
        assert "__system__cmkid" not in await sim.image(await sim.copied(cmk_id=sim.key()))
        await sim.accepted("iso")
    async with _cloud("flexibleengine") as sim:
        _, other = sim.config["enterprise_project_ids"]
        assert (await sim.image(await sim.copied(enterprise_project_id=other)))["enterprise_project_id"] == "0"
        await sim.knobs(extra_copy_fields="refuse")
        assert (await sim.copy(enterprise_project_id=other)).code == (400, "IMG.0001")


async def test_flexibleengine_has_lower_case_states_and_no_size_limit() -> None:
    async with _cloud("flexibleengine") as sim:
        job_id = await sim.accepted("too-big")
        sim.clock.move(COPY_SECONDS)
        assert (await sim.job(job_id)).body["status"] == "success"
        answer = await sim.call("POST", "/v1/cloudimages/nothing/copy", {"name": "a"})
        assert answer.code == (404, "IMG.0144")


async def test_otc_shows_no_percentage_in_the_older_call() -> None:
    async with _cloud("otc") as sim:
        job_id = await sim.accepted()
        sim.clock.move(60)
        assert sorted((await sim.job(job_id)).body["entities"]) == ["image_id", "image_name"]
        assert (await sim.progress(job_id)).body["entities"]["process_percent"] == 0.1


def test_an_unknown_edition_is_refused_with_the_list() -> None:
    result = CliRunner().invoke(main, ["--port", "0", "--edition", "telekom"])
    assert result.exit_code == 2
    assert "'huawei', 'otc', 'swiss', 'flexibleengine'" in result.output


def test_help_lists_every_edition_with_its_knobs() -> None:
    output = " ".join(CliRunner().invoke(main, ["--help"], terminal_width=200).output.split())
    for name, edition in editions.EDITIONS.items():
        assert f"{name} {edition.cloud}: " in output
        assert all(f"{knob}=" in output for knob in edition.knobs)
