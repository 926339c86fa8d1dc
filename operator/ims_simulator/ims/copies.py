"""POST /v1/cloudimages/{image_id}/copy and its sibling /v2.1: each call starts a job that makes a new image.

Sources: "OTC IMS API reference, Replicating an Image Within a Region"; "Huawei Cloud IMS API reference, Replicating
an Image Within a Region (New)". There is no idempotency key: the same call twice makes two copies. What a copy
inherits is inferred from published images; its lineage is `__data_origin` = "image,{region},{source}".
"""

from __future__ import annotations

from ims_simulator.clock.timestamps import iso_seconds
from ims_simulator.gateway.authentication import require_change
from ims_simulator.gateway.context import Context
from ims_simulator.ims.checks import CopyRequest, check_keys, check_source, copy_request
from ims_simulator.ims.lookup import find_image
from ims_simulator.parsing import JsonObject
from ims_simulator.replies.errors import GatewayError, ImsError, Reply
from ims_simulator.state.accounts import REGION
from ims_simulator.state.faults import JobFault
from ims_simulator.state.records import Image, Job
from ims_simulator.state.seed import base_props

NOT_INHERITED = frozenset(
    {
        "id",
        "name",
        "status",
        "owner",
        "visibility",
        "protected",
        "tags",
        "member_status",
        "active_at",
        "self",
        "file",
        "__imagetype",
        "__isregistered",
        "__image_location",
        "__system__cmkid",
    }
)
"""Attributes that a copy does not inherit from its source."""


def copy_image(context: Context) -> Reply:
    """Start a copy. The reply is 200 with the job id and nothing else. Raises: ImsError, KeystoneError."""
    cloud = context.cloud
    require_change(cloud, context.caller)
    request = copy_request(cloud, context.json_object())
    source = find_image(context)
    late = _late_refusal(context, request, source)
    fault_of_job = cloud.faults.for_copy(context.path, context.raw)
    fault = JobFault()
    if fault_of_job is not None:
        context.call.fault, fault = fault_of_job[0].id, fault_of_job[1]
    elif late is not None:
        fault = JobFault(fail=True, error_code=late.code, fail_reason=late.message)
    job = _new_job(context, request, source, fault)
    image = _new_image(context, request, source, job, fault)
    cloud.put_copy(image, job)
    context.call.job_id, context.call.image_id = job.id, image.id
    return Reply(200, {"job_id": job.id})


def _late_refusal(context: Context, request: CopyRequest, source: Image) -> ImsError | None:
    """The refusal that the job reports later, if the knobs say so. Raises: ImsError for a refusal at once."""
    cloud, knobs = context.cloud, context.cloud.knobs
    try:
        check_source(cloud, source, request, context.caller, context.now)
        check_keys(cloud, source, request.cmk_id)
        _check_limits(context, request)
    except ImsError as error:
        if knobs.refuses_late(error.code) or (error.code == knobs.size_limit_code and knobs.size_limit == "job"):
            return error
        raise
    return None


def copy_image_safe_mode(context: Context) -> Reply:
    """The v2.1 call, which does the same as v1 in clouds that have it. Raises: GatewayError, ImsError."""
    if not context.cloud.knobs.copy_v21:
        raise GatewayError(404, "0101")
    return copy_image(context)


def _check_limits(context: Context, request: CopyRequest) -> None:
    cloud, project_id, now = context.cloud, context.caller.project_id, context.now
    if cloud.knobs.names_unique and any(
        image.owner == project_id and not cloud.gone(image, now) for image in cloud.images.named(request.name)
    ):
        raise ImsError("IMG.0009")
    if cloud.quota_used(project_id, now) >= cloud.knobs.quota:
        raise ImsError("IMG.0015")
    if len(cloud.jobs.running(project_id, now)) >= cloud.knobs.max_concurrent:
        raise ImsError(cloud.knobs.concurrent_code)


def _new_job(context: Context, request: CopyRequest, source: Image, fault: JobFault) -> Job:
    knobs, now, ids = context.cloud.knobs, context.now, context.cloud.ids
    number = context.cloud.images.last_sequence + 1
    seconds = knobs.copy_seconds if fault.copy_seconds is None else fault.copy_seconds
    ends_at: float | None = now + seconds
    if fault.fail:
        ends_at = now + seconds * fault.at
    elif fault.stuck:
        ends_at = None
    return Job(
        id=ids.hex(number, "job"),
        project_id=context.caller.project_id,
        source_id=source.id,
        image_id=ids.uuid(number, "image"),
        image_name=request.name,
        sub_job_id=ids.hex(number, "sub job"),
        accepted_at=now,
        init_seconds=min(knobs.init_seconds, seconds / 10),
        copy_seconds=seconds,
        ends_at=ends_at,
        outcome="FAIL" if fault.fail else "SUCCESS",
        error_code=fault.error_code if fault.fail else None,
        fail_reason=fault.fail_reason if fault.fail else None,
        stuck_at=fault.at if fault.stuck else None,
        zigzag=fault.zigzag,
        without_image_id=fault.without_image_id,
        forgotten=fault.forget,
    )


def _new_image(context: Context, request: CopyRequest, source: Image, job: Job, fault: JobFault) -> Image:
    cloud, now = context.cloud, context.now
    base = base_props(job.image_id, request.name, context.caller.project_id)
    inherited = {key: value for key, value in source.props.items() if key not in NOT_INHERITED}
    merged: JsonObject = {
        **{key: value for key, value in base.items() if key in NOT_INHERITED},
        **inherited,
        "created_at": iso_seconds(now),
        "updated_at": iso_seconds(now),
        "enterprise_project_id": request.enterprise_project_id,
        "__description": request.description,
    }
    for attribute in ("__data_origin", "__originalimagename"):
        merged.pop(attribute, None)
    if cloud.knobs.lineage in ("both", "data_origin"):
        merged["__data_origin"] = f"image,{REGION},{source.id}"
    if cloud.knobs.lineage in ("both", "original"):
        merged["__originalimagename"] = source.id
    merged.pop("active_at", None)
    if request.cmk_id is not None:
        merged["__system__cmkid"] = request.cmk_id
    delay = cloud.knobs.row_delay_seconds if fault.row_delay_seconds is None else fault.row_delay_seconds
    return Image(
        id=job.image_id,
        sequence=cloud.images.last_sequence + 1,
        kind="copy",
        props=merged,
        job_id=job.id,
        hidden_until=now + delay if delay else 0.0,
    )


def fail_copies_of(context: Context, source_id: str) -> None:
    """Let the running copies of a deleted image fail, if the knob source_deleted says so."""
    cloud, now = context.cloud, context.now
    if cloud.knobs.source_deleted != "fail":
        return
    for job_id in list(cloud.jobs.running(context.caller.project_id, now)):
        job = cloud.jobs.get(job_id)
        if job is not None and job.source_id == source_id:
            ended = job.model_copy(
                update={
                    "ends_at": now,
                    "outcome": "FAIL",
                    "error_code": "IMG.0027",
                    "fail_reason": "The source image does not exist.",
                }
            )
            cloud.jobs.put(ended)
