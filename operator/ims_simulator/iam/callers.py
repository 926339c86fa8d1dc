"""Who calls IAM: by a token of any scope, or by a signature."""

from __future__ import annotations

from ims_simulator.gateway.access_keys import is_signed, signer_of
from ims_simulator.gateway.authentication import note
from ims_simulator.gateway.context import Context
from ims_simulator.gateway.principals import Principal, principal_of
from ims_simulator.replies.errors import KeystoneError
from ims_simulator.state.records import Token


def caller_of(context: Context) -> Principal:
    """The caller of IAM, noted in the log of calls. Raises: KeystoneError, GatewayError."""
    value = context.headers.get("X-Auth-Token", "")
    if not value and is_signed(context.request):
        signer = signer_of(context.cloud, context.request, context.now)
        note(context.call, signer.principal, "temporary_key" if signer.temporary else "access_key", signer.access_key)
        return signer.principal
    token, principal = token_of(context, value)
    note(context.call, principal, token.method)
    return principal


def token_of(context: Context, value: str) -> tuple[Token, Principal]:
    """A token and whom it speaks for. Raises: KeystoneError 401."""
    token = context.cloud.tokens.get(value)
    principal = principal_of(context.cloud, token) if token is not None else None
    if token is None or principal is None or context.now >= token.expires_at:
        raise KeystoneError(401, "The request you have made requires authentication.")
    return token, principal
