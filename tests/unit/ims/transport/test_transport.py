"""The way of a request over real sockets: to the judged address under the host's own name, and replies without end."""

import asyncio

import pytest

from imagecopy.ims import Allowlist, EndpointNotAllowed, OutcomeUnknown, Timeouts, TryLater, ssl_context
from imagecopy.ims.resolver import Resolver
from unit.ims.cloud import JOB
from unit.ims.sockets import AHEAD, Serve, accept, endless, listening, own_certificate, serving
from unit.ims.transport.clients import HOST, REQUEST, client_of, wire_to

ENDLESS_AHEAD = endless(b"", AHEAD)
"""Sends more and more ahead of its reply."""
SLOW_HEAD = endless(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x", 0.01)
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


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


@pytest.mark.parametrize(
    "serve",
    [
        pytest.param(ENDLESS_AHEAD, id="endless_ahead"),
        pytest.param(endless(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 65536), id="huge_header"),
        pytest.param(endless(b"HTTP/1.1 200 OK\r\n", b"X-Many: x\r\n" * 1000), id="many_headers"),
        pytest.param(endless(_CHUNKED + b"0\r\n", b"X-Many: x\r\n" * 1000), id="endless_trailers"),
        pytest.param(endless(_CHUNKED, (b"1;" + b"x" * 8000 + b"\r\n \r\n") * 8), id="mere_chunks"),
        pytest.param(endless(_CHUNKED, b"1\r\n \r\n" * 1000), id="crumbs"),
        pytest.param(SLOW_HEAD, id="slow_head"),
    ],
)
async def test_a_reply_without_an_end_is_given_up(serve: Serve) -> None:
    seconds = 0.2 if serve is SLOW_HEAD else 60.0
    async with serving(serve) as server:
        wire = wire_to(server.port, timeouts=Timeouts(call_seconds=seconds))
        async with client_of(wire, server.port, "http") as client:
            with pytest.raises(OutcomeUnknown) as caught:
                await client.copy_image("i", REQUEST)
    assert ("no whole reply within" in str(caught.value)) == (serve is SLOW_HEAD)


async def test_a_login_without_an_end_is_given_up_and_leaves_no_doubt() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ENDLESS_AHEAD(reader, writer, b"")

    async with listening(flood) as port, client_of(wire_to(port), port, "http") as client:
        with pytest.raises(TryLater, match="heads included"):
            await client.copy_image("i", REQUEST)
