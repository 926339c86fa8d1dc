"""Behaviour 33, byte by byte: published signatures, and unusual requests signed by the official SDK."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import random
from typing import Any
from urllib.parse import quote

import pytest

from ims_simulator.gateway.signature import RawRequest, SignatureProblem, signature_of
from simulator import sdk
from simulator.signing import date_of

requests: Any = importlib.import_module("requests")

PROJECT = "ac234de25c6741d2b1273da49eea1b9e"
HOST = "ims.eu-de.otc.t-systems.com"
COPY = "/v1/cloudimages/465076de-dc36-4aec-80f5-ef9d8009428f/copy"
COPY_BODY = b'{"name":"ims_encrypted_copy3","description":"test copy","cmk_id":"bd66288c-9081-460a-8227-4cbd0c814cb4"}'


def signed_elsewhere(
    access: str, method: str, host: str, target: str, headers: dict[str, str], body: bytes, signature: str
) -> RawRequest:
    """A request with a signature that another program computed."""
    everything = {**headers, "Host": host}
    names = ";".join(sorted(header.lower() for header in everything))
    everything["Authorization"] = f"SDK-HMAC-SHA256 Access={access}, SignedHeaders={names}, Signature={signature}"
    sent = tuple((header.encode(), value.encode()) for header, value in everything.items())
    return RawRequest(method, target.encode(), sent, body)


GUIDE = signed_elsewhere(
    "QTWAOYTTINDUT2QVKYUC",
    "GET",
    "service.region.example.com",
    "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0",
    {"content-type": "application/json", "x-sdk-date": "20191115T033655Z"},
    b"",
    "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe",
)
COPY_REQUEST = signed_elsewhere(
    "AKEXAMPLE0000000TEST",
    "POST",
    HOST,
    COPY,
    {"Content-Type": "application/json", "X-Project-Id": PROJECT, "X-Sdk-Date": "20240301T120000Z"},
    COPY_BODY,
    "19f73d74d6774320873fb0ed931f041aa9b22e2a85634e5693843b89bc80123a",
)
COPY_SECRET = "SKexample0000000000000000000000000000TEST"
TEMPORARY = signed_elsewhere(
    "HSTAEXAMPLE000000TMP",
    "POST",
    "ims.cn-north-4.myhuaweicloud.com",
    COPY,
    {
        "Content-Type": "application/json;charset=UTF-8",
        "X-Project-Id": PROJECT,
        "X-Sdk-Date": "20240301T120000Z",
        "X-Security-Token": "ggpjbi1ub3J0aC00EXAMPLETOKEN",
    },
    b'{"name":"copy-1"}',
    "8fe0a795dca592c4df756a10095bcfce4a51c096a46d01e5c12965f0a4a0403e",
)


def verifies(request: RawRequest, secret: str) -> bool:
    signature = signature_of(request)
    return signature.matches(request.canonical(signature.signed_headers), secret)


@pytest.mark.behaviour(33)
@pytest.mark.parametrize(
    ("request_", "secret"),
    [
        pytest.param(GUIDE, "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc", id="the guide's own"),
        pytest.param(COPY_REQUEST, COPY_SECRET, id="a copy"),
        pytest.param(TEMPORARY, "TMPsk0000000000000000000000000000000000X", id="a temporary key"),
    ],
)
def test_b33_the_published_signatures_verify(request_: RawRequest, secret: str) -> None:
    assert verifies(request_, secret)
    assert not verifies(request_, secret + "x")


@pytest.mark.behaviour(33)
def test_b33_the_canonical_request_is_the_published_one() -> None:
    canonical = GUIDE.canonical(signature_of(GUIDE).signed_headers)
    assert hashlib.sha256(canonical).hexdigest() == "b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a"
    assert COPY_REQUEST.canonical(signature_of(COPY_REQUEST).signed_headers).decode().split("\n") == [
        "POST",
        f"{COPY}/",
        "",
        "content-type:application/json",
        f"host:{HOST}",
        f"x-project-id:{PROJECT}",
        "x-sdk-date:20240301T120000Z",
        "",
        "content-type;host;x-project-id;x-sdk-date",
        "44383a679386f6e512813f545a76308a51dd19bf803cde72fe87ef3bc67307af",
    ]


@pytest.mark.behaviour(33)
@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"target": COPY.encode() + b"/x"},
        {"target": COPY.encode() + b"?a=b"},
        {"body": COPY_BODY + b" "},
        {"body": b""},
        *(
            {"headers": tuple((n, v + b"0" if n == name else v) for n, v in COPY_REQUEST.headers)}
            for name in (b"Host", b"Content-Type", b"X-Project-Id", b"X-Sdk-Date")
        ),
    ],
    ids=["method", "path", "query", "body", "no body", "host", "content type", "project", "date"],
)
def test_b33_a_request_that_differs_from_what_was_signed_does_not_verify(change: dict[str, Any]) -> None:
    assert not verifies(dataclasses.replace(COPY_REQUEST, **change), COPY_SECRET)


@pytest.mark.behaviour(33)
def test_b33_an_unsigned_header_is_not_checked() -> None:
    more = (*COPY_REQUEST.headers, (b"X-Language", b"en-us"))
    assert verifies(dataclasses.replace(COPY_REQUEST, headers=more), COPY_SECRET)


@pytest.mark.behaviour(33)
def test_b33_the_meaning_of_plus_in_a_query_can_be_chosen() -> None:
    request = RawRequest("GET", b"/v2/cloudimages?name=a+b", (), b"")
    assert request.canonical((), "literal").split(b"\n")[2] == b"name=a%2Bb"
    assert request.canonical((), "space").split(b"\n")[2] == b"name=a%20b"


@pytest.mark.behaviour(33)
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Access=", "access=", "not of the form"),
        (", Signature=", ", Signature=0", "not of the form"),
        ("x-sdk-date", "x-other", "not found in the signed headers"),
    ],
)
def test_b33_an_invalid_authorization_is_refused_with_the_reason(old: str, new: str, words: str) -> None:
    headers = tuple(
        (name, value.replace(old.encode(), new.encode()) if name == b"Authorization" else value)
        for name, value in COPY_REQUEST.headers
    )
    with pytest.raises(SignatureProblem, match=words):
        signature_of(dataclasses.replace(COPY_REQUEST, headers=headers))


ODD = [
    "a",
    "my copy",
    "a+b",
    "100%",
    "~user",
    "grüße",
    "镜像",
    "x/y",
    "a&b=c",
    "q?#",
    "'(*)!",
    "\U0001f4be",
    "%41",
    ";,",
]


def on_the_wire(login: Any, host: str, method: str, path: str, body: bytes, **more: Any) -> RawRequest:
    """A signed request as the SDK's HTTP library sends it."""
    uri, headers = sdk.signed(login, f"http://{host}", method, path, body=body, **more)
    prepared = requests.Request(method, f"http://{host}{uri}", headers, data=body or None).prepare()
    sent = tuple((str(name).encode(), str(value).encode("latin-1")) for name, value in prepared.headers.items())
    return RawRequest(method, prepared.path_url.encode(), sent, body)


