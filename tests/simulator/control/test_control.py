"""The control endpoints."""

from __future__ import annotations

from typing import Any

import pytest

from ims_simulator.settings.knobs import Knobs
from ims_simulator.state import seed
from simulator.harness import COPY_SECONDS, Sim


async def test_config_shows_what_a_client_needs(sim: Sim) -> None:
    config = sim.config
    assert config["region"] == "eu-sim-1"
    assert len(config["project_id"]) == 32
    assert config["endpoints"]["ims"] == config["endpoints"]["iam"] == str(sim.client.make_url("")).rstrip("/")
    assert {"user", "password", "domain", "access_key", "secret_key"} <= set(config["logins"][0])
    assert {key["state"] for key in config["kms_keys"]} == {"enabled", "disabled", "no_access", "limited"}
    assert config["knobs"]["copy_seconds"] == COPY_SECONDS


async def test_the_ids_of_the_default_seed_are_the_documented_ones(sim: Sim) -> None:
    documented = seed.__doc__ or ""
    for image in sim.config["source_images"]:
        assert f"{image['kind']:<18}{image['id']}" in documented
    for key in sim.config["kms_keys"]:
        assert f"{key['name']:<18}{key['id']}" in documented
    assert sim.project_id in documented


def test_another_seed_makes_another_cloud() -> None:
    assert {image.id for image in seed.source_images(2)}.isdisjoint(image.id for image in seed.source_images(1))
    assert seed.source_images(2) == seed.source_images(2)


async def test_calls_show_what_a_client_did(sim: Sim) -> None:
    await sim.control("DELETE", "/calls")
    job_id = await sim.accepted(description="x")
    await sim.job(job_id)
    await sim.images(name="the-copy")
    copy, job, listing = await sim.calls()
    assert (copy["kind"], copy["method"], copy["status"], copy["job_id"]) == ("copy", "POST", 200, job_id)
    assert copy["body"] == {"name": "the-copy", "description": "x"}
    assert copy["user"] == "sim-copier"
    assert (job["kind"], job["job_id"]) == ("job", job_id)
    assert (listing["kind"], listing["query"]) == ("list", "name=the-copy")
    assert copy["time"] == sim.clock.now
    assert [call["kind"] for call in await sim.calls(since=str(copy["sequence"]))] == ["job", "list"]
    assert [call["kind"] for call in await sim.calls(kind="job")] == ["job"]
    assert (await sim.control("GET", "/calls", since="x")).status == 400


async def test_calls_show_the_code_of_a_refusal(sim: Sim) -> None:
    await sim.copy("iso")
    await sim.call("GET", "/v2/cloudimages", token="")
    assert [call["error_code"] for call in await sim.calls(since="1")] == ["IMG.0167", "0301"]


async def test_calls_contain_no_passwords(sim: Sim) -> None:
    (call,) = await sim.calls(kind="token")
    user = call["body"]["auth"]["identity"]["password"]["user"]
    assert (user["name"], user["password"]) == ("sim-copier", "***")


async def test_control_requests_are_not_in_the_call_log(sim: Sim) -> None:
    await sim.control("DELETE", "/calls")
    await sim.control("GET", "/images")
    assert await sim.calls() == []


async def test_images_lists_hidden_and_foreign_images_and_on_request_deleted_ones(sim: Sim) -> None:
    await sim.fault(job={"row_delay_seconds": 3600})
    await sim.accepted()
    (copy,) = (await sim.control("GET", "/images", kind="copy")).body["images"]
    assert (copy["name"], copy["_simulator"]["hidden"]) == ("the-copy", True)
    before = len((await sim.control("GET", "/images")).body["images"])
    await sim.control("DELETE", f"/images/{sim.source()}")
    assert len((await sim.control("GET", "/images")).body["images"]) == before - 1
    everything = (await sim.control("GET", "/images", all="true")).body["images"]
    assert [image["id"] for image in everything if image["status"] == "deleted"] == [sim.source()]


