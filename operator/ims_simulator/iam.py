"""IAM: tokens for a user name and a password.

Source: "OTC IAM API reference, Obtaining a User Token" and "... Through Password Authentication": 201, the token in
X-Subject-Token, times with microseconds, the catalogue left out with ?nocatalog, errors with an integer code. The
project wins when the scope names a project and a domain.
"""

from __future__ import annotations

import secrets

from pydantic import BaseModel, JsonValue, ValidationError

from ims_simulator.context import Context
from ims_simulator.errors import KeystoneError, Reply
from ims_simulator.model import JsonObject, LoginRecord, Token, iso_micros, parse_json
from ims_simulator.seed import REGION, Login, Project
from ims_simulator.state import Cloud

TOKEN_CHARACTERS = 512


class _Named(BaseModel):
    id: str | None = None
    name: str | None = None


class _User(BaseModel):
    id: str | None = None
    name: str | None = None
    password: str
    domain: _Named | None = None


class _Password(BaseModel):
    user: _User


class _Identity(BaseModel):
    methods: list[str]
    password: _Password | None = None


class _Scope(BaseModel):
    project: _Named | None = None
    domain: _Named | None = None


class _Auth(BaseModel):
    identity: _Identity
    scope: _Scope | None = None


class _TokenRequest(BaseModel):
    auth: _Auth


def create_token(context: Context) -> Reply:
    """POST /v3/auth/tokens. Raises: KeystoneError."""
    request = _parse(context.raw)
    cloud, now = context.cloud, context.now
    identity = request.auth.identity
    if identity.methods != ["password"] or identity.password is None:
        raise KeystoneError(400, f"The authentication methods {identity.methods} are not supported.")
    context.call.user = identity.password.user.name
    login = _check_password(cloud, identity.password.user, now)
    project = _project_of(cloud, request.auth.scope)
    token = Token(
        id="MII" + context.new_text("token", TOKEN_CHARACTERS),
        user=login.user,
        domain_id=cloud.accounts.domain_id,
        project_id=project.id if project else None,
        issued_at=now,
        expires_at=now + cloud.knobs.token_seconds,
    )
    cloud.tokens.put(token)
    with_catalog = "nocatalog" not in context.query
    body: JsonObject = {"token": _token_body(cloud, token, login, project, context.base_url, with_catalog)}
    return Reply(201, body, headers={"X-Subject-Token": token.id})


def _parse(raw: bytes) -> _TokenRequest:
    try:
        return _TokenRequest.model_validate(parse_json(raw))
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise KeystoneError(400, f"Expecting to find {where} in the request body.") from None
    except ValueError:
        raise KeystoneError(400, "The request body is invalid.") from None


def _check_password(cloud: Cloud, user: _User, now: float) -> Login:
    wrong = KeystoneError(401, "The username or password is wrong.")
    login = next(
        (one for one in cloud.accounts.logins if user.name == one.user or user.id == one.user_id),
        None,
    )
    if login is None or not _in_domain(cloud, user):
        raise wrong
    record = cloud.logins.get(login.user) or LoginRecord(id=login.user)
    if now < record.locked_until:
        raise KeystoneError(401, "The account is locked: too many failed logins. Try again later.")
    if not secrets.compare_digest(user.password.encode(), login.password.encode()):
        record.failures += 1
        if record.failures >= cloud.knobs.lock_after:
            record.failures = 0
            record.locked_until = now + cloud.knobs.lock_seconds
        cloud.logins.put(record)
        raise wrong
    if record.failures:
        record.failures = 0
        cloud.logins.put(record)
    return login


def _in_domain(cloud: Cloud, user: _User) -> bool:
    if user.id is not None and user.domain is None:
        return True
    accounts = cloud.accounts
    return user.domain is not None and (
        user.domain.name == accounts.domain_name or user.domain.id == accounts.domain_id
    )


def _project_of(cloud: Cloud, scope: _Scope | None) -> Project | None:
    """The project of a scope; None for a domain's scope or none at all."""
    if scope is None or (scope.project is None and scope.domain is None):
        return None
    wanted = scope.project
    if wanted is None:
        return None
    for project in cloud.accounts.projects:
        if wanted.id == project.id or (wanted.id is None and wanted.name == project.name):
            return project
    raise KeystoneError(cloud.knobs.unknown_project_status, f"Could not find project: {wanted.id or wanted.name}.")


def _token_body(
    cloud: Cloud, token: Token, login: Login, project: Project | None, base_url: str, with_catalog: bool
) -> JsonObject:
    accounts = cloud.accounts
    domain: JsonObject = {"id": accounts.domain_id, "name": accounts.domain_name}
    body: JsonObject = {
        "methods": ["password"],
        "issued_at": iso_micros(token.issued_at),
        "expires_at": iso_micros(token.expires_at),
        "user": {"id": login.user_id, "name": login.user, "domain": domain, "password_expires_at": ""},
        "roles": [{"id": "0", "name": "ims_adm" if login.can_change else "readonly"}],
    }
    if project is not None:
        body["project"] = {"id": project.id, "name": project.name, "domain": domain}
    else:
        body["domain"] = domain
    if with_catalog:
        body["catalog"] = _catalog(base_url, None if project is None else project.id)
    return body


def _catalog(base_url: str, project_id: str | None) -> list[JsonValue]:
    def entry(kind: str, name: str, url: str) -> JsonValue:
        endpoint: JsonObject = {
            "id": f"{name}-public",
            "interface": "public",
            "region": REGION if kind == "image" else "*",
            "region_id": REGION if kind == "image" else "*",
            "url": url,
        }
        return {"id": f"{name}-service", "type": kind, "name": name, "endpoints": [endpoint]}

    entries = [entry("identity", "iam", f"{base_url}/v3")]
    if project_id is not None:
        entries.append(entry("image", "glance", base_url))
    return entries
