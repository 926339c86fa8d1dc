"""The way of a request over real sockets: to the judged address under the host's own name, or through a proxy."""

import asyncio
import base64
import contextlib
import json
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpcore
import httpx
import pytest

from imagecopy.ims import (
    Allowlist,
    CopyRequest,
    EndpointNotAllowed,
    ImsClient,
    Misconfigured,
    OutcomeUnknown,
    PasswordTokenAuth,
    Proxies,
    Timeouts,
    TryLater,
    Unreachable,
    Wire,
    ssl_context,
)
from imagecopy.ims.resolver import Resolver
from unit.ims.cloud import JOB, credentials
from unit.ims.sockets import Serve, listening, own_certificate, reply, serving

HOST = "ims.eu-de.cloud.test"
LOGIN = "proxy-user:proxy-s3cret"
REQUEST = CopyRequest(name="n")
AHEAD = b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 8000 + b"\r\n\r\n"
"""What a server may send ahead of its reply, as often as it likes."""


async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(reply(json.dumps({"job_id": JOB, "id": "i"}).encode()))


def nobody(host: str) -> list[str]:
    raise AssertionError(f"{host} was looked up")


def wire_to(port: int, context: ssl.SSLContext | None = None, **options: object) -> Wire:
    wire = Wire(
        allowlist=Allowlist.parse(f"{HOST}:{port}"), resolver=Resolver(lambda _: ["127.0.0.1"]), context=context
    )
    return replace(wire, **options)  # type: ignore[arg-type]


def client_of(wire: Wire, port: int, scheme: str = "https", host: str = HOST) -> ImsClient:
    endpoint = f"{scheme}://{host}:{port}"
    return ImsClient(PasswordTokenAuth(endpoint, credentials(), wire), wire, ims_endpoint=endpoint)


class Proxy:
    """A proxy that makes tunnels and forwards plain http, and takes every name for this machine."""

    def __init__(self, login: str | None = None, refusal: bytes | None = None) -> None:
        self.expected = login and f"proxy-authorization: basic {base64.b64encode(login.encode()).decode()}".lower()
        self.refusal = refusal
        self.asked: list[str] = []
        self.port = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode("latin-1").split("\r\n")[0].split(" ")
        self.asked.append(f"{method} {target}")
        if self.refusal is not None:
            writer.write(self.refusal)
            await writer.drain()
            return
        if self.expected and self.expected not in head.decode("latin-1").lower():
            writer.write(reply(b"", status="407 Proxy Authentication Required"))
            await writer.drain()
            return
        if method == "CONNECT":
            there = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            there = await asyncio.open_connection("127.0.0.1", httpx.URL(target).port)
            there[1].write(head.replace(target.encode(), httpx.URL(target).raw_path, 1))
        try:
            await asyncio.gather(_pour(reader, there[1]), _pour(there[0], writer))
        finally:
            there[1].transport.abort()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def proxying(login: str | None = None, refusal: bytes | None = None) -> AsyncIterator[Proxy]:
    proxy = Proxy(login, refusal)
    async with listening(proxy) as proxy.port:
        yield proxy


def through(port: int, login: str = "", no_proxy: str = "") -> Proxies:
    url = f"http://{login + '@' if login else ''}127.0.0.1:{port}"
    return Proxies.from_environment({"HTTPS_PROXY": url, "HTTP_PROXY": url, "NO_PROXY": no_proxy})


async def test_the_name_stays_for_tls_and_for_the_host_header() -> None:
    names: list[str | None] = []
    server_side, bundle = own_certificate(names=(HOST,))
    server_side.sni_callback = lambda _, name, __: names.append(name)
    async with serving(accept, server_side) as server:
        async with client_of(wire_to(server.port, ssl_context(bundle)), server.port) as client:
            assert (await client.copy_image("i", REQUEST)).job_id == JOB
        assert f"host: {HOST}:{server.port}".encode() in server.requests[0].lower()
    assert names
    assert set(names) == {HOST}


async def test_every_connection_is_judged_those_for_login_and_copy_too() -> None:
    answers = ["127.0.0.1", "127.0.0.1"]
    async with serving(accept) as server:
        wire = wire_to(server.port, resolver=Resolver(lambda _: [answers.pop(0)]))
        async with client_of(wire, server.port, "http") as client:
            await client.copy_image("i", REQUEST)
    assert answers == []


