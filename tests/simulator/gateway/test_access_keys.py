"""Behaviour 33: the lock of an access key, its project and its security token."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application

from ims_simulator.app import create_app
from ims_simulator.gateway.service import MAX_BODY
from ims_simulator.settings.knobs import Knobs
from simulator import sdk
from simulator.harness import COPY_SECONDS, Answer, FakeClock, Sim
from simulator.identities import KEYS, by_token, temporary_key
from simulator.signing import LOCKED, key_of, send

QUOTA = "/v1/cloudimages/quota"


def reason(answer: Answer) -> str:
    """The reason in the gateway's refusal, without the words that all refusals share."""
    assert answer.code == (401, "APIGW.0301")
    assert answer.body["request_id"] == answer.headers["X-Request-Id"]
    return str(answer.body["error_msg"]).removeprefix("Incorrect IAM authentication information: ")


def wrong_key(sim: Sim, login: int = 0) -> Any:
    return sdk.credentials(sim.config["logins"][login]["access_key"], "wrong", sim.project_id)


@pytest.mark.behaviour(33)
async def test_b33_a_lock_applies_to_one_key_only(sim: Sim) -> None:
    for _ in range(6):
        await send(sim, wrong_key(sim))
    assert reason(await send(sim, key_of(sim))) == LOCKED
    assert (await send(sim, key_of(sim, 1))).status == 200
    assert (await sim.call("GET", QUOTA)).status == 200


@pytest.mark.behaviour(33)
async def test_b33_locks_and_temporary_keys_survive_a_restart(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "state"

    def app_of() -> Application:
        return create_app(knobs=Knobs(copy_seconds=COPY_SECONDS), state_file=path, clock=clock)

    async with TestClient(TestServer(app_of())) as client:
        sim = Sim(client, clock)
        await sim.start()
        key = await temporary_key(sim)
        for _ in range(6):
            await send(sim, wrong_key(sim))
    async with TestClient(TestServer(app_of())) as client:
        again = Sim(client, clock)
        again.config = sim.config
        login = sdk.credentials(key["access"], key["secret"], sim.project_id, key["securitytoken"])
        assert (await send(again, login)).status == 200
        assert reason(await send(again, key_of(again))) == LOCKED


@pytest.mark.behaviour(33)
async def test_b33_a_signature_without_a_project_is_for_the_regions_main_project(sim: Sim) -> None:
    known = sim.config["logins"][0]
    login = sdk.credentials(known["access_key"], known["secret_key"])
    answer = await send(sim, login, path="/v2/cloudimages", query=[("__imagetype", "private")])
    assert {image["owner"] for image in answer.body["images"]} == {sim.project_id}
    await sim.knobs(signed_without_project="refuse")
    assert reason(await send(sim, login)) == "x-project-id not found"


@pytest.mark.behaviour(33)
async def test_b33_a_project_of_another_account_is_refused(sim: Sim) -> None:
    known, theirs = sim.config["logins"][0], sim.config["agencies"][0]["project_id"]
    login = sdk.credentials(known["access_key"], known["secret_key"], theirs)
    assert reason(await send(sim, login)) == "project is not one of the access key's"


@pytest.mark.behaviour(33)
async def test_b33_a_temporary_key_needs_its_security_token(sim: Sim) -> None:
    key = await temporary_key(sim)
    without = sdk.credentials(key["access"], key["secret"], sim.project_id)
    assert reason(await send(sim, without)) == f"Get secretKey failed,ak:{key['access']},err:ak not exist"
    other = sdk.credentials(key["access"], key["secret"], sim.project_id, "another")
    assert reason(await send(sim, other)) == "decrypt token fail"


@pytest.mark.behaviour(33)
async def test_b33_a_permanent_key_with_a_security_token_is_refused(sim: Sim) -> None:
    known = sim.config["logins"][0]
    login = sdk.credentials(known["access_key"], known["secret_key"], sim.project_id, "invented")
    assert reason(await send(sim, login)) == "decrypt token fail"


@pytest.mark.behaviour(33)
async def test_b33_the_code_of_an_expired_key_can_be_chosen(sim: Sim) -> None:
    await sim.knobs(temporary_key_seconds=30, expired_key_code="0301")
    key = await temporary_key(sim)
    sim.clock.move(30)
    login = sdk.credentials(key["access"], key["secret"], sim.project_id, key["securitytoken"])
    assert (await send(sim, login)).code == (401, "APIGW.0301")


@pytest.mark.behaviour(33)
@pytest.mark.parametrize("date", ["20250615T150640", "yesterday", "2025-06-15T15:06:40Z"])
async def test_b33_the_date_must_have_the_documented_form(sim: Sim, date: str) -> None:
    answer = await send(sim, key_of(sim), changed={"X-Sdk-Date": date})
    assert reason(answer) == "calc aksk signature fail:x-sdk-date is not of the form YYYYMMDDTHHMMSSZ"


@pytest.mark.behaviour(33)
async def test_b33_a_body_over_the_limit_is_413_for_a_token(sim: Sim) -> None:
    path, body = f"/v1/cloudimages/{sim.source()}/copy", io.BytesIO(b" " * (MAX_BODY + 1))
    async with sim.client.post(path, data=body, headers={"X-Auth-Token": sim.token}) as response:
        assert (response.status, (await response.json())["error_code"]) == (413, "APIGW.0201")


@pytest.mark.behaviour(33, 39)
async def test_b33_the_newer_gateways_prefix_is_the_only_difference(sim: Sim) -> None:
    await sim.knobs(gateway_prefix="APIG")
    answer = await send(sim, sdk.credentials("NOSUCHKEY", "x", sim.project_id))
    assert answer.code == (401, "APIG.0301")


@pytest.mark.behaviour(33)
async def test_b33_the_call_log_contains_no_secret(sim: Sim) -> None:
    key = await temporary_key(sim)
    await sim.call("POST", KEYS, by_token(id=sim.token), token="")
    await send(sim, sdk.credentials(key["access"], key["secret"], sim.project_id, key["securitytoken"]))
    await send(sim, key_of(sim))
    log = (await sim.control("GET", "/calls")).text
    for secret in (sim.config["logins"][0]["secret_key"], key["secret"], key["securitytoken"], sim.token):
        assert secret not in log
    assert key["access"] in log
