"""Behaviours 35 and 44: tokens for workloads with an ID token of an OpenID Connect issuer."""

from __future__ import annotations

import pytest

from simulator import sdk
from simulator.harness import Answer, Sim
from simulator.identities import (
    ID_TOKENS,
    KEYS,
    SUBJECT,
    Issuer,
    by_token,
    exchange,
    trust,
)
from simulator.signing import send


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
async def test_b44_an_invalid_id_token_is_refused(sim: Sim, issuer: Issuer, changes: dict[str, object]) -> None:
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


async def exchange_body(sim: Sim, body: object, provider: str = "k8s") -> Answer:
    return await sim.call("POST", ID_TOKENS, body, headers={"X-Idp-Id": provider}, token="")


@pytest.mark.behaviour(44)
async def test_b44_a_token_shows_that_its_user_is_federated(sim: Sim, issuer: Issuer) -> None:
    await trust(sim, issuer)
    token = (await exchange(sim, issuer.token(sim.clock()))).body["token"]
    assert token["methods"] == ["mapped"]
    assert token["user"]["name"] == SUBJECT
    assert token["user"]["OS-FEDERATION"]["identity_provider"] == {"id": "k8s"}


@pytest.mark.behaviour(44)
async def test_b44_a_token_without_a_scope_can_get_temporary_keys(sim: Sim, issuer: Issuer) -> None:
    await trust(sim, issuer)
    answer = await exchange_body(sim, {"auth": {"id_token": {"id": issuer.token(sim.clock())}}})
    assert answer.status == 201
    assert not {"project", "domain"} & set(answer.body["token"])
    token = answer.headers["X-Subject-Token"]
    assert (await sim.call("GET", "/v2/cloudimages", token=token)).code == (401, "APIGW.0301")
    key = (await sim.call("POST", KEYS, by_token(id=token, duration_seconds=21600), token="")).body["credential"]
    login = sdk.credentials(key["access"], key["secret"], sim.project_id, key["securitytoken"])
    assert (await send(sim, login)).status == 200
    assert (await sim.calls(kind="quota"))[-1]["user"] == SUBJECT


@pytest.mark.behaviour(44)
@pytest.mark.parametrize("body", [{}, {"auth": {"id_token": {}}}, {"auth": {"id_token": "x"}}, []])
async def test_b44_an_invalid_request_is_iam_0011(sim: Sim, issuer: Issuer, body: object) -> None:
    await trust(sim, issuer)
    assert (await exchange_body(sim, body)).code == (400, "IAM.0011")


@pytest.mark.behaviour(44)
async def test_b44_an_unknown_scope_is_iam_0004(sim: Sim, issuer: Issuer) -> None:
    await trust(sim, issuer)
    auth = {"id_token": {"id": issuer.token(sim.clock())}, "scope": {"project": {"name": "eu-nowhere"}}}
    assert (await exchange_body(sim, {"auth": auth})).code == (404, "IAM.0004")


@pytest.mark.behaviour(44)
async def test_b44_an_unknown_provider_may_be_404(sim: Sim, issuer: Issuer) -> None:
    assert (await exchange(sim, issuer.token(sim.clock()), "nothing")).code == (401, "IAM.0001")
    await sim.knobs(unknown_provider_status=404)
    assert (await exchange(sim, issuer.token(sim.clock()), "nothing")).code == (404, "IAM.0004")


@pytest.mark.behaviour(44)
async def test_b44_disabling_a_provider_invalidates_its_tokens(sim: Sim, issuer: Issuer) -> None:
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
async def test_b44_the_configuration_shows_the_identity_providers(sim: Sim, issuer: Issuer) -> None:
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
async def test_b44_an_invalid_provider_is_refused_with_the_reason(sim: Sim, order: object, words: str) -> None:
    answer = await sim.control("PUT", "/identity_providers/k8s", order)
    assert answer.status == 400
    assert words in answer.body["error"]
