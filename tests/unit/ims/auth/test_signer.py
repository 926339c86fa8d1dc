"""Signatures: the official test vectors, and agreement with the official SDK's signer on whatever can be asked."""

import asyncio
import hashlib
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagecopy.ims import AccessKeyCredentials, Allowlist, CopyRequest, ImsClient, ProjectRef, Wire, auth_for
from imagecopy.ims.auth.signer import AccessKey, canonical_request, sign
from unit.ims.auth import official
from unit.ims.cloud import PROJECT, SOURCE

GUIDE = AccessKey(access_key_id="QTWAOYTTINDUT2QVKYUC", secret_access_key="MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc")
KEY = AccessKey(access_key_id="AKEXAMPLE0000000TEST", secret_access_key="SKexample0000000000000000000000000000TEST")
TEMPORARY = AccessKey(
    access_key_id="HSTAEXAMPLE000000TMP",
    secret_access_key="TMPsk0000000000000000000000000000000000X",
    security_token="ggpjbi1ub3J0aC00EXAMPLETOKEN",
)
OTC = "https://ims.eu-de.otc.t-systems.com"
COPY = f"/v1/cloudimages/{SOURCE}/copy"
JSON = {"Content-Type": "application/json"}
BODY = b'{"name":"ims_encrypted_copy3","description":"test copy","cmk_id":"bd66288c-9081-460a-8227-4cbd0c814cb4"}'


