"""Behaviours 34 and 44: the finer points of agencies, of temporary keys and of federated users."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator import sdk
from simulator.harness import Answer, Sim
from simulator.test_identities import (
    AGENT,
    ID_TOKENS,
    KEYS,
    SUBJECT,
    TOKENS,
    Issuer,
    agency,
    agency_token,
    agent_token,
    assume,
    exchange,
    trust,
)
from simulator.test_signatures import key_of, send


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.mark.behaviour(34)
async def test_b34_an_agencys_token_tells_who_took_it(sim: Sim) -> None:
    told = (await agency_token(sim)).body["token"]
    assert told["methods"] == ["assume_role"]
    assert told["user"]["name"] == "sim-partner/sim-copy-agency"
    assert told["assumed_by"]["user"]["name"] == "sim-agent"
    assert told["assumed_by"]["user"]["domain"]["name"] == "sim-domain"


@pytest.mark.behaviour(34)
async def test_b34_the_configuration_tells_what_an_agency_can_copy(sim: Sim) -> None:
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
async def test_b34_an_agency_cannot_be_taken_by_an_agency(sim: Sim) -> None:
    token = (await agency_token(sim)).headers["X-Subject-Token"]
    assert (await sim.call("POST", TOKENS, {"auth": assume(sim)}, token=token)).code == (403, 403)


@pytest.mark.behaviour(34)
@pytest.mark.parametrize("token", ["", "MIIinvented"])
async def test_b34_an_agency_is_not_taken_without_a_token(sim: Sim, token: str) -> None:
    answer = await sim.call("POST", TOKENS, {"auth": assume(sim)}, token=token)
    assert answer.code == (401, 401)
    assert answer.headers["X-IAM-Trace-Id"]


@pytest.mark.behaviour(34)
async def test_b34_an_agency_is_not_taken_with_an_expired_token(sim: Sim) -> None:
    await sim.knobs(token_seconds=60)
    token = await agent_token(sim)
    sim.clock.move(60)
    assert (await sim.call("POST", TOKENS, {"auth": assume(sim)}, token=token)).code == (401, 401)


@pytest.mark.behaviour(34)
@pytest.mark.parametrize("scope", [{"project": {"name": "eu-sim-1_other"}}, {"domain": {"name": "sim-domain"}}])
async def test_b34_the_takers_own_account_is_no_scope_of_an_agency(sim: Sim, scope: Any) -> None:
    body = {"auth": {**assume(sim), "scope": scope}}
    assert (await sim.call("POST", TOKENS, body, token=await agent_token(sim))).code == (401, 401)


@pytest.mark.behaviour(34)
async def test_b34_another_account_is_no_scope_of_a_user(sim: Sim) -> None:
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


async def keys_of(sim: Sim, scope: object = None) -> Any:
    body: dict[str, Any] = {"auth": assume(sim, duration_seconds=900)}
    if scope is not None:
        body["auth"]["scope"] = scope
    answer = await send(sim, key_of(sim, AGENT), "POST", KEYS, body=json.dumps(body).encode())
    assert answer.status == 201, answer.text
    return answer.body["credential"]


@pytest.mark.behaviour(34)
async def test_b34_temporary_keys_with_a_scope_are_good_in_one_project(sim: Sim) -> None:
    await sim.knobs(signed_without_project="refuse")
    bound = await keys_of(sim, {"project": {"name": "eu-sim-1"}})
    login = sdk.credentials(bound["access"], bound["secret"], None, bound["securitytoken"])
    assert (await send(sim, login)).status == 200
    free = await keys_of(sim)
    login = sdk.credentials(free["access"], free["secret"], None, free["securitytoken"])
    assert (await send(sim, login)).status == 401


@pytest.mark.behaviour(34)
async def test_b34_the_token_of_the_header_goes_before_that_of_the_body(sim: Sim) -> None:
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": "MIIinvented"}}}}
    assert (await sim.call("POST", KEYS, body)).status == 201
    assert (await sim.call("POST", KEYS, body, token="")).code == (401, 401)


@pytest.mark.behaviour(34, 35)
async def test_b35_a_readers_temporary_keys_are_a_readers(sim: Sim) -> None:
    body = {"auth": {"identity": {"methods": ["token"]}}}
    key = (await sim.call("POST", KEYS, body, token=await sim.login(login=1))).body["credential"]
    login = sdk.credentials(key["access"], key["secret"], sim.project_id, key["securitytoken"])
    answer = await send(sim, login, "POST", f"/v1/cloudimages/{sim.source()}/copy", body=b'{"name": "n"}')
    assert answer.code == (403, "IMG.0026")


async def swap(sim: Sim, body: object, provider: str = "k8s") -> Answer:
    return await sim.call("POST", ID_TOKENS, body, headers={"X-Idp-Id": provider}, token="")


@pytest.mark.behaviour(44)
async def test_b44_a_federated_user_is_told_as_one(sim: Sim, issuer: Issuer) -> None:
    await trust(sim, issuer)
    told = (await exchange(sim, issuer.token(sim.clock()))).body["token"]
    assert told["methods"] == ["mapped"]
    assert told["user"]["name"] == SUBJECT
    assert told["user"]["OS-FEDERATION"]["identity_provider"] == {"id": "k8s"}


@pytest.mark.behaviour(44)
async def test_b44_without_a_scope_the_token_has_none_but_is_good_for_temporary_keys(sim: Sim, issuer: Issuer) -> None:
    await trust(sim, issuer)
    answer = await swap(sim, {"auth": {"id_token": {"id": issuer.token(sim.clock())}}})
    assert answer.status == 201
    assert not {"project", "domain"} & set(answer.body["token"])
    token = answer.headers["X-Subject-Token"]
    assert (await sim.call("GET", "/v2/cloudimages", token=token)).code == (401, "APIGW.0301")
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": token, "duration_seconds": 21600}}}}
    key = (await sim.call("POST", KEYS, body, token="")).body["credential"]
    login = sdk.credentials(key["access"], key["secret"], sim.project_id, key["securitytoken"])
    assert (await send(sim, login)).status == 200
    assert (await sim.calls(kind="quota"))[-1]["user"] == SUBJECT


@pytest.mark.behaviour(44)
@pytest.mark.parametrize("body", [{}, {"auth": {"id_token": {}}}, {"auth": {"id_token": "x"}}, []])
async def test_b44_a_request_that_makes_no_sense_is_iam_0011(sim: Sim, issuer: Issuer, body: object) -> None:
    await trust(sim, issuer)
    assert (await swap(sim, body)).code == (400, "IAM.0011")


@pytest.mark.behaviour(44)
async def test_b44_a_scope_that_is_not_there_is_iam_0004(sim: Sim, issuer: Issuer) -> None:
    await trust(sim, issuer)
    auth = {"id_token": {"id": issuer.token(sim.clock())}, "scope": {"project": {"name": "eu-nowhere"}}}
    assert (await swap(sim, {"auth": auth})).code == (404, "IAM.0004")


@pytest.mark.behaviour(44)
async def test_b44_an_unknown_provider_may_be_404(sim: Sim, issuer: Issuer) -> None:
    assert (await exchange(sim, issuer.token(sim.clock()), "nothing")).code == (401, "IAM.0001")
    await sim.knobs(unknown_provider_status=404)
    assert (await exchange(sim, issuer.token(sim.clock()), "nothing")).code == (404, "IAM.0004")


@pytest.mark.behaviour(44)
async def test_b44_a_provider_that_is_switched_off_takes_its_tokens_along(sim: Sim, issuer: Issuer) -> None:
    await trust(sim, issuer)
    token = (await exchange(sim, issuer.token(sim.clock()))).headers["X-Subject-Token"]
    assert (await sim.call("GET", "/v2/cloudimages", token=token)).status == 200
    await trust(sim, issuer, enabled=False)
    assert (await exchange(sim, issuer.token(sim.clock()))).code == (401, "IAM.0001")
    assert (await sim.call("GET", "/v2/cloudimages", token=token)).code == (401, "APIGW.0301")


@pytest.mark.behaviour(35, 44)
async def test_b35_a_provider_may_be_mapped_to_readers(sim: Sim, issuer: Issuer) -> None:
    await trust(sim, issuer, can_copy=False)
    token = (await exchange(sim, issuer.token(sim.clock()))).headers["X-Subject-Token"]
    copy = await sim.call("POST", f"/v1/cloudimages/{sim.source()}/copy", {"name": "n"}, token=token)
    assert copy.code == (403, "IMG.0026")


@pytest.mark.behaviour(44)
async def test_b44_the_configuration_tells_what_a_provider_takes(sim: Sim, issuer: Issuer) -> None:
    await trust(sim, issuer, subjects=[SUBJECT])
    (provider,) = (await sim.control("GET", "/config")).body["identity_providers"]
    assert provider["subjects"] == [SUBJECT]
    assert (provider["issuer"], provider["audience"]) == ("https://k8s", "imagecopy")
    assert provider["can_copy"]
    assert provider["enabled"]


@pytest.mark.behaviour(44)
@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"issuer": "i", "audience": "a"}, "jwks: Field required"),
        ({"issuer": "i", "audience": "a", "jwks": {}}, "must be a JSON Web Key Set"),
        ({"issuer": "", "audience": "a", "jwks": {"keys": []}}, "issuer: String should have at least 1"),
    ],
)
async def test_b44_a_bad_provider_says_what_is_wrong(sim: Sim, order: object, words: str) -> None:
    answer = await sim.control("PUT", "/identity_providers/k8s", order)
    assert answer.status == 400
    assert words in answer.body["error"]


@pytest.mark.behaviour(44)
@pytest.mark.parametrize("seconds", ["", "0", "21601", "-1", "an hour"])
async def test_b44_a_metadata_token_lives_six_hours_at_most(sim: Sim, seconds: str) -> None:
    headers = {"X-Metadata-Token-Ttl-Seconds": seconds}
    assert (await sim.call("PUT", "/meta-data/latest/api/token", headers=headers, token="")).status == 400


@pytest.mark.behaviour(44)
@pytest.mark.parametrize("token", ["invented", "9999999999.0", "."])
async def test_b44_a_wrong_metadata_token_is_401(sim: Sim, token: str) -> None:
    answer = await sim.call("GET", "/openstack/latest/securitykey", headers={"X-Metadata-Token": token}, token="")
    assert answer.status == 401
    assert "Please configure" not in answer.text


@pytest.mark.behaviour(44)
async def test_b44_keys_without_a_secret_can_be_short_lived(sim: Sim) -> None:
    await sim.knobs(temporary_key_seconds=120)
    key = (await sim.call("GET", "/openstack/latest/securitykey", token="")).body["credential"]
    login = sdk.credentials(key["access"], key["secret"], sim.project_id, key["securitytoken"])
    sim.clock.move(119)
    assert (await send(sim, login)).status == 200
    sim.clock.move(1)
    assert (await send(sim, login)).code == (401, "APIGW.0307")


@pytest.mark.behaviour(44)
async def test_b44_the_token_of_a_pod_can_be_changed(sim: Sim) -> None:
    pod = sim.config["pod_identity"]
    path = "/" + pod["uri"].split("/", 3)[3]
    await sim.knobs(pod_identity_token="rotated")
    assert (await sim.call("POST", path, {}, headers={"Authorization": pod["token"]}, token="")).status == 401
    assert (await sim.call("POST", path, {}, headers={"Authorization": "rotated"}, token="")).status == 200
    assert (await sim.control("GET", "/config")).body["pod_identity"]["token"] == "rotated"
