"""Temporary access keys, issued for a token or for an agency.

Sources: "OTC IAM API reference, Obtaining a Temporary AK/SK" and "... Through an Agency": 201, lifetime from 900
seconds (the default) to 24 hours. The caller authenticates with a token, or with a signature as the official SDK does.
A token in the header takes precedence over one in the body. Keys of an agency are valid only in the project of their
scope, if they have one.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from ims_simulator.clock.timestamps import iso_micros
from ims_simulator.gateway.authentication import record_caller
from ims_simulator.gateway.context import Context
from ims_simulator.gateway.principals import principal_of
from ims_simulator.iam.agencies import AssumeRole, assume_agency
from ims_simulator.iam.callers import token_of
from ims_simulator.iam.forms import Body, Scoped, parse_form, unsupported
from ims_simulator.iam.tokens import scoped_project
from ims_simulator.parsing import JsonObject
from ims_simulator.replies.errors import Reply
from ims_simulator.state.records import Holder, TemporaryKey

SHORTEST_SECONDS = 900
LONGEST_SECONDS = 86400
Duration = Annotated[int, Field(ge=SHORTEST_SECONDS, le=LONGEST_SECONDS)]

SECURITY_TOKEN_LENGTH = 512


class _TokenForm(BaseModel):
    id: str | None = None
    duration_seconds: Duration = SHORTEST_SECONDS


class _Assume(AssumeRole):
    duration_seconds: Duration = SHORTEST_SECONDS


class _Identity(BaseModel):
    methods: list[str]
    token: _TokenForm | None = None
    assume_role: _Assume | None = None


class _Auth(Scoped):
    identity: _Identity


def create_temporary_key(context: Context) -> Reply:
    """POST /v3.0/OS-CREDENTIAL/securitytokens. Raises: KeystoneError, GatewayError."""
    auth = parse_form(context.raw, Body[_Auth]).auth
    identity = auth.identity
    if identity.methods == ["assume_role"] and identity.assume_role is not None:
        agency = assume_agency(context, identity.assume_role)
        project = scoped_project(context.cloud, agency.domain, auth.scope)
        holder = agency.holder(project)
        return Reply(201, {"credential": issue_credential(context, holder, identity.assume_role.duration_seconds)})
    if identity.methods == ["token"]:
        form = identity.token or _TokenForm()
        token, principal = token_of(context, context.headers.get("X-Auth-Token") or form.id or "")
        record_caller(context.call, principal, token.method)
        holder = Holder.model_validate({**token.model_dump(include=set(Holder.model_fields)), "project_id": None})
        return Reply(201, {"credential": issue_credential(context, holder, form.duration_seconds)})
    raise unsupported(identity.methods)


def issue_credential(context: Context, holder: Holder, seconds: float) -> JsonObject:
    """Issue a temporary key; returns it as IAM and the metadata service show it."""
    key = _issue_key(context, holder, seconds)
    return {
        "access": key.id,
        "secret": key.secret,
        "securitytoken": key.security_token,
        "expires_at": iso_micros(key.expires_at),
    }


def issue_pod_credentials(context: Context, holder: Holder, seconds: float) -> dict[str, JsonValue]:
    """Issue a temporary key; returns it as Pod Identity shows it."""
    key = _issue_key(context, holder, seconds)
    return {
        "accessKeyId": key.id,
        "secretAccessKey": key.secret,
        "securityToken": key.security_token,
        "expiration": iso_micros(key.expires_at),
    }


def _issue_key(context: Context, holder: Holder, seconds: float) -> TemporaryKey:
    cloud = context.cloud
    if principal_of(cloud, holder) is None:
        raise RuntimeError(f"no principal for {holder}")
    key = TemporaryKey(
        id="HST" + context.new_text("access key", 40).replace("-", "").replace("_", "").upper()[:17],
        secret=context.new_text("secret key", 40),
        security_token=context.new_text("security token", SECURITY_TOKEN_LENGTH),
        expires_at=context.now + (cloud.knobs.temporary_key_seconds or seconds),
        **holder.model_dump(),
    )
    cloud.temporary_keys.put(key)
    return key
