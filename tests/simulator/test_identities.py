"""Behaviours 33, 34, 35 and 44: projects, agencies, temporary keys, identity providers and keys without a Secret."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from simulator import sdk
from simulator.harness import Answer, Sim
from simulator.test_signatures import key_of, send

AGENT = 2
"""The login with the role Agent Operator."""
TOKENS = "/v3/auth/tokens"
KEYS = "/v3.0/OS-CREDENTIAL/securitytokens"
ID_TOKENS = "/v3.0/OS-AUTH/id-token/tokens"
SUBJECT = "system:serviceaccount:imagecopy-system:imagecopy-operator"


def agency(sim: Sim, name: str) -> Any:
    return next(known for known in sim.config["agencies"] if known["name"] == name)


def assume(sim: Sim, name: str = "sim-copy-agency", key: str = "agency_name", **more: object) -> dict[str, Any]:
    role = {"domain_name": "sim-partner", key: name, **more}
    return {"identity": {"methods": ["assume_role"], "assume_role": role}}


async def agent_token(sim: Sim, login: int = AGENT) -> str:
    return await sim.login(scope={"domain": {"name": "sim-domain"}}, login=login)


async def agency_token(sim: Sim, name: str = "sim-copy-agency", login: int = AGENT, key: str = "agency_name") -> Answer:
    body = assume(sim, name, key)
    known = next((one for one in sim.config["agencies"] if one["name"] == name), sim.config["agencies"][0])
    scope = {"project": {"id": known["project_id"]}}
    return await sim.call("POST", TOKENS, {"auth": {**body, "scope": scope}}, token=await agent_token(sim, login))


@pytest.mark.behaviour(34)
async def test_b34_projects_are_listed_by_name_for_a_token_and_for_a_signature(sim: Sim) -> None:
    by_token = await sim.call("GET", "/v3/projects", params={"name": "eu-sim-1"})
    by_key = await send(sim, key_of(sim), path="/v3/projects", query=[("name", "eu-sim-1")])
    for answer in (by_token, by_key):
        assert [project["id"] for project in answer.body["projects"]] == [sim.project_id]
    assert (await sim.call("GET", "/v3/projects", params={"name": "eu-nowhere"})).body["projects"] == []
    assert len((await sim.call("GET", "/v3/projects")).body["projects"]) == 2
    assert (await sim.call("GET", "/v3/projects", token="")).code == (401, 401)


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
async def test_b34_an_agency_that_may_not_be_taken_is_refused(sim: Sim, name: str, login: int, code: int) -> None:
    assert (await agency_token(sim, name, login)).code == (code, code)


@pytest.mark.behaviour(34)
async def test_b34_the_agency_may_have_to_be_named_the_other_way(sim: Sim) -> None:
    assert (await agency_token(sim, key="xrole_name")).status == 201
    await sim.knobs(agency_key="xrole_name")
    assert (await agency_token(sim)).code == (400, 400)
    assert (await agency_token(sim, key="xrole_name")).status == 201


@pytest.mark.behaviour(33)
async def test_b33_temporary_keys_sign_with_their_security_token_only(sim: Sim) -> None:
    body = {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 900}}}}
    answer = await sim.call("POST", KEYS, body)
    assert answer.status == 201
    key = answer.body["credential"]
    whole = sdk.credentials(key["access"], key["secret"], sim.project_id, key["securitytoken"])
    assert (await send(sim, whole)).status == 200
    assert (await sim.calls(kind="quota"))[-1]["way"] == "temporary_key"
    without = sdk.credentials(key["access"], key["secret"], sim.project_id)
    assert (await send(sim, without)).code == (401, "APIGW.0301")
    other = sdk.credentials(key["access"], key["secret"], sim.project_id, "another")
    assert (await send(sim, other)).code == (401, "APIGW.0301")
    sim.clock.move(900)
    assert (await send(sim, whole)).code == (401, "APIGW.0307")


@pytest.mark.behaviour(33)
async def test_b33_an_agencys_temporary_keys_are_got_by_a_signature(sim: Sim) -> None:
    body = {"auth": assume(sim, duration_seconds=3600)}
    answer = await send(sim, key_of(sim, AGENT), "POST", KEYS, body=json.dumps(body).encode())
    assert answer.status == 201, answer.text
    key, known = answer.body["credential"], agency(sim, "sim-copy-agency")
    login = sdk.credentials(key["access"], key["secret"], known["project_id"], key["securitytoken"])
    assert (await send(sim, login)).status == 200
    elsewhere = sdk.credentials(key["access"], key["secret"], sim.project_id, key["securitytoken"])
    assert (await send(sim, elsewhere)).status == 401


@pytest.mark.behaviour(33)
@pytest.mark.parametrize("seconds", [899, 86401])
async def test_b33_temporary_keys_live_from_a_quarter_of_an_hour_to_a_day(sim: Sim, seconds: int) -> None:
    body = {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": seconds}}}}
    assert (await sim.call("POST", KEYS, body)).code == (400, 400)


@pytest.mark.behaviour(35)
@pytest.mark.parametrize("status", [403, 400])
async def test_b35_whoever_may_only_read_is_refused(sim: Sim, status: int) -> None:
    await sim.knobs(permission_status=status)
    path = f"/v1/cloudimages/{sim.source()}/copy"
    signed = await send(sim, key_of(sim, 1), "POST", path, body=b'{"name": "n"}')
    by_token = await sim.call("POST", path, {"name": "n"}, token=await sim.login(login=1))
    reader = (await agency_token(sim, "sim-read-agency")).headers["X-Subject-Token"]
    by_agency = await sim.call("POST", path, {"name": "n"}, token=reader)
    assert [answer.code for answer in (signed, by_token, by_agency)] == [(status, "IMG.0026")] * 3


class Issuer:
    """An API server's signing key."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self.key.public_key().public_numbers()
        self.jwks = {"keys": [{"kty": "RSA", "kid": "1", "n": self._number(numbers.n), "e": self._number(numbers.e)}]}

    @staticmethod
    def _number(value: int) -> str:
        return Issuer._part(value.to_bytes((value.bit_length() + 7) // 8, "big"))

    @staticmethod
    def _part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    def token(self, now: float, **changes: object) -> str:
        header = {"alg": changes.pop("alg", "RS256"), "kid": changes.pop("kid", "1")}
        claims = {"iss": "https://k8s", "aud": ["imagecopy"], "sub": SUBJECT, "exp": now + 600, **changes}
        signed = ".".join(self._part(json.dumps(part).encode()) for part in (header, claims))
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{self._part(signature)}"


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


async def trust(sim: Sim, issuer: Issuer, **changes: object) -> None:
    order = {"issuer": "https://k8s", "audience": "imagecopy", "jwks": issuer.jwks, **changes}
    answer = await sim.control("PUT", "/identity_providers/k8s", order)
    assert answer.status == 200, answer.text


async def exchange(sim: Sim, token: str, provider: str = "k8s") -> Answer:
    body = {"auth": {"id_token": {"id": token}, "scope": {"project": {"name": "eu-sim-1"}}}}
    return await sim.call("POST", ID_TOKENS, body, headers={"X-Idp-Id": provider}, token="")


@pytest.mark.behaviour(44)
async def test_b44_a_service_account_token_is_exchanged_for_a_token_of_the_project(sim: Sim, issuer: Issuer) -> None:
    await trust(sim, issuer)
    answer = await exchange(sim, issuer.token(sim.clock()))
    assert answer.status == 201, answer.text
    assert answer.body["token"]["project"]["id"] == sim.project_id
    token = answer.headers["X-Subject-Token"]
    copied = await sim.call("POST", f"/v1/cloudimages/{sim.source()}/copy", {"name": "n"}, token=token)
    assert copied.status == 200
    assert issuer.token(sim.clock())[:40] not in str(await sim.calls(kind="token"))


@pytest.mark.behaviour(44)
@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 0},
        {"aud": "another"},
        {"iss": "https://evil"},
        {"nbf": 4_000_000_000},
        {"sub": ""},
        {"alg": "none"},
        {"kid": "2"},
    ],
    ids=str,
)
async def test_b44_an_id_token_that_proves_nothing_is_refused(
    sim: Sim, issuer: Issuer, changes: dict[str, object]
) -> None:
    await trust(sim, issuer)
    answer = await exchange(sim, issuer.token(sim.clock(), **changes))
    assert answer.status == 401
    assert (await sim.calls(kind="token"))[-1]["reason"]


