"""Jobs: behaviours 2 to 9, 40 and 42."""

from __future__ import annotations

import pytest

from simulator.harness import COPY_SECONDS, Sim


@pytest.mark.behaviour(2)
async def test_b02_a_job_goes_from_init_through_running_to_success(sim: Sim) -> None:
    job_id = await sim.accepted()
    seen = []
    for seconds in (9, 1, 589, 1):
        seen.append((await sim.job(job_id)).body["status"])
        sim.clock.move(seconds)
    seen.append((await sim.job(job_id)).body["status"])
    assert seen == ["INIT", "INIT", "RUNNING", "RUNNING", "SUCCESS"]


@pytest.mark.behaviour(2)
async def test_b02_the_image_is_not_usable_before_the_job_is_done(sim: Sim) -> None:
    await sim.accepted()
    (image,) = await sim.images(name="the-copy")
    assert image["status"] == "queued"
    path = f"/v1/cloudimages/{image['id']}/copy"
    assert (await sim.call("POST", path, {"name": "a"})).code == (400, "IMG.0046")


@pytest.mark.behaviour(3)
async def test_b03_both_urls_show_the_same_job(sim: Sim) -> None:
    job_id = await sim.accepted()
    sim.clock.move(60)
    old, new = (await sim.job(job_id)).body, (await sim.progress(job_id)).body
    assert len(new["entities"].pop("subJobId")) == 32
    assert old == new


@pytest.mark.behaviour(3)
async def test_b03_another_project_in_the_path_is_img_0030(sim: Sim) -> None:
    job_id, other = await sim.accepted(), sim.config["other_projects"][0]["id"]
    assert (await sim.call("GET", f"/v1/{other}/jobs/{job_id}")).code == (400, "IMG.0030")
    answer = await sim.call("POST", f"/v2/{other}/images/{sim.source()}/tags/action", {"action": "create"})
    assert answer.code == (400, "IMG.0030")


@pytest.mark.behaviour(3)
async def test_b03_the_progress_url_can_be_absent(sim: Sim) -> None:
    job_id = await sim.accepted()
    await sim.knobs(progress_endpoint=False)
    assert (await sim.progress(job_id)).code == (404, "APIGW.0101")
    assert (await sim.job(job_id)).status == 200


@pytest.mark.behaviour(4)
async def test_b04_times_and_nulls_of_a_running_job(sim: Sim) -> None:
    job_id = await sim.accepted()
    sim.clock.move(60)
    job = (await sim.job(job_id)).body
    assert job["job_id"] == job_id
    assert job["job_type"] == "imsCopyImageInRegionJob"
    assert job["begin_time"] == "2025-06-15T15:06:40.250Z"
    assert (job["end_time"], job["error_code"], job["fail_reason"]) == ("", None, None)


@pytest.mark.behaviour(4)
async def test_b04_times_and_nulls_of_a_finished_job(sim: Sim) -> None:
    job_id = await sim.accepted()
    sim.clock.move(10_000)
    job = (await sim.job(job_id)).body
    assert (job["end_time"], job["error_code"]) == ("2025-06-15T15:16:40.250Z", None)


@pytest.mark.behaviour(5)
async def test_b05_a_running_job_shows_image_and_percentage(sim: Sim) -> None:
    job_id = await sim.accepted()
    sim.clock.move(0.4 * COPY_SECONDS)
    entities = (await sim.job(job_id)).body["entities"]
    assert (entities["image_name"], entities["process_percent"]) == ("the-copy", 0.4)
    assert entities["current_task"] == "CopyImageInRegionTask:"
    running_id = entities["image_id"]
    sim.clock.move(COPY_SECONDS)
    entities = (await sim.job(job_id)).body["entities"]
    assert entities == {
        "image_name": "the-copy",
        "image_id": running_id,
        "process_percent": 1,
        "current_task": "",
    }