def at(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def authorization(request: httpx.Request, key: AccessKey, time: str, project_id: str | None) -> str:
    sign(request, key, at(time), project_id=project_id)
    assert request.headers["x-sdk-date"] == time
    return str(request.headers["authorization"])


def shown(key: AccessKey, names: str, signature: str) -> str:
    return f"SDK-HMAC-SHA256 Access={key.access_key_id}, SignedHeaders={names}, Signature={signature}"


def test_the_guides_own_example() -> None:
    """Huawei Cloud, API Request Signing Guide: "AK/SK Signing and Authentication Algorithm"."""
    path = "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs"
    query = "limit=2&marker=13551d6b-755d-4757-b956-536f674975c0"
    headers = {
        "content-type": "application/json",
        "host": "service.region.example.com",
        "x-sdk-date": "20191115T033655Z",
    }
    canonical = canonical_request("GET", path, query, headers, b"")
    expected = "b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a"
    assert hashlib.sha256(canonical.encode()).hexdigest() == expected
    request = httpx.Request("GET", f"https://service.region.example.com{path}?{query}", headers=JSON)
    assert authorization(request, GUIDE, "20191115T033655Z", None) == shown(
        GUIDE,
        "content-type;host;x-sdk-date",
        "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe",
    )


def test_a_copy_call() -> None:
    headers = {
        "content-type": "application/json",
        "host": "ims.eu-de.otc.t-systems.com",
        "x-project-id": PROJECT,
        "x-sdk-date": "20240301T120000Z",
    }
    assert canonical_request("POST", COPY, "", headers, BODY).split("\n") == [
        "POST",
        f"{COPY}/",
        "",
        "content-type:application/json",
        "host:ims.eu-de.otc.t-systems.com",
        f"x-project-id:{PROJECT}",
        "x-sdk-date:20240301T120000Z",
        "",
        "content-type;host;x-project-id;x-sdk-date",
        "44383a679386f6e512813f545a76308a51dd19bf803cde72fe87ef3bc67307af",
    ]
    request = httpx.Request("POST", OTC + COPY, headers=JSON, content=BODY)
    assert authorization(request, KEY, "20240301T120000Z", PROJECT) == shown(
        KEY,
        "content-type;host;x-project-id;x-sdk-date",
        "19f73d74d6774320873fb0ed931f041aa9b22e2a85634e5693843b89bc80123a",
    )


def test_a_look_at_a_job() -> None:
    request = httpx.Request("GET", f"{OTC}/v1/{PROJECT}/jobs/edc89b490d7d4392898e19b2deb34797")
    assert authorization(request, KEY, "20240301T120500Z", PROJECT) == shown(
        KEY, "host;x-project-id;x-sdk-date", "0e924d2b6733b4aef09a32475f7cca877d3710c4f145816e467363e044a90d99"
    )


def test_a_list_of_images() -> None:
    params = {
        "name": "my copy ~1+ä",
        "limit": "2",
        "created_at": "gte:2024-03-01T11:55:00Z",
        "__imagetype": "private",
    }
    request = httpx.Request("GET", f"{OTC}/v2/cloudimages", params=params, headers=JSON)
    assert authorization(request, KEY, "20240301T120700Z", PROJECT) == shown(
        KEY,
        "content-type;host;x-project-id;x-sdk-date",
        "80a0e30ca6841758c5622686d6b20e9b7d00c92ee339e9d509a82530754c6e1f",
    )
    sent = b"__imagetype=private&created_at=gte%3A2024-03-01T11%3A55%3A00Z&limit=2&name=my%20copy%20~1%2B%C3%A4"
    assert request.url.raw_path == b"/v2/cloudimages?" + sent


def test_a_temporary_keys_token_is_signed() -> None:
    request = httpx.Request(
        "POST",
        f"https://ims.cn-north-4.myhuaweicloud.com{COPY}",
        headers={"Content-Type": "application/json;charset=UTF-8"},
        content=b'{"name":"copy-1"}',
    )
    assert authorization(request, TEMPORARY, "20240301T120000Z", PROJECT) == shown(
        TEMPORARY,
        "content-type;host;x-project-id;x-sdk-date;x-security-token",
        "8fe0a795dca592c4df756a10095bcfce4a51c096a46d01e5c12965f0a4a0403e",
    )
    assert request.headers["x-security-token"] == TEMPORARY.security_token


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ODD_TEXT = st.text(alphabet="aZ09-_.~ +%/&=?#:;,@!$'()*[]{}|\\^`\"<>äß中🙂\t\n\x00", max_size=12)
TEXT = ANY_TEXT | ODD_TEXT
ODD_SEGMENTS = ["", "%25", "%2F", "%2e", "a%zz", "%"]
RAW_SEGMENT = st.text(alphabet="aZ09-_.~+%!$&'()*,;=:@", max_size=8)
SEGMENT = TEXT.map(lambda text: quote(text, safe="")) | RAW_SEGMENT | st.sampled_from(ODD_SEGMENTS)
PATH = st.lists(SEGMENT, max_size=5).map(lambda segments: "/" + "/".join(segments))
PAIRS = st.lists(st.tuples(st.sampled_from(["a", "b", "limit", "name"]) | TEXT.filter(bool), TEXT), max_size=6)
HOST = st.sampled_from(["ims.example.com", "127.0.0.1", "[::1]", "IMS.Example.COM"])
PORT = st.sampled_from(["", ":443", ":80", ":8443", ":65535"])
SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=44)


