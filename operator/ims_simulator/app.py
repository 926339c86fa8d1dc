"""The web application: every route at a glance, and how the parts are put together."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from pathlib import Path

from aiohttp import web

from ims_simulator.clock.cloud_clock import Clock
from ims_simulator.control import resources, simulator
from ims_simulator.control.requests import CLOUD, PREFIX, Control, unknown_endpoint
from ims_simulator.gateway.service import MAX_BODY, Handler, Service, Sleep
from ims_simulator.iam import federation, temporary_keys, tokens, workload
from ims_simulator.ims import copies, edits, images, jobs, listing, tag_search, tagging
from ims_simulator.settings.knobs import Knobs
from ims_simulator.state.cloud import Cloud

CLOUD_ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    # method, path, kind of call, handler
    ("POST", "/v3/auth/tokens", "token", tokens.create_token),
    ("GET", "/v3/projects", "projects", tokens.list_projects),
    ("POST", "/v3.0/OS-CREDENTIAL/securitytokens", "temporary_key", temporary_keys.create_temporary_key),
    ("POST", "/v3.0/OS-AUTH/id-token/tokens", "token", federation.create_token),
    ("PUT", workload.METADATA_TOKEN_PATH, "metadata", workload.create_metadata_token),
    ("GET", workload.METADATA_KEY_PATH, "metadata", workload.show_node_key),
    ("POST", workload.POD_IDENTITY_PATH, "pod_identity", workload.show_pod_key),
    ("POST", "/v1/cloudimages/{image_id}/copy", "copy", copies.copy_image),
    ("POST", "/v2.1/cloudimages/{image_id}/copy", "copy", copies.copy_image_safe_mode),
    ("GET", "/v1/cloudimages/job/{job_id}", "job", jobs.show_job_progress),
    ("GET", "/v1/cloudimages/quota", "quota", images.show_quota),
    ("GET", "/v1/{project_id}/jobs/{job_id}", "job", jobs.show_job),
    ("GET", "/v2/cloudimages", "list", listing.list_cloud_images),
    ("PATCH", "/v2/cloudimages/{image_id}", "patch", edits.patch_cloud_image),
    ("GET", "/v2/images", "list", listing.list_native_images),
    ("GET", "/v2/images/{image_id}", "image", images.show_image),
    ("PATCH", "/v2/images/{image_id}", "patch", edits.patch_native_image),
    ("DELETE", "/v2/images/{image_id}", "delete", images.delete_image),
    ("POST", "/v2/{project_id}/images/{image_id}/tags/action", "tags", tagging.change_tags),
    ("GET", "/v2/{project_id}/images/{image_id}/tags", "tags", tagging.show_tags),
    ("POST", "/v2/{project_id}/images/{image_id}/tags", "tags", tagging.add_tag),
    ("DELETE", "/v2/{project_id}/images/{image_id}/tags/{key}", "tags", tagging.remove_tag),
    ("GET", "/v2/{project_id}/images/tags", "tags", tagging.show_all_tags),
    ("POST", "/v2/{project_id}/images/resource_instances/action", "tags", tag_search.search_by_tags),
    ("PUT", "/v2/images/{image_id}/tags/{tag}", "tags", tagging.add_native_tag),
    ("DELETE", "/v2/images/{image_id}/tags/{tag}", "tags", tagging.remove_native_tag),
)

CONTROL_ROUTES: tuple[tuple[str, str, Control], ...] = (
    # method, path below /_simulator, handler
    ("GET", "/config", simulator.show_config),
    ("GET", "/knobs", simulator.show_knobs),
    ("PATCH", "/knobs", simulator.change_knobs),
    ("GET", "/clock", simulator.show_clock),
    ("POST", "/clock", simulator.set_clock),
    ("GET", "/calls", simulator.show_calls),
    ("DELETE", "/calls", simulator.clear_calls),
    ("GET", "/faults", simulator.show_faults),
    ("POST", "/faults", simulator.add_fault),
    ("DELETE", "/faults", simulator.remove_faults),
    ("DELETE", "/faults/{id}", simulator.remove_faults),
    ("GET", "/images", resources.show_images),
    ("POST", "/images", resources.add_image),
    ("PATCH", "/images/{id}", resources.change_image),
    ("DELETE", "/images/{id}", resources.remove_image),
    ("GET", "/jobs", resources.show_jobs),
    ("PATCH", "/jobs/{id}", resources.change_job),
    ("PATCH", "/kms_keys/{id}", resources.change_key),
    ("PUT", "/identity_providers/{id}", resources.set_identity_provider),
)


def create_app(
    *,
    knobs: Knobs | None = None,
    edition: str | None = None,
    seed: int | None = None,
    state_file: Path | None = None,
    clock: Clock = time.time,
    frozen_at: float | None = None,
    sleep: Sleep = asyncio.sleep,
) -> web.Application:
    """Build the simulator as a web application.

    `clock` and `sleep` replace the real time in tests; the other parameters are those of `Cloud`.

    Raises: StateFileError.
    """
    cloud = Cloud(knobs=knobs, edition=edition, seed=seed, state_file=state_file, clock=clock, frozen_at=frozen_at)
    app = web.Application(client_max_size=MAX_BODY)
    app[CLOUD] = cloud
    for method, path, control in CONTROL_ROUTES:
        app.router.add_route(method, PREFIX + path, control)
    unknown = unknown_endpoint(f"{method} {PREFIX}{path}" for method, path, _ in CONTROL_ROUTES)
    app.router.add_route("*", PREFIX + "{rest:(/.*)?}", unknown)
    service = Service(cloud, sleep)
    for method, path, kind, handler in CLOUD_ROUTES:
        app.router.add_route(method, path, service.web_handler(kind, handler))
    app.router.add_route("*", "/{path:.*}", service.web_handler("other", None))

    async def set_date(request: web.Request, response: web.StreamResponse) -> None:
        if request.path.startswith(PREFIX):
            response.headers["Date"] = formatdate(cloud.clock(), usegmt=True)

    app.on_response_prepare.append(set_date)

    async def close(_: web.Application) -> None:
        cloud.close()

    app.on_cleanup.append(close)
    return app
