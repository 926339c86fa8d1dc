"""Behaviour 33: requests that are signed with an access key."""

from __future__ import annotations

import random

import pytest

from ims_simulator.gateway.signature import RawRequest, signature_of
from ims_simulator.state.records import Holder, TemporaryKey
from simulator import sdk
from simulator.harness import Sim
from simulator.signing import LOCKED, date_of, key_of, send

pytestmark = pytest.mark.behaviour(33)

PROJECT = "ac234de25c6741d2b1273da49eea1b9e"
SECRET = "SKexample0000000000000000000000000000TEST"


VECTORS = [
    pytest.param(
        "POST",
        "/v1/cloudimages/465076de-dc36-4aec-80f5-ef9d8009428f/copy",
        {"Content-Type": "application/json", "X-Project-Id": PROJECT, "X-Sdk-Date": "20240301T120000Z"},
        b'{"name":"ims_encrypted_copy3","description":"test copy","cmk_id":"bd66288c-9081-460a-8227-4cbd0c814cb4"}',
        "19f73d74d6774320873fb0ed931f041aa9b22e2a85634e5693843b89bc80123a",
        id="copy",
    ),
    pytest.param(
        "GET",
        "/v1/ac234de25c6741d2b1273da49eea1b9e/jobs/edc89b490d7d4392898e19b2deb34797",
        {"X-Project-Id": PROJECT, "X-Sdk-Date": "20240301T120500Z"},
        b"",
        "0e924d2b6733b4aef09a32475f7cca877d3710c4f145816e467363e044a90d99",
        id="job",
    ),
    pytest.param(
        "GET",
        "/v2/cloudimages?__imagetype=private&created_at=gte%3A2024-03-01T11%3A55%3A00Z&limit=2"
        "&name=my%20copy%20~1%2B%C3%A4",
        {"Content-Type": "application/json", "X-Project-Id": PROJECT, "X-Sdk-Date": "20240301T120700Z"},
        b"",
        "80a0e30ca6841758c5622686d6b20e9b7d00c92ee339e9d509a82530754c6e1f",
        id="list",
    ),
]


@pytest.mark.parametrize(("method", "target", "headers", "body", "expected"), VECTORS)
def test_b33_published_signatures_match(
    method: str, target: str, headers: dict[str, str], body: bytes, expected: str
) -> None:
    sent = {"Host": "ims.eu-de.otc.t-systems.com", **headers}
    names = ";".join(sorted(name.lower() for name in sent))
    sent["Authorization"] = f"SDK-HMAC-SHA256 Access=AKEXAMPLE0000000TEST, SignedHeaders={names}, Signature={expected}"
    raw = tuple((name.encode(), value.encode()) for name, value in sent.items())
    request = RawRequest(method, target.encode(), raw, body)
    signature = signature_of(request)
    canonical = request.canonical(signature.signed_headers)
    assert signature.matches(canonical, SECRET)
    assert not signature.matches(canonical, SECRET + "x")


async def test_b33_requests_of_the_official_signer_are_accepted(sim: Sim) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    letters = "aZ09-_.~ +%&=/:äß中"
    for _ in range(60):
        name = "".join(chance.choices(letters, k=chance.randrange(1, 9)))
        query = [("name", name), ("limit", "1"), ("created_at", "gte:2024-03-01T11:55:00Z"), ("status", "")]
        answer = await send(sim, key_of(sim), path="/v2/cloudimages", query=chance.sample(query, chance.randrange(5)))
        assert answer.status == 200, (name, answer.text)


async def test_b33_a_signed_copy_is_made(sim: Sim) -> None:
    path = f"/v1/cloudimages/{sim.source()}/copy"
    answer = await send(sim, key_of(sim), "POST", path, body=b'{"name": "signed"}')
    assert answer.status == 200
    call = (await sim.calls(kind="copy"))[0]
    assert (call["user"], call["way"]) == ("sim-copier", "access_key")
    assert sim.config["logins"][0]["secret_key"] not in str(call)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"X-Project-Id": "0" * 32}, "verify aksk signature fail"),
        ({"Authorization": "SDK-HMAC-SHA256 Access=nonsense"}, "calc aksk signature fail"),
    ],
)
async def test_b33_a_request_changed_after_signing_is_refused(sim: Sim, changed: dict[str, str], words: str) -> None:
    answer = await send(sim, key_of(sim), changed=changed)
    assert answer.code == (401, "APIGW.0301")
    assert words in answer.body["error_msg"]


