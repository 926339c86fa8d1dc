"""Control endpoints under /_simulator: for tests and demos, without authentication.

They are not part of the simulated cloud: no fault, no throttle and no call log touches them.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, JsonValue, ValidationError

from ims_simulator.clock import ClockError, ClockOrder
from ims_simulator.configuration import configuration
from ims_simulator.faults import Fault, FaultSpec
from ims_simulator.jobs import job_body
from ims_simulator.knobs import KnobError, apply
from ims_simulator.model import Image, Job, JsonObject
from ims_simulator.orders import ImagePatch, JobPatch, KeyPatch, NewIdentityProvider, NewImage
from ims_simulator.reads import row_of, status_of
from ims_simulator.seed import base_props
from ims_simulator.state import Cloud

CLOUD = web.AppKey("cloud", Cloud)
PREFIX = "/_simulator"

Model = TypeVar("Model", bound=BaseModel)
Control = Callable[[web.Request], Awaitable[web.Response]]


def add_routes(app: web.Application) -> None:
    """Add every control endpoint."""
    routes: list[tuple[str, str, Control]] = [
        ("GET", "/config", show_config),
        ("GET", "/knobs", show_knobs),
        ("PATCH", "/knobs", change_knobs),
        ("GET", "/clock", show_clock),
        ("POST", "/clock", set_clock),
        ("GET", "/calls", show_calls),
        ("DELETE", "/calls", clear_calls),
        ("GET", "/faults", show_faults),
        ("POST", "/faults", add_fault),
        ("DELETE", "/faults", remove_faults),
        ("DELETE", "/faults/{id}", remove_faults),
        ("GET", "/images", show_images),
        ("POST", "/images", add_image),
        ("PATCH", "/images/{id}", change_image),
        ("DELETE", "/images/{id}", remove_image),
        ("GET", "/jobs", show_jobs),
        ("PATCH", "/jobs/{id}", change_job),
        ("PATCH", "/kms_keys/{id}", change_key),
        ("PUT", "/identity_providers/{id}", set_identity_provider),
    ]
    for method, path, handler in routes:
        app.router.add_route(method, PREFIX + path, handler)
    paths = ", ".join(f"{method} {PREFIX}{path}" for method, path, _ in routes)

    async def unknown(_: web.Request) -> web.Response:
        return _problem(404, f"no such control endpoint; there are: {paths}")

    app.router.add_route("*", PREFIX + "{rest:(/.*)?}", unknown)


async def show_config(request: web.Request) -> web.Response:
    """Everything a client needs to know to use the simulator."""
    return _json(configuration(request.app[CLOUD], f"{request.scheme}://{request.host}"))


async def show_knobs(request: web.Request) -> web.Response:
    """All knobs."""
    return _json(request.app[CLOUD].knobs.model_dump(mode="json"))


async def change_knobs(request: web.Request) -> web.Response:
    """Change some knobs: {"name": value, ...}."""
    cloud = request.app[CLOUD]
    try:
        body = json.loads(await request.text())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return _problem(400, 'the body must be a JSON object such as {"quota": 3}')
    try:
        cloud.knobs = apply(cloud.knobs, body)
    except KnobError as error:
        return _problem(400, str(error))
    return _json(cloud.knobs.model_dump(mode="json"))


async def show_clock(request: web.Request) -> web.Response:
    """The cloud's time."""
    return _json(request.app[CLOUD].clock.shown())


async def set_clock(request: web.Request) -> web.Response:
    """Move the cloud's time forward, or make it stand still: see `clock.ClockOrder`."""
    order, cloud = await _read(request, ClockOrder), request.app[CLOUD]
    try:
        cloud.clock.carry_out(order)
    except ClockError as error:
        return _problem(400, str(error))
    return _json(cloud.clock.shown())


async def show_calls(request: web.Request) -> web.Response:
    """Calls the cloud got; ?kind= and ?since= (a sequence number) narrow it down."""
    since = request.query.get("since", "0")
    if not since.isdecimal():
        return _problem(400, "since must be a sequence number")
    found = request.app[CLOUD].calls.find(request.query.get("kind"), int(since))
    return _json({"calls": [call.model_dump(mode="json") for call in found]})


async def clear_calls(request: web.Request) -> web.Response:
    """Forget the calls so far."""
    return _json({"cleared": request.app[CLOUD].calls.clear()})


async def show_faults(request: web.Request) -> web.Response:
    """Faults in force and what they have done."""
    return _json({"faults": [_fault(fault) for fault in request.app[CLOUD].faults.all()]})


async def add_fault(request: web.Request) -> web.Response:
    """Order a fault; 201 and the fault with its id."""
    spec = await _read(request, FaultSpec)
    return _json(_fault(request.app[CLOUD].faults.add(spec)), status=201)


