"""Principals: the users, agencies and federated users of the cloud, with their permissions.

A principal is looked up for each call, so a changed permission takes effect at once. Sources: "OTC IAM API reference,
Obtaining an Agency Token" (an agency acts only in the domain that made it; its user is called "domain/agency") and
"Obtaining a Token with an OpenID Connect ID Token" (a federated user has the permissions of the group that it is mapped
to).
"""

from __future__ import annotations

from dataclasses import dataclass

from ims_simulator.parsing import JsonObject
from ims_simulator.state.accounts import Agency, Domain, Login, Project
from ims_simulator.state.cloud import Cloud
from ims_simulator.state.ids import hex_id
from ims_simulator.state.records import Holder, Token


@dataclass(frozen=True)
class Principal:
    """A user, an agency or a federated user, with its permissions."""

    user: str
    user_id: str
    domain: Domain
    can_change: bool
    agent_operator: bool = False
    identity_provider: str | None = None
    agency: str | None = None

    def described(self) -> JsonObject:
        """The user as the reply of a token call shows it."""
        body: JsonObject = {
            "id": self.user_id,
            "name": self.user,
            "domain": {"id": self.domain.id, "name": self.domain.name},
        }
        if self.identity_provider is None:
            body["password_expires_at"] = ""
        else:
            body["OS-FEDERATION"] = {
                "identity_provider": {"id": self.identity_provider},
                "protocol": {"id": "oidc"},
                "groups": [{"id": hex_id(0, "group/workloads"), "name": "workloads"}],
            }
        return body


def login_of(cloud: Cloud, user: str) -> Login | None:
    """The login of a user name, if there is one."""
    return next((login for login in cloud.accounts.logins if login.user == user), None)


def domain_of(cloud: Cloud, *, domain_id: str | None = None, name: str | None = None) -> Domain | None:
    """The domain with this id; without an id, the one with this name."""
    for domain in cloud.accounts.domains:
        if domain.id == domain_id or (domain_id is None and domain.name == name):
            return domain
    return None


def project_of(domain: Domain, *, project_id: str | None = None, name: str | None = None) -> Project | None:
    """The project of a domain with this id; without an id, the one with this name."""
    for project in domain.projects:
        if project.id == project_id or (project_id is None and project.name == name):
            return project
    return None


def agency_of(cloud: Cloud, domain_id: str, name: str) -> Agency | None:
    """The agency of a domain with this name."""
    agencies = cloud.accounts.agencies
    return next((agency for agency in agencies if (agency.domain_id, agency.name) == (domain_id, name)), None)


def service_agency(cloud: Cloud, service: str) -> Agency:
    """The agency through which a service of the cloud acts for the domain of the logins."""
    return next(agency for agency in cloud.accounts.agencies if agency.trusts == service)


def principal_of_login(cloud: Cloud, login: Login) -> Principal:
    """The principal of a login."""
    return Principal(login.user, login.user_id, cloud.accounts.domain, login.can_change, login.agent_operator)


def principal_of(cloud: Cloud, holder: Holder) -> Principal | None:
    """The principal of a token or temporary key; None if it does not exist any more."""
    domain = domain_of(cloud, domain_id=holder.domain_id)
    if domain is None:
        return None
    if holder.identity_provider is not None:
        provider = cloud.identity_providers.get(holder.identity_provider)
        if provider is None or not provider.enabled:
            return None
        user_id = hex_id(0, f"federated/{provider.id}/{holder.user}")
        return Principal(holder.user, user_id, domain, provider.can_copy, identity_provider=provider.id)
    if holder.agency is not None:
        agency = agency_of(cloud, domain.id, holder.agency)
        if agency is None:
            return None
        name = f"{domain.name}/{agency.name}"
        return Principal(name, hex_id(0, f"agency/{name}"), domain, agency.can_change, agency=agency.name)
    login = login_of(cloud, holder.user)
    return None if login is None else principal_of_login(cloud, login)


def holder_of_token(cloud: Cloud, value: str) -> tuple[Token, Principal] | None:
    """A token, expired or not, and the principal it was made for; None if either does not exist."""
    token = cloud.tokens.get(value)
    principal = principal_of(cloud, token) if token is not None else None
    return None if token is None or principal is None else (token, principal)
