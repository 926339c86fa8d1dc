"""Changes of images: behaviours 28 to 30."""

from __future__ import annotations

import pytest

from simulator.harness import COPY_SECONDS, PATCH_TYPE, Sim


def _operation(op: str, path: str, value: object = "x") -> dict[str, object]:
    return {"op": op, "path": path, "value": value}


@pytest.mark.behaviour(28)
async def test_b28_replace_needs_an_existing_attribute(sim: Sim) -> None:
    answer = await sim.patch(sim.source(), _operation("replace", "/hw_vif_multiqueue_enabled", "true"))
    assert answer.code == (400, "IMG.0035")
    answer = await sim.patch(sim.source(), _operation("replace", "/__description", "new"))
    assert (answer.status, answer.body["__description"]) == (200, "new")


@pytest.mark.behaviour(28)
async def test_b28_add_works_and_overwrites(sim: Sim) -> None:
    for value in ("one", "two"):
        sim.clock.move(1)
        answer = await sim.patch(sim.source(), _operation("add", "/my_attribute", value))
        assert (answer.status, answer.body["my_attribute"]) == (200, value)
    assert (await sim.image(sim.source()))["my_attribute"] == "two"
    assert answer.body["updated_at"] == "2025-06-15T15:06:42Z"


@pytest.mark.behaviour(28)
async def test_b28_only_active_images_are_changed(sim: Sim) -> None:
    await sim.accepted()
    (image,) = await sim.images(name="the-copy")
    rename = _operation("replace", "/name", "renamed")
    assert (await sim.patch(image["id"], rename)).code == (400, "IMG.0046")
    sim.clock.move(COPY_SECONDS)
    assert (await sim.patch(image["id"], rename)).status == 200
    assert await sim.images(name="the-copy") == []
    assert len(await sim.images(name="renamed")) == 1


@pytest.mark.behaviour(28)
@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (_operation("replace", "/status", "active"), "IMG.0105"),
        (_operation("add", "/__data_origin"), "IMG.0105"),
        (_operation("remove", "/name"), "IMG.0105"),
        (_operation("remove", "/missing"), "IMG.0035"),
        (_operation("replace", "/name", " x"), "IMG.0003"),
        (_operation("replace", "/min_ram", "1024"), "IMG.0035"),
        (_operation("add", "/__description", "<"), "IMG.0054"),
        (_operation("add", "/custom", 7), "IMG.0035"),
        (_operation("add", "/protected", "true"), "IMG.0035"),
        (_operation("add", "/Upper"), "IMG.0001"),
        (_operation("move", "/name"), "IMG.0001"),
        ({"op": "add", "path": "/custom"}, "IMG.0001"),
        ("nonsense", "IMG.0001"),
    ],
)
async def test_b28_operations_that_are_refused(sim: Sim, operation: object, code: str) -> None:
    before = await sim.image(sim.source())
    good = _operation("add", "/kept", "no")
    assert (await sim.patch(sim.source(), good, operation)).code == (400, code)
    assert await sim.image(sim.source()) == before


@pytest.mark.behaviour(28)
async def test_b28_attributes_that_are_not_strings(sim: Sim) -> None:
    _, eps = sim.config["enterprise_project_ids"]
    answer = await sim.patch(
        sim.source(),
        _operation("replace", "/min_ram", 1024),
        _operation("replace", "/max_ram", "4096"),
        _operation("replace", "/protected", True),
        _operation("replace", "/enterprise_project_id", eps),
        {"op": "remove", "path": "/__sequence_num"},
    )
    assert answer.status == 200
    assert (answer.body["min_ram"], answer.body["max_ram"], answer.body["protected"]) == (1024, "4096", True)
    assert "__sequence_num" not in answer.body


@pytest.mark.behaviour(28)
async def test_b28_foreign_and_unknown_images_are_refused(sim: Sim) -> None:
    rename = _operation("replace", "/name", "mine")
    assert (await sim.patch(sim.source("shared"), rename)).code == (400, "IMG.0047")
    assert (await sim.patch("nothing", rename)).code == (400, "IMG.0144")
    assert (await sim.patch(sim.source())).code == (400, "IMG.0001")
    assert (await sim.call("PATCH", f"/v2/cloudimages/{sim.source()}")).code == (400, "IMG.0007")


@pytest.mark.behaviour(28)
async def test_b28_the_native_patch_has_a_content_type_of_its_own(sim: Sim) -> None:
    path, body = f"/v2/images/{sim.source()}", [_operation("replace", "/name", "native")]
    assert (await sim.call("PATCH", path, body)).code == (415, 415)
    answer = await sim.call("PATCH", path, body, headers={"Content-Type": PATCH_TYPE})
    assert (answer.status, answer.body["name"]) == (200, "native")


@pytest.mark.behaviour(28)
@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("plain", [_operation("replace", "/missing")], 409),
        ("plain", [_operation("replace", "/status")], 403),
        ("plain", [], 400),
        ("plain", None, 400),
        ("shared", [_operation("replace", "/name")], 403),
    ],
)
async def test_b28_the_native_patch_refuses_without_img_codes(sim: Sim, kind: str, body: object, status: int) -> None:
    headers = {"Content-Type": PATCH_TYPE}
    answer = await sim.call("PATCH", f"/v2/images/{sim.source(kind)}", body, headers=headers)
    assert answer.code == (status, status)


