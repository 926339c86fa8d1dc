"""Lists that are read from an index: they are correct, and their cost depends on the page only."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ims_simulator.ims import rows
from ims_simulator.state.journal import Journal
from ims_simulator.state.records import Image
from ims_simulator.state.tables import ImageTable, age_of
from simulator.harness import Sim


async def _many(sim: Sim, count: int) -> None:
    await sim.knobs(max_concurrent=10_000, quota=10_000)
    for number in range(count):
        sim.clock.move(number % 3)
        await sim.accepted(name=f"copy-{number % 7}")


async def _pages(sim: Sim, limit: int, **filters: str) -> list[str]:
    found: list[str] = []
    while page := await sim.images(limit=str(limit), **filters, **({"marker": found[-1]} if found else {})):
        found += [image["id"] for image in page]
    return found


@pytest.mark.behaviour(25)
@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("filters", [{}, {"name": "copy-3"}, {"status": "queued"}, {"sort_key": "name"}])
async def test_pages_together_are_the_whole_list_in_order(sim: Sim, direction: str, filters: dict[str, str]) -> None:
    await _many(sim, 40)
    whole = [image["id"] for image in await sim.images(sort_dir=direction, **filters)]
    assert len(set(whole)) == len(whole) > 3
    for limit in (1, 3, len(whole), len(whole) + 1):
        assert await _pages(sim, limit, sort_dir=direction, **filters) == whole
    if "sort_key" not in filters:
        ages = [(image["created_at"], image["id"]) for image in await sim.images(sort_dir="asc", **filters)]
        assert [created for created, _ in ages] == sorted(created for created, _ in ages)


async def test_a_page_reads_only_the_images_it_shows(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    await _many(sim, 200)
    rows_read = []
    computed = rows.computed

    def counting(*arguments: Any) -> Any:
        rows_read.append(arguments)
        return computed(*arguments)

    monkeypatch.setattr("ims_simulator.ims.listing.computed", counting)
    page = await sim.images(limit="10")
    assert len(page) == 10
    await sim.images(limit="10", marker=page[-1]["id"])
    assert len(rows_read) == 22
    rows_read.clear()
    await sim.images(name="copy-3", limit="200")
    assert len(rows_read) == 29


async def test_deleted_images_leave_the_lists(sim: Sim) -> None:
    image_id = await sim.copied(name="short-lived")
    await sim.delete(image_id)
    assert len(await sim.images(name="short-lived")) == 1
    sim.clock.move(1)
    assert await sim.images(name="short-lived") == []
    assert image_id not in [image["id"] for image in await sim.images()]
    everything = (await sim.control("GET", "/images", all="true")).body["images"]
    assert image_id in [image["id"] for image in everything]
    assert (await sim.call("GET", f"/v2/cloudimages?marker={image_id}")).code == (400, "IMG.0027")


@pytest.mark.parametrize("seed", [20260901])
def test_the_index_agrees_with_sorting_after_any_change(seed: int) -> None:
    chance = random.Random(seed)
    table = ImageTable(Journal(None))
    alive: dict[str, Image] = {}
    for number in range(400):
        image_id = str(chance.randrange(60))
        if chance.random() < 0.2:
            table.remove_from_indexes(image_id)
            alive.pop(image_id, None)
            continue
        props: Any = {"name": f"n{chance.randrange(5)}", "created_at": f"2026-09-0{chance.randrange(1, 9)}T00:00:00Z"}
        alive[image_id] = Image(id=image_id, sequence=number, kind="copy", props={**props, "owner": "p"})
        table.put(alive[image_id])
        ordered = sorted(alive.values(), key=age_of)
        assert list(table.by_age(newest_first=False)) == ordered, f"seed {seed}"
        assert list(table.by_age(newest_first=True)) == ordered[::-1], f"seed {seed}"
        place = chance.randrange(len(ordered))
        after = age_of(ordered[place])
        assert list(table.by_age(newest_first=False, after=after)) == ordered[place + 1 :], f"seed {seed}"
        assert list(table.by_age(newest_first=True, after=after)) == ordered[:place][::-1], f"seed {seed}"
        for name in ("n0", "n1"):
            named = {image.id for image in table.named(name)}
            assert named == {image.id for image in ordered if image.name == name}, f"seed {seed}"


async def test_failed_copies_free_quota_and_slots_when_they_end(sim: Sim) -> None:
    used = (await sim.call("GET", "/v1/cloudimages/quota")).body["quotas"]["resources"][0]["used"]
    await sim.fault(count=3, job={"fail": True, "at": 0.5})
    for _ in range(5):
        await sim.accepted()
    seen = []
    for _ in range(3):
        seen.append((await sim.call("GET", "/v1/cloudimages/quota")).body["quotas"]["resources"][0]["used"] - used)
        sim.clock.move(300)
    assert seen == [5, 2, 2]
    for _ in range(5):
        await sim.accepted()
    assert (await sim.copy()).code == (400, "IMG.0060")