@pytest.mark.behaviour(5)
async def test_b05_the_percentage_grows_and_is_1_only_at_the_end(sim: Sim) -> None:
    job_id = await sim.accepted()
    sim.clock.move(10)
    seen = []
    while (job := (await sim.job(job_id)).body)["status"] == "RUNNING":
        seen.append(job["entities"]["process_percent"])
        sim.clock.move(29.5)
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] < 1


@pytest.mark.behaviour(5)
async def test_b05_the_older_url_may_omit_the_percentage(sim: Sim) -> None:
    await sim.knobs(show_job_percent=False)
    job_id = await sim.accepted()
    sim.clock.move(60)
    assert sorted((await sim.job(job_id)).body["entities"]) == ["image_id", "image_name"]
    assert (await sim.progress(job_id)).body["entities"]["process_percent"] == 0.1


@pytest.mark.behaviour(6)
@pytest.mark.parametrize(
    ("knob", "entities"), [("empty", {}), ("none", None), ("absent", "absent"), ("full", "the-copy")]
)
async def test_b06_entities_of_an_init_job(sim: Sim, knob: str, entities: object) -> None:
    await sim.knobs(init_entities=knob)
    job = (await sim.job(await sim.accepted())).body
    assert job["status"] == "INIT"
    shown = job.get("entities", "absent")
    assert (shown["image_name"] if knob == "full" else shown) == entities


@pytest.mark.behaviour(7)
async def test_b07_a_failed_job_shows_its_reason(sim: Sim) -> None:
    await sim.fault(job={"fail": True, "error_code": "IMG.0014", "fail_reason": "No space.", "at": 0.25})
    job_id = await sim.accepted()
    sim.clock.move(149)
    assert (await sim.job(job_id)).body["status"] == "RUNNING"
    sim.clock.move(1)
    job = (await sim.job(job_id)).body
    assert (job["status"], job["error_code"], job["fail_reason"]) == ("FAIL", "IMG.0014", "No space.")
    assert job["end_time"] == "2025-06-15T15:09:10.250Z"
    assert job["entities"]["process_percent"] == 0.25
    await sim.knobs(failed_job_image_id=False)
    assert "image_id" not in (await sim.job(job_id)).body["entities"]


@pytest.mark.behaviour(7)
async def test_b07_the_image_of_a_failed_job_is_gone_or_killed(sim: Sim) -> None:
    await sim.fault(job={"fail": True})
    job_id = await sim.accepted()
    sim.clock.move(COPY_SECONDS)
    assert await sim.images(name="the-copy") == []
    await sim.knobs(half_made_image="killed")
    (image,) = await sim.images(name="the-copy")
    assert (image["status"], image["id"]) == ("killed", (await sim.job(job_id)).body["entities"]["image_id"])
    assert (await sim.delete(image["id"])).status == 204
    sim.clock.move(1)
    assert await sim.images(name="the-copy") == []


@pytest.mark.behaviour(8)
async def test_b08_status_in_lower_case_by_knob(sim: Sim) -> None:
    await sim.knobs(status_case="lower")
    await sim.fault(skip=1, job={"fail": True})
    first, second = await sim.accepted(), await sim.accepted()
    sim.clock.move(COPY_SECONDS)
    assert [(await sim.job(job)).body["status"] for job in (first, second)] == ["success", "failed"]


@pytest.mark.behaviour(9)
async def test_b09_an_unknown_job_is_400_or_404(sim: Sim) -> None:
    assert (await sim.job("0" * 32)).code == (400, "IMG.0023")
    assert (await sim.progress("0" * 32)).code == (400, "IMG.0023")
    await sim.knobs(unknown_job_status=404)
    assert (await sim.job("0" * 32)).code == (404, "IMG.0023")


@pytest.mark.behaviour(9)
async def test_b09_a_job_of_another_project_is_unknown(sim: Sim) -> None:
    job_id = await sim.accepted()
    sim.token = await sim.login(scope={"project": {"id": sim.config["other_projects"][0]["id"]}})
    assert (await sim.progress(job_id)).code == (400, "IMG.0023")


