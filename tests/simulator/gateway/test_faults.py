"""Behaviours 23 and 36 to 39: injected faults, the rate limit and request ids."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from simulator.harness import COPY_SECONDS, START, Sim


@pytest.mark.behaviour(23)
async def test_b23_a_reply_is_lost_but_the_copy_is_there(sim: Sim) -> None:
    await sim.fault(match={"kind": "copy"}, when="after", cut=True)
    with pytest.raises(aiohttp.ClientError):
        await sim.copy()
    assert len(await sim.images(name="the-copy")) == 1
    (call,) = await sim.calls(kind="copy")
    assert (call["status"], len(call["job_id"])) == (0, 32)
    await sim.accepted()


@pytest.mark.behaviour(23)
async def test_b23_504_after_the_copy_was_accepted(sim: Sim) -> None:
    await sim.fault(match={"kind": "copy"}, when="after", reply={"status": 504})
    assert (await sim.copy()).code == (504, "APIGW.0201")
    assert len(await sim.images(name="the-copy")) == 1


@pytest.mark.behaviour(23)
async def test_b23_a_connection_cut_before_the_call_leaves_only_a_log_entry(sim: Sim) -> None:
    await sim.fault(match={"kind": "copy"}, cut=True)
    with pytest.raises(aiohttp.ClientError):
        await sim.copy()
    assert await sim.images(name="the-copy") == []
    (call,) = await sim.calls(kind="copy")
    assert (call["status"], call["job_id"]) == (0, None)


@pytest.mark.behaviour(23, 37)
async def test_a_reply_is_cut_in_the_middle_of_its_body(sim: Sim) -> None:
    await sim.fault(match={"kind": "copy"}, when="after", cut="reply")
    with pytest.raises(aiohttp.ClientPayloadError):
        await sim.copy()
    assert len(await sim.images(name="the-copy")) == 1
    (call,) = await sim.calls(kind="copy")
    assert call["status"] == 200


@pytest.mark.behaviour(37)
@pytest.mark.parametrize("shape", ["html", "gateway"])
async def test_a_replaced_reply_is_cut_in_the_middle_of_its_body(sim: Sim, shape: str) -> None:
    await sim.fault(match={"kind": "copy"}, cut="reply", reply={"status": 502, "shape": shape})
    with pytest.raises(aiohttp.ClientPayloadError):
        await sim.copy()
    assert await sim.images(name="the-copy") == []


THROTTLED = "The throttling threshold has been reached: policy user over ratelimit,limit:2,time:1 minute"


@pytest.mark.behaviour(36)
async def test_b36_too_many_calls_are_429(sim: Sim) -> None:
    await sim.knobs(rate_limit=2)
    assert [(await sim.job("0" * 32)).status for _ in range(2)] == [400, 400]
    answer = await sim.job("0" * 32)
    assert answer.code == (429, "APIGW.0308")
    assert answer.body["error_msg"] == THROTTLED
    assert "Retry-After" not in answer.headers
    await sim.knobs(retry_after=7)
    assert (await sim.job("0" * 32)).headers["Retry-After"] == "7"


@pytest.mark.behaviour(36)
@pytest.mark.parametrize(("counts", "status"), [(True, 429), (False, 400)])
async def test_b36_calls_that_were_rejected_count_by_knob(sim: Sim, counts: bool, status: int) -> None:
    await sim.knobs(rate_limit=2, rate_counts_rejected=counts)
    for _ in range(2):
        await sim.job("0" * 32)
    sim.clock.move(59)
    for _ in range(2):
        assert (await sim.job("0" * 32)).status == 429
    sim.clock.move(1)
    assert (await sim.job("0" * 32)).status == status


@pytest.mark.behaviour(36)
async def test_b36_only_one_kind_may_be_limited(sim: Sim) -> None:
    await sim.knobs(rate_limit=1, rate_kind="copy")
    await sim.accepted()
    assert (await sim.copy()).status == 429
    for _ in range(3):
        await sim.images()


@pytest.mark.behaviour(36)
async def test_b36_a_fault_can_answer_429(sim: Sim) -> None:
    await sim.fault(match={"kind": "copy"}, reply={"status": 429, "headers": {"Retry-After": "3"}})
    answer = await sim.copy()
    assert answer.code == (429, "APIGW.0308")
    assert answer.headers["Retry-After"] == "3"
    await sim.accepted()


@pytest.mark.behaviour(37)
@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ({"status": 500}, r'"error_code": "APIGW.0601"'),
        ({"status": 503, "code": "0613"}, r'"error_code": "APIGW.0613"'),
        ({"status": 403, "code": "APIG.0802"}, r'"error_code": "APIG.0802"'),
        ({"status": 400, "shape": "ims", "code": "IMG.0187"}, r'^{"error": {"message": ".+", "code": "IMG.0187"}}$'),
        ({"status": 404, "shape": "keystone"}, r'"code": 404, "title": "Not Found"'),
        ({"status": 502, "shape": "html"}, r"<h1>502 Bad Gateway</h1>"),
        ({"status": 503, "shape": "empty"}, r"^$"),
        ({"status": 200, "shape": "json", "body": {}}, r"^{}$"),
    ],
)
async def test_b37_replies_of_every_shape(sim: Sim, reply: dict[str, Any], text: str) -> None:
    for kind in ("copy", "job"):
        await sim.fault(match={"kind": kind}, reply=reply)
    for answer in (await sim.copy(), await sim.job("0" * 32)):
        assert answer.status == reply["status"]
        assert re.search(text, answer.text)
    assert await sim.images(name="the-copy") == []


@pytest.mark.behaviour(37)
async def test_b37_slow_replies(sim: Sim) -> None:
    await sim.fault(match={"kind": "copy"}, delay_seconds=30)
    await sim.fault(match={"kind": "list"}, delay_seconds=5, when="after")
    await sim.accepted()
    await sim.images()
    assert sim.clock.slept == [30, 5]


@pytest.mark.behaviour(37)
async def test_b37_a_fault_applies_after_skip_and_count_times(sim: Sim) -> None:
    await sim.fault(match={"path": "/jobs/", "method": "get"}, skip=1, count=2, reply={"status": 500})
    seen = [(await sim.job("0" * 32)).status for _ in range(4)]
    assert seen == [400, 500, 500, 400]
    assert (await sim.progress("0" * 32)).status == 400
    (fault,) = (await sim.control("GET", "/faults")).body["faults"]
    assert (fault["matched"], fault["struck"]) == (3, 2)


@pytest.mark.behaviour(37)
async def test_b37_a_fault_can_match_the_body(sim: Sim) -> None:
    await sim.fault(match={"body": '"name": "second"'}, count=None, reply={"status": 500})
    assert (await sim.copy(name="first")).status == 200
    assert [(await sim.copy(name="second")).status for _ in range(3)] == [500] * 3


@pytest.mark.behaviour(37)
async def test_b37_faults_can_be_removed(sim: Sim) -> None:
    one = await sim.fault(match={"kind": "list"}, count=None, reply={"status": 500})
    await sim.fault(match={"kind": ["copy", "job"]}, count=None, reply={"status": 500})
    assert (await sim.control("DELETE", f"/faults/{one}")).status == 200
    assert await sim.images()
    assert (await sim.copy()).status == 500
    assert (await sim.control("DELETE", "/faults")).body == {"removed": 1}
    await sim.accepted()
    assert (await sim.control("DELETE", f"/faults/{one}")).status == 404


@pytest.mark.behaviour(37)
async def test_b37_faults_apply_to_logins_too(sim: Sim) -> None:
    await sim.fault(match={"kind": "token"}, reply={"status": 503, "shape": "html"})
    assert (await sim.authenticate()).status == 503
    assert (await sim.authenticate()).status == 201


@pytest.mark.behaviour(37)
@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "needs at least one of reply, cut, delay_seconds, job"),
        ({"reply": {"status": 99}}, "greater than or equal to 200"),
        ({"reply": {"status": 500, "shape": "xml"}}, "'ims', 'gateway', 'keystone', 'html', 'empty' or 'json'"),
        ({"cut": True, "reply": {"status": 500}}, "cut: true sends no reply"),
        ({"cut": "reply"}, "needs a reply to cut"),
        ({"cut": True, "match": {"path": "("}}, "not a regular expression"),
        ({"cut": True, "match": {"kind": "copies"}}, "'pod_identity', 'copy'"),
        ({"job": {"fail": True, "stuck": True}}, "either fail or stuck, not both"),
        ({"job": {"fail": True}, "cut": True}, "a fault of its own"),
        ({"job": {"fail": True}, "match": {"kind": "job"}}, "applies to copies only"),
        ({"mach": {}}, "Extra inputs are not permitted"),
    ],
)
async def test_b37_invalid_faults_are_refused_with_the_reason(sim: Sim, spec: dict[str, Any], words: str) -> None:
    answer = await sim.control("POST", "/faults", spec)
    assert answer.status == 400
    assert words in answer.body["error"]
    assert answer.body["allowed"] == "match, skip, count, when, delay_seconds, cut, reply, job"


@pytest.mark.behaviour(38)
async def test_b38_every_reply_has_a_request_id_of_its_own(sim: Sim) -> None:
    await sim.fault(match={"kind": "quota"}, reply={"status": 500, "shape": "html"})
    answers = [
        await sim.authenticate(),
        await sim.copy(),
        await sim.copy("iso"),
        await sim.call("GET", "/v1/cloudimages/quota"),
        await sim.delete(sim.source()),
    ]
    ids = {answer.headers["X-Request-Id"] for answer in answers}
    assert len(ids) == 5
    assert all(re.fullmatch("[0-9a-f]{32}", request_id) for request_id in ids)
    assert {call["request_id"] for call in await sim.calls()} >= ids


@pytest.mark.behaviour(38)
async def test_b38_errors_of_the_gateway_repeat_the_request_id(sim: Sim) -> None:
    answers = [await sim.call("GET", "/v2/cloudimages", token=""), await sim.call("GET", "/v9/nothing")]
    await sim.fault(match={"kind": "list"}, reply={"status": 429})
    answers.append(await sim.call("GET", "/v2/cloudimages"))
    for answer in answers:
        assert answer.body["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.behaviour(39)
async def test_b39_the_other_prefix_of_gateway_codes(sim: Sim) -> None:
    await sim.knobs(gateway_prefix="APIG")
    assert (await sim.call("GET", "/v2/cloudimages", token="")).code == (401, "APIG.0301")
    await sim.fault(match={"kind": "list"}, reply={"status": 429})
    assert (await sim.call("GET", "/v2/cloudimages")).code == (429, "APIG.0308")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v9/nothing"), ("PUT", "/v2/cloudimages"), ("GET", "/"), ("HEAD", "/v2/images")]
)
async def test_an_api_that_does_not_exist_is_0101(sim: Sim, method: str, path: str) -> None:
    answer = await sim.call(method, path)
    assert answer.status == 404
    if method != "HEAD":
        assert answer.code == (404, "APIGW.0101")


async def test_the_date_of_a_reply_follows_the_simulated_clock(sim: Sim) -> None:
    sim.clock.move(COPY_SECONDS)
    answer = await sim.call("GET", "/v2/cloudimages")
    assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == int(START) + COPY_SECONDS
