"""Agencies: through an agency, one account lets users of another account act in its name.

Source: "OTC IAM API reference, Obtaining an Agency Token". Its table calls the field with the agency's name
`agency_name`, its examples `xrole_name`; the knob `agency_key` decides which one is accepted. The caller needs the role
Agent Operator. The statuses for an unknown agency and for one that trusts another account are not documented.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from ims_simulator.gateway.context import Context
from ims_simulator.gateway.principals import agency_of, domain_of
from ims_simulator.iam.callers import caller_of
from ims_simulator.replies.errors import KeystoneError
from ims_simulator.state.accounts import Domain, Project
from ims_simulator.state.records import Holder


class AssumeRole(BaseModel):
    """The agency that a caller wants to assume."""

    domain_id: str | None = None
    domain_name: str | None = None
    agency_name: str | None = None
    xrole_name: str | None = None


@dataclass(frozen=True)
class AssumedAgency:
    """An agency that a caller has assumed."""

    name: str
    domain: Domain
    """The account that the agency belongs to."""
    assumed_by: str

    def holder(self, project: Project | None) -> Holder:
        """The holder of a token or a key of this agency."""
        return Holder(
            user=self.assumed_by,
            domain_id=self.domain.id,
            project_id=project.id if project else None,
            method="assume_role",
            agency=self.name,
        )


def assume_agency(context: Context, form: AssumeRole) -> AssumedAgency:
    """Assume an agency as the caller of this request. Raises: KeystoneError, GatewayError."""
    cloud, caller = context.cloud, caller_of(context)
    names = {"agency_name": form.agency_name, "xrole_name": form.xrole_name}
    allowed = names if cloud.knobs.agency_key == "both" else {cloud.knobs.agency_key: names[cloud.knobs.agency_key]}
    name = next((name for name in allowed.values() if name), None)
    if name is None:
        raise KeystoneError(400, f"Expecting to find {' or '.join(allowed)} in assume_role.")
    if form.domain_id is None and form.domain_name is None:
        raise KeystoneError(400, "Expecting to find domain_id or domain_name in assume_role.")
    domain = domain_of(cloud, domain_id=form.domain_id, name=form.domain_name)
    agency = agency_of(cloud, domain.id, name) if domain is not None else None
    if domain is None or agency is None:
        raise KeystoneError(404, f"Could not find agency: {name}.")
    if agency.trusts != caller.domain.id or not caller.agent_operator:
        raise KeystoneError(403, "You are not authorized to perform the requested action: assume_role.")
    return AssumedAgency(agency.name, domain, caller.user)