@pytest.mark.behaviour(9)
async def test_b09_jobs_are_forgotten_after_a_while(sim: Sim) -> None:
    await sim.knobs(job_retention_seconds=3600)
    job_id = await sim.accepted()
    sim.clock.move(COPY_SECONDS + 3599)
    assert (await sim.job(job_id)).status == 200
    sim.clock.move(1)
    assert (await sim.job(job_id)).code == (400, "IMG.0023")
    assert len(await sim.images(name="the-copy")) == 1


@pytest.mark.behaviour(9)
async def test_b09_a_test_can_hide_a_job(sim: Sim) -> None:
    await sim.fault(job={"forget": True})
    assert (await sim.job(await sim.accepted())).code == (400, "IMG.0023")
    job_id = await sim.accepted()
    await sim.control("PATCH", f"/jobs/{job_id}", {"forgotten": True})
    assert (await sim.job(job_id)).code == (400, "IMG.0023")
    await sim.control("PATCH", f"/jobs/{job_id}", {"forgotten": False})
    assert (await sim.job(job_id)).status == 200


@pytest.mark.behaviour(40)
async def test_b40_a_job_can_hang(sim: Sim) -> None:
    await sim.fault(job={"stuck": True, "at": 0.3})
    job_id = await sim.accepted()
    sim.clock.move(100 * COPY_SECONDS)
    job = (await sim.job(job_id)).body
    assert (job["status"], job["entities"]["process_percent"]) == ("RUNNING", 0.3)
    await sim.control("PATCH", f"/jobs/{job_id}", {"end": "SUCCESS"})
    assert (await sim.job(job_id)).body["status"] == "SUCCESS"


@pytest.mark.behaviour(40)
async def test_b40_the_percentage_can_go_back(sim: Sim) -> None:
    await sim.fault(job={"zigzag": True})
    job_id = await sim.accepted()
    seen = []
    for _ in range(19):
        sim.clock.move(30)
        seen.append((await sim.job(job_id)).body["entities"]["process_percent"])
    assert seen != sorted(seen)
    assert all(0 <= percent < 1 for percent in seen)


@pytest.mark.behaviour(40)
async def test_b40_a_test_can_make_a_running_job_hang_or_fail(sim: Sim) -> None:
    stuck, failing = await sim.accepted(), await sim.accepted()
    sim.clock.move(300)
    await sim.control("PATCH", f"/jobs/{stuck}", {"stuck": True})
    await sim.control("PATCH", f"/jobs/{failing}", {"end": "FAIL", "error_code": "IMG.0014"})
    sim.clock.move(3000)
    assert (await sim.job(stuck)).body["entities"]["process_percent"] == 0.5
    job = (await sim.job(failing)).body
    assert (job["status"], job["error_code"], job["end_time"]) == ("FAIL", "IMG.0014", "2025-06-15T15:11:40.250Z")


@pytest.mark.behaviour(42)
async def test_b42_success_without_an_image_id(sim: Sim) -> None:
    await sim.fault(job={"without_image_id": True})
    job_id = await sim.accepted()
    sim.clock.move(COPY_SECONDS)
    job = (await sim.job(job_id)).body
    assert job["status"] == "SUCCESS"
    assert "image_id" not in job["entities"]


async def test_a_job_keeps_the_duration_it_started_with(sim: Sim) -> None:
    job_id = await sim.accepted()
    await sim.knobs(copy_seconds=1)
    sim.clock.move(2)
    assert (await sim.job(job_id)).body["status"] == "INIT"


async def test_a_fault_of_a_job_is_not_used_up_by_a_refused_copy(sim: Sim) -> None:
    await sim.fault(job={"fail": True})
    await sim.copy("iso")
    job_id = await sim.accepted()
    sim.clock.move(COPY_SECONDS)
    assert (await sim.job(job_id)).body["status"] == "FAIL"