async def remove_faults(request: web.Request) -> web.Response:
    """Remove one fault, or all."""
    fault_id = request.match_info.get("id")
    removed = request.app[CLOUD].faults.remove(fault_id)
    if fault_id is not None and not removed:
        return _problem(404, f"there is no fault {fault_id}")
    return _json({"removed": removed})


async def show_images(request: web.Request) -> web.Response:
    """Every image there is, also hidden and foreign ones; ?kind=copy for copies, ?all=true with the gone ones."""
    cloud, now = request.app[CLOUD], request.app[CLOUD].clock()
    kind, everything = request.query.get("kind"), request.query.get("all", "false").lower() == "true"
    return _json(
        {
            "images": [
                _image(cloud, image)
                for image in cloud.images.values()
                if kind in (None, image.kind) and (everything or not cloud.gone(image, now))
            ]
        }
    )


async def add_image(request: web.Request) -> web.Response:
    """Add a source image; 201 and its row."""
    order, cloud = await _read(request, NewImage), request.app[CLOUD]
    number = cloud.images.last_sequence + 1
    image_id = str(order.id or cloud.ids.uuid(number, "image"))
    if cloud.images.get(image_id) is not None:
        return _problem(409, f"there is an image {image_id} already")
    props = base_props(image_id, order.name, order.owner or cloud.accounts.project.id)
    image = Image(
        id=image_id,
        sequence=number,
        kind=order.kind,
        props={**props, **order.changes(cloud.clock())},
        members=order.members,
    )
    if image.text("status") != "active":
        image.props.pop("active_at", None)
    cloud.images.put(image)
    return _json(_image(cloud, image), status=201)


async def change_image(request: web.Request) -> web.Response:
    """Change attributes of an image; null removes one."""
    order, cloud = await _read(request, ImagePatch), request.app[CLOUD]
    image = cloud.images.get(request.match_info["id"])
    if image is None:
        return _problem(404, f"there is no image {request.match_info['id']}")
    order.apply_to(image, cloud.clock())
    cloud.images.put(image)
    return _json(_image(cloud, image))


async def remove_image(request: web.Request) -> web.Response:
    """Remove an image at once, whatever its state."""
    cloud = request.app[CLOUD]
    image = cloud.images.get(request.match_info["id"])
    if image is None or cloud.gone(image, cloud.clock()):
        return _problem(404, f"there is no image {request.match_info['id']}")
    image.deleted_at = cloud.clock()
    cloud.images.put(image)
    return web.Response(status=204)


async def show_jobs(request: web.Request) -> web.Response:
    """Every job, forgotten ones too."""
    cloud = request.app[CLOUD]
    return _json({"jobs": [_job(cloud, job) for job in cloud.jobs.values()]})


async def change_job(request: web.Request) -> web.Response:
    """Make a job end now, get stuck, or be forgotten."""
    order, cloud = await _read(request, JobPatch), request.app[CLOUD]
    job = cloud.jobs.get(request.match_info["id"])
    if job is None:
        return _problem(404, f"there is no job {request.match_info['id']}")
    changed = order.applied_to(job, cloud.clock())
    cloud.jobs.put(changed)
    return _json(_job(cloud, changed))


async def change_key(request: web.Request) -> web.Response:
    """Change the state of a KMS key."""
    order, cloud = await _read(request, KeyPatch), request.app[CLOUD]
    key = cloud.keys.get(request.match_info["id"])
    if key is None:
        return _problem(404, f"there is no key {request.match_info['id']}")
    key.state = order.state
    cloud.keys.put(key)
    return _json({"id": key.id, "name": key.name, "state": key.state})


async def set_identity_provider(request: web.Request) -> web.Response:
    """Let the cloud trust an issuer of OpenID Connect tokens, as an administrator would."""
    order, cloud = await _read(request, NewIdentityProvider), request.app[CLOUD]
    provider = order.provider(request.match_info["id"])
    cloud.identity_providers.put(provider)
    return _json(provider.model_dump(mode="json"))


def _fault(fault: Fault) -> JsonObject:
    return {
        "id": fault.id,
        "matched": fault.matched,
        "struck": fault.struck,
        **fault.spec.model_dump(mode="json"),
    }


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


async def _read(request: web.Request, model: type[Model]) -> Model:
    text = await request.text()
    try:
        return model.model_validate_json(text or "{}")
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()]
        fields = ", ".join(model.model_fields)
        raise web.HTTPBadRequest(
            text=json.dumps({"error": "; ".join(problems), "allowed": fields}), content_type="application/json"
        ) from None


def _json(body: JsonValue, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


def _problem(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