@pytest.mark.behaviour(44)
async def test_b44_another_key_a_changed_token_and_an_unknown_provider_are_refused(sim: Sim, issuer: Issuer) -> None:
    await trust(sim, issuer)
    good = issuer.token(sim.clock())
    head, claims, signature = good.split(".")
    assert (await exchange(sim, Issuer().token(sim.clock()))).status == 401
    assert (await exchange(sim, f"{head}.{claims}A.{signature}")).status == 401
    assert (await exchange(sim, "no.token")).status == 401
    assert (await exchange(sim, good, "unknown")).status == 401
    await trust(sim, issuer, subjects=["system:serviceaccount:other:other"])
    assert (await exchange(sim, good)).status == 401


@pytest.mark.behaviour(44)
async def test_b44_the_metadata_service_gives_keys_of_the_nodes_agency(sim: Sim) -> None:
    seconds = {"X-Metadata-Token-Ttl-Seconds": "21600"}
    token = await sim.call("PUT", "/meta-data/latest/api/token", headers=seconds, token="")
    assert token.status == 200
    shown = {"X-Metadata-Token": token.text}
    key = (await sim.call("GET", "/openstack/latest/securitykey", headers=shown, token="")).body["credential"]
    login = sdk.credentials(key["access"], key["secret"], sim.project_id, key["securitytoken"])
    assert (await send(sim, login)).status == 200
    sim.clock.move(21600)
    assert (await sim.call("GET", "/openstack/latest/securitykey", headers=shown, token="")).status == 401


