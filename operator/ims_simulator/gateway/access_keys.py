"""Access keys: finds the key that signed a request and checks the signature.

Sources: "API request signing guide" (15 minutes of clock skew; X-Sdk-Date must be signed; X-Security-Token with
temporary keys) and "API Gateway FAQ, Common Errors Related to IAM Authentication Information" (the messages; a key
with more than five failures in a row is locked for five minutes). The reply to a temporary key without its security
token, or with another key's token, is not documented.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from ims_simulator.gateway.principals import Principal, principal_of, principal_of_login
from ims_simulator.gateway.signature import ALGORITHM, RawRequest, Signature, SignatureProblem, signature_of
from ims_simulator.replies.errors import GatewayError
from ims_simulator.state.cloud import Cloud
from ims_simulator.state.records import LoginRecord, TemporaryKey


@dataclass(frozen=True)
class Signer:
    """The principal that signed a request, and the key that it used."""

    access_key: str
    principal: Principal
    temporary: bool
    project_id: str | None
    """The only project in which the key is valid; None: every project of the account."""


@dataclass(frozen=True)
class _Key:
    id: str
    secret: str
    principal: Principal
    temporary: TemporaryKey | None = None


def is_signed(request: RawRequest) -> bool:
    """Whether a request carries a signature. Raises: GatewayError for another kind of Authorization."""
    authorization = request.header("Authorization")
    if authorization is None:
        return False
    if not authorization.startswith(ALGORITHM + " "):
        raise GatewayError(401, "0303")
    return True


def authentication_failed(reason: str) -> GatewayError:
    """The gateway's refusal of a caller that it cannot authenticate."""
    return GatewayError(401, "0301", f"Incorrect IAM authentication information: {reason}")


def signer_of(cloud: Cloud, request: RawRequest, now: float) -> Signer:
    """The signer of a request, if the signature is right. Raises: GatewayError."""
    if request.too_large:
        raise authentication_failed("calc aksk signature fail:body too large")
    try:
        signature = signature_of(request)
    except SignatureProblem as problem:
        raise authentication_failed(f"calc aksk signature fail:{problem}") from None
    key = _key(cloud, signature.access_key)
    token = request.header("X-Security-Token")
    if key is None or (key.temporary is not None and token is None):
        raise authentication_failed(f"Get secretKey failed,ak:{signature.access_key},err:ak not exist")
    record = cloud.access_keys.get(key.id) or LoginRecord(id=key.id)
    if now < record.locked_until:
        raise authentication_failed("AK access failed to reach the limit,forbidden")
    try:
        _check(cloud, key, token, request, signature, now)
    except GatewayError:
        record.fail(now, lock_at=cloud.knobs.key_lock_after + 1, lock_seconds=cloud.knobs.key_lock_seconds)
        cloud.access_keys.put(record)
        raise
    if record.failures:
        record.failures = 0
        cloud.access_keys.put(record)
    temporary = key.temporary
    if temporary is not None and now >= temporary.expires_at:
        raise GatewayError(401, cloud.knobs.expired_key_code)
    return Signer(key.id, key.principal, temporary is not None, temporary.project_id if temporary else None)


def _check(cloud: Cloud, key: _Key, token: str | None, request: RawRequest, signature: Signature, now: float) -> None:
    try:
        skew = abs(now - signature.signed_at())
    except SignatureProblem as problem:
        raise authentication_failed(f"calc aksk signature fail:{problem}") from None
    if skew > cloud.knobs.signature_skew_seconds:
        raise authentication_failed("calc aksk signature fail:signature expired")
    canonical = request.canonical(signature.signed_headers, cloud.knobs.signed_plus)
    if not signature.matches(canonical, key.secret):
        echo = ""
        if cloud.knobs.echo_canonical_request:
            echo = ", canonicalRequest:" + canonical.decode("utf-8", "replace").replace("\n", "|")
        raise authentication_failed("verify aksk signature fail" + echo)
    expected = key.temporary.security_token if key.temporary is not None else None
    if token is not None and not hmac.compare_digest(token.encode(), (expected or "").encode()):
        raise authentication_failed("decrypt token fail")


def _key(cloud: Cloud, access_key: str) -> _Key | None:
    for login in cloud.accounts.logins:
        if login.access_key == access_key:
            return _Key(access_key, login.secret_key, principal_of_login(cloud, login))
    temporary = cloud.temporary_keys.get(access_key)
    principal = principal_of(cloud, temporary) if temporary is not None else None
    if temporary is None or principal is None:
        return None
    return _Key(access_key, temporary.secret, principal, temporary)