async def test_a_host_that_resolves_to_loopback_is_refused_and_hears_nothing() -> None:
    touched = asyncio.Event()

    async def touch(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        touched.set()

    async with listening(touch) as port:
        wire = wire_to(port, allowlist=Allowlist.parse(f"*.cloud.test:{port}"))
        async with client_of(wire, port) as client:
            with pytest.raises(EndpointNotAllowed, match=rf"{HOST} resolves to 127\.0\.0\.1, which is a loopback"):
                await client.copy_image("i", REQUEST)
    assert not touched.is_set()


async def test_httpx_sends_over_the_pool_that_is_guarded() -> None:
    """Fails when an upgrade of httpx or httpcore takes the guard out of the way."""
    wire = wire_to(443, allowlist=Allowlist.parse("*.cloud.test"))
    async with wire.client() as http, wire.one_shot_client() as one_shot:
        for client in (http, one_shot):
            with pytest.raises(EndpointNotAllowed):
                await client.get(f"https://{HOST}/")


def test_the_environment_has_no_say_in_how_a_client_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    http = wire_to(443).client()
    assert not http.trust_env
    assert http._mounts == {}


async def test_a_proxy_makes_the_tunnel_and_resolves_the_name() -> None:
    server_side, bundle = own_certificate(names=(HOST,))
    async with serving(accept, server_side) as server, proxying() as proxy:
        wire = wire_to(server.port, ssl_context(bundle), proxies=through(proxy.port), resolver=Resolver(nobody))
        async with client_of(wire, server.port) as client:
            assert (await client.copy_image("i", REQUEST)).job_id == JOB
        assert len(server.requests) == 1
    assert proxy.asked == [f"CONNECT {HOST}:{server.port}"] * 2


async def test_a_proxy_forwards_plain_http() -> None:
    async with serving(accept) as server, proxying() as proxy:
        wire = wire_to(server.port, proxies=through(proxy.port), resolver=Resolver(nobody))
        async with client_of(wire, server.port, "http") as client:
            assert (await client.copy_image("i", REQUEST)).job_id == JOB
    assert [asked.split(" ")[1] for asked in proxy.asked] == [
        f"http://{HOST}:{server.port}/v3/auth/tokens",
        f"http://{HOST}:{server.port}/v1/cloudimages/i/copy",
    ]


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_a_proxys_login_is_used_and_never_told(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server_side, bundle = own_certificate(names=(HOST,))
    async with serving(accept, server_side if scheme == "https" else None) as server, proxying(LOGIN) as proxy:
        for login, works in ((LOGIN, True), ("proxy-user:wrong-s3cret", False)):
            wire = wire_to(server.port, ssl_context(bundle), proxies=through(proxy.port, login))
            async with client_of(wire, server.port, scheme) as client:
                if works:
                    await client.copy_image("i", REQUEST)
                    continue
                with pytest.raises(Unreachable) as caught:
                    await client.copy_image("i", REQUEST)
                told = str(caught.value)
                assert f"the proxy 127.0.0.1:{proxy.port} ({scheme.upper()}_PROXY) refuses: 407" in told
                assert HOST in told
                assert "s3cret" not in told
    assert "s3cret" not in caplog.text
    assert base64.b64encode(LOGIN.encode()).decode() not in caplog.text


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (reply(b"no", status="403 Forbidden"), "refuses: 403 Forbidden"),
        (reply(b"", status="502 Bad Gateway"), "refuses: 502 Bad Gateway"),
        (b"", "makes no connection: Server disconnected"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "makes no connection"),
        (AHEAD * 400, "makes no connection: the answer has more than"),
    ],
)
async def test_a_proxy_that_refuses_sent_nothing_on(refusal: bytes, words: str) -> None:
    async with proxying(refusal=refusal) as proxy, client_of(wire_to(443, proxies=through(proxy.port)), 443) as client:
        with pytest.raises(Unreachable, match=words) as caught:
            await client.copy_image("i", REQUEST)
    assert f"the proxy 127.0.0.1:{proxy.port} (HTTPS_PROXY)" in str(caught.value)


async def test_a_copy_whose_tunnel_hangs_was_not_sent() -> None:
    """The login went through another tunnel, so that this is the copy's own."""
    tunnels = 0
    server_side, bundle = own_certificate(names=(HOST,))

    async def hang_at_the_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tunnels
        tunnels += 1
        await (forward(reader, writer) if tunnels == 1 else reader.read(-1))

    forward = Proxy()
    async with serving(accept, server_side) as server, listening(hang_at_the_second) as port:
        wire = wire_to(server.port, ssl_context(bundle), proxies=through(port))
        async with client_of(wire, server.port) as client:
            await client.project_id()
            client._wire = replace(wire, timeouts=Timeouts(read_seconds=0.1))
            client._http.timeout = client._wire.timeouts.httpx()
            with pytest.raises(Unreachable, match="makes no connection: ReadTimeout"):
                await client.copy_image("i", REQUEST)
        assert server.requests == []
    assert tunnels == 2