async def test_b33_a_changed_body_is_refused(sim: Sim) -> None:
    path, login = f"/v1/cloudimages/{sim.source()}/copy", key_of(sim)
    url = str(sim.client.make_url("")).rstrip("/")
    headers = {"X-Sdk-Date": date_of(sim.clock()), "Content-Type": "application/json"}
    _, signed = sdk.signed(login, url, "POST", path, headers=headers, body=b'{"name": "one"}')
    answer = await sim.call("POST", path, data=b'{"name": "two"}', headers=signed, token="")
    assert answer.code == (401, "APIGW.0301")
    assert await sim.images(name="two") == []


async def test_b33_the_refusal_of_a_wrong_secret_contains_the_canonical_request(sim: Sim) -> None:
    wrong = sdk.credentials(sim.config["logins"][0]["access_key"], "wrong", sim.project_id)
    answer = await send(sim, wrong)
    assert "canonicalRequest:GET|/v1/cloudimages/quota/||" in answer.body["error_msg"]
    await sim.knobs(echo_canonical_request=False)
    assert "canonicalRequest" not in (await send(sim, wrong)).text


async def test_b33_an_unknown_key_is_refused(sim: Sim) -> None:
    answer = await send(sim, sdk.credentials("NOSUCHKEY", "x", sim.project_id))
    assert answer.code == (401, "APIGW.0301")
    assert "ak:NOSUCHKEY,err:ak not exist" in answer.body["error_msg"]


@pytest.mark.parametrize(("off", "status"), [(-899, 200), (899, 200), (-902, 401), (902, 401)])
async def test_b33_a_quarter_of_an_hour_of_skew_is_the_limit(sim: Sim, off: int, status: int) -> None:
    assert (await send(sim, key_of(sim), date=date_of(sim.clock() + off))).status == status


async def test_b33_the_date_has_to_be_signed(sim: Sim) -> None:
    url = str(sim.client.make_url("")).rstrip("/")
    _, headers = sdk.signed(key_of(sim), url, "GET", "/v1/cloudimages/quota")
    headers["Authorization"] = headers["Authorization"].replace(";x-sdk-date", "")
    answer = await sim.call("GET", "/v1/cloudimages/quota", headers=headers, token="")
    assert "x-sdk-date" in answer.body["error_msg"]


async def test_b33_more_than_five_failures_in_a_row_lock_the_key(sim: Sim) -> None:
    known = sim.config["logins"][0]
    wrong = sdk.credentials(known["access_key"], "wrong", sim.project_id)
    for _ in range(5):
        assert LOCKED not in (await send(sim, wrong)).text
    assert (await send(sim, key_of(sim))).status == 200, "five are not too many, and a right signature resets the count"
    for _ in range(6):
        await send(sim, wrong)
    assert LOCKED in (await send(sim, key_of(sim))).text
    sim.clock.move(299)
    assert LOCKED in (await send(sim, key_of(sim))).text
    sim.clock.move(1)
    assert (await send(sim, key_of(sim))).status == 200


async def test_b33_the_project_is_the_one_that_the_header_names(sim: Sim) -> None:
    known, other = sim.config["logins"][0], sim.config["other_projects"][0]["id"]
    there = sdk.credentials(known["access_key"], known["secret_key"], other)
    images = (await send(sim, there, path="/v2/cloudimages", query=[("__imagetype", "private")])).body["images"]
    assert images == []
    nowhere = sdk.credentials(known["access_key"], known["secret_key"], "0" * 32)
    assert (await send(sim, nowhere)).code == (401, "APIGW.0301")
    await sim.knobs(signed_wrong_project="ims")
    assert (await send(sim, nowhere)).code == (400, "IMG.0030")


async def test_b33_a_body_that_is_too_large_can_not_be_signed(sim: Sim) -> None:
    path = f"/v1/cloudimages/{sim.source()}/copy"
    answer = await send(sim, key_of(sim), "POST", path, body=b" " * (12 * 1024**2 + 1))
    assert "body too large" in answer.text


async def test_b33_another_kind_of_authorization_is_0303(sim: Sim) -> None:
    answer = await sim.call("GET", "/v1/cloudimages/quota", headers={"Authorization": "Bearer x"}, token="")
    assert answer.code == (401, "APIGW.0303")


def test_b33_a_temporary_key_has_the_fields_of_its_holder() -> None:
    holder = Holder(user="u", domain_id="d", project_id=None)
    key = TemporaryKey(id="k", secret="s", security_token="t", expires_at=1, **holder.model_dump())
    assert key.method == "password"