def generated(seed: int) -> tuple[RawRequest, str]:
    """A request with unusual content in every part, and the secret that signed it."""
    chance = random.Random(seed)
    secret, token = chance.randbytes(20).hex(), chance.choice([None, chance.randbytes(30).hex()])
    project_id = chance.choice([None, PROJECT])
    values: list[Any] = ["", *ODD, True, False, 7, ["b", "a"]]
    headers = {"X-Sdk-Date": date_of(chance.randint(0, 2_000_000_000))}
    headers |= chance.choice([{}, {"X-Odd": "  padded grüße  ", "X_Under": "never signed"}])
    # Another type than JSON makes the SDK sign UNSIGNED-PAYLOAD instead of the body's hash.
    kind = chance.choice([None, "application/json", "application/json;charset=UTF-8", "application/octet-stream"])
    if kind is not None:
        headers["Content-Type"] = kind
    text = json.dumps({"名": "镜像"}, ensure_ascii=False).encode()
    request = on_the_wire(
        sdk.credentials(f"AK{seed}", secret, project_id, token),
        chance.choice([HOST, "127.0.0.1:8080", "[::1]:9", "ims.example.com:8443"]),
        chance.choice(["GET", "POST", "PATCH", "PUT", "DELETE"]),
        "/".join(["/v2", *(quote(one, safe="") for one in chance.sample(ODD, chance.randint(0, 3)))])
        + chance.choice(["", "/"]),
        chance.choice([b"", b'{"name":"x"}', text, chance.randbytes(100_000), b"\x00\xff"]),
        query=[(name, chance.choice(values)) for name in chance.sample([*ODD, "Name", "name"], chance.randint(0, 5))],
        headers=headers,
    )
    return request, secret


@pytest.mark.behaviour(33)
@pytest.mark.parametrize("block", range(4))
def test_b33_generated_requests_of_the_official_signer_verify(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        request, secret = generated(seed)
        assert verifies(request, secret), f"seed {seed}: {request}"
        other = dataclasses.replace(request, target=request.target + b"x")
        assert not verifies(other, secret), f"seed {seed}: {other}"


@pytest.mark.behaviour(33)
def test_b33_a_content_hash_of_another_body_does_not_verify() -> None:
    headers = {"X-Sdk-Date": date_of(0), "Content-Type": "application/json"}
    headers["X-Sdk-Content-Sha256"] = hashlib.sha256(b"another body").hexdigest()
    request = on_the_wire(sdk.credentials("AK", "SK"), HOST, "POST", "/x", b"the body", headers=headers)
    assert not verifies(request, "SK")
