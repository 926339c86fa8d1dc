"""The two queries for a job.

Sources: "OTC API reference, Querying an Asynchronous Job" (ShowJob) and "Querying the Progress of an Asynchronous
Job" (ShowJobProgress); "Huawei Cloud IMS API reference" for a running copy, which shows the id of its image already.
Neither page lists 404, and neither shows a failed job.
"""

from __future__ import annotations

from ims_simulator.clock.timestamps import iso_millis, legacy_time
from ims_simulator.gateway.authentication import require_project
from ims_simulator.gateway.context import Context
from ims_simulator.parsing import JsonObject
from ims_simulator.replies.errors import GatewayError, ImsError, Reply
from ims_simulator.settings.knobs import Knobs
from ims_simulator.state.records import Job

JOB_TYPE = "imsCopyImageInRegionJob"
TASK = "CopyImageInRegionTask:"


def show_job(context: Context) -> Reply:
    """GET /v1/{project_id}/jobs/{job_id}. Raises: GatewayError, ImsError."""
    if not context.cloud.knobs.show_job_endpoint:
        raise GatewayError(404, "0101")
    require_project(context.caller, context.params["project_id"])
    job = _find(context)
    return Reply(200, job_body(job, context.cloud.knobs, context.now, progress_call=False))


def show_job_progress(context: Context) -> Reply:
    """GET /v1/cloudimages/job/{job_id}. Raises: GatewayError, ImsError."""
    if not context.cloud.knobs.progress_endpoint:
        raise GatewayError(404, "0101")
    return Reply(200, job_body(_find(context), context.cloud.knobs, context.now, progress_call=True))


def _find(context: Context) -> Job:
    job_id, knobs = context.params["job_id"], context.cloud.knobs
    context.call.job_id = job_id
    job = context.cloud.jobs.get(job_id)
    if job is None or job.project_id != context.caller.project_id or _forgotten(job, knobs, context.now):
        raise ImsError(knobs.unknown_job_code, status=knobs.unknown_job_status)
    return job


def _forgotten(job: Job, knobs: Knobs, now: float) -> bool:
    if job.forgotten:
        return True
    return (
        bool(knobs.job_retention_seconds)
        and job.ends_at is not None
        and (now >= job.ends_at + knobs.job_retention_seconds)
    )


def job_body(job: Job, knobs: Knobs, now: float, *, progress_call: bool) -> JsonObject:
    """A job as a query shows it; `progress_call` selects ShowJobProgress."""
    phase, time = job.phase(now), legacy_time if knobs.job_times == "legacy" else iso_millis
    failed = phase == "FAIL"
    at_top = failed and knobs.failure_told != "entities"
    body: JsonObject = {
        "status": knobs.status_word(phase),
        "job_id": job.id,
        "job_type": JOB_TYPE,
        "begin_time": time(job.accepted_at),
        "end_time": time(job.ends_at) if job.ends_at is not None and job.ended(now) else "",
        "error_code": job.error_code if at_top else None,
        "fail_reason": job.fail_reason if at_top else None,
    }
    if phase == "INIT" and knobs.init_entities != "full":
        if knobs.init_entities != "absent":
            body["entities"] = {} if knobs.init_entities == "empty" else None
        return body
    entities: JsonObject = {"image_name": job.image_name}
    shows_image = knobs.failed_job_image_id if failed else knobs.image_id_while_running or phase == "SUCCESS"
    if shows_image and not job.without_image_id:
        entities["image_id"] = job.image_id
    if progress_call or knobs.show_job_percent:
        entities["process_percent"] = job.percent(now)
        entities["current_task"] = "" if phase == "SUCCESS" else TASK
    if failed and knobs.failure_told != "top":
        entities["error_code"], entities["addition_error_msg"] = job.error_code, job.fail_reason
    if progress_call:
        entities["subJobId"] = job.sub_job_id
    body["entities"] = entities
    return body
