"""Requests that the gateway refuses before they reach a service: content types, paths, methods, size."""

from __future__ import annotations

import io

import pytest

from ims_simulator.gateway.service import MAX_BODY
from simulator.harness import Sim


@pytest.mark.behaviour(12)
@pytest.mark.parametrize("sent", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
async def test_a_body_with_another_content_type_is_415(sim: Sim, sent: str) -> None:
    path, headers = f"/v1/cloudimages/{sim.source()}/copy", {"Content-Type": sent}
    data = b'{"name": "a"}'
    assert (await sim.call("POST", path, data=data, headers=headers)).code == (415, 415)
    await sim.knobs(content_type="ignore")
    assert (await sim.call("POST", path, data=data, headers=headers)).status == 200


@pytest.mark.parametrize(
    "sent", ["application/json", "application/json;charset=UTF-8", "Application/JSON; charset=utf8"]
)
async def test_every_spelling_of_the_json_type_is_accepted(sim: Sim, sent: str) -> None:
    path = f"/v1/cloudimages/{sim.source()}/copy"
    assert (await sim.call("POST", path, {"name": "a"}, headers={"Content-Type": sent})).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v2/cloudimages/",
        "/V2/cloudimages",
        "/v2/CloudImages",
        "/v2/images/{source}/",
        "/v1/cloudimages/{source}/copy/",
        "/v1/cloudimages//copy",
        "/v3/cloudimages",
        "/v2/images/{source}%2Ffile",
    ],
)
async def test_paths_must_match_exactly(sim: Sim, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await sim.call(method, path.format(source=sim.source()))
        assert answer.status == 404, answer.text
        assert answer.body.get("error_code", "IMG") in ("APIGW.0101", "IMG")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/cloudimages/{source}/copy"),
        ("GET", "/v1/cloudimages/{source}/copy"),
        ("POST", "/v2/images/{source}"),
        ("DELETE", "/v2/cloudimages/{source}"),
        ("GET", "/v2/cloudimages/{source}"),
        ("OPTIONS", "/v2/cloudimages"),
        ("POST", "/v1/cloudimages/quota"),
    ],
)
async def test_a_method_that_an_api_does_not_have_is_404(sim: Sim, method: str, path: str) -> None:
    assert (await sim.call(method, path.format(source=sim.source()))).code == (404, "APIGW.0101")


async def test_a_body_beyond_the_gateways_limit_is_413(sim: Sim) -> None:
    path = f"/v1/cloudimages/{sim.source()}/copy"
    body = io.BytesIO(b'{"name": "' + b"a" * MAX_BODY + b'"}')
    async with sim.client.post(path, data=body, headers={"X-Auth-Token": sim.token}) as answer:
        refusal = await answer.json()
    assert (answer.status, refusal["error_code"]) == (413, "APIGW.0201")
    assert refusal["request_id"] == answer.headers["X-Request-Id"]
    (call,) = await sim.calls(kind="copy")
    assert (call["status"], call["error_code"]) == (413, "0201")
    assert await sim.images(name="the-copy") == []


async def test_the_token_is_checked_before_the_body(sim: Sim) -> None:
    answer = await sim.call("POST", f"/v1/cloudimages/{sim.source()}/copy", data=b"{", token="")
    assert answer.code == (401, "APIGW.0301")
