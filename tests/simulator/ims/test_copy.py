"""The copy call: behaviours 1, 10 to 22, 35 and 41."""

from __future__ import annotations

import re

import pytest

from simulator.harness import COPY_SECONDS, Sim


@pytest.mark.behaviour(1)
@pytest.mark.parametrize("api", ["v1", "v2.1"])
async def test_b01_a_copy_answers_only_a_job_id(sim: Sim, api: str) -> None:
    answer = await sim.copy(api=api)
    assert answer.status == 200
    assert list(answer.body) == ["job_id"]
    assert re.fullmatch(r"[0-9a-f]{32}", answer.body["job_id"])


@pytest.mark.behaviour(1)
async def test_b01_the_newer_call_can_be_absent(sim: Sim) -> None:
    await sim.knobs(copy_v21=False)
    assert (await sim.copy(api="v2.1")).code == (404, "APIGW.0101")


@pytest.mark.behaviour(10)
@pytest.mark.parametrize(
    ("name", "code"),
    [
        (None, "IMG.0013"),
        ("", "IMG.0013"),
        (7, "IMG.0062"),
        ("n" * 129, "IMG.0002"),
        (" name", "IMG.0003"),
        ("name ", "IMG.0003"),
        ("na/me", "IMG.0003"),
        ("name\n", "IMG.0003"),
        ("镜像", "IMG.0003"),
    ],
)
async def test_b10_names_that_are_refused(sim: Sim, name: object, code: str) -> None:
    assert (await sim.copy(name=name)).code == (400, code)


@pytest.mark.behaviour(10)
@pytest.mark.parametrize("name", ["n", "n" * 128, "My copy_1.2-b"])
async def test_b10_names_that_are_accepted(sim: Sim, name: str) -> None:
    await sim.accepted(name=name)


@pytest.mark.behaviour(10)
async def test_b10_chinese_names_by_knob(sim: Sim) -> None:
    await sim.knobs(chinese_names=True)
    await sim.accepted(name="镜像" * 64)
    await sim.knobs(name_length_unit="bytes")
    assert (await sim.copy(name="镜像" * 64)).code == (400, "IMG.0002")


@pytest.mark.behaviour(11)
@pytest.mark.parametrize(
    ("description", "code"),
    [("d" * 1025, "IMG.0004"), *((f"a{bad}b", "IMG.0054") for bad in "<>\r\n"), (7, "IMG.0054")],
)
async def test_b11_descriptions_that_are_refused(sim: Sim, description: object, code: str) -> None:
    assert (await sim.copy(description=description)).code == (400, code)


@pytest.mark.behaviour(11)
async def test_b11_the_longest_description(sim: Sim) -> None:
    await sim.accepted(description="d" * 1024)


@pytest.mark.behaviour(12)
@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("", "IMG.0007"),
        ("  ", "IMG.0007"),
        ("{", "IMG.0001"),
        ("[]", "IMG.0001"),
        ('{"name": NaN}', "IMG.0001"),
        (b'{"name": "\xff"}', "IMG.0001"),
        (r'{"name": "a", "description": "\ud800"}', "IMG.0001"),
        ("{}", "IMG.0013"),
    ],
)
async def test_b12_bodies_that_are_refused(sim: Sim, data: str | bytes, code: str) -> None:
    answer = await sim.call("POST", f"/v1/cloudimages/{sim.source()}/copy", data=data)
    assert answer.code == (400, code)


@pytest.mark.behaviour(13)
async def test_b13_unknown_source_is_img_0144(sim: Sim) -> None:
    path = "/v1/cloudimages/11111111-2222-4333-8444-555555555555/copy"
    assert (await sim.call("POST", path, {"name": "a"})).code == (400, "IMG.0144")
    await sim.knobs(unknown_image_status=404, unknown_image_code="IMG.0027")
    assert (await sim.call("POST", path, {"name": "a"})).code == (404, "IMG.0027")


@pytest.mark.behaviour(13)
async def test_b13_the_images_of_another_project_do_not_exist(sim: Sim) -> None:
    token = await sim.login(scope={"project": {"id": sim.config["other_projects"][0]["id"]}})
    path = f"/v1/cloudimages/{sim.source()}/copy"
    assert (await sim.call("POST", path, {"name": "a"}, token=token)).code == (400, "IMG.0144")


@pytest.mark.behaviour(14)
async def test_b14_a_source_that_is_not_active_is_img_0046(sim: Sim) -> None:
    assert (await sim.copy("queued")).code == (400, "IMG.0046")
    await sim.control("PATCH", f"/images/{sim.source('queued')}", {"status": "active"})
    await sim.accepted("queued")


