"""JSON Web Tokens signed with RS256 (RFC 7519, RFC 7518 section 3.3), checked against a JSON Web Key Set.

A Kubernetes API server signs its service account tokens in this way. The check is one modular exponentiation, so it
needs no library, and the container image has none for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

from ims_simulator.parsing import JsonObject, parse_json

_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
"""DER of the DigestInfo of a SHA-256 hash (RFC 8017, section 9.2)."""


class InvalidToken(ValueError):
    """A token that is not accepted; the text gives the reason."""


def verified_claims(token: str, jwks: JsonObject) -> JsonObject:
    """The claims of a token that is signed by a key of the set. Times are not checked. Raises: InvalidToken."""
    parts = token.split(".")
    if len(parts) != 3:
        raise InvalidToken("not a JSON Web Token")
    header, claims = _object(parts[0]), _object(parts[1])
    if header.get("alg") != "RS256":
        raise InvalidToken(f"the token's algorithm is {header.get('alg')}; only RS256 is supported")
    signature = int.from_bytes(_decoded(parts[2]), "big")
    digest = hashlib.sha256(f"{parts[0]}.{parts[1]}".encode()).digest()
    if not any(_signed_by(key, signature, digest) for key in _candidates(jwks, header.get("kid"))):
        raise InvalidToken("the token is not signed by a key of the identity provider")
    return claims


def _candidates(jwks: JsonObject, kid: object) -> list[dict[str, Any]]:
    listed = jwks.get("keys")
    keys = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    return [key for key in keys if kid is None or key.get("kid") in (None, kid)]


def _signed_by(key: dict[str, Any], signature: int, digest: bytes) -> bool:
    if key.get("kty") != "RSA":
        return False
    modulus, exponent = (int.from_bytes(_decoded(str(key.get(name, ""))), "big") for name in ("n", "e"))
    length = (modulus.bit_length() + 7) // 8
    padding = length - len(_SHA256_PREFIX) - len(digest) - 3
    if padding < 8 or signature >= modulus:
        return False
    expected = b"\x00\x01" + b"\xff" * padding + b"\x00" + _SHA256_PREFIX + digest
    return hmac.compare_digest(pow(signature, exponent, modulus).to_bytes(length, "big"), expected)


def _object(part: str) -> JsonObject:
    try:
        value = parse_json(_decoded(part))
    except ValueError as error:
        raise InvalidToken("not a JSON Web Token") from error
    if not isinstance(value, dict):
        raise InvalidToken("not a JSON Web Token")
    return value


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidToken("not a JSON Web Token") from error
