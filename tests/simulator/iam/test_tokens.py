"""Behaviours 32 and 34: tokens, how the gateway checks them, and the list of projects."""

from __future__ import annotations

import re
from typing import Any

import pytest

from simulator.harness import Sim
from simulator.signing import key_of, send


@pytest.mark.behaviour(34)
async def test_b34_a_token_is_in_the_header_and_its_project_in_the_body(sim: Sim) -> None:
    answer = await sim.authenticate()
    assert answer.status == 201
    assert answer.headers["X-Subject-Token"] not in answer.text
    token = answer.body["token"]
    assert token["project"]["id"] == sim.project_id
    assert re.fullmatch(r"2025-06-16T\d\d:\d\d:\d\d\.\d{6}Z", token["expires_at"])
    assert token["user"]["domain"]["name"] == "sim-domain"


@pytest.mark.behaviour(34)
async def test_b34_the_project_may_be_named(sim: Sim) -> None:
    token = await sim.login(scope={"project": {"name": "eu-sim-1"}})
    assert (await sim.call("GET", "/v2/cloudimages", token=token)).status == 200


@pytest.mark.behaviour(34)
async def test_b34_the_project_wins_when_a_domain_is_given_too(sim: Sim) -> None:
    token = await sim.login(scope={"project": {"id": sim.project_id}, "domain": {"name": "sim-domain"}})
    assert (await sim.call("GET", "/v2/cloudimages", token=token)).status == 200


@pytest.mark.behaviour(34)
async def test_b34_the_catalogue_points_to_the_simulator_itself(sim: Sim) -> None:
    catalog = (await sim.authenticate()).body["token"]["catalog"]
    entry = next(entry for entry in catalog if entry["type"] == "image")
    assert entry["name"] == "glance"
    assert entry["endpoints"][0]["url"] == str(sim.client.make_url("")).rstrip("/")
    assert "catalog" not in (await sim.authenticate(query="?nocatalog=true")).body["token"]


@pytest.mark.behaviour(34)
@pytest.mark.parametrize("scope", [{"domain": {"name": "sim-domain"}}, {}])
async def test_b34_ims_refuses_a_token_without_a_project(sim: Sim, scope: object) -> None:
    token = await sim.login(scope=scope)
    assert (await sim.call("GET", "/v2/cloudimages", token=token)).code == (401, "APIGW.0301")
    await sim.knobs(domain_token="ims")
    assert (await sim.call("GET", "/v2/cloudimages", token=token)).code == (400, "IMG.0030")


@pytest.mark.behaviour(34)
@pytest.mark.parametrize(
    "user",
    [{"password": "wrong"}, {"name": "nobody"}, {"domain": {"name": "elsewhere"}}],
)
async def test_b34_a_wrong_login_is_401_with_an_integer_code(sim: Sim, user: dict[str, Any]) -> None:
    answer = await sim.authenticate(**user)
    assert answer.status == 401
    assert answer.body["error"] == {
        "code": 401,
        "title": "Unauthorized",
        "message": "The username or password is wrong.",
    }


@pytest.mark.behaviour(34)
async def test_b34_five_wrong_passwords_in_a_row_lock_the_login(sim: Sim) -> None:
    for _ in range(5):
        wrong = await sim.authenticate(password="wrong")
    locked = await sim.authenticate()
    assert locked.status == 401
    assert locked.body["error"]["message"] != wrong.body["error"]["message"]
    sim.clock.move(899)
    assert (await sim.authenticate()).status == 401
    sim.clock.move(1)
    assert (await sim.authenticate()).status == 201


@pytest.mark.behaviour(34)
async def test_b34_a_right_password_resets_the_count_of_wrong_ones(sim: Sim) -> None:
    for _ in range(2):
        for _ in range(4):
            await sim.authenticate(password="wrong")
        assert (await sim.authenticate()).status == 201


@pytest.mark.behaviour(34)
async def test_b34_an_unknown_project_is_refused(sim: Sim) -> None:
    scope = {"project": {"name": "eu-nowhere"}}
    assert (await sim.authenticate(scope=scope)).code == (401, 401)
    await sim.knobs(unknown_project_status=404)
    assert (await sim.authenticate(scope=scope)).code == (404, 404)


@pytest.mark.behaviour(34)
@pytest.mark.parametrize("data", ["", "{", "[]", '{"auth": {}}', '{"auth": {"identity": {"methods": ["totp"]}}}'])
async def test_b34_an_invalid_request_is_400(sim: Sim, data: str) -> None:
    assert (await sim.call("POST", "/v3/auth/tokens", data=data, token="")).code == (400, 400)


@pytest.mark.behaviour(32)
@pytest.mark.parametrize("token", ["", "MIIinvented"])
async def test_b32_no_token_or_an_unknown_one_is_0301(sim: Sim, token: str) -> None:
    answer = await sim.call("GET", "/v2/cloudimages", token=token)
    assert answer.code == (401, "APIGW.0301")
    assert sorted(answer.body) == ["error_code", "error_msg", "request_id"]


@pytest.mark.behaviour(32)
async def test_b32_an_expired_token_is_0307(sim: Sim) -> None:
    await sim.knobs(token_seconds=60)
    token = await sim.login()
    sim.clock.move(59)
    assert (await sim.call("GET", "/v2/cloudimages", token=token)).status == 200
    sim.clock.move(1)
    answer = await sim.call("GET", "/v2/cloudimages", token=token)
    assert answer.code == (401, "APIGW.0307")
    assert answer.body["error_msg"] == "The token must be updated."


@pytest.mark.behaviour(34)
async def test_b34_an_old_token_stays_valid_when_a_new_one_is_made(sim: Sim) -> None:
    assert await sim.login() != sim.token
    assert (await sim.call("GET", "/v2/cloudimages")).status == 200


@pytest.mark.behaviour(34)
async def test_b34_projects_are_listed_by_name_for_a_token_and_for_a_signature(sim: Sim) -> None:
    by_token = await sim.call("GET", "/v3/projects", params={"name": "eu-sim-1"})
    by_key = await send(sim, key_of(sim), path="/v3/projects", query=[("name", "eu-sim-1")])
    for answer in (by_token, by_key):
        assert [project["id"] for project in answer.body["projects"]] == [sim.project_id]
    assert (await sim.call("GET", "/v3/projects", params={"name": "eu-nowhere"})).body["projects"] == []
    assert len((await sim.call("GET", "/v3/projects")).body["projects"]) == 2
    assert (await sim.call("GET", "/v3/projects", token="")).code == (401, 401)
