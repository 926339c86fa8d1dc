"""IAM's tokens, for a user name with a password or for an agency, and its list of projects.

Sources: "OTC IAM API reference, Obtaining a User Token", "... Through Password Authentication", "Obtaining an Agency
Token" and "Querying Project Information": 201, the token in X-Subject-Token, times with microseconds, no catalogue with
?nocatalog, errors with an integer code. If the scope names a project and a domain, the project counts.
"""

from __future__ import annotations

import secrets

from pydantic import BaseModel, JsonValue

from ims_simulator.clock.timestamps import iso_micros
from ims_simulator.gateway.authentication import record_caller
from ims_simulator.gateway.context import Context
from ims_simulator.gateway.principals import (
    Principal,
    domain_of,
    login_of,
    principal_of,
    principal_of_login,
    project_of,
)
from ims_simulator.iam.agencies import AssumeRole, assume_agency
from ims_simulator.iam.callers import caller_of
from ims_simulator.iam.forms import Body, Named, Scope, Scoped, parse_form, unsupported
from ims_simulator.parsing import JsonObject
from ims_simulator.replies.errors import KeystoneError, Reply
from ims_simulator.state.accounts import REGION, Domain, Login, Project
from ims_simulator.state.cloud import Cloud
from ims_simulator.state.records import Holder, LoginRecord, Token

TOKEN_CHARACTERS = 512


class _User(BaseModel):
    id: str | None = None
    name: str | None = None
    password: str
    domain: Named | None = None


class _Password(BaseModel):
    user: _User


class _Identity(BaseModel):
    methods: list[str]
    password: _Password | None = None
    assume_role: AssumeRole | None = None


class _Auth(Scoped):
    identity: _Identity


def create_token(context: Context) -> Reply:
    """POST /v3/auth/tokens. Raises: KeystoneError, GatewayError."""
    auth = parse_form(context.raw, Body[_Auth]).auth
    identity, cloud = auth.identity, context.cloud
    if identity.methods == ["password"] and identity.password is not None:
        context.call.user = identity.password.user.name
        login = _check_password(cloud, identity.password.user, context.now)
        domain = cloud.accounts.domain
        holder = Holder(user=login.user, domain_id=domain.id, project_id=None)
    elif identity.methods == ["assume_role"] and identity.assume_role is not None:
        agency = assume_agency(context, identity.assume_role)
        domain = agency.domain
        holder = agency.holder(None)
    else:
        raise unsupported(identity.methods)
    project = scoped_project(cloud, domain, auth.scope)
    principal = principal_of(cloud, holder)
    if principal is None:
        raise RuntimeError(f"no principal for {holder}")
    if holder.method == "password":
        record_caller(context.call, principal, "password")
    return issue_token(context, holder, principal, project)


def issue_token(context: Context, holder: Holder, principal: Principal, project: Project | None) -> Reply:
    """Issue a token that is scoped to a project, or to none."""
    cloud, now = context.cloud, context.now
    token = Token.model_validate(
        {
            **holder.model_dump(),
            "id": "MII" + context.new_text("token", TOKEN_CHARACTERS),
            "project_id": project.id if project else None,
            "issued_at": now,
            "expires_at": now + cloud.knobs.token_seconds,
        }
    )
    cloud.tokens.put(token)
    body: JsonObject = {
        "methods": [holder.method],
        "issued_at": iso_micros(token.issued_at),
        "expires_at": iso_micros(token.expires_at),
        "user": principal.described(),
        "roles": [{"id": "0", "name": "ims_adm" if principal.can_change else "readonly"}],
    }
    assumed_by = login_of(cloud, holder.user) if holder.agency is not None else None
    if assumed_by is not None:
        body["assumed_by"] = {"user": principal_of_login(cloud, assumed_by).described()}
    domain: JsonObject = {"id": principal.domain.id, "name": principal.domain.name}
    if project is not None:
        body["project"] = {"id": project.id, "name": project.name, "domain": domain}
    elif holder.identity_provider is None:
        body["domain"] = domain
    if "nocatalog" not in context.query:
        body["catalog"] = _catalog(context.base_url, None if project is None else project.id)
    return Reply(201, {"token": body}, headers={"X-Subject-Token": token.id})


def list_projects(context: Context) -> Reply:
    """GET /v3/projects: the projects of the caller's account, filtered by ?name= and ?domain_id=.

    Raises: KeystoneError, GatewayError.
    """
    domain, query = caller_of(context).domain, context.query
    projects: list[JsonValue] = [
        {
            "id": project.id,
            "name": project.name,
            "domain_id": domain.id,
            "parent_id": domain.id,
            "description": "",
            "enabled": True,
            "is_domain": False,
            "links": {"self": f"{context.base_url}/v3/projects/{project.id}"},
        }
        for project in domain.projects
        if query.get("name") in (None, project.name) and query.get("domain_id") in (None, domain.id)
    ]
    links: JsonObject = {"self": f"{context.base_url}/v3/projects", "next": None, "previous": None}
    return Reply(200, {"projects": projects, "links": links})


def scoped_project(cloud: Cloud, domain: Domain, scope: Scope | None) -> Project | None:
    """The project of a scope; None for the scope of a domain, or without a scope. Raises: KeystoneError."""
    if scope is None:
        return None
    wanted = scope.project
    if wanted is None:
        named = scope.domain
        if named is not None and domain_of(cloud, domain_id=named.id, name=named.name) != domain:
            raise KeystoneError(401, f"Could not find domain: {named.id or named.name}.")
        return None
    project = project_of(domain, project_id=wanted.id, name=wanted.name)
    if project is None:
        raise KeystoneError(cloud.knobs.unknown_project_status, f"Could not find project: {wanted.id or wanted.name}.")
    return project


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
        record.fail(now, lock_at=cloud.knobs.lock_after, lock_seconds=cloud.knobs.lock_seconds)
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
