"""Request signatures of the kind SDK-HMAC-SHA256, computed from the request exactly as it arrived.

Source: "API request signing guide, Calculating the Signature". The gateway works on bytes, and so does this module: the
path and the query of the request line, header values without decoding, the body unparsed. Path and query are decoded
and encoded again. A client may therefore send `~` or `%7E`, but must have signed `~`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "SDK-HMAC-SHA256"
UNSIGNED_PAYLOAD = b"UNSIGNED-PAYLOAD"
_DATE = "x-sdk-date"
_CONTENT_HASH = "x-sdk-content-sha256"
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Access=(?P<key>[^,\s]+), ?SignedHeaders=(?P<headers>[^,\s]+), "
    r"?Signature=(?P<signature>[0-9a-f]{64})"
)

Plus = Literal["literal", "space"]


@dataclass(frozen=True)
class RawRequest:
    """A request as it arrived."""

    method: str
    target: bytes
    """Path and query of the request line."""
    headers: tuple[tuple[bytes, bytes], ...]
    """Names and values as they were sent, in the same order."""
    body: bytes
    too_large: bool = False
    """The body exceeds the gateway's limit and was not read."""

    def header(self, name: str) -> str | None:
        """The value of a header; several values are joined by commas. None: no such header."""
        value = self._values(name)
        return None if value is None else value.decode("utf-8", "replace")

    def _values(self, name: str) -> bytes | None:
        wanted = name.lower().encode()
        values = [value.strip() for key, value in self.headers if key.lower() == wanted]
        return b",".join(values) if values else None

    def canonical(self, signed_headers: tuple[str, ...], plus: Plus = "literal") -> bytes:
        """The canonical request, with `signed_headers` in the order given."""
        path, _, query = self.target.partition(b"?")
        uri = _encoded(unquote_to_bytes(path), safe="/")
        lines = [
            self.method.upper().encode(),
            uri if uri.endswith(b"/") else uri + b"/",
            _canonical_query(query, plus),
            *(name.encode() + b":" + (self._values(name) or b"") for name in signed_headers),
            b"",
            ";".join(signed_headers).encode(),
            self._payload_hash(),
        ]
        return b"\n".join(lines)

    def _payload_hash(self) -> bytes:
        """The hash of the body, or UNSIGNED-PAYLOAD if the header says so and there is a body."""
        real = hashlib.sha256(self.body).hexdigest().encode()
        sent = self._values(_CONTENT_HASH)
        return UNSIGNED_PAYLOAD if self.body and sent == UNSIGNED_PAYLOAD else real


def _encoded(value: bytes, safe: str = "") -> bytes:
    return quote(value, safe="~" + safe).encode()


def _canonical_query(query: bytes, plus: Plus) -> bytes:
    def decoded(text: bytes) -> bytes:
        return unquote_to_bytes(text.replace(b"+", b" ") if plus == "space" else text)

    pairs = [part.partition(b"=") for part in query.split(b"&") if part]
    return b"&".join(
        _encoded(key) + b"=" + _encoded(value)
        for key, value in sorted((decoded(key), decoded(value)) for key, _, value in pairs)
    )


class SignatureProblem(ValueError):
    """A signature that cannot be checked; the text gives the reason."""


@dataclass(frozen=True)
class Signature:
    """The parts of an Authorization header, and X-Sdk-Date."""

    access_key: str
    signed_headers: tuple[str, ...]
    signature: str
    date: str
    """X-Sdk-Date as it was sent."""

    def signed_at(self) -> float:
        """The time of X-Sdk-Date in seconds since the epoch. Raises: SignatureProblem."""
        try:
            return datetime.strptime(self.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise SignatureProblem("x-sdk-date is not of the form YYYYMMDDTHHMMSSZ") from None

    def matches(self, canonical: bytes, secret: str) -> bool:
        """Whether this is the signature of a canonical request with a secret key."""
        digest = hashlib.sha256(canonical).hexdigest()
        signed = f"{ALGORITHM}\n{self.date}\n{digest}".encode()
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, self.signature)


def signature_of(request: RawRequest) -> Signature:
    """Read the signature of a request. Raises: SignatureProblem."""
    match = _AUTHORIZATION.fullmatch(request.header("Authorization") or "")
    if match is None:
        raise SignatureProblem("the authorization header is not of the form Access=, SignedHeaders=, Signature=")
    signed_headers = tuple(match["headers"].lower().split(";"))
    date = request.header(_DATE)
    if date is None or _DATE not in signed_headers:
        raise SignatureProblem("x-sdk-date is not found in the signed headers")
    return Signature(match["key"], signed_headers, match["signature"], date)
