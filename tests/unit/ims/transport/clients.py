"""Clients of one test server: the wire resolves every host name to 127.0.0.1."""

import ssl
from dataclasses import replace

from imagecopy.ims import Allowlist, CopyRequest, ImsClient, PasswordTokenAuth, Wire
from imagecopy.ims.resolver import Resolver
from unit.ims.cloud import credentials

HOST = "ims.eu-de.cloud.test"
REQUEST = CopyRequest(name="n")


def wire_to(port: int, context: ssl.SSLContext | None = None, **options: object) -> Wire:
    wire = Wire(
        allowlist=Allowlist.parse(f"{HOST}:{port}"), resolver=Resolver(lambda _: ["127.0.0.1"]), context=context
    )
    return replace(wire, **options)  # type: ignore[arg-type]


def client_of(wire: Wire, port: int, scheme: str = "https", host: str = HOST) -> ImsClient:
    endpoint = f"{scheme}://{host}:{port}"
    return ImsClient(PasswordTokenAuth(endpoint, credentials(), wire), wire, ims_endpoint=endpoint)
