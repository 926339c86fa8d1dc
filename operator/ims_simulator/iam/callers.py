"""The callers of IAM: they authenticate with a token of any scope, or with a signature."""

from __future__ import annotations

from ims_simulator.gateway.authentication import record_caller, signed_by
from ims_simulator.gateway.context import Context
from ims_simulator.gateway.principals import Principal, holder_of_token
from ims_simulator.replies.errors import KeystoneError
from ims_simulator.state.records import Token


def caller_of(context: Context) -> Principal:
    """The caller of IAM, written to the call log. Raises: KeystoneError, GatewayError."""
    value = context.headers.get("X-Auth-Token", "")
    signer = None if value else signed_by(context.cloud, context.request, context.call, context.now)
    if signer is not None:
        return signer.principal
    token, principal = token_of(context, value)
    record_caller(context.call, principal, token.method)
    return principal


def token_of(context: Context, value: str) -> tuple[Token, Principal]:
    """A valid token and the principal it was made for. Raises: KeystoneError 401."""
    found = holder_of_token(context.cloud, value)
    if found is None or context.now >= found[0].expires_at:
        raise KeystoneError(401, "The request you have made requires authentication.")
    return found
