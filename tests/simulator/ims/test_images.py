"""Images and their lists: behaviours 24 to 27, 31 and 43."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from simulator.harness import COPY_SECONDS, Sim


@pytest.mark.behaviour(24)
async def test_b24_the_row_of_a_finished_copy(sim: Sim) -> None:
    source = await sim.image(sim.source())
    image = await sim.image(await sim.copied(description="why not"))
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", image["id"])
    assert image["status"] == "active"
    assert image["active_at"] == "2025-06-15T15:16:40Z"
    assert image["created_at"] == "2025-06-15T15:06:40Z"
    assert image["__data_origin"] == f"image,eu-sim-1,{source['id']}"
    assert image["__originalimagename"] == source["id"]
    assert image["__description"] == "why not"
    assert (image["owner"], image["visibility"], image["__imagetype"]) == (sim.project_id, "private", "private")
    assert (image["size"], image["checksum"]) == (2, "99914b932bd37a50b983c5e7c90ae93b")
    assert image["self"] == f"/v2/images/{image['id']}"
    assert image["tags"] == []
    for inherited in ("__os_type", "__os_version", "__platform", "__image_size", "min_disk", "max_ram", "disk_format"):
        assert image[inherited] == source[inherited]


@pytest.mark.behaviour(24)
async def test_b24_a_copy_is_queued_then_saving_then_active(sim: Sim) -> None:
    await sim.accepted()
    seen = []
    for seconds in (10, COPY_SECONDS, 0):
        (image,) = await sim.images(name="the-copy")
        seen.append((image["status"], "active_at" in image))
        sim.clock.move(seconds)
    assert seen == [("queued", False), ("saving", False), ("active", True)]


@pytest.mark.behaviour(24)
async def test_b24_status_and_visibility_while_copying_by_knob(sim: Sim) -> None:
    await sim.knobs(copying_image_status="saving", active_at=False)
    await sim.accepted()
    (image,) = await sim.images(name="the-copy", status="saving")
    await sim.knobs(registered_while_copying=False)
    assert await sim.images(name="the-copy") == []
    assert (await sim.image(image["id"]))["__isregistered"] == "false"
    sim.clock.move(COPY_SECONDS)
    (image,) = await sim.images(name="the-copy", status="active")
    assert "active_at" not in image


@pytest.mark.behaviour(24)
async def test_b24_the_row_may_appear_late(sim: Sim) -> None:
    await sim.knobs(row_delay_seconds=30)
    job_id = await sim.accepted()
    sim.clock.move(29)
    image_id = (await sim.job(job_id)).body["entities"]["image_id"]
    assert await sim.images(name="the-copy") == []
    assert (await sim.call("GET", f"/v2/images/{image_id}")).status == 404
    sim.clock.move(1)
    assert [image["id"] for image in await sim.images(name="the-copy")] == [image_id]


@pytest.mark.behaviour(24)
async def test_b24_a_fault_delays_one_row(sim: Sim) -> None:
    await sim.fault(job={"row_delay_seconds": 900})
    await sim.copied()
    assert await sim.images(name="the-copy") == []
    sim.clock.move(300)
    assert len(await sim.images(name="the-copy")) == 1


@pytest.mark.behaviour(25)
async def test_b25_names_match_exactly(sim: Sim) -> None:
    await sim.accepted(name="golden")
    await sim.accepted(name="golden-2")
    assert [image["name"] for image in await sim.images(name="golden")] == ["golden"]
    assert await sim.images(name="GOLDEN") == []


@pytest.mark.behaviour(25)
async def test_b25_an_unknown_id_gives_an_empty_list(sim: Sim) -> None:
    assert await sim.images(id="11111111-2222-4333-8444-555555555555") == []
    (image,) = await sim.images(id=sim.source())
    assert image["name"] == "sim-plain"
    assert await sim.images(id=sim.source(), name="other") == []


@pytest.mark.behaviour(25)
@pytest.mark.parametrize(
    ("operator", "found"),
    [("gt:", "c"), ("gte:", "bc"), ("lt:", "a"), ("lte:", "ab"), ("eq:", "b"), ("neq:", "ac"), ("", "b")],
)
async def test_b25_operators_of_created_at(sim: Sim, operator: str, found: str) -> None:
    for name in "abc":
        await sim.accepted(name=name)
        sim.clock.move(10)
    images = await sim.images(created_at=f"{operator}2025-06-15T15:06:50Z")
    assert "".join(sorted(image["name"] for image in images if len(image["name"]) == 1)) == found


@pytest.mark.behaviour(25)
async def test_b25_the_newest_image_comes_first(sim: Sim) -> None:
    for name in ("first", "second"):
        await sim.accepted(name=name)
    assert [image["name"] for image in await sim.images(limit="2")] == ["second", "first"]
    names = [image["name"] for image in await sim.images(sort_key="name", sort_dir="asc")]
    assert names == sorted(names)


@pytest.mark.behaviour(25)
async def test_b25_pages_by_marker_and_page_info(sim: Sim) -> None:
    everything = [image["id"] for image in await sim.images()]
    page = await sim.images(limit="3")
    rest = await sim.images(marker=page[-1]["id"])
    assert [image["id"] for image in page + rest] == everything
    await sim.knobs(page_info=True)
    body = (await sim.call("GET", "/v2/cloudimages", params={"limit": "3"})).body
    assert body["page_info"] == {"next_marker": page[-1]["id"]}
    assert (await sim.call("GET", "/v2/cloudimages")).body["page_info"] == {}
    assert (await sim.call("GET", "/v2/cloudimages?marker=nothing")).code == (400, "IMG.0027")


@pytest.mark.behaviour(25)
async def test_b25_the_default_limit_is_500(sim: Sim) -> None:
    await sim.knobs(max_concurrent=1000, quota=1000)
    for _ in range(500):
        await sim.accepted()
    assert len(await sim.images()) == 500
    assert len(await sim.images(limit="501")) == 501


@pytest.mark.behaviour(25)
@pytest.mark.parametrize(
    ("filters", "kinds"),
    [
        ({"__whole_image": "true"}, ["full-ecs"]),
        ({"virtual_env_type": "IsoImage"}, ["iso"]),
        ({"disk_format": "iso"}, ["iso"]),
        ({"status": "queued"}, ["queued"]),
        ({"__imagetype": "gold"}, ["public"]),
        ({"visibility": "public"}, ["public"]),
        ({"protected": "true"}, ["protected"]),
        ({"__imagetype": "shared"}, ["shared", "shared-encrypted"]),
        ({"member_status": "pending"}, ["shared-pending"]),
        ({"status": "killed"}, []),
        ({"__isregistered": "false"}, []),
        ({"enterprise_project_id": "0", "virtual_env_type": "Ironic"}, ["ironic"]),
        ({"enterprise_project_id": "all_granted_eps", "virtual_env_type": "Ironic"}, ["ironic"]),
        ({"enterprise_project_id": "b2b0c88f-1c5c-45ee-9593-a5b749462609"}, []),
    ],
)
async def test_b25_filters(sim: Sim, filters: dict[str, str], kinds: list[str]) -> None:
    found = {image["id"] for image in await sim.images(**filters)}
    assert found == {sim.source(kind) for kind in kinds}


@pytest.mark.behaviour(25)
async def test_b25_filters_by_owner_key_and_tag(sim: Sim) -> None:
    keyed = {image["id"] for image in await sim.images(__system__cmkid=sim.key("source"), owner=sim.project_id)}
    assert keyed == {sim.source("encrypted")}
    await sim.tag(sim.source(), "create", team="red")
    assert [image["id"] for image in await sim.images(tag="team=red")] == [sim.source()]
    assert await sim.images(tag="team=blue") == []


@pytest.mark.behaviour(25)
async def test_b25_shared_images_that_are_not_accepted_are_listed_by_knob(sim: Sim) -> None:
    assert await sim.images(name="sim-shared-pending") == []
    await sim.knobs(list_pending_shared=True)
    (image,) = await sim.images(name="sim-shared-pending")
    assert (image["member_status"], image["__imagetype"]) == ("pending", "shared")


@pytest.mark.behaviour(25)
@pytest.mark.parametrize("name", ["__originalimagename", "__data_origin", "anything"])
async def test_b25_an_undocumented_filter_has_no_effect_by_default(sim: Sim, name: str) -> None:
    everything = len(await sim.images())
    assert len(await sim.images(**{name: "nonsense"})) == everything
    await sim.knobs(unknown_filter="empty")
    assert await sim.images(**{name: "nonsense"}) == []
    await sim.knobs(unknown_filter="refuse")
    assert (await sim.call("GET", f"/v2/cloudimages?{name}=nonsense")).code == (400, "IMG.0017")


@pytest.mark.behaviour(25)
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("__imagetype=nonsense", "IMG.0024"),
        ("created_at=yesterday", "IMG.0017"),
        ("created_at=gte:2025-13-01T00:00:00Z", "IMG.0017"),
        ("limit=-1", "IMG.0017"),
        ("sort_dir=up", "IMG.0017"),
    ],
)
async def test_b25_invalid_filter_values_are_refused(sim: Sim, query: str, code: str) -> None:
    assert (await sim.call("GET", f"/v2/cloudimages?{query}")).code == (400, code)


@pytest.mark.behaviour(25)
async def test_b25_the_enterprise_project_may_be_required(sim: Sim) -> None:
    await sim.knobs(eps_required=True)
    assert (await sim.call("GET", "/v2/cloudimages")).code == (403, "IMG.0026")
    assert await sim.images(enterprise_project_id="all_granted_eps")


@pytest.mark.behaviour(25)
async def test_b25_a_list_without_matches_is_empty(sim: Sim) -> None:
    token = await sim.login(scope={"project": {"id": sim.config["other_projects"][0]["id"]}})
    answer = await sim.call("GET", "/v2/cloudimages?__imagetype=private", token=token)
    assert answer.body == {"images": []}


@pytest.mark.behaviour(26)
async def test_b26_pages_of_25_with_links(sim: Sim) -> None:
    await sim.knobs(max_concurrent=100)
    for _ in range(30):
        await sim.accepted()
    seen, url = [], "/v2/images?name=the-copy"
    pages = 0
    while url:
        body = (await sim.call("GET", url)).body
        seen += [image["id"] for image in body["images"]]
        assert parse_qs(urlsplit(body["first"]).query) == {"name": ["the-copy"]}
        assert body["schema"] == "/v2/schemas/images"
        url = body.get("next")
        pages += 1
    assert (len(seen), len(set(seen)), pages) == (30, 30, 2)


@pytest.mark.behaviour(26)
@pytest.mark.parametrize(
    ("knob", "code"),
    [("json", 404), ("json_string", "404")],
)
async def test_b26_an_unknown_image_is_404_without_an_img_code(sim: Sim, knob: str, code: object) -> None:
    await sim.knobs(glance_error=knob)
    assert (await sim.call("GET", "/v2/images/nothing")).code == (404, code)


@pytest.mark.behaviour(26)
async def test_b26_the_404_may_be_html(sim: Sim) -> None:
    await sim.knobs(glance_error="html")
    answer = await sim.call("GET", "/v2/images/nothing")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "404 Not Found" in answer.text


@pytest.mark.behaviour(27)
async def test_b27_attributes_are_flat_and_mostly_strings(sim: Sim) -> None:
    image = await sim.image(sim.source("full-ecs"))
    assert (image["__whole_image"], image["__support_kvm"], image["__isregistered"]) == ("true", "true", "true")
    assert (image["max_ram"], image["__image_size"]) == ("0", "10737418240")
    assert (image["min_disk"], image["min_ram"], image["protected"]) == (10, 0, False)
    assert not any(isinstance(value, dict) for value in image.values())


@pytest.mark.behaviour(31)
async def test_b31_deleting_the_source_does_not_touch_a_finished_copy(sim: Sim) -> None:
    image_id = await sim.copied()
    await sim.delete(sim.source())
    sim.clock.move(60)
    assert (await sim.image(image_id))["status"] == "active"


@pytest.mark.behaviour(31)
@pytest.mark.parametrize(("knob", "status"), [("unaffected", "SUCCESS"), ("fail", "FAIL")])
async def test_b31_deleting_the_source_during_the_copy(sim: Sim, knob: str, status: str) -> None:
    await sim.knobs(source_deleted=knob)
    job_id, other = await sim.accepted(), await sim.accepted("encrypted")
    sim.clock.move(60)
    assert (await sim.delete(sim.source())).status == 204
    sim.clock.move(COPY_SECONDS)
    assert (await sim.job(job_id)).body["status"] == status
    assert (await sim.job(other)).body["status"] == "SUCCESS"


@pytest.mark.behaviour(43)
async def test_b43_an_image_removed_by_hand_does_not_exist_any_more(sim: Sim) -> None:
    job_id = await sim.accepted()
    sim.clock.move(COPY_SECONDS)
    image_id = (await sim.job(job_id)).body["entities"]["image_id"]
    assert (await sim.control("DELETE", f"/images/{image_id}")).status == 204
    assert (await sim.job(job_id)).body["status"] == "SUCCESS"
    assert await sim.images(id=image_id) == []
    assert (await sim.control("DELETE", f"/images/{image_id}")).status == 404
