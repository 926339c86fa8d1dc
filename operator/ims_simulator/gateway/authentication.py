"""The gateway's authentication: who calls the image service, in which project, and with which permissions.

Sources: "OTC API usage, Authentication"; "API request signing guide, Error Codes". A call is made in the project of its
token, or in the one that X-Project-Id names next to a signature. The reply to a signed request without that header, or
with a project of another account, is not documented.
"""

from __future__ import annotations

from dataclasses import dataclass

from ims_simulator.gateway.access_keys import Signer, authentication_failed, is_signed, signer_of
from ims_simulator.gateway.principals import Principal, holder_of_token, project_of
from ims_simulator.gateway.signature import RawRequest
from ims_simulator.replies.errors import GatewayError, ImsError
from ims_simulator.state.call_log import AuthMethod, Call
from ims_simulator.state.cloud import Cloud


@dataclass(frozen=True)
class Caller:
    """An authenticated user in a project."""

    user: str
    project_id: str
    can_change: bool


def authenticate(cloud: Cloud, request: RawRequest, call: Call, now: float) -> Caller:
    """The caller of the image service, written to the call log. Raises: GatewayError, ImsError."""
    value = request.header("X-Auth-Token") or ""
    signer = None if value else signed_by(cloud, request, call, now)
    if signer is not None:
        project_id = _project_of_signed(cloud, request, signer)
        return Caller(signer.principal.user, project_id, signer.principal.can_change)
    if request.too_large:
        raise GatewayError(413, "0201", "Request entity too large.")
    found = holder_of_token(cloud, value)
    if found is None:
        raise authentication_failed("decrypt token fail" if value else "x-auth-token not found")
    token, principal = found
    if now >= token.expires_at:
        raise GatewayError(401, "0307")
    record_caller(call, principal, token.method)
    if token.project_id is None:
        if cloud.knobs.domain_token == "ims":  # noqa: S105
            raise ImsError("IMG.0030")
        raise authentication_failed("token is not scoped to a project")
    return Caller(principal.user, token.project_id, principal.can_change)


def signed_by(cloud: Cloud, request: RawRequest, call: Call, now: float) -> Signer | None:
    """Who signed the request, written to the call log; None for a request without a signature. Raises: GatewayError."""
    if not is_signed(request):
        return None
    signer = signer_of(cloud, request, now)
    record_caller(call, signer.principal, "temporary_key" if signer.temporary else "access_key", signer.access_key)
    return signer


def record_caller(call: Call, principal: Principal, method: AuthMethod, access_key: str | None = None) -> None:
    """Write to the call log who made the call and how the caller authenticated."""
    call.user, call.way, call.agency, call.access_key = principal.user, method, principal.agency, access_key


def _project_of_signed(cloud: Cloud, request: RawRequest, signer: Signer) -> str:
    named = request.header("X-Project-Id")
    if named is None and signer.project_id is not None:
        return signer.project_id
    if named is None and cloud.knobs.signed_without_project == "main":
        return signer.principal.domain.project.id
    known = named is not None and project_of(signer.principal.domain, project_id=named) is not None
    if named is not None and known and signer.project_id in (None, named):
        return named
    if cloud.knobs.signed_wrong_project == "ims":
        raise ImsError("IMG.0030")
    raise authentication_failed("x-project-id not found" if named is None else "project is not one of the access key's")


def require_change(cloud: Cloud, caller: Caller) -> None:
    """Refuse callers that have read permissions only. Raises: ImsError IMG.0026 (403 or 400, editions differ)."""
    if not caller.can_change:
        raise ImsError("IMG.0026", status=cloud.knobs.permission_status)


def require_project(caller: Caller, project_id: str) -> None:
    """Refuse a path that names another project than the caller's. Raises: ImsError IMG.0030."""
    if project_id != caller.project_id:
        raise ImsError("IMG.0030")
