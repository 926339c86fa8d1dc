"""Signatures of requests by an access key: SDK-HMAC-SHA256. Pure but for :func:`sign`, which changes its request.

Source: Huawei Cloud, API Request Signing Guide, "AK/SK Signing and Authentication Algorithm"; where the guide is not
specific, this module does the same as the official SDK's signer (huaweicloudsdkcore 3.1); tests compare both.

The server makes the canonical request anew from what it receives. So what is sent must be what was signed:
:func:`sign` puts the canonical query into the URL, and signs host, path and body as httpx sends them.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

import httpx

ALGORITHM: Final = "SDK-HMAC-SHA256"
MAX_SKEW_SECONDS: Final = 900.0
"""A request is refused when its time is further than this from the server's."""

_SIGNED_IF_PRESENT: Final = ("content-type",)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """What requests are signed with. A temporary one comes with a token that says so."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


def sign(request: httpx.Request, key: AccessKey, at: datetime, *, project_id: str | None = None) -> None:
    """Sign ``request`` as of ``at``; one that was signed before is signed anew.

    ``project_id`` is for services that work in a project (``X-Project-Id``); IAM does not.
    """
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    query = canonical_query(parse_qsl(query, keep_blank_values=True))
    request.url = request.url.copy_with(raw_path=f"{path}?{query}".encode() if query else path.encode())
    headers = {"x-sdk-date": f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"}
    if project_id is not None:
        headers["x-project-id"] = project_id
    if key.security_token is not None:
        headers["x-security-token"] = key.security_token
    request.headers.update(headers)
    headers["host"] = request.headers["host"]
    headers |= {name: request.headers[name] for name in _SIGNED_IF_PRESENT if name in request.headers}
    canonical = canonical_request(request.method, path, query, headers, request.content)
    request.headers["authorization"] = authorization(key, canonical, headers)


def canonical_request(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> str:
    """Return what both sides hash. ``query`` is canonical, ``headers`` are all that are signed, in lower case."""
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    digest = hashlib.sha256(body).hexdigest()
    return "\n".join((method.upper(), canonical_path(path), query, lines, ";".join(sorted(headers)), digest))


def canonical_path(path: str) -> str:
    """Return the path with each segment encoded in one way, and a slash at its end (which is not sent)."""
    segments = unquote(path).split("/")
    encoded = "/".join(map(_encode, segments))
    return encoded if encoded.endswith("/") else encoded + "/"


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the query, sorted by name and then by value; a blank is ``%20``, an empty value keeps its ``=``."""
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in sorted(pairs))


def authorization(key: AccessKey, canonical: str, headers: Mapping[str, str]) -> str:
    """Return the header that carries the signature of a canonical request."""
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join((ALGORITHM, headers["x-sdk-date"], digest))
    signature = hmac.new(key.secret_access_key.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    names = ";".join(sorted(headers))
    return f"{ALGORITHM} Access={key.access_key_id}, SignedHeaders={names}, Signature={signature}"


def _encode(text: str) -> str:
    return quote(text, safe="~")
