"""The ways in without a login: the node's metadata service, and CCE Pod Identity."""

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from imagecopy.ims import (
    Allowlist,
    CredentialsInvalid,
    ImsError,
    Misconfigured,
    NodeAgencyCredentials,
    PodIdentityCredentials,
    TryLater,
    Unreachable,
    Wire,
)
from imagecopy.ims.auth.ambient import NodeAgencySource, PodIdentitySource
from unit.ims.auth.login_cloud import (
    BY_NODE,
    BY_POD,
    METADATA_KEY,
    METADATA_TOKEN,
    POD_IDENTITY,
    SERVICE_TOKEN,
    Answer,
    LoginCloud,
    rewrite,
)

POD_KEY = "/v1/credentials"


async def test_the_metadata_service_is_asked_for_a_token_and_then_for_the_key(login_cloud: LoginCloud) -> None:
    async with login_cloud.client(BY_NODE) as client:
        await client.get_image("i")
    token, key, _project, image = login_cloud.requests
    assert (token.method, str(token.url)) == ("PUT", "http://169.254.169.254/meta-data/latest/api/token")
    assert token.headers["x-metadata-token-ttl-seconds"] == "21600"
    assert (key.method, str(key.url)) == ("GET", "http://169.254.169.254/openstack/latest/securitykey")
    assert key.headers["x-metadata-token"] == "metadata-token"
    assert "Access=AKTEMPORARY1," in image.headers["authorization"]
    assert image.headers["x-security-token"] == "security-token-1-never-to-be-seen"


@pytest.mark.parametrize("status", [404, 405, 503])
async def test_a_metadata_service_without_tokens_is_asked_without(login_cloud: LoginCloud, status: int) -> None:
    login_cloud.answers[METADATA_TOKEN] = lambda _: httpx.Response(status, text="no such thing")
    async with login_cloud.client(BY_NODE) as client:
        await client.get_image("i")
    assert "x-metadata-token" not in login_cloud.to(METADATA_KEY)[0].headers


NO_AGENCY = httpx.Response(401, json={"message": "Please configure Cloud Service Agency first"})


@pytest.mark.parametrize(
    ("path", "answer", "kind", "words"),
    [
        (METADATA_KEY, NO_AGENCY, Misconfigured, "the node has no agency: give it one that may copy images"),
        (METADATA_KEY, httpx.Response(401, text="token"), TryLater, "token"),
        (METADATA_KEY, httpx.Response(404, text="?"), Misconfigured, "has to run on a node of the cloud"),
        (METADATA_KEY, httpx.Response(500), TryLater, "."),
        (METADATA_KEY, httpx.Response(200, text="{"), TryLater, "the reply is no JSON"),
        (METADATA_KEY, httpx.Response(200, json={}), TryLater, "the reply has no temporary key"),
        (METADATA_KEY, httpx.Response(302, headers={"Location": "http://evil.org"}), TryLater, "."),
        (METADATA_TOKEN, httpx.Response(403, text="no"), TryLater, "no"),
        (METADATA_TOKEN, httpx.Response(500), TryLater, "."),
        (METADATA_TOKEN, httpx.Response(200, text="a\x00b"), TryLater, "a token that can't be used"),
        (METADATA_TOKEN, httpx.Response(200, content=b"x" * 70_000), TryLater, "more than 65536 bytes"),
        (METADATA_TOKEN, httpx.ConnectError("refused"), Unreachable, "IMAGECOPY_METADATA_ENDPOINT"),
        (METADATA_KEY, httpx.ReadTimeout("slow"), Unreachable, "the metadata service does not answer: GET at 169"),
    ],
)
async def test_a_metadata_service_that_gives_no_key_is_told(
    login_cloud: LoginCloud, path: str, answer: Answer, kind: type[ImsError], words: str
) -> None:
    login_cloud.answers[path] = lambda _: answer
    await login_cloud.failure(BY_NODE, kind, words)
    assert login_cloud.to("ims") == []


async def test_a_node_that_gets_its_agency_is_noticed_soon(login_cloud: LoginCloud) -> None:
    login_cloud.answers[METADATA_KEY] = lambda _: NO_AGENCY
    async with login_cloud.client(BY_NODE) as client:
        with pytest.raises(Misconfigured):
            await client.get_image("i")
        login_cloud.answers.clear()
        login_cloud.clock.now += 5.1
        await client.get_image("i")


