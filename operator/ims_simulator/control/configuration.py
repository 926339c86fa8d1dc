"""The reply of `GET /_simulator/config`: everything a client needs to use the simulated cloud, secrets included."""

from __future__ import annotations

from pydantic import JsonValue

from ims_simulator.gateway.principals import domain_of
from ims_simulator.iam.workload import POD_IDENTITY_PATH, pod_identity_token
from ims_simulator.parsing import JsonObject
from ims_simulator.state.accounts import REGION
from ims_simulator.state.cloud import Cloud


def configuration(cloud: Cloud, base_url: str) -> JsonObject:
    """The configuration for clients that reach the cloud at `base_url`."""
    accounts = cloud.accounts
    return {
        "seed": accounts.seed,
        "edition": cloud.edition,
        "clock": cloud.clock.shown(),
        "region": REGION,
        "domain": {"id": accounts.domain_id, "name": accounts.domain_name},
        "project_id": accounts.project.id,
        "project": {"id": accounts.project.id, "name": accounts.project.name},
        "other_projects": [{"id": p.id, "name": p.name} for p in accounts.projects[1:]],
        "enterprise_project_ids": ["0", accounts.enterprise_project_id],
        "logins": _logins(cloud),
        "agencies": _agencies(cloud),
        "identity_providers": [
            provider.model_dump(mode="json", exclude={"jwks"}) for provider in cloud.identity_providers.values()
        ],
        "pod_identity": {
            "uri": base_url + POD_IDENTITY_PATH,
            "token": pod_identity_token(cloud),
        },
        "endpoints": {"ims": base_url, "iam": base_url, "metadata": base_url},
        "source_images": [
            {"id": image.id, "name": image.name, "kind": image.kind, "status": image.text("status")}
            for image in cloud.images.values()
            if image.kind != "copy" and not cloud.gone(image, cloud.clock())
        ],
        "kms_keys": [key.model_dump(mode="json") for key in cloud.keys.values()],
        "knobs": cloud.knobs.model_dump(mode="json"),
    }


def _logins(cloud: Cloud) -> list[JsonValue]:
    accounts = cloud.accounts
    return [
        {
            "user": login.user,
            "user_id": login.user_id,
            "password": login.password,
            "domain": accounts.domain_name,
            "domain_id": accounts.domain_id,
            "project_id": accounts.project.id,
            "project": accounts.project.name,
            "access_key": login.access_key,
            "secret_key": login.secret_key,
            "can_copy": login.can_change,
            "agent_operator": login.agent_operator,
        }
        for login in accounts.logins
    ]


def _agencies(cloud: Cloud) -> list[JsonValue]:
    listed: list[JsonValue] = []
    for agency in cloud.accounts.agencies:
        domain = domain_of(cloud, domain_id=agency.domain_id)
        if domain is not None:
            usable = (image for image in cloud.images.values() if image.kind in ("plain", "shared"))
            source = next((image.id for image in usable if image.owner == domain.project.id), None)
            listed.append(
                {
                    "name": agency.name,
                    "domain": domain.name,
                    "domain_id": domain.id,
                    "project_id": domain.project.id,
                    "project": domain.project.name,
                    "trusts": agency.trusts,
                    "can_copy": agency.can_change,
                    "source_image_id": source,
                }
            )
    return listed