async def test_a_source_image_can_be_added(sim: Sim) -> None:
    wanted = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
    body: dict[str, Any] = {
        "id": wanted,
        "name": "mine",
        "kind": "special",
        "status": "queued",
        "size_gib": 40,
        "cmk_id": sim.key("source"),
        "props": {"__os_type": "Windows"},
    }
    assert (await sim.control("POST", "/images", body)).status == 201
    (image,) = await sim.images(name="mine")
    assert (image["id"], image["status"], image["min_disk"]) == (wanted, "queued", 40)
    assert (image["__system__cmkid"], image["__os_type"]) == (sim.key("source"), "Windows")
    assert (await sim.control("POST", "/images", body)).status == 409
    listed = (await sim.control("GET", "/config")).body["source_images"]
    assert {"id": wanted, "name": "mine", "kind": "special", "status": "queued"} in listed


async def test_an_image_can_be_changed(sim: Sim) -> None:
    changes = {"name": "other", "status": "killed", "props": {"__os_bit": None, "__whole_image": "true"}}
    answer = await sim.control("PATCH", f"/images/{sim.source()}", changes)
    assert answer.status == 200
    image = await sim.image(sim.source())
    assert (image["name"], image["status"], image["__whole_image"]) == ("other", "killed", "true")
    assert "__os_bit" not in image


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/images", {"status": "ready"}, 400, "'queued', 'saving', 'active', 'killed' or 'deleted'"),
        ("POST", "/images", {"kind": "copy"}, 400, "kind must not be copy"),
        ("POST", "/images", {"props": {"id": "x"}}, 400, "must not contain id"),
        ("POST", "/images", {"nme": "x"}, 400, "Extra inputs"),
        ("PATCH", "/images/nothing", {}, 404, "there is no image nothing"),
        ("PATCH", "/jobs/nothing", {}, 404, "there is no job nothing"),
        ("PATCH", "/jobs/nothing", {"end": "SUCCESS", "stuck": True}, 400, "either end or stuck, not both"),
        ("PATCH", "/kms_keys/nothing", {"state": "enabled"}, 404, "there is no key nothing"),
        ("PATCH", "/kms_keys/nothing", {"state": "on"}, 400, "'enabled', 'disabled'"),
        ("PATCH", "/knobs", [], 400, "must be a JSON object"),
        ("PATCH", "/knobs", {"nonsense": 1}, 400, "the knobs are: copy_seconds"),
        ("PATCH", "/knobs", {"status_case": "title"}, 400, "'upper' or 'lower'"),
        ("PATCH", "/knobs", {"quota": -1}, 400, "greater than or equal to 0"),
        ("GET", "/nothing", None, 404, "GET /_simulator/config"),
        ("DELETE", "/config", None, 404, "GET /_simulator/config"),
    ],
)
async def test_invalid_requests_are_refused_with_the_reason(
    sim: Sim, method: str, path: str, body: object, status: int, words: str
) -> None:
    answer = await sim.control(method, path, body)
    assert answer.status == status
    assert words in answer.body["error"]


async def test_knobs_can_be_read_and_changed(sim: Sim) -> None:
    answer = await sim.control("PATCH", "/knobs", {"unknown_job_status": "404", "page_info": "on"})
    assert (answer.body["unknown_job_status"], answer.body["page_info"]) == (404, True)
    assert (await sim.control("GET", "/knobs")).body == answer.body
    assert set(answer.body) == set(Knobs.model_fields)


async def test_jobs_are_shown_with_what_clients_cannot_see(sim: Sim) -> None:
    await sim.fault(job={"forget": True})
    job_id = await sim.accepted()
    (job,) = (await sim.control("GET", "/jobs")).body["jobs"]
    assert (job["job_id"], job["_simulator"]["forgotten"], job["_simulator"]["phase"]) == (job_id, True, "INIT")
