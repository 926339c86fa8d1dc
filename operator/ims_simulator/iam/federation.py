"""Tokens for workloads with an ID token of an OpenID Connect provider, such as a Pod's service account token.

Source: "OTC IAM API reference, Obtaining a Token with an OpenID Connect ID Token" (X-Idp-Id, 201, X-Subject-Token; no
scope, no project; IAM.0001, IAM.0004, IAM.0011). The reply does not say why an ID token is refused; the call log does.
`PUT /_simulator/identity_providers/{id}` registers a provider with its issuer, audience and public keys, as an
administrator would with IAM. The order of IAM's checks is not documented; here every one must pass.
"""

from __future__ import annotations

from pydantic import BaseModel, JsonValue

from ims_simulator.gateway.authentication import record_caller
from ims_simulator.gateway.context import Context
from ims_simulator.gateway.principals import principal_of
from ims_simulator.iam.forms import Body, Scoped, parse_form
from ims_simulator.iam.jwt import InvalidToken, verified_claims
from ims_simulator.iam.tokens import issue_token, scoped_project
from ims_simulator.parsing import JsonObject
from ims_simulator.replies.errors import IamError, KeystoneError, Reply
from ims_simulator.state.records import Holder, IdentityProvider

SKEW_SECONDS = 60.0


class _IdToken(BaseModel):
    id: str


class _Auth(Scoped):
    id_token: _IdToken


def create_token(context: Context) -> Reply:
    """POST /v3.0/OS-AUTH/id-token/tokens. Raises: IamError."""
    try:
        auth = parse_form(context.raw, Body[_Auth]).auth
    except KeystoneError as error:
        context.call.reason = error.message
        raise IamError(400, "IAM.0011", "Request body is invalid.") from None
    cloud, provider_id = context.cloud, context.headers.get("X-Idp-Id", "")
    provider = cloud.identity_providers.get(provider_id)
    if provider is None or not provider.enabled:
        refusal = _rejected(context, "the identity provider does not exist or is disabled")
        if cloud.knobs.unknown_provider_status == 404:
            raise IamError(404, "IAM.0004", f"Could not find identity_provider: {provider_id}.")
        raise refusal
    try:
        claims = verified_claims(auth.id_token.id, provider.jwks)
        subject = _subject(claims, provider, context.now)
    except InvalidToken as problem:
        raise _rejected(context, str(problem)) from None
    domain = cloud.accounts.domain
    try:
        project = scoped_project(cloud, domain, auth.scope)
    except KeystoneError as error:
        raise IamError(404, "IAM.0004", error.message) from None
    holder = Holder(
        user=subject,
        domain_id=domain.id,
        project_id=project.id if project else None,
        method="mapped",
        identity_provider=provider.id,
    )
    principal = principal_of(cloud, holder)
    if principal is None:
        raise _rejected(context, "no user belongs to the token")
    record_caller(context.call, principal, "mapped")
    return issue_token(context, holder, principal, project)


def _subject(claims: JsonObject, provider: IdentityProvider, now: float) -> str:
    """The subject of the claims, if a provider accepts them. Raises: InvalidToken."""
    if claims.get("iss") != provider.issuer:
        raise InvalidToken(f"the token's issuer is {claims.get('iss')}, not {provider.issuer}")
    audience = claims.get("aud")
    if provider.audience not in (audience if isinstance(audience, list) else [audience]):
        raise InvalidToken(f"the token's audience is {audience}, not {provider.audience}")
    if _number(claims.get("exp"), 0) + SKEW_SECONDS <= now:
        raise InvalidToken("the token has expired")
    if _number(claims.get("nbf"), now) - SKEW_SECONDS > now:
        raise InvalidToken("the token is not valid yet")
    subject = str(claims.get("sub") or "")
    if not subject or (provider.subjects and subject not in provider.subjects):
        raise InvalidToken(f"the token's subject {subject!r} is not mapped to a group")
    return subject


def _number(value: JsonValue, default: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default


def _rejected(context: Context, reason: str) -> IamError:
    context.call.reason = reason
    return IamError(401, "IAM.0001", "The request you have made requires authentication.")
