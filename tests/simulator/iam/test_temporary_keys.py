"""Behaviours 33, 34 and 35: temporary access keys, for a token or for an agency."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator import sdk
from simulator.harness import Sim
from simulator.identities import (
    AGENT,
    KEYS,
    agency,
    assume,
    by_token,
    temporary_key,
)
from simulator.signing import key_of, send


@pytest.mark.behaviour(33)
async def test_b33_temporary_keys_sign_with_their_security_token_only(sim: Sim) -> None:
    key = await temporary_key(sim)
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
async def test_b33_a_signed_request_gets_temporary_keys_of_an_agency(sim: Sim) -> None:
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
    assert (await sim.call("POST", KEYS, by_token(duration_seconds=seconds))).code == (400, 400)


async def keys_of(sim: Sim, scope: object = None) -> Any:
    body: dict[str, Any] = {"auth": assume(sim, duration_seconds=900)}
    if scope is not None:
        body["auth"]["scope"] = scope
    answer = await send(sim, key_of(sim, AGENT), "POST", KEYS, body=json.dumps(body).encode())
    assert answer.status == 201, answer.text
    return answer.body["credential"]


@pytest.mark.behaviour(34)
async def test_b34_temporary_keys_with_a_scope_are_valid_in_one_project(sim: Sim) -> None:
    await sim.knobs(signed_without_project="refuse")
    bound = await keys_of(sim, {"project": {"name": "eu-sim-1"}})
    login = sdk.credentials(bound["access"], bound["secret"], None, bound["securitytoken"])
    assert (await send(sim, login)).status == 200
    free = await keys_of(sim)
    login = sdk.credentials(free["access"], free["secret"], None, free["securitytoken"])
    assert (await send(sim, login)).status == 401


@pytest.mark.behaviour(34)
async def test_b34_a_token_in_the_header_takes_precedence_over_one_in_the_body(sim: Sim) -> None:
    body = by_token(id="MIIinvented")
    assert (await sim.call("POST", KEYS, body)).status == 201
    assert (await sim.call("POST", KEYS, body, token="")).code == (401, 401)


@pytest.mark.behaviour(34, 35)
async def test_b35_temporary_keys_of_a_reader_can_only_read(sim: Sim) -> None:
    body = {"auth": {"identity": {"methods": ["token"]}}}
    key = (await sim.call("POST", KEYS, body, token=await sim.login(login=1))).body["credential"]
    login = sdk.credentials(key["access"], key["secret"], sim.project_id, key["securitytoken"])
    answer = await send(sim, login, "POST", f"/v1/cloudimages/{sim.source()}/copy", body=b'{"name": "n"}')
    assert answer.code == (403, "IMG.0026")
