"""Behaviour 29: the calls for one tag and for all tags, and the search for images by tag."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.harness import Answer, Sim


async def tags_of(sim: Sim, image_id: str) -> dict[str, str]:
    answer = await sim.call("GET", f"/v2/{sim.project_id}/images/{image_id}/tags")
    return {tag["key"]: tag["value"] for tag in answer.body["tags"]}


async def add(sim: Sim, image_id: str, tag: object) -> Answer:
    return await sim.call("POST", f"/v2/{sim.project_id}/images/{image_id}/tags", {"tag": tag})


@pytest.mark.behaviour(29)
async def test_b29_one_tag_is_added_or_overwritten(sim: Sim) -> None:
    assert (await add(sim, sim.source(), {"key": "a", "value": "1"})).status == 204
    assert (await add(sim, sim.source(), {"key": "a", "value": ""})).status == 204
    assert (await add(sim, sim.source(), {"key": "b", "value": "2"})).status == 204
    assert await tags_of(sim, sim.source()) == {"a": "", "b": "2"}


@pytest.mark.behaviour(29)
@pytest.mark.parametrize("tag", [None, {"key": "a"}, {"value": "1"}, {"key": "", "value": "1"}, "a=1"])
async def test_b29_an_invalid_tag_is_img_0115(sim: Sim, tag: object) -> None:
    assert (await add(sim, sim.source(), tag)).code == (400, "IMG.0115")


@pytest.mark.behaviour(29)
async def test_b29_an_eleventh_tag_is_img_0116_by_every_call(sim: Sim) -> None:
    await sim.tag(sim.source(), "create", **{f"k{number}": "" for number in range(10)})
    assert (await add(sim, sim.source(), {"key": "one-more", "value": ""})).code == (400, "IMG.0116")
    assert (await sim.call("PUT", f"/v2/images/{sim.source()}/tags/one-more")).code == (400, "IMG.0116")


@pytest.mark.behaviour(29)
async def test_b29_deleting_one_tag_is_404_the_second_time(sim: Sim) -> None:
    await sim.tag(sim.source(), "create", a="1", b="2")
    path = f"/v2/{sim.project_id}/images/{sim.source()}/tags/a"
    assert (await sim.call("DELETE", path)).status == 204
    assert (await sim.call("DELETE", path)).code == (404, "IMG.0121")
    assert await tags_of(sim, sim.source()) == {"b": "2"}


@pytest.mark.behaviour(29)
async def test_b29_the_native_calls_know_keys_alone(sim: Sim) -> None:
    path = f"/v2/images/{sim.source()}/tags/a"
    assert (await sim.call("PUT", path)).status == 204
    assert await tags_of(sim, sim.source()) == {"a": ""}
    assert (await sim.call("DELETE", path)).status == 204
    assert (await sim.call("DELETE", path)).code == (404, 404)
    assert (await sim.call("PUT", f"/v2/images/{sim.source()}/tags/a%3D1")).code == (400, 400)
    assert (await sim.call("PUT", f"/v2/images/{sim.source()}/tags/{'k' * 255}")).status == 204
    assert (await sim.call("PUT", f"/v2/images/{sim.source()}/tags/{'k' * 256}")).code == (400, 400)


@pytest.mark.behaviour(29, 35)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/{project}/images/{image}/tags"),
        ("DELETE", "/v2/{project}/images/{image}/tags/a"),
        ("PUT", "/v2/images/{image}/tags/a"),
        ("DELETE", "/v2/images/{image}/tags/a"),
    ],
)
async def test_b35_a_reader_cannot_change_tags(sim: Sim, method: str, path: str) -> None:
    token = await sim.login(login=1)
    where = path.format(project=sim.project_id, image=sim.source())
    answer = await sim.call(method, where, {"tag": {"key": "a", "value": ""}}, token=token)
    assert answer.code == (403, "IMG.0026")


@pytest.mark.behaviour(29)
async def test_b29_a_foreign_image_cannot_be_tagged(sim: Sim) -> None:
    shared = sim.source("shared")
    assert (await add(sim, shared, {"key": "a", "value": ""})).code == (400, "IMG.0047")
    assert (await sim.call("PUT", f"/v2/images/{shared}/tags/a")).code == (403, 403)


async def tagged(sim: Sim) -> None:
    await sim.tag(sim.source("plain"), "create", team="red", stage="test")
    await sim.tag(sim.source("encrypted"), "create", team="blue", stage="test")
    await sim.tag(sim.source("ironic"), "create", team="red")


@pytest.mark.behaviour(29)
async def test_b29_all_tags_are_listed_with_their_values(sim: Sim) -> None:
    await tagged(sim)
    answer = await sim.call("GET", f"/v2/{sim.project_id}/images/tags")
    assert answer.body["tags"] == [
        {"key": "team", "values": ["red", "blue"]},
        {"key": "stage", "values": ["test"]},
    ]
    wrong = sim.config["other_projects"][0]["id"]
    assert (await sim.call("GET", f"/v2/{wrong}/images/tags")).code == (400, "IMG.0030")


async def search(sim: Sim, **body: Any) -> Answer:
    path = f"/v2/{sim.project_id}/images/resource_instances/action"
    return await sim.call("POST", path, {"action": "filter", **body})


def tag(key: str, *values: str) -> list[dict[str, object]]:
    return [{"key": key, "values": list(values)}]


@pytest.mark.behaviour(29)
@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [
        ({"tags": tag("team", "red")}, ["plain", "ironic"]),
        ({"tags": tag("team")}, ["plain", "encrypted", "ironic"]),
        ({"tags": tag("team", "red", "blue") + tag("stage")}, ["plain", "encrypted"]),
        ({"tags_any": tag("team", "blue") + tag("stage", "test")}, ["plain", "encrypted"]),
        ({"tags": tag("team"), "not_tags": tag("team", "red") + tag("stage")}, ["encrypted", "ironic"]),
        ({"tags": tag("team"), "not_tags_any": tag("team", "blue") + tag("none")}, ["plain", "ironic"]),
        ({"tags": tag("team", "green")}, []),
        (
            {"without_any_tag": True, "tags": tag("team"), "matches": [{"key": "resource_name", "value": "iso"}]},
            ["iso"],
        ),
        ({"matches": [{"key": "resource_name", "value": "sim-pl"}]}, ["plain"]),
    ],
)
async def test_b29_images_are_found_by_their_tags(sim: Sim, wanted: dict[str, Any], kinds: list[str]) -> None:
    await tagged(sim)
    found = (await search(sim, **wanted)).body
    assert [one["resource_name"] for one in found["resources"]] == [f"sim-{kind}" for kind in kinds]
    assert found["total_count"] == len(kinds)
    assert (await search(sim, **wanted, action="count")).body == {"total_count": len(kinds)}


@pytest.mark.behaviour(29)
async def test_b29_search_results_come_in_pages(sim: Sim) -> None:
    await tagged(sim)
    first = (await search(sim, tags=tag("team"), limit="2")).body
    rest = (await search(sim, tags=tag("team"), limit="2", offset="2")).body
    assert first["total_count"] == rest["total_count"] == 3
    assert [len(page["resources"]) for page in (first, rest)] == [2, 1]
    (one,) = rest["resources"]
    assert one["resource_id"] == sim.source("ironic")
    assert one["resource_detail"] == {"status": "active"}
    assert one["tags"] == [{"key": "team", "value": "red"}]


@pytest.mark.behaviour(29)
@pytest.mark.parametrize(
    "body", [{"action": "find"}, {"limit": "0"}, {"offset": "-1"}, {"tags": [{"key": ""}]}, {"matches": [{"key": "x"}]}]
)
async def test_b29_an_invalid_search_is_refused(sim: Sim, body: dict[str, Any]) -> None:
    assert (await search(sim, **body)).code == (400, "IMG.0115")