@pytest.mark.behaviour(15)
async def test_b15_a_full_ecs_image_is_img_0130(sim: Sim) -> None:
    answer = await sim.copy("full-ecs")
    assert answer.code == (400, "IMG.0130")
    assert answer.body["error"]["message"] == "The full-ECS image cannot be exported or replicated."


@pytest.mark.behaviour(15)
async def test_b15_an_iso_image_is_img_0167(sim: Sim) -> None:
    assert (await sim.copy("iso")).code == (400, "IMG.0167")
    await sim.knobs(iso_images="copy")
    await sim.accepted("iso")


@pytest.mark.behaviour(16)
async def test_b16_more_than_128_gib_is_refused(sim: Sim) -> None:
    assert (await sim.copy("too-big")).code == (400, "IMG.0059")
    await sim.knobs(size_limit_code="IMG.0105")
    assert (await sim.copy("too-big")).code == (400, "IMG.0105")


@pytest.mark.behaviour(16)
async def test_b16_more_than_128_gib_fails_late_by_knob(sim: Sim) -> None:
    await sim.knobs(size_limit="job")
    job_id = await sim.accepted("too-big")
    sim.clock.move(COPY_SECONDS)
    job = (await sim.job(job_id)).body
    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0059")


@pytest.mark.behaviour(16)
async def test_b16_exactly_128_gib_is_accepted(sim: Sim) -> None:
    added = await sim.control("POST", "/images", {"size_gib": 128})
    answer = await sim.call("POST", f"/v1/cloudimages/{added.body['id']}/copy", {"name": "a"})
    assert answer.status == 200


@pytest.mark.behaviour(17)
@pytest.mark.parametrize(
    ("kind", "key", "code"),
    [
        ("plain", "disabled", "IMG.0097"),
        ("plain", "no-access", "IMG.0099"),
        ("plain", "limited", "IMG.0187"),
        ("encrypted", "source", "IMG.0096"),
        ("ironic", "usable", "IMG.0118"),
    ],
)
async def test_b17_keys_that_are_refused(sim: Sim, kind: str, key: str, code: str) -> None:
    assert (await sim.copy(kind, cmk_id=sim.key(key))).code == (400, code)


@pytest.mark.behaviour(17)
@pytest.mark.parametrize("cmk_id", ["11111111-2222-4333-8444-555555555555", "", 7])
async def test_b17_a_key_that_does_not_exist_is_img_0095(sim: Sim, cmk_id: object) -> None:
    assert (await sim.copy(cmk_id=cmk_id)).code == (400, "IMG.0095")


@pytest.mark.behaviour(17)
async def test_b17_an_empty_key_is_no_key_by_knob(sim: Sim) -> None:
    await sim.knobs(empty_cmk_id="ignore")
    await sim.accepted(cmk_id="")


@pytest.mark.behaviour(17)
@pytest.mark.parametrize(
    ("state", "code"),
    [("missing", "IMG.0101"), ("disabled", "IMG.0102"), ("no_access", "IMG.0103")],
)
async def test_b17_an_unusable_key_of_the_source_is_refused(sim: Sim, state: str, code: str) -> None:
    await sim.control("PATCH", f"/kms_keys/{sim.key('source')}", {"state": state})
    assert (await sim.copy("encrypted")).code == (400, code)


@pytest.mark.behaviour(17)
async def test_b17_bms_images_may_be_copied_without_a_key(sim: Sim) -> None:
    await sim.accepted("ironic")


@pytest.mark.behaviour(18)
@pytest.mark.parametrize("kind", ["plain", "encrypted"])
async def test_b18_without_a_key_the_copy_is_plain(sim: Sim, kind: str) -> None:
    assert "__system__cmkid" not in await sim.image(await sim.copied(kind))


@pytest.mark.behaviour(18)
@pytest.mark.parametrize("kind", ["plain", "encrypted"])
async def test_b18_with_a_key_the_copy_carries_it(sim: Sim, kind: str) -> None:
    image = await sim.image(await sim.copied(kind, cmk_id=sim.key()))
    assert image["__system__cmkid"] == sim.key()


async def _quota(sim: Sim) -> tuple[int, int]:
    answer = await sim.call("GET", "/v1/cloudimages/quota")
    (resource,) = answer.body["quotas"]["resources"]
    assert (resource["type"], resource["min"], resource["max"]) == ("image", 1, 1000)
    return resource["used"], resource["quota"]


@pytest.mark.behaviour(19)
async def test_b19_the_quota_counts_copies_when_they_are_accepted(sim: Sim) -> None:
    used, _ = await _quota(sim)
    await sim.knobs(quota=used + 1)
    await sim.accepted()
    assert await _quota(sim) == (used + 1, used + 1)
    assert (await sim.copy()).code == (400, "IMG.0015")


