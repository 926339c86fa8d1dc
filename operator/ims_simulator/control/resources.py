"""Control endpoints for what is in the simulated cloud: images, jobs, keys and identity providers."""

from __future__ import annotations

from aiohttp import web

from ims_simulator.control.bodies import ImagePatch, JobPatch, KeyPatch, NewIdentityProvider, NewImage
from ims_simulator.control.requests import CLOUD, problem, read, reply
from ims_simulator.ims.jobs import job_body
from ims_simulator.ims.rows import row_of, status_of
from ims_simulator.parsing import JsonObject
from ims_simulator.state.cloud import Cloud
from ims_simulator.state.records import Image, Job
from ims_simulator.state.seed import base_props


async def show_images(request: web.Request) -> web.Response:
    """GET every image, hidden and foreign ones included; ?kind=copy selects copies, ?all=true adds deleted images."""
    cloud, now = request.app[CLOUD], request.app[CLOUD].clock()
    kind, everything = request.query.get("kind"), request.query.get("all", "false").lower() == "true"
    return reply(
        {
            "images": [
                _image(cloud, image)
                for image in cloud.images.values()
                if kind in (None, image.kind) and (everything or not cloud.gone(image, now))
            ]
        }
    )


async def add_image(request: web.Request) -> web.Response:
    """POST a new source image; the reply is 201 and the image."""
    body, cloud = await read(request, NewImage), request.app[CLOUD]
    number = cloud.images.last_sequence + 1
    image_id = str(body.id or cloud.ids.uuid(number, "image"))
    if cloud.images.get(image_id) is not None:
        return problem(409, f"image {image_id} exists already")
    props = base_props(image_id, body.name, body.owner or cloud.accounts.project.id)
    image = Image(
        id=image_id,
        sequence=number,
        kind=body.kind,
        props={**props, **body.changes(cloud.clock())},
        members=body.members,
    )
    if image.text("status") != "active":
        image.props.pop("active_at", None)
    cloud.images.put(image)
    return reply(_image(cloud, image), status=201)


async def change_image(request: web.Request) -> web.Response:
    """PATCH the attributes of an image; null removes one."""
    body, cloud = await read(request, ImagePatch), request.app[CLOUD]
    image = cloud.images.get(request.match_info["id"])
    if image is None:
        return problem(404, f"there is no image {request.match_info['id']}")
    body.apply_to(image, cloud.clock())
    cloud.images.put(image)
    return reply(_image(cloud, image))


async def remove_image(request: web.Request) -> web.Response:
    """DELETE an image at once, whatever its state."""
    cloud = request.app[CLOUD]
    image = cloud.images.get(request.match_info["id"])
    if image is None or cloud.gone(image, cloud.clock()):
        return problem(404, f"there is no image {request.match_info['id']}")
    image.deleted_at = cloud.clock()
    cloud.images.put(image)
    return web.Response(status=204)


async def show_jobs(request: web.Request) -> web.Response:
    """GET every job, including those that job queries no longer find."""
    cloud = request.app[CLOUD]
    return reply({"jobs": [_job(cloud, job) for job in cloud.jobs.values()]})


async def change_job(request: web.Request) -> web.Response:
    """PATCH a job: end it now, make it hang, or hide it from job queries."""
    body, cloud = await read(request, JobPatch), request.app[CLOUD]
    job = cloud.jobs.get(request.match_info["id"])
    if job is None:
        return problem(404, f"there is no job {request.match_info['id']}")
    changed = body.applied_to(job, cloud.clock())
    cloud.jobs.put(changed)
    return reply(_job(cloud, changed))


async def change_key(request: web.Request) -> web.Response:
    """PATCH the state of a KMS key."""
    body, cloud = await read(request, KeyPatch), request.app[CLOUD]
    key = cloud.keys.get(request.match_info["id"])
    if key is None:
        return problem(404, f"there is no key {request.match_info['id']}")
    key.state = body.state
    cloud.keys.put(key)
    return reply(key.model_dump(mode="json"))


async def set_identity_provider(request: web.Request) -> web.Response:
    """PUT an OpenID Connect identity provider, as an administrator would register it with IAM."""
    body, cloud = await read(request, NewIdentityProvider), request.app[CLOUD]
    provider = body.provider(request.match_info["id"])
    cloud.identity_providers.put(provider)
    return reply(provider.model_dump(mode="json"))


def _image(cloud: Cloud, image: Image) -> JsonObject:
    now = cloud.clock()
    row = row_of(cloud, image, image.owner, now)
    gone = cloud.gone(image, now)
    return {
        **row,
        "status": "deleted" if gone else status_of(cloud, image, now),
        "_simulator": {
            "kind": image.kind,
            "job_id": image.job_id,
            "gone": gone,
            "hidden": now < image.hidden_until,
            "members": dict(image.members),
        },
    }


def _job(cloud: Cloud, job: Job) -> JsonObject:
    body = job_body(job, cloud.knobs, cloud.clock(), progress_call=True)
    known: JsonObject = {
        "source_id": job.source_id,
        "image_id": job.image_id,
        "image_name": job.image_name,
        "project_id": job.project_id,
        "phase": job.phase(cloud.clock()),
        "percent": job.percent(cloud.clock()),
        "forgotten": job.forgotten,
    }
    return {**body, "_simulator": known}
