"""What the control endpoints share: the cloud they act on, reading a body, writing a reply."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, JsonValue, ValidationError

from ims_simulator.parsing import problems_of
from ims_simulator.state.cloud import Cloud

CLOUD = web.AppKey("cloud", Cloud)
PREFIX = "/_simulator"

Model = TypeVar("Model", bound=BaseModel)
Control = Callable[[web.Request], Awaitable[web.Response]]


async def read(request: web.Request, model: type[Model]) -> Model:
    """Read the body as a model. Raises: HTTPBadRequest with the problems and the allowed fields."""
    text = await request.text()
    try:
        return model.model_validate_json(text or "{}")
    except ValidationError as error:
        problems = "; ".join(f"{field or 'body'}: {text}" for field, text in problems_of(error))
        body = json.dumps({"error": problems, "allowed": ", ".join(model.model_fields)})
        raise web.HTTPBadRequest(text=body, content_type="application/json") from None


def reply(body: JsonValue, status: int = 200) -> web.Response:
    """Answer with JSON."""
    return web.json_response(body, status=status)


def problem(status: int, message: str) -> web.Response:
    """Answer with an error: {"error": message}."""
    return web.json_response({"error": message}, status=status)


def unknown_endpoint(endpoints: Iterable[str]) -> Control:
    """Build the handler of unknown paths and methods: it answers 404 and lists the endpoints."""
    listed = ", ".join(endpoints)

    async def unknown(_: web.Request) -> web.Response:
        return problem(404, f"no such control endpoint; the endpoints are: {listed}")

    return unknown