@pytest.mark.behaviour(44)
@pytest.mark.parametrize("status", [404, 405, 503])
async def test_b44_a_metadata_service_without_tokens_gives_keys_without(sim: Sim, status: int) -> None:
    await sim.knobs(metadata_token_status=status)
    answer = await sim.call("PUT", "/meta-data/latest/api/token", headers={"X-Metadata-Token-Ttl-Seconds": "60"})
    assert answer.status == status
    assert (await sim.call("GET", "/openstack/latest/securitykey", token="")).status == 200


@pytest.mark.behaviour(44)
async def test_b44_a_node_without_an_agency_says_so(sim: Sim) -> None:
    await sim.knobs(node_agency=False, metadata_token_required=False)
    answer = await sim.call("GET", "/openstack/latest/securitykey", token="")
    assert answer.status == 401
    assert "Please configure Cloud Service Agency first" in answer.text
    await sim.knobs(metadata_token_required=True)
    assert "X-Metadata-Token is missing" in (await sim.call("GET", "/openstack/latest/securitykey", token="")).text


@pytest.mark.behaviour(44)
async def test_b44_pod_identity_wants_the_token_file_as_it_is(sim: Sim) -> None:
    pod = sim.config["pod_identity"]
    path = "/" + pod["uri"].split("/", 3)[3]
    assert (await sim.call("POST", path, {}, headers={"Authorization": f"Bearer {pod['token']}"})).status == 401
    answer = await sim.call("POST", path, {}, headers={"Authorization": pod["token"]}, token="")
    key = answer.body["credentials"]
    login = sdk.credentials(key["accessKeyId"], key["secretAccessKey"], sim.project_id, key["securityToken"])
    assert (await send(sim, login)).status == 200