@settings(max_examples=400, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    scheme=st.sampled_from(["https", "http"]),
    host=HOST,
    port=PORT,
    path=PATH,
    pairs=PAIRS,
    content_type=st.sampled_from([None, "application/json", "application/json;charset=UTF-8", "application/bson"]),
    body=st.binary(max_size=64) | st.just(b""),
    secret=SECRET,
    token=st.none() | SECRET,
    project_id=st.none() | st.just(PROJECT),
    time=st.integers(946684800, 4102444800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)
def test_the_official_signer_agrees(
    method: str,
    scheme: str,
    host: str,
    port: str,
    path: str,
    pairs: list[tuple[str, str]],
    content_type: str | None,
    body: bytes,
    secret: str,
    token: str | None,
    project_id: str | None,
    time: datetime,
) -> None:
    key = AccessKey(access_key_id="AK", secret_access_key=secret, security_token=token)
    headers = {} if content_type is None else {"Content-Type": content_type}
    url = httpx.URL(f"{scheme}://{host}{port}").copy_with(raw_path=path.encode())
    request = httpx.Request(
        method, url, params=httpx.QueryParams(urlencode(pairs)) if pairs else None, headers=headers, content=body
    )
    sent_path = request.url.raw_path.decode().partition("?")[0]
    sign(request, key, time, project_id=project_id)
    expected = official.signed(
        key,
        method,
        request.headers["host"],
        sent_path,
        pairs,
        headers | {"X-Sdk-Date": f"{time:%Y%m%dT%H%M%SZ}"},
        body,
        project_id,
    )
    assert request.headers["authorization"] == expected.authorization
    assert request.url.raw_path.decode() == expected.target


def test_a_big_body_is_hashed_whole() -> None:
    body = b"x" * 5_000_000
    request = httpx.Request("POST", f"{OTC}/v1", headers=JSON, content=body)
    sign(request, KEY, at("20240301T120000Z"))
    headers = JSON | {"X-Sdk-Date": "20240301T120000Z"}
    host = request.headers["host"]
    expected = official.signed(KEY, "POST", host, "/v1", [], headers, body, None)
    assert request.headers["authorization"] == expected.authorization


def test_signing_anew_replaces_the_signature() -> None:
    request = httpx.Request("GET", f"{OTC}/v2/cloudimages", params={"name": "a b"})
    first = authorization(request, TEMPORARY, "20240301T120000Z", PROJECT)
    target = request.url.raw_path
    second = authorization(request, TEMPORARY, "20240301T120100Z", PROJECT)
    assert first != second
    fresh = httpx.Request("GET", f"{OTC}/v2/cloudimages", params={"name": "a b"})
    assert authorization(fresh, TEMPORARY, "20240301T120100Z", PROJECT) == second
    assert (request.url.raw_path, request.headers.get_list("authorization")) == (target, [second])


def test_a_flag_without_a_value_gets_its_equals_sign() -> None:
    request = httpx.Request("GET", f"{OTC}/v3/auth/tokens?nocatalog&a=1&&a=")
    sign(request, KEY, at("20240301T120000Z"))
    assert request.url.raw_path == b"/v3/auth/tokens?a=&a=1&nocatalog="


class Wiretap:
    """A server that keeps what it gets, byte by byte."""

    def __init__(self, body: bytes) -> None:
        self.received: list[official.Received] = []
        self._body = body

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                seen = official.Received.parse(head, b"")
                body = await reader.readexactly(int(seen.headers.get("content-length", "0")))
                self.received.append(official.Received.parse(head, body))
                reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self._body)
                writer.write(reply + self._body)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@pytest.mark.parametrize("key", [KEY, TEMPORARY], ids=["permanent", "temporary"])
async def test_what_comes_over_a_socket_is_what_was_signed(key: AccessKey) -> None:
    tap = Wiretap(b'{"images": [], "job_id": "edc89b490d7d4392898e19b2deb34797"}')
    server = await asyncio.start_server(tap, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    credentials = AccessKeyCredentials(
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
        security_token=key.security_token,
        project=ProjectRef(id=PROJECT),
    )
    wire = Wire(allowlist=Allowlist.parse(f"127.0.0.1:{port}"))
    auth = auth_for(credentials, endpoint, wire)
    async with server:
        async with ImsClient(auth, wire, ims_endpoint=endpoint) as client:
            await client.list_images(name="my copy ~1+ä&=%/?#", created_since=at("20240301T120000Z"))
            await client.copy_image(SOURCE, CopyRequest(name="n ä\u2028", description="imgcp1 100%"))
            await client.add_tags("a b/ä%", {"k": "v"})
        async with wire.client() as http:
            odd = httpx.URL(endpoint).copy_with(raw_path=b"//a/%2F%41;v=1/@:%C3%A4%25/?b=%7e&b=+&a&c=%2B")
            await http.send(http.build_request("PUT", odd, content=b"\x00\xff"), auth=auth)
    assert [request.method for request in tap.received] == ["GET", "POST", "POST", "PUT"]
    for request in tap.received:
        expected = request.expected(key)
        assert request.headers["authorization"] == expected.authorization
        assert request.target == expected.target
        assert request.headers["host"] == f"127.0.0.1:{port}"
        assert request.headers["x-project-id"] == PROJECT
    query = tap.received[0].target.partition("?")[2]
    assert dict(parse_qsl(query))["name"] == "my copy ~1+ä&=%/?#"
