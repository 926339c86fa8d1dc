"""Who is calling, and may they: the gateway's side of authentication.

Sources: "OTC API usage, Authentication"; "API request signing guide, Error Codes". A call of the image service is for
one project: that of its token, or the one that X-Project-Id names beside a signature. What a signed request without
that header, or with a project of somebody else, gets is not documented.
"""

from __future__ import annotations

from dataclasses import dataclass

from ims_simulator.gateway.access_keys import Signer, is_signed, refused, signer_of
from ims_simulator.gateway.principals import Principal, holder_of_token, project_of
from ims_simulator.gateway.signature import RawRequest
from ims_simulator.replies.errors import GatewayError, ImsError
from ims_simulator.state.call_log import Call, Way
from ims_simulator.state.cloud import Cloud


@dataclass(frozen=True)
class Caller:
    """An authenticated user in a project."""

    user: str
    project_id: str
    can_change: bool


def authenticate(cloud: Cloud, request: RawRequest, call: Call, now: float) -> Caller:
    """The caller of the image service, noted in the log of calls. Raises: GatewayError, ImsError."""
    value = request.header("X-Auth-Token") or ""
    signer = None if value else signed_by(cloud, request, call, now)
    if signer is not None:
        project_id = _project_of_signed(cloud, request, signer)
        return Caller(signer.principal.user, project_id, signer.principal.can_change)
    if request.too_large:
        raise GatewayError(413, "0201", "Request entity too large.")
    found = holder_of_token(cloud, value)
    if found is None:
        raise refused("decrypt token fail" if value else "x-auth-token not found")
    token, principal = found
    if now >= token.expires_at:
        raise GatewayError(401, "0307")
    note(call, principal, token.method)
    if token.project_id is None:
        if cloud.knobs.domain_token == "ims":  # noqa: S105
            raise ImsError("IMG.0030")
        raise refused("token is not scoped to a project")
    return Caller(principal.user, token.project_id, principal.can_change)


def signed_by(cloud: Cloud, request: RawRequest, call: Call, now: float) -> Signer | None:
    """Who signed the request, written to the call log; None for a request without a signature. Raises: GatewayError."""
    if not is_signed(request):
        return None
    signer = signer_of(cloud, request, now)
    note(call, signer.principal, "temporary_key" if signer.temporary else "access_key", signer.access_key)
    return signer


def note(call: Call, principal: Principal, way: Way, access_key: str | None = None) -> None:
    """Write down in the log who called, and how that was proved."""
    call.user, call.way, call.agency, call.access_key = principal.user, way, principal.agency, access_key


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
    raise refused("x-project-id not found" if named is None else "project is not one of the access key's")


def require_change(cloud: Cloud, caller: Caller) -> None:
    """Refuse users that may only read. Raises: ImsError IMG.0026 (403 or 400, editions differ)."""
    if not caller.can_change:
        raise ImsError("IMG.0026", status=cloud.knobs.permission_status)


def require_project(caller: Caller, project_id: str) -> None:
    """Refuse a project in the path that is not the token's. Raises: ImsError IMG.0030."""
    if project_id != caller.project_id:
        raise ImsError("IMG.0030")
