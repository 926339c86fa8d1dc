"""Servers that can't be trusted, on real sockets: what is told, by field and what to do; nothing is ever sent."""

import asyncio
import ssl

import pytest

from imagecopy.ims import ImsError, Misconfigured, TryLater, Unreachable, ssl_context
from unit.ims.sockets import accept, listening, own_certificate, plain_http, reply, serving
from unit.ims.transport.clients import HOST, REQUEST, client_of, wire_to


async def refusal(port: int, *, scheme: str = "https", context: ssl.SSLContext | None = None) -> ImsError:
    """Return what a copy at this port ends with."""
    async with client_of(wire_to(port, context), port, scheme) as client:
        with pytest.raises(ImsError) as caught:
            await client.copy_image("i", REQUEST)
    return caught.value


@pytest.mark.parametrize("bundle_of_another", [False, True])
async def test_a_certificate_signed_by_nobody_known_asks_for_the_ca_bundle(bundle_of_another: bool) -> None:
    server_side, _ = own_certificate(names=(HOST,))
    context = ssl_context(own_certificate(names=(HOST,))[1]) if bundle_of_another else None
    async with serving(accept, server_side) as server:
        error = await refusal(server.port, context=context)
        assert server.requests == []
    assert type(error) is Misconfigured
    assert HOST in error.message
    assert "put the certificate (PEM) of the CA that signed it into the provider's spec.caBundle" in error.message


async def test_an_expired_certificate_is_the_servers_matter_and_passes() -> None:
    server_side, bundle = own_certificate(names=(HOST,), valid_days=(-3, -1))
    async with serving(accept, server_side) as server:
        error = await refusal(server.port, context=ssl_context(bundle))
    assert type(error) is Unreachable
    assert f"the certificate of {HOST}, or the one of the CA that signed it, has expired" in error.message


async def test_a_certificate_of_tomorrow_points_to_the_clock() -> None:
    server_side, bundle = own_certificate(names=(HOST,), valid_days=(1, 3))
    async with serving(accept, server_side) as server:
        error = await refusal(server.port, context=ssl_context(bundle))
    assert type(error) is Unreachable
    assert "check the clock" in error.message


async def test_a_certificate_for_another_name_points_to_the_endpoint() -> None:
    server_side, bundle = own_certificate(names=("other.cloud.test",))
    async with serving(accept, server_side) as server:
        error = await refusal(server.port, context=ssl_context(bundle))
    assert type(error) is Misconfigured
    assert f"the certificate that {HOST} shows is for another name" in error.message
    assert "spec.endpoints" in error.message


async def test_https_where_there_is_plain_http_only_points_to_port_and_scheme() -> None:
    async with listening(plain_http) as port:
        error = await refusal(port)
    assert type(error) is Unreachable
    assert f"{HOST} does not speak TLS at this port: correct the port in the provider's spec.endpoints" in error.message


async def test_http_where_https_is_needed_says_so() -> None:
    async def alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n")
        await writer.drain()

    async with listening(alert) as port:
        error = await refusal(port, scheme="http")
    assert type(error) is TryLater
    assert "write https:// in the provider's spec.endpoints" in error.message


async def test_a_redirect_from_http_to_https_is_told_by_where_it_goes() -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        location = f"Location: https://user:pw@{HOST}/login?token=s3cret\r\n"
        writer.write(reply(b"moved", status="301 Moved Permanently", extra=location))
        await writer.drain()

    async with listening(redirect) as port:
        error = await refusal(port, scheme="http")
    assert f"sends us on to https://{HOST} (status 301)" in error.message
    assert "spec.endpoints" in error.message
    assert "s3cret" not in error.message