async def _tags(sim: Sim) -> list[dict[str, str]]:
    answer = await sim.call("GET", f"/v2/{sim.project_id}/images/{sim.source()}/tags")
    assert answer.status == 200
    return list(answer.body["tags"])


@pytest.mark.behaviour(29)
async def test_b29_creating_and_deleting_tags_is_idempotent(sim: Sim) -> None:
    for _ in range(2):
        answer = await sim.tag(sim.source(), "create", team="red", empty="")
        assert (answer.status, answer.text) == (204, "")
    assert await _tags(sim) == [{"key": "team", "value": "red"}, {"key": "empty", "value": ""}]
    assert (await sim.image(sim.source()))["tags"] == ["team=red", "empty="]
    assert (await sim.tag(sim.source(), "create", team="blue")).status == 204
    for _ in range(2):
        assert (await sim.tag(sim.source(), "delete", team="blue")).status == 204
    assert await _tags(sim) == [{"key": "empty", "value": ""}]


@pytest.mark.behaviour(29)
async def test_b29_an_image_has_at_most_ten_tags(sim: Sim) -> None:
    ten = {f"key-{number}": "v" for number in range(10)}
    assert (await sim.tag(sim.source(), "create", **ten)).status == 204
    assert (await sim.tag(sim.source(), "create", **{"key-0": "other"})).status == 204
    assert (await sim.tag(sim.source(), "create", more="v")).code == (400, "IMG.0116")
    assert len(await _tags(sim)) == 10


@pytest.mark.behaviour(29)
@pytest.mark.parametrize(
    ("key", "value"),
    [("", "v"), ("k" * 37, "v"), ("k", "v" * 44), ("k=", "v"), ("k", "<"), ("k k", "v"), (7, "v"), ("k", None)],
)
async def test_b29_tags_that_are_refused(sim: Sim, key: object, value: object) -> None:
    body = {"action": "create", "tags": [{"key": key, "value": value}]}
    path = f"/v2/{sim.project_id}/images/{sim.source()}/tags/action"
    assert (await sim.call("POST", path, body)).code == (400, "IMG.0115")


@pytest.mark.behaviour(29)
async def test_b29_the_longest_tag(sim: Sim) -> None:
    assert (await sim.tag(sim.source(), "create", **{"k" * 36: "v" * 43})).status == 204


@pytest.mark.behaviour(29)
@pytest.mark.parametrize(
    "body", [{"action": "replace", "tags": [{"key": "a", "value": "b"}]}, {"action": "create"}, {"tags": []}]
)
async def test_b29_invalid_actions_are_refused(sim: Sim, body: object) -> None:
    path = f"/v2/{sim.project_id}/images/{sim.source()}/tags/action"
    assert (await sim.call("POST", path, body)).code == (400, "IMG.0115")


@pytest.mark.behaviour(29)
async def test_b29_only_own_images_are_tagged(sim: Sim) -> None:
    assert (await sim.tag("nothing", "create", a="b")).code == (400, "IMG.0144")
    assert (await sim.tag(sim.source("shared"), "create", a="b")).code == (400, "IMG.0047")


@pytest.mark.behaviour(30)
async def test_b30_a_deleted_image_disappears_after_a_short_delay(sim: Sim) -> None:
    answer = await sim.delete(sim.source())
    assert (answer.status, answer.text) == (204, "")
    assert len(await sim.images(id=sim.source())) == 1
    assert (await sim.delete(sim.source())).status == 204
    sim.clock.move(1)
    assert await sim.images(id=sim.source()) == []
    assert (await sim.delete(sim.source())).code == (404, 404)


@pytest.mark.behaviour(30)
async def test_b30_the_delete_may_fail_after_its_204(sim: Sim) -> None:
    await sim.knobs(delete_fails=True)
    assert (await sim.delete(sim.source())).status == 204
    sim.clock.move(3600)
    assert len(await sim.images(id=sim.source())) == 1


@pytest.mark.behaviour(30)
async def test_b30_an_image_that_is_being_created_is_img_0090(sim: Sim) -> None:
    await sim.accepted()
    (image,) = await sim.images(name="the-copy")
    assert (await sim.delete(image["id"])).code == (400, "IMG.0090")
    sim.clock.move(COPY_SECONDS)
    assert (await sim.delete(image["id"])).status == 204


@pytest.mark.behaviour(30)
@pytest.mark.parametrize(("kind", "code"), [("protected", "IMG.0091"), ("shared", "IMG.0092"), ("public", "IMG.0094")])
async def test_b30_images_that_cannot_be_deleted(sim: Sim, kind: str, code: str) -> None:
    assert (await sim.delete(sim.source(kind))).code == (400, code)


@pytest.mark.behaviour(30)
async def test_b30_the_body_is_optional(sim: Sim) -> None:
    path = f"/v2/images/{sim.source('full-ecs')}"
    assert (await sim.call("DELETE", path, data="{")).code == (400, "IMG.0001")
    assert (await sim.call("DELETE", path, {"delete_backup": True})).status == 204
