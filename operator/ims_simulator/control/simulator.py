"""Control endpoints for the simulator itself: configuration, knobs, clock, call log and faults."""

from __future__ import annotations

import json

from aiohttp import web

from ims_simulator.clock.cloud_clock import ClockChange, ClockError
from ims_simulator.control.configuration import configuration
from ims_simulator.control.requests import CLOUD, problem, read, reply
from ims_simulator.parsing import JsonObject
from ims_simulator.settings.assignments import KnobError, apply
from ims_simulator.state.faults import Fault, FaultSpec


async def show_config(request: web.Request) -> web.Response:
    """GET the configuration: logins, endpoints, source images and keys."""
    return reply(configuration(request.app[CLOUD], f"{request.scheme}://{request.host}"))


async def show_knobs(request: web.Request) -> web.Response:
    """GET all knobs."""
    return reply(request.app[CLOUD].knobs.model_dump(mode="json"))


async def change_knobs(request: web.Request) -> web.Response:
    """PATCH some knobs: {"name": value, ...}; the reply has all of them."""
    cloud = request.app[CLOUD]
    try:
        body = json.loads(await request.text())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return problem(400, 'the body must be a JSON object such as {"quota": 3}')
    try:
        cloud.knobs = apply(cloud.knobs, body)
    except KnobError as error:
        return problem(400, str(error))
    return reply(cloud.knobs.model_dump(mode="json"))


async def show_clock(request: web.Request) -> web.Response:
    """GET the cloud's time."""
    return reply(request.app[CLOUD].clock.shown())


async def set_clock(request: web.Request) -> web.Response:
    """POST a change of the cloud's time, see `ClockChange`."""
    change, cloud = await read(request, ClockChange), request.app[CLOUD]
    try:
        cloud.clock.apply(change)
    except ClockError as error:
        return problem(400, str(error))
    return reply(cloud.clock.shown())


async def show_calls(request: web.Request) -> web.Response:
    """GET the calls that clients made; ?kind= and ?since= (a sequence number) select some."""
    since = request.query.get("since", "0")
    if not since.isdecimal():
        return problem(400, "since must be a sequence number")
    found = request.app[CLOUD].calls.find(request.query.get("kind"), int(since))
    return reply({"calls": [call.model_dump(mode="json") for call in found]})


async def clear_calls(request: web.Request) -> web.Response:
    """DELETE all calls from the log."""
    return reply({"cleared": request.app[CLOUD].calls.clear()})


async def show_faults(request: web.Request) -> web.Response:
    """GET the faults, with counts of what they matched and struck."""
    return reply({"faults": [_fault(fault) for fault in request.app[CLOUD].faults.all()]})


async def add_fault(request: web.Request) -> web.Response:
    """POST a fault; the reply is 201 and the fault with its id."""
    spec = await read(request, FaultSpec)
    return reply(_fault(request.app[CLOUD].faults.add(spec)), status=201)


async def remove_faults(request: web.Request) -> web.Response:
    """DELETE one fault, or all of them."""
    fault_id = request.match_info.get("id")
    removed = request.app[CLOUD].faults.remove(fault_id)
    if fault_id is not None and not removed:
        return problem(404, f"there is no fault {fault_id}")
    return reply({"removed": removed})


def _fault(fault: Fault) -> JsonObject:
    return {
        "id": fault.id,
        "matched": fault.matched,
        "struck": fault.struck,
        **fault.spec.model_dump(mode="json"),
    }
