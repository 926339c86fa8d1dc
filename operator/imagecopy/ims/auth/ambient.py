"""Authentication by the operator's own identity: the cloud gives temporary keys to the node or Pod it runs in.

The operator's environment and settings name the addresses that are called here, never a provider: the metadata service
is link-local, and Pod Identity answers on the node. So these calls use a client of their own. The allowlist and the
address check of :class:`imagecopy.ims.wire.Wire` keep providers away from exactly such addresses. An HTTP proxy would
see the keys, and would ask its own node for them.

Sources: huaweicloudsdkcore 3.1, ``auth/internal.py``; Huawei Cloud, ECS user guide, "Obtaining Metadata"; Huawei Cloud,
CCE user guide, "Pod Identity".
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Final

import httpx

from imagecopy.ims.auth.access_key import fresh_key
from imagecopy.ims.auth.credentials import NOTHING, Hidden, NodeAgencyCredentials
from imagecopy.ims.auth.files import read_token
from imagecopy.ims.auth.iam import NO_ADVICE, Advice, check, reply_of
from imagecopy.ims.auth.renewal import Fresh
from imagecopy.ims.auth.signer import AccessKey
from imagecopy.ims.classify import Call, clean
from imagecopy.ims.errors import CredentialsInvalid, ImsError, Misconfigured, TryLater, Unreachable
from imagecopy.ims.wire import Wire, recorded, ssl_context

POD_IDENTITY_URI: Final = "HC_CONTAINER_CREDENTIALS_FULL_URI"
POD_IDENTITY_TOKEN_FILE: Final = "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105

_TOKEN_PATH: Final = "/meta-data/latest/api/token"  # noqa: S105
_KEY_PATH: Final = "/openstack/latest/securitykey"
_TOKEN_SECONDS: Final = 21600
_NO_TOKENS: Final = (404, 405, 503)
"""The answers of a metadata service that has no tokens, and gives keys without one."""
_NO_AGENCY: Final = "configure Cloud Service Agency first"
_CONNECT_SECONDS: Final = 3.0
_CALL_SECONDS: Final = 10.0
_MAX_REPLY_BYTES: Final = 65536


class NodeAgencySource:
    """Asks the metadata service of the node for the keys of the node's agency."""

    def __init__(self, credentials: NodeAgencyCredentials, wire: Wire) -> None:
        self._endpoint = credentials.metadata_endpoint.rstrip("/")
        self._wire = wire

    def __repr__(self) -> str:
        return self._endpoint

    async def __call__(self) -> Fresh[AccessKey]:
        """Get the keys."""
        lifetime = {"X-Metadata-Token-Ttl-Seconds": str(_TOKEN_SECONDS)}
        asked = await self._ask("PUT", _TOKEN_PATH, lifetime, NOTHING, allowed=_NO_TOKENS)
        token = asked.text.strip() if asked.is_success else ""
        if not token.isascii() or not token.isprintable():
            raise TryLater("the metadata service gave a token that can't be used")
        reply = await self._ask("GET", _KEY_PATH, {"X-Metadata-Token": token} if token else {}, Hidden.of(token))
        return _key_of(reply)

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str], hidden: Hidden, allowed: tuple[int, ...] = ()
    ) -> httpx.Response:
        try:
            return await _call(self._wire, method, self._endpoint + path, headers, hidden, allowed=allowed)
        except Unreachable as exc:
            raise Unreachable.like(
                exc,
                f"the metadata service does not answer: {exc.message}; the operator has to run on a node of the "
                "cloud and be allowed to reach it (where it is: IMAGECOPY_METADATA_ENDPOINT)",
            ) from None
        except ImsError as exc:
            if _NO_AGENCY in exc.message:
                raise Misconfigured.like(
                    exc, f"the node has no agency: give it one that may copy images ({exc.message})"
                ) from None
            if exc.http_status == httpx.codes.NOT_FOUND:
                words = "the metadata service knows no keys: the operator has to run on a node of the cloud"
                raise Misconfigured.like(exc, words) from None
            if isinstance(exc, CredentialsInvalid):
                raise TryLater.like(exc) from None
            raise


class PodIdentitySource:
    """Asks CCE's Pod Identity for the keys of the agency that is bound to our service account."""

    def __init__(self, wire: Wire, environment: Mapping[str, str] = os.environ) -> None:
        self._wire = wire
        self._environment = environment

    def __repr__(self) -> str:
        return POD_IDENTITY_URI

    async def __call__(self) -> Fresh[AccessKey]:
        """Get the keys, with the current token: the kubelet replaces it before it expires."""
        uri, file = self._environment.get(POD_IDENTITY_URI), self._environment.get(POD_IDENTITY_TOKEN_FILE)
        if not uri or not file:
            raise Misconfigured(
                f"this Pod has no Pod Identity, as {POD_IDENTITY_URI} and {POD_IDENTITY_TOKEN_FILE} are not set: "
                "associate an agency with the operator's service account in CCE, then restart the operator"
            )
        try:
            token = read_token(file)
        except ValueError as exc:
            raise Misconfigured(f"Pod Identity's token can't be read ({POD_IDENTITY_TOKEN_FILE}): {exc}") from None
        headers = {"Authorization": token, "Content-Type": "application/json"}
        advice = Advice(refused="check the Pod Identity association of the operator's service account")
        return _key_of(await _call(self._wire, "POST", uri, headers, Hidden.of(token), content=b"{}", advice=advice))


def _key_of(response: httpx.Response) -> Fresh[AccessKey]:
    reply = reply_of(response)
    try:
        return fresh_key(reply.data, reply.headers)
    except ValueError as exc:
        raise reply.unusable(str(exc)) from None


async def _call(
    wire: Wire,
    method: str,
    url: str,
    headers: Mapping[str, str],
    hidden: Hidden,
    *,
    content: bytes | None = None,
    allowed: tuple[int, ...] = (),
    advice: Advice = NO_ADVICE,
) -> httpx.Response:
    """Send one request, past allowlist and proxies, and return the whole reply."""
    try:
        request = httpx.Request(method, url, headers={"Accept": "application/json", **headers}, content=content)
    except httpx.InvalidURL as exc:
        raise Misconfigured(f"the address for keys is no URL: {clean(str(exc))}") from None
    with recorded(Call.LOGIN, method, request.url.path, wire.on_call) as recording:
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                response = await _send(wire, request)
        except (httpx.HTTPError, OSError, TimeoutError) as exc:
            said = clean(str(exc), 300) or type(exc).__name__
            raise Unreachable(f"{method} at {request.url.host}: {said}") from None
        recording.response = response
        if response.status_code not in allowed:
            check(Call.LOGIN, response, hidden=hidden, advice=advice)
        return response


async def _send(wire: Wire, request: httpx.Request) -> httpx.Response:
    client = httpx.AsyncClient(
        trust_env=False,
        verify=ssl_context(),
        transport=wire.transport,
        follow_redirects=False,
        timeout=httpx.Timeout(_CALL_SECONDS, connect=_CONNECT_SECONDS),
    )
    async with client:
        streamed = await client.send(request, stream=True)
        streamed.headers.pop("content-encoding", None)  # nothing is unfolded, see wire.py
        try:
            body = b""
            async for piece in streamed.aiter_bytes():
                body += piece
                if len(body) > _MAX_REPLY_BYTES:
                    raise TryLater(f"the reply of {request.url.host} has more than {_MAX_REPLY_BYTES} bytes")
        finally:
            await streamed.aclose()
    return httpx.Response(streamed.status_code, headers=streamed.headers, content=body, request=request)
