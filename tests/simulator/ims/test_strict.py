"""Requests that the simulated image service refuses, because the real one would."""

from __future__ import annotations

import pytest

from simulator.harness import PATCH_TYPE, Sim


@pytest.mark.behaviour(28)
@pytest.mark.parametrize(
    ("sent", "status"), [("application/json", 200), (PATCH_TYPE, 200), ("application/json-patch+json", 415)]
)
async def test_content_types_of_patch(sim: Sim, sent: str, status: int) -> None:
    operations = [{"op": "replace", "path": "/name", "value": "renamed"}]
    answer = await sim.call("PATCH", f"/v2/cloudimages/{sim.source()}", operations, headers={"Content-Type": sent})
    assert answer.status == status


@pytest.mark.behaviour(28)
@pytest.mark.parametrize("value", ["", "much", "-1", "1.5", 1024])
async def test_max_ram_is_a_whole_number_as_a_string(sim: Sim, value: object) -> None:
    answer = await sim.patch(sim.source(), {"op": "replace", "path": "/max_ram", "value": value})
    assert answer.code == (400, "IMG.0035")


async def test_ids_must_match_exactly(sim: Sim) -> None:
    path = f"/v1/cloudimages/{sim.source().upper()}/copy"
    assert (await sim.call("POST", path, {"name": "a"})).code == (400, "IMG.0144")
    assert (await sim.call("GET", f"/v2/images/{sim.source().upper()}")).status == 404
    assert await sim.images(id=sim.source().upper()) == []
    job_id = await sim.accepted()
    assert (await sim.job(job_id.upper())).code == (400, "IMG.0023")
    await sim.job(job_id)
    assert (await sim.call("GET", f"/v1/{sim.project_id.upper()}/jobs/{job_id}")).code == (400, "IMG.0030")


@pytest.mark.behaviour(25)
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "IMG.0017"),
        ("limit=1.0", "IMG.0017"),
        ("limit=", "IMG.0017"),
        ("limit=%C2%B2", "IMG.0017"),
        ("marker=", "IMG.0027"),
        ("sort_key=__os_type", "IMG.0017"),
        ("sort_dir=DESC", "IMG.0017"),
        ("__imagetype=Private", "IMG.0024"),
        ("__imagetype=market", "IMG.0024"),
        ("created_at=gte:2025-06-15 15:06:40", "IMG.0017"),
        ("created_at=gte:2025-06-15T15:06:40.250Z", "IMG.0017"),
    ],
)
async def test_invalid_queries_are_refused(sim: Sim, query: str, code: str) -> None:
    for path in ("/v2/cloudimages", "/v2/images"):
        assert (await sim.call("GET", f"{path}?{query}")).code == (400, code)


@pytest.mark.behaviour(25)
async def test_a_marker_must_be_an_image_that_the_caller_can_list(sim: Sim) -> None:
    await sim.fault(job={"row_delay_seconds": 3600})
    job_id = await sim.accepted()
    hidden = (await sim.control("GET", "/jobs")).body["jobs"][-1]["_simulator"]["image_id"]
    assert job_id
    for image_id in (hidden, sim.source("shared-pending"), sim.source().upper()):
        assert (await sim.call("GET", f"/v2/cloudimages?marker={image_id}")).code == (400, "IMG.0027")


@pytest.mark.behaviour(25)
async def test_a_filter_given_twice_must_match_twice(sim: Sim) -> None:
    await sim.accepted()
    path = "/v2/cloudimages?name=the-copy&created_at=gte:2025-06-15T15:06:40Z&created_at="
    assert len((await sim.call("GET", path + "lt:2025-06-15T15:06:41Z")).body["images"]) == 1
    assert (await sim.call("GET", path + "lt:2025-06-15T15:06:40Z")).body["images"] == []


@pytest.mark.behaviour(29)
async def test_one_invalid_tag_refuses_the_whole_request(sim: Sim) -> None:
    path = f"/v2/{sim.project_id}/images/{sim.source()}/tags/action"
    tags = [{"key": "good", "value": "v"}, {"key": "bad key", "value": "v"}]
    assert (await sim.call("POST", path, {"action": "create", "tags": tags})).code == (400, "IMG.0115")
    assert (await sim.image(sim.source()))["tags"] == []


@pytest.mark.behaviour(30)
async def test_delete_backup_is_true_or_false(sim: Sim) -> None:
    path = f"/v2/images/{sim.source('full-ecs')}"
    assert (await sim.call("DELETE", path, {"delete_backup": "yes"})).code == (400, "IMG.0001")
    assert (await sim.call("DELETE", path, [])).code == (400, "IMG.0001")