async def test_pod_identity_is_asked_with_its_token(login_cloud: LoginCloud, token_file: Path) -> None:
    rewrite(token_file, SERVICE_TOKEN + "\n")
    async with login_cloud.client(BY_POD) as client:
        await client.get_image("i")
    asked, *_, image = login_cloud.requests
    assert (asked.method, str(asked.url), asked.content) == ("POST", POD_IDENTITY, b"{}")
    assert asked.headers["authorization"] == SERVICE_TOKEN
    assert "Access=AKTEMPORARY1," in image.headers["authorization"]


async def test_pod_identitys_token_is_read_anew(login_cloud: LoginCloud, token_file: Path) -> None:
    async with login_cloud.client(BY_POD) as client:
        await client.get_image("i")
        rewrite(token_file, "another")
        login_cloud.clock.now += 24 * 3600
        await client.get_image("i")
    assert [request.headers["authorization"] for request in login_cloud.to(POD_KEY)] == [SERVICE_TOKEN, "another"]


@pytest.mark.parametrize("name", ["HC_CONTAINER_CREDENTIALS_FULL_URI", "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
async def test_a_pod_without_pod_identity_is_told(
    login_cloud: LoginCloud, token_file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    async with login_cloud.client(BY_POD) as client:
        with pytest.raises(Misconfigured, match=f"no Pod Identity, as .*{name}.*associate an agency"):
            await client.get_image("i")
    assert login_cloud.requests == []


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"HC_CONTAINER_CREDENTIALS_FULL_URI": "http://h:port"}, "is no URL"),
        ({"HC_CONTAINER_CREDENTIALS_FULL_URI": "ftp://h/x"}, "unsupported protocol"),
        ({"HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nowhere/token"}, "/nowhere/token: No such file"),
    ],
)
async def test_an_environment_that_can_not_be_used_is_told(
    login_cloud: LoginCloud, token_file: Path, environment: dict[str, str], words: str
) -> None:
    usual = {
        "HC_CONTAINER_CREDENTIALS_FULL_URI": POD_IDENTITY,
        "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token_file),
    }
    source = PodIdentitySource(Wire(allowlist=Allowlist.default()), usual | environment)
    with pytest.raises((Misconfigured, Unreachable), match=words):
        await source()


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_of_pod_identity_is_told(login_cloud: LoginCloud, token_file: Path, status: int) -> None:
    login_cloud.answers[POD_KEY] = lambda _: httpx.Response(status, json={"error_msg": "No.", "error_code": "X"})
    async with login_cloud.client(BY_POD) as client:
        with pytest.raises(CredentialsInvalid, match=r"^No\. Check the Pod Identity association"):
            await client.get_image("i")


class KeyServer:
    """A metadata service and a Pod Identity at a real port."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.asked.append(head.split(b"\r\n")[0])
                await reader.readexactly(2 if head.startswith(b"POST") else 0)
                body = b'{"credential": {"access": "A", "secret": "S", "securitytoken": "T"}}'
                if head.startswith(b"PUT"):
                    body = b"metadata-token"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_neither_a_proxy_nor_the_allowlist_is_in_the_way(
    monkeypatch: pytest.MonkeyPatch, token_file: Path, variable: str
) -> None:
    """A proxy would see the keys, and be asked for its own node's; the allowlist is about what providers name."""
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    server = KeyServer()
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    wire = Wire(allowlist=Allowlist.default())
    async with listening:
        node = NodeAgencySource(NodeAgencyCredentials(metadata_endpoint=endpoint), wire)
        pod = PodIdentitySource(
            wire,
            {
                "HC_CONTAINER_CREDENTIALS_FULL_URI": f"{endpoint}/keys",
                "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token_file),
            },
        )
        for source in (node, pod):
            assert (await source()).value.access_key_id == "A"
    assert server.asked == [
        b"PUT /meta-data/latest/api/token HTTP/1.1",
        b"GET /openstack/latest/securitykey HTTP/1.1",
        b"POST /keys HTTP/1.1",
    ]


async def test_a_compressed_reply_is_not_unfolded(login_cloud: LoginCloud) -> None:
    login_cloud.answers[METADATA_KEY] = lambda _: httpx.Response(
        200, stream=Raw(), headers={"Content-Encoding": "gzip"}
    )
    async with login_cloud.client(BY_NODE) as client:
        with pytest.raises(TryLater, match="no JSON"):
            await client.get_image("i")


class Raw(httpx.AsyncByteStream):
    async def __aiter__(self):  # type: ignore[no-untyped-def]
        yield b"\x1f\x8b not really"


def test_the_project_makes_no_other_login() -> None:
    assert BY_NODE.fingerprint() == replace(BY_NODE, project=PodIdentityCredentials().project).fingerprint()
    assert BY_NODE.fingerprint() != NodeAgencyCredentials(metadata_endpoint="http://another").fingerprint()
