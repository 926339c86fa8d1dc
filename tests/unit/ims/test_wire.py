"""Against real sockets: what httpx raises when a connection goes wrong, and what we make of it."""

import asyncio
import ipaddress
import json
import logging
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from imagecopy.ims import (
    Allowlist,
    CopyRequest,
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
from unit.ims.cloud import JOB, PROJECT, credentials

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]

LOGIN = {
    "token": {
        "issued_at": "2026-09-01T00:00:00Z",
        "expires_at": "2026-09-02T00:00:00Z",
        "project": {"id": PROJECT, "name": "eu-de"},
    }
}
REQUEST = CopyRequest(name="n")


def reply(body: bytes, *, status: str = "200 OK", extra: str = "", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{extra}\r\n".encode() + body


class Server:
    """Answers logins by itself and lets a test answer, or not answer, everything else."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode("latin-1").lower().split("\r\n")
            length = next((int(x.split(":")[1]) for x in lines if x.startswith("content-length:")), 0)
            await reader.readexactly(length)
            if b"/v3/auth/tokens" in head:
                body = json.dumps(LOGIN).encode()
                writer.write(reply(body, status="201 Created", extra="X-Subject-Token: s3cr3t-token\r\n"))
            else:
                self.requests.append(head)
                await self._serve(reader, writer, head)
            await writer.drain()


@asynccontextmanager
async def listening(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Accept connections at the port that is yielded, and leave none of them behind."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    handler = Server(serve)
    async with listening(handler, tls) as handler.port:
        yield handler


def own_certificate() -> tuple[ssl.SSLContext, str]:
    """Return what a server at 127.0.0.1 with a certificate of its own needs, and the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as both:
        both.write(private + certificate)
        both.flush()
        context.load_cert_chain(both.name)
    return context, f"# Müller's own CA\n{certificate}"


def client_of(
    port: int, *, scheme: str = "http", context: ssl.SSLContext | None = None, limits: Timeouts | None = None
) -> ImsClient:
    endpoint = f"{scheme}://127.0.0.1:{port}"
    allowlist = Allowlist.parse(f"127.0.0.1:{port}")
    wire = Wire(allowlist=allowlist, timeouts=limits or Timeouts(), context=context)
    return ImsClient(PasswordTokenAuth(endpoint, credentials(), wire), wire, ims_endpoint=endpoint)


async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(reply(json.dumps({"job_id": JOB, "id": "i"}).encode()))


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


async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        await writer.drain()


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: bytes) -> None:
    await reader.read()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("serve", [reset, close, truncate, truncate_unannounced, babble, flood])
async def test_a_copy_whose_reply_did_not_come_whole_is_unknown_and_not_sent_again(serve: Serve) -> None:
    async with serving(serve) as server, client_of(server.port) as client:
        with pytest.raises(OutcomeUnknown):
            await client.copy_image("i", REQUEST)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("serve", "timeouts"),
    [(hang, Timeouts(read_seconds=0.05)), (hang, Timeouts(call_seconds=0.05)), (drip, Timeouts(call_seconds=0.1))],
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
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with listening(plain) as port, client_of(port, scheme="https") as client:
        with pytest.raises(Unreachable, match="SSL"):
            await client.copy_image("i", REQUEST)


async def test_an_untrusted_server_gets_nothing_and_a_ca_bundle_makes_it_trusted() -> None:
    server_side, bundle = own_certificate()
    async with serving(accept, server_side) as server:
        async with client_of(server.port, scheme="https") as client:
            with pytest.raises(Unreachable, match="certificate verify failed"):
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


def test_tls_settings_are_made_once() -> None:
    first = ssl_context()
    begin = time.perf_counter()
    assert ssl_context() is first
    assert time.perf_counter() - begin < 0.01
    assert first.verify_mode is ssl.CERT_REQUIRED
    assert first.check_hostname


@pytest.mark.parametrize(
    "bundle", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ü"]
)
def test_a_ca_bundle_without_certificates_is_a_misconfiguration(bundle: str) -> None:
    with pytest.raises(Misconfigured, match="CA bundle"):
        ssl_context(bundle)
