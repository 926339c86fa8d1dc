"""Requests through a proxy over real sockets: which tunnels are made, what the proxy learns, and how it can fail."""

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpcore
import httpx
import pytest

from imagecopy.ims import (
    EndpointNotAllowed,
    Misconfigured,
    OutcomeUnknown,
    Proxies,
    Timeouts,
    Unreachable,
    ssl_context,
)
from imagecopy.ims.resolver import Resolver
from unit.ims.cloud import JOB
from unit.ims.sockets import AHEAD, accept, listening, own_certificate, reply, serving
from unit.ims.transport.clients import HOST, REQUEST, client_of, wire_to

LOGIN = "proxy-user:proxy-s3cret"


def nobody(host: str) -> list[str]:
    raise AssertionError(f"{host} was looked up")


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