@pytest.mark.behaviour(19)
async def test_b19_the_quota_counts_copies_when_they_are_done_by_knob(sim: Sim) -> None:
    used, _ = await _quota(sim)
    await sim.knobs(quota=used + 1, quota_counts="done")
    await sim.accepted()
    await sim.accepted()
    assert await _quota(sim) == (used, used + 1)
    sim.clock.move(COPY_SECONDS)
    assert await _quota(sim) == (used + 2, used + 1)
    assert (await sim.copy()).code == (400, "IMG.0015")


@pytest.mark.behaviour(19)
async def test_b19_deleted_images_and_failed_copies_do_not_count(sim: Sim) -> None:
    used, _ = await _quota(sim)
    await sim.fault(job={"fail": True})
    await sim.accepted()
    await sim.copied()
    assert (await _quota(sim))[0] == used + 1
    await sim.delete(sim.source())
    assert (await _quota(sim))[0] == used


@pytest.mark.behaviour(20)
async def test_b20_a_sixth_copy_at_a_time_is_img_0060(sim: Sim) -> None:
    for _ in range(5):
        await sim.accepted()
    assert (await sim.copy()).code == (400, "IMG.0060")
    sim.clock.move(COPY_SECONDS)
    await sim.accepted()


@pytest.mark.behaviour(21)
async def test_b21_a_shared_source_must_be_accepted(sim: Sim) -> None:
    assert (await sim.copy("shared-pending")).code == (400, "IMG.0196")
    await sim.control("PATCH", f"/images/{sim.source('shared-pending')}", {"members": {sim.project_id: "accepted"}})
    await sim.accepted("shared-pending")


@pytest.mark.behaviour(21)
async def test_b21_a_shared_encrypted_source_is_refused_or_copied_by_knob(sim: Sim) -> None:
    assert (await sim.copy("shared-encrypted")).code == (400, "IMG.0197")
    await sim.knobs(shared_encrypted="copy")
    image = await sim.image(await sim.copied("shared-encrypted", cmk_id=sim.key()))
    assert image["__system__cmkid"] == sim.key()


@pytest.mark.behaviour(21)
async def test_b21_a_copy_of_a_shared_image_is_private(sim: Sim) -> None:
    image = await sim.image(await sim.copied("shared"))
    assert image["owner"] == sim.project_id
    assert (image["visibility"], image["__imagetype"]) == ("private", "private")
    assert "member_status" not in image


@pytest.mark.behaviour(21)
async def test_b21_a_public_source_is_refused_or_copied_by_knob(sim: Sim) -> None:
    assert (await sim.copy("public")).code == (400, "IMG.0105")
    await sim.knobs(public_images="copy")
    assert (await sim.image(await sim.copied("public")))["__imagetype"] == "private"


@pytest.mark.behaviour(22)
async def test_b22_the_same_call_twice_makes_two_copies(sim: Sim) -> None:
    assert await sim.accepted() != await sim.accepted()
    assert len(await sim.images(name="the-copy")) == 2


@pytest.mark.behaviour(22)
async def test_b22_names_are_unique_by_knob(sim: Sim) -> None:
    await sim.knobs(names_unique=True)
    await sim.accepted()
    assert (await sim.copy()).code == (400, "IMG.0009")


@pytest.mark.behaviour(35)
@pytest.mark.parametrize("status", [403, 400])
async def test_b35_a_user_without_permission_is_img_0026(sim: Sim, status: int) -> None:
    await sim.knobs(permission_status=status)
    sim.token = await sim.login(login=1)
    assert (await sim.copy()).code == (status, "IMG.0026")
    assert (await sim.delete(sim.source())).code == (status, "IMG.0026")
    assert (await sim.patch(sim.source())).code == (status, "IMG.0026")
    assert (await sim.tag(sim.source(), "create", a="b")).code == (status, "IMG.0026")
    assert await sim.images()


@pytest.mark.behaviour(41)
async def test_b41_an_enterprise_project_is_kept(sim: Sim) -> None:
    _, eps = sim.config["enterprise_project_ids"]
    image_id = await sim.copied(enterprise_project_id=eps)
    assert (await sim.image(image_id))["enterprise_project_id"] == eps
    assert (await sim.image(await sim.copied()))["enterprise_project_id"] == "0"
    assert (await sim.copy(enterprise_project_id="nonsense")).code == (400, "IMG.0155")


async def test_unknown_fields_are_ignored_or_refused_by_knob(sim: Sim) -> None:
    await sim.accepted(image_tags=[])
    await sim.knobs(extra_copy_fields="refuse")
    assert (await sim.copy(image_tags=[])).code == (400, "IMG.0001")
