"""Against real sockets: what httpx raises when a connection goes wrong, and what we make of it."""

import asyncio
import logging
import ssl

import httpx
import pytest

from imagecopy.ims import (
    Allowlist,
    ImsClient,
    Misconfigured,
    OutcomeUnknown,
    PasswordTokenAuth,
    Timeouts,
    TryLater,
    Unreachable,
    Wire,
    ssl_context,
)
from unit.ims.cloud import JOB, credentials
from unit.ims.sockets import Serve, accept, endless, listening, own_certificate, plain_http, reply, serving
from unit.ims.transport import clients
from unit.ims.transport.clients import REQUEST

_FLOOD = endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 0x10000 + b"\r\n")
_DRIP = endless(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" ", 0.01)


def client_of(
    port: int, *, scheme: str = "http", context: ssl.SSLContext | None = None, limits: Timeouts | None = None
) -> ImsClient:
    allowlist = Allowlist.parse(f"127.0.0.1:{port}")
    wire = Wire(allowlist=allowlist, timeouts=limits or Timeouts(), context=context)
    return clients.client_of(wire, port, scheme, "127.0.0.1")


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.transport.abort()


async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.close()


async def truncate(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(reply(b'{"job_id": "edc8', length=60))
    await writer.drain()
    writer.close()


async def truncate_unannounced(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"job_id": "edc8')
    await writer.drain()
    writer.close()


async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: bytes) -> None:
    await reader.read()


@pytest.mark.parametrize(
    "serve", [reset, close, truncate, truncate_unannounced, babble, pytest.param(_FLOOD, id="flood")]
)
async def test_a_copy_whose_reply_did_not_come_whole_is_unknown_and_not_sent_again(serve: Serve) -> None:
    async with serving(serve) as server, client_of(server.port) as client:
        with pytest.raises(OutcomeUnknown):
            await client.copy_image("i", REQUEST)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("serve", "timeouts"),
    [(hang, Timeouts(read_seconds=0.05)), (hang, Timeouts(call_seconds=0.05)), (_DRIP, Timeouts(call_seconds=0.1))],
)
async def test_a_copy_without_a_reply_in_time_is_unknown(serve: Serve, timeouts: Timeouts) -> None:
    async with serving(serve) as server, client_of(server.port, limits=timeouts) as client:
        with pytest.raises(OutcomeUnknown):
            await client.copy_image("i", REQUEST)
        assert len(server.requests) == 1


async def test_nothing_was_sent_where_nobody_listens() -> None:
    async with serving(accept) as server, client_of(server.port) as client:
        await client.project_id()
        port = server.port
    async with client_of(port) as client:
        with pytest.raises(Unreachable):
            await client.copy_image("i", REQUEST)


async def test_a_copy_refused_a_connection_after_the_login_was_not_sent() -> None:
    async with serving(accept) as server:
        client = client_of(server.port)
        await client.project_id()
    async with client:
        with pytest.raises(Unreachable):
            await client.copy_image("i", REQUEST)


async def test_tls_with_a_server_that_has_none_is_unreachable() -> None:
    async with listening(plain_http) as port, client_of(port, scheme="https") as client:
        with pytest.raises(Unreachable, match="SSL"):
            await client.copy_image("i", REQUEST)


async def test_an_untrusted_server_gets_nothing_and_a_ca_bundle_makes_it_trusted() -> None:
    server_side, bundle = own_certificate()
    async with serving(accept, server_side) as server:
        async with client_of(server.port, scheme="https") as client:
            with pytest.raises(Misconfigured, match=r"spec\.caBundle.*certificate verify failed"):
                await client.copy_image("i", REQUEST)
        assert server.requests == []
        async with client_of(server.port, scheme="https", context=ssl_context(bundle)) as client:
            assert (await client.copy_image("i", REQUEST)).job_id == JOB


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    wire = Wire(allowlist=Allowlist.parse("nobody.invalid:1"))
    auth = PasswordTokenAuth("https://nobody.invalid:1", credentials(), wire)
    with pytest.raises(Unreachable, match=r"nobody\.invalid"):
        await auth.session()


async def test_a_login_that_hangs_leaves_no_doubt() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(silent) as port, client_of(port, limits=Timeouts(read_seconds=0.05)) as client:
        with pytest.raises(TryLater):
            await client.copy_image("i", REQUEST)


async def test_reads_share_a_connection_and_each_copy_has_its_own() -> None:
    async with serving(accept) as server, client_of(server.port) as client:
        await client.project_id()
        assert server.connections == 1
        for _ in range(3):
            await client.get_image("i")
        assert server.connections == 2
        for _ in range(2):
            await client.copy_image("i", REQUEST)
        assert server.connections == 4


async def test_debug_logs_have_no_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(accept) as server, client_of(server.port) as client:
        await client.get_image("i")
    assert "HTTP/1.1 200 OK" in caplog.text
    assert "s3cr3t-token" not in caplog.text


def test_tls_settings_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ssl_context()
    monkeypatch.setattr(httpx, "create_ssl_context", None)
    assert ssl_context() is first
    assert first.verify_mode is ssl.CERT_REQUIRED
    assert first.check_hostname


@pytest.mark.parametrize(
    "bundle", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ü"]
)
def test_a_ca_bundle_without_certificates_is_a_misconfiguration(bundle: str) -> None:
    with pytest.raises(Misconfigured, match="CA bundle"):
        ssl_context(bundle)
