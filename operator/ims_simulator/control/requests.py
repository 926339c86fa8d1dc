"""What the control endpoints share: the cloud they act on, how they read a body and how they answer."""

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
    """The body as a model. Raises: HTTPBadRequest (400 with the problems and the fields that are allowed)."""
    text = await request.text()
    try:
        return model.model_validate_json(text or "{}")
    except ValidationError as error:
        problems = "; ".join(f"{field or 'body'}: {text}" for field, text in problems_of(error))
        body = json.dumps({"error": problems, "allowed": ", ".join(model.model_fields)})
        raise web.HTTPBadRequest(text=body, content_type="application/json") from None


def reply(body: JsonValue, status: int = 200) -> web.Response:
    """A JSON reply."""
    return web.json_response(body, status=status)


def problem(status: int, message: str) -> web.Response:
    """A refusal: {"error": message}."""
    return web.json_response({"error": message}, status=status)


def unknown_endpoint(endpoints: Iterable[str]) -> Control:
    """The answer to a wrong path or method under /_simulator: 404 and the list of endpoints."""
    listed = ", ".join(endpoints)

    async def unknown(_: web.Request) -> web.Response:
        return problem(404, f"no such control endpoint; there are: {listed}")

    return unknown
