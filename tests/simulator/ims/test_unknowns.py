"""Knobs for behaviour that is not documented, as far as the tests of each call do not cover them."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.harness import COPY_SECONDS, Sim


@pytest.mark.behaviour(8)
async def test_the_words_for_job_states_can_be_chosen(sim: Sim) -> None:
    await sim.knobs(status_words="INIT=WAITING,RUNNING=PROCESSING,FAIL=ERROR")
    job_id = await sim.accepted()
    seen = []
    for seconds in (10, COPY_SECONDS, 0):
        seen.append((await sim.job(job_id)).body["status"])
        sim.clock.move(seconds)
    assert seen == ["WAITING", "PROCESSING", "SUCCESS"]


@pytest.mark.parametrize("words", ["RUNNING", "RUNNING=", "DONE=x"])
async def test_words_for_unknown_states_are_refused(sim: Sim, words: str) -> None:
    answer = await sim.control("PATCH", "/knobs", {"status_words": words})
    assert answer.status == 400
    assert "the states are INIT, RUNNING, SUCCESS, FAIL" in answer.body["error"]


async def _late(sim: Sim, kind: str = "plain", **fields: object) -> tuple[str, str]:
    """Code and reason of the failed job of a copy."""
    job_id = await sim.accepted(kind, **fields)
    sim.clock.move(COPY_SECONDS)
    job = (await sim.job(job_id)).body
    assert job["status"] == "FAIL"
    return job["error_code"], job["fail_reason"]


@pytest.mark.behaviour(14, 15, 17, 21)
@pytest.mark.parametrize(
    ("kind", "key", "code"),
    [
        ("queued", None, "IMG.0046"),
        ("full-ecs", None, "IMG.0130"),
        ("iso", None, "IMG.0167"),
        ("plain", "disabled", "IMG.0097"),
        ("encrypted", "source", "IMG.0096"),
        ("ironic", "usable", "IMG.0118"),
        ("shared-encrypted", None, "IMG.0197"),
    ],
)
async def test_a_refusal_can_be_reported_by_a_failed_job_instead(
    sim: Sim, kind: str, key: str | None, code: str
) -> None:
    fields = {} if key is None else {"cmk_id": sim.key(key)}
    refused = await sim.copy(kind, **fields)
    assert refused.code == (400, code)
    await sim.knobs(late_refusals=f"IMG.0001,{code}")
    assert await _late(sim, kind, **fields) == (code, refused.body["error"]["message"])
    await sim.knobs(late_refusals="IMG.0001")
    assert (await sim.copy(kind, **fields)).code == (400, code)


@pytest.mark.behaviour(19, 20)
async def test_limits_can_be_reported_by_a_failed_job_too(sim: Sim) -> None:
    await sim.knobs(late_refusals="all", quota=0)
    assert (await _late(sim))[0] == "IMG.0015"
    await sim.knobs(quota=50, max_concurrent=0)
    assert (await _late(sim))[0] == "IMG.0060"


async def test_an_unknown_source_and_a_bad_body_are_never_refused_late(sim: Sim) -> None:
    await sim.knobs(late_refusals="all")
    assert (await sim.call("POST", "/v1/cloudimages/nothing/copy", {"name": "a"})).code == (400, "IMG.0144")
    assert (await sim.copy(name="<")).code == (400, "IMG.0003")


async def test_an_invalid_code_is_refused(sim: Sim) -> None:
    for knob in ("late_refusals", "size_limit_code", "concurrent_code"):
        assert (await sim.control("PATCH", "/knobs", {knob: "0015"})).status == 400


@pytest.mark.behaviour(16)
async def test_the_size_limit_can_apply_to_min_disk_or_be_off(sim: Sim) -> None:
    too_big = f"/images/{sim.source('too-big')}"
    await sim.control("PATCH", too_big, {"props": {"min_disk": 128}})
    assert (await sim.copy("too-big")).code == (400, "IMG.0059")
    await sim.knobs(size_attribute="min_disk")
    await sim.accepted("too-big")
    await sim.control("PATCH", too_big, {"props": {"min_disk": 129}})
    assert (await sim.copy("too-big")).code == (400, "IMG.0059")
    await sim.knobs(size_limit="off")
    await sim.accepted("too-big")


@pytest.mark.behaviour(20)
async def test_the_code_for_too_many_copies_can_be_chosen(sim: Sim) -> None:
    await sim.knobs(max_concurrent=0, concurrent_code="IMG.0149")
    assert (await sim.copy()).code == (400, "IMG.0149")


@pytest.mark.behaviour(10, 11)
@pytest.mark.parametrize(("unit", "longest"), [("characters", 128), ("utf16", 128), ("bytes", 42)])
async def test_the_unit_of_length_limits_can_be_chosen(sim: Sim, unit: str, longest: int) -> None:
    await sim.knobs(chinese_names=True, name_length_unit=unit)
    await sim.accepted(name="镜" * longest, description="镜" * longest * 8)
    assert (await sim.copy(name="镜" * (longest + 1))).code == (400, "IMG.0002")


@pytest.mark.behaviour(11)
async def test_an_emoji_can_count_twice(sim: Sim) -> None:
    await sim.accepted(description="😀" * 1024)
    await sim.knobs(name_length_unit="utf16")
    assert (await sim.copy(description="😀" * 513)).code == (400, "IMG.0004")


@pytest.mark.behaviour(11)
async def test_descriptions_can_be_limited_to_letters_and_digits(sim: Sim) -> None:
    await sim.knobs(description_characters="letters_and_digits")
    await sim.accepted(description="imgcp1a0")
    assert (await sim.copy(description="with a blank")).code == (400, "IMG.0054")


@pytest.mark.behaviour(3)
async def test_the_older_job_query_can_be_absent(sim: Sim) -> None:
    job_id = await sim.accepted()
    await sim.knobs(show_job_endpoint=False)
    assert (await sim.job(job_id)).code == (404, "APIGW.0101")
    assert (await sim.progress(job_id)).status == 200


@pytest.mark.behaviour(4)
async def test_the_times_of_a_job_can_have_an_older_form(sim: Sim) -> None:
    await sim.knobs(job_times="legacy")
    job_id = await sim.accepted()
    sim.clock.move(COPY_SECONDS)
    job = (await sim.job(job_id)).body
    assert (job["begin_time"], job["end_time"]) == ("15-Jun-2025 15:06:40:250", "15-Jun-2025 15:16:40:250")


@pytest.mark.behaviour(5)
async def test_a_running_job_can_hide_its_image_id(sim: Sim) -> None:
    await sim.knobs(image_id_while_running=False)
    job_id = await sim.accepted()
    sim.clock.move(60)
    assert "image_id" not in (await sim.job(job_id)).body["entities"]
    sim.clock.move(COPY_SECONDS)
    assert "image_id" in (await sim.job(job_id)).body["entities"]


@pytest.mark.behaviour(7)
@pytest.mark.parametrize(
    ("told", "top", "inside"), [("top", True, False), ("entities", False, True), ("both", True, True)]
)
async def test_where_a_failed_job_shows_its_reason(sim: Sim, told: str, top: bool, inside: bool) -> None:
    await sim.knobs(failure_told=told)
    await sim.fault(job={"fail": True, "error_code": "IMG.0014", "fail_reason": "why"})
    job_id = await sim.accepted()
    sim.clock.move(COPY_SECONDS)
    job = (await sim.job(job_id)).body
    assert (job["error_code"], job["fail_reason"]) == (("IMG.0014", "why") if top else (None, None))
    entities = job["entities"]
    found = (entities.get("error_code"), entities.get("addition_error_msg"))
    assert found == (("IMG.0014", "why") if inside else (None, None))


@pytest.mark.behaviour(24)
@pytest.mark.parametrize(
    ("lineage", "attributes"),
    [
        ("both", {"__data_origin", "__originalimagename"}),
        ("data_origin", {"__data_origin"}),
        ("original", {"__originalimagename"}),
        ("none", set()),
    ],
)
async def test_which_attributes_of_a_copy_name_its_source(sim: Sim, lineage: str, attributes: set[str]) -> None:
    await sim.knobs(lineage=lineage)
    image = await sim.image(await sim.copied())
    assert {"__data_origin", "__originalimagename"} & set(image) == attributes


@pytest.mark.behaviour(30)
async def test_deleting_an_unknown_image_can_be_204(sim: Sim) -> None:
    assert (await sim.delete("nothing")).code == (404, 404)
    await sim.knobs(delete_missing=204)
    assert (await sim.delete("nothing")).status == 204


@pytest.mark.behaviour(30)
async def test_the_code_for_a_protected_image_can_be_chosen(sim: Sim) -> None:
    await sim.knobs(protected_code="IMG.0028")
    assert (await sim.delete(sim.source("protected"))).code == (400, "IMG.0028")


@pytest.mark.behaviour(41)
async def test_the_code_for_a_wrong_enterprise_project_can_be_chosen(sim: Sim) -> None:
    await sim.knobs(enterprise_project_code="IMG.0001")
    assert (await sim.copy(enterprise_project_id="nonsense")).code == (400, "IMG.0001")


@pytest.mark.behaviour(38)
@pytest.mark.parametrize(
    ("replies", "has"),
    [("all", [True, True, True, True]), ("errors", [True, False, True, True]), ("gateway", [True, False, False, True])],
)
async def test_which_replies_have_a_request_id(sim: Sim, replies: str, has: list[bool]) -> None:
    await sim.knobs(request_id_header=replies)
    answers: list[Any] = [
        await sim.authenticate(),
        await sim.copy(),
        await sim.copy("iso"),
        await sim.call("GET", "/v9/nothing"),
    ]
    assert ["X-Request-Id" in answer.headers for answer in answers] == has
