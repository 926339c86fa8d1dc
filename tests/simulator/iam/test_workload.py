"""Behaviour 44: keys from the node's metadata service and from Pod Identity."""

from __future__ import annotations

import pytest

from simulator import sdk
from simulator.harness import Sim
from simulator.signing import send


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
async def test_b44_a_metadata_service_may_give_keys_without_a_token(sim: Sim, status: int) -> None:
    await sim.knobs(metadata_token_status=status)
    answer = await sim.call("PUT", "/meta-data/latest/api/token", headers={"X-Metadata-Token-Ttl-Seconds": "60"})
    assert answer.status == status
    assert (await sim.call("GET", "/openstack/latest/securitykey", token="")).status == 200


@pytest.mark.behaviour(44)
async def test_b44_a_node_without_an_agency_has_no_keys(sim: Sim) -> None:
    await sim.knobs(node_agency=False, metadata_token_required=False)
    answer = await sim.call("GET", "/openstack/latest/securitykey", token="")
    assert answer.status == 401
    assert "Please configure Cloud Service Agency first" in answer.text
    await sim.knobs(metadata_token_required=True)
    assert "X-Metadata-Token is missing" in (await sim.call("GET", "/openstack/latest/securitykey", token="")).text


@pytest.mark.behaviour(44)
async def test_b44_pod_identity_takes_the_token_without_a_prefix(sim: Sim) -> None:
    pod = sim.config["pod_identity"]
    path = "/" + pod["uri"].split("/", 3)[3]
    assert (await sim.call("POST", path, {}, headers={"Authorization": f"Bearer {pod['token']}"})).status == 401
    answer = await sim.call("POST", path, {}, headers={"Authorization": pod["token"]}, token="")
    key = answer.body["credentials"]
    login = sdk.credentials(key["accessKeyId"], key["secretAccessKey"], sim.project_id, key["securityToken"])
    assert (await send(sim, login)).status == 200


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
async def test_b44_the_lifetime_of_metadata_keys_can_be_set(sim: Sim) -> None:
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
