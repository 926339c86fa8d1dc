"""Behaviours 34 and 35: agencies, through which one account acts for another."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.harness import Sim
from simulator.identities import (
    AGENT,
    TOKENS,
    agency,
    agency_token,
    agent_token,
    assume,
)
from simulator.signing import key_of, send


@pytest.mark.behaviour(34)
async def test_b34_an_agency_acts_in_the_account_that_made_it(sim: Sim) -> None:
    answer = await agency_token(sim)
    assert answer.status == 201
    known = agency(sim, "sim-copy-agency")
    assert answer.body["token"]["project"]["id"] == known["project_id"]
    token = answer.headers["X-Subject-Token"]
    images = (await sim.call("GET", "/v2/cloudimages", params={"__imagetype": "private"}, token=token)).body["images"]
    assert {image["owner"] for image in images} <= {known["project_id"]}
    assert (await sim.calls(kind="list"))[-1]["agency"] == "sim-copy-agency"


@pytest.mark.behaviour(34)
@pytest.mark.parametrize(
    ("name", "login", "code"),
    [("sim-closed-agency", AGENT, 403), ("sim-copy-agency", 0, 403), ("no-agency", AGENT, 404)],
    ids=["trusts another", "not an agent operator", "unknown"],
)
async def test_b34_assuming_an_agency_without_permission_is_refused(sim: Sim, name: str, login: int, code: int) -> None:
    assert (await agency_token(sim, name, login)).code == (code, code)


@pytest.mark.behaviour(34)
async def test_b34_the_field_that_names_the_agency_can_be_chosen(sim: Sim) -> None:
    assert (await agency_token(sim, key="xrole_name")).status == 201
    await sim.knobs(agency_key="xrole_name")
    assert (await agency_token(sim)).code == (400, 400)
    assert (await agency_token(sim, key="xrole_name")).status == 201


@pytest.mark.behaviour(35)
@pytest.mark.parametrize("status", [403, 400])
async def test_b35_a_copy_by_a_reader_is_refused(sim: Sim, status: int) -> None:
    await sim.knobs(permission_status=status)
    path = f"/v1/cloudimages/{sim.source()}/copy"
    signed = await send(sim, key_of(sim, 1), "POST", path, body=b'{"name": "n"}')
    by_token = await sim.call("POST", path, {"name": "n"}, token=await sim.login(login=1))
    reader = (await agency_token(sim, "sim-read-agency")).headers["X-Subject-Token"]
    by_agency = await sim.call("POST", path, {"name": "n"}, token=reader)
    assert [answer.code for answer in (signed, by_token, by_agency)] == [(status, "IMG.0026")] * 3


@pytest.mark.behaviour(34)
async def test_b34_the_token_of_an_agency_names_who_assumed_it(sim: Sim) -> None:
    token = (await agency_token(sim)).body["token"]
    assert token["methods"] == ["assume_role"]
    assert token["user"]["name"] == "sim-partner/sim-copy-agency"
    assert token["assumed_by"]["user"]["name"] == "sim-agent"
    assert token["assumed_by"]["user"]["domain"]["name"] == "sim-domain"


@pytest.mark.behaviour(34)
async def test_b34_the_configuration_names_an_image_that_an_agency_can_copy(sim: Sim) -> None:
    token = (await agency_token(sim)).headers["X-Subject-Token"]
    source = agency(sim, "sim-copy-agency")["source_image_id"]
    copy = await sim.call("POST", f"/v1/cloudimages/{source}/copy", {"name": "theirs"}, token=token)
    assert copy.status == 200, copy.text
    assert await sim.images(name="theirs") == [], "it is in the other account"


@pytest.mark.behaviour(34)
async def test_b34_the_account_of_an_agency_may_be_given_by_its_id(sim: Sim) -> None:
    role = {"domain_id": agency(sim, "sim-copy-agency")["domain_id"], "agency_name": "sim-copy-agency"}
    body = {"auth": {"identity": {"methods": ["assume_role"], "assume_role": role}}}
    assert (await sim.call("POST", TOKENS, body, token=await agent_token(sim))).status == 201


@pytest.mark.behaviour(34)
async def test_b34_an_agency_cannot_be_assumed_by_an_agency(sim: Sim) -> None:
    token = (await agency_token(sim)).headers["X-Subject-Token"]
    assert (await sim.call("POST", TOKENS, {"auth": assume(sim)}, token=token)).code == (403, 403)


@pytest.mark.behaviour(34)
@pytest.mark.parametrize("token", ["", "MIIinvented"])
async def test_b34_assuming_an_agency_needs_a_valid_token(sim: Sim, token: str) -> None:
    answer = await sim.call("POST", TOKENS, {"auth": assume(sim)}, token=token)
    assert answer.code == (401, 401)
    assert answer.headers["X-IAM-Trace-Id"]


@pytest.mark.behaviour(34)
async def test_b34_assuming_an_agency_with_an_expired_token_is_refused(sim: Sim) -> None:
    await sim.knobs(token_seconds=60)
    token = await agent_token(sim)
    sim.clock.move(60)
    assert (await sim.call("POST", TOKENS, {"auth": assume(sim)}, token=token)).code == (401, 401)


@pytest.mark.behaviour(34)
@pytest.mark.parametrize("scope", [{"project": {"name": "eu-sim-1_other"}}, {"domain": {"name": "sim-domain"}}])
async def test_b34_a_token_of_an_agency_cannot_be_scoped_to_the_callers_account(sim: Sim, scope: Any) -> None:
    body = {"auth": {**assume(sim), "scope": scope}}
    assert (await sim.call("POST", TOKENS, body, token=await agent_token(sim))).code == (401, 401)


@pytest.mark.behaviour(34)
async def test_b34_a_token_of_a_user_cannot_be_scoped_to_another_account(sim: Sim) -> None:
    assert (await sim.authenticate(scope={"domain": {"name": "sim-partner"}})).code == (401, 401)
    assert (await sim.authenticate(scope={"domain": {"id": sim.config["domain"]["id"]}})).status == 201


@pytest.mark.behaviour(34)
async def test_b34_projects_of_an_agency_are_those_of_its_account(sim: Sim) -> None:
    token = (await agency_token(sim)).headers["X-Subject-Token"]
    (project,) = (await sim.call("GET", "/v3/projects", token=token)).body["projects"]
    assert project["id"] == agency(sim, "sim-copy-agency")["project_id"]
    mine = {"domain_id": sim.config["domain"]["id"]}
    assert len((await sim.call("GET", "/v3/projects", params=mine)).body["projects"]) == 2
    assert (await sim.call("GET", "/v3/projects", params=mine, token=token)).body["projects"] == []
