"""The accounts of the simulated cloud: domains, projects, logins and agencies. The seed determines all of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ims_simulator.state.ids import hex_id, uuid_id

REGION = "eu-sim-1"


@dataclass(frozen=True)
class Project:
    """A project of a domain."""

    id: str
    name: str


@dataclass(frozen=True)
class Domain:
    """An account with its projects."""

    id: str
    name: str
    projects: tuple[Project, ...]

    @property
    def project(self) -> Project:
        """The region's main project, used by signed requests without X-Project-Id."""
        return self.projects[0]


@dataclass(frozen=True)
class Agency:
    """A permission to act in the name of a domain, given to another domain or to a service of the cloud."""

    name: str
    domain_id: str
    """The domain that made the agency."""
    trusts: str
    """Id of the domain whose users may assume the agency; or a service: "ecs" (metadata), "cce" (Pod Identity)."""
    can_change: bool


@dataclass(frozen=True)
class Login:
    """A user with its password and its access key."""

    user: str
    user_id: str
    password: str
    access_key: str
    secret_key: str
    can_change: bool
    """Whether the user may copy, patch, tag and delete (ims:images:copy and the like)."""
    agent_operator: bool = False
    """Whether the user may assume agencies of other domains (the role Agent Operator)."""


@dataclass(frozen=True)
class Accounts:
    """The accounts of a seed. They do not change; images and keys, which do, are in the state file."""

    seed: int
    domain_id: str
    domain_name: str
    projects: tuple[Project, ...]
    foreign_project_id: str
    enterprise_project_id: str
    logins: tuple[Login, ...]
    partner: Domain
    """Another account. It owns the shared and public images, and has agencies that the logins may assume."""
    agencies: tuple[Agency, ...]
    pod_identity_token: str
    """Content of the token file of a Pod that uses Pod Identity."""

    @property
    def domain(self) -> Domain:
        """The domain of the logins."""
        return Domain(self.domain_id, self.domain_name, self.projects)

    @property
    def domains(self) -> tuple[Domain, Domain]:
        """All domains of the cloud."""
        return self.domain, self.partner

    @property
    def project(self) -> Project:
        """The project that owns the source images."""
        return self.projects[0]


def accounts(seed: int) -> Accounts:
    """The accounts that follow from a seed."""

    def login(user: str, can_change: bool, agent_operator: bool = False) -> Login:
        return Login(
            user=user,
            user_id=hex_id(seed, f"user/{user}"),
            password=f"Sim-{hex_id(seed, f'password/{user}')[:12]}!",
            access_key=hex_id(seed, f"access/{user}")[:20].upper(),
            secret_key=hashlib.sha256(f"secret/{seed}/{user}".encode()).hexdigest()[:40],
            can_change=can_change,
            agent_operator=agent_operator,
        )

    domain_id, partner_id, foreign_project_id = (
        hex_id(seed, label) for label in ("domain", "domain/partner", "project/foreign")
    )
    return Accounts(
        seed=seed,
        domain_id=domain_id,
        domain_name="sim-domain",
        projects=(
            Project(hex_id(seed, "project"), REGION),
            Project(hex_id(seed, "project/other"), f"{REGION}_other"),
        ),
        foreign_project_id=foreign_project_id,
        enterprise_project_id=uuid_id(seed, "enterprise-project"),
        logins=(
            login("sim-copier", True),
            login("sim-auditor", False),
            login("sim-agent", False, agent_operator=True),
        ),
        partner=Domain(partner_id, "sim-partner", (Project(foreign_project_id, REGION),)),
        agencies=(
            Agency("sim-copy-agency", partner_id, trusts=domain_id, can_change=True),
            Agency("sim-read-agency", partner_id, trusts=domain_id, can_change=False),
            Agency("sim-closed-agency", partner_id, trusts=hex_id(seed, "domain/third"), can_change=True),
            Agency("sim-node-agency", domain_id, trusts="ecs", can_change=True),
            Agency("sim-pod-agency", domain_id, trusts="cce", can_change=True),
        ),
        pod_identity_token=f"sim-pod-{hex_id(seed, 'pod-identity-token')}",
    )