async def test_a_copy_lost_beyond_the_proxy_is_unknown() -> None:
    async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
        writer.transport.abort()

    server_side, bundle = own_certificate(names=(HOST,))
    async with serving(cut, server_side) as server, proxying() as proxy:
        wire = wire_to(server.port, ssl_context(bundle), proxies=through(proxy.port))
        async with client_of(wire, server.port) as client:
            with pytest.raises(OutcomeUnknown):
                await client.copy_image("i", REQUEST)
        assert len(server.requests) == 1


async def test_a_proxy_that_is_down_is_named() -> None:
    async with proxying() as proxy:
        port = proxy.port
    for scheme in ("https", "http"):
        async with client_of(wire_to(443, proxies=through(port)), 443, scheme) as client:
            with pytest.raises(Unreachable, match=rf"the proxy 127\.0\.0\.1:{port} \(HTTPS?_PROXY\) can't be reached"):
                await client.copy_image("i", REQUEST)


async def test_a_server_that_is_not_trusted_is_not_taken_for_the_proxys_fault() -> None:
    server_side, _ = own_certificate(names=(HOST,))
    async with (
        serving(accept, server_side) as server,
        proxying() as proxy,
        client_of(wire_to(server.port, proxies=through(proxy.port)), server.port) as client,
    ):
        with pytest.raises(Misconfigured, match=rf"the certificate of {HOST}.*spec\.caBundle"):
            await client.copy_image("i", REQUEST)


async def test_no_proxy_is_respected() -> None:
    async with serving(accept) as server, proxying() as proxy:
        wire = wire_to(server.port, proxies=through(proxy.port, no_proxy=".cloud.test"))
        async with client_of(wire, server.port, "http") as client:
            await client.copy_image("i", REQUEST)
    assert proxy.asked == []


async def test_a_target_that_is_an_address_is_judged_before_the_proxy_gets_it() -> None:
    async with proxying() as proxy:
        wire = wire_to(443, proxies=through(proxy.port))
        async with wire.client() as http:
            with pytest.raises(EndpointNotAllowed, match="metadata"):
                await http.get("https://169.254.169.254/")
    assert proxy.asked == []


async def test_what_is_told_of_a_proxy_rests_on_events_that_httpcore_still_has() -> None:
    """Without them no request is taken for unsent, so this is about messages and about needless doubt."""
    events: list[str] = []

    async def trace(event: str, _: object) -> None:
        events.append(event.partition(".")[2])

    server_side, bundle = own_certificate(names=(HOST,))
    async with (
        serving(accept, server_side) as server,
        proxying() as proxy,
        httpcore.AsyncHTTPProxy(f"http://127.0.0.1:{proxy.port}", ssl_context=ssl_context(bundle)) as pool,
    ):
        await pool.request("GET", f"https://{HOST}:{server.port}/", extensions={"trace": trace})
    started = [event.removesuffix(".started") for event in events if event.endswith(".started")]
    wanted = ["connect_tcp", "send_request_headers", "start_tls", "send_request_headers"]
    assert [event for event in started if event in wanted] == wanted


async def endless_ahead(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    while True:
        writer.write(AHEAD)
        await writer.drain()


async def huge_header(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def many_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Many: x\r\n" * 1000)
        await writer.drain()


async def endless_trailers(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    while True:
        writer.write(b"X-Many: x\r\n" * 1000)
        await writer.drain()


async def mere_chunks(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write((b"1;" + b"x" * 8000 + b"\r\n \r\n") * 8)
        await writer.drain()


async def crumbs(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\n \r\n" * 1000)
        await writer.drain()


async def slow_head(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "serve", [endless_ahead, huge_header, many_headers, endless_trailers, mere_chunks, crumbs, slow_head]
)
async def test_a_reply_without_an_end_is_given_up(serve: Serve) -> None:
    seconds = 0.2 if serve is slow_head else 60.0
    async with serving(serve) as server:
        wire = wire_to(server.port, timeouts=Timeouts(call_seconds=seconds))
        async with client_of(wire, server.port, "http") as client:
            with pytest.raises(OutcomeUnknown) as caught:
                await client.copy_image("i", REQUEST)
    assert ("no whole reply within" in str(caught.value)) == (serve is slow_head)


async def test_a_login_without_an_end_is_given_up_and_leaves_no_doubt() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await endless_ahead(reader, writer, b"")

    async with listening(flood) as port, client_of(wire_to(port), port, "http") as client:
        with pytest.raises(TryLater, match="heads included"):
            await client.copy_image("i", REQUEST)
