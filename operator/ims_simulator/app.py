"""The web application: routes, and what happens to every request on its way to a handler and back.

arrival -> noted in the call log -> fault "before" -> API known -> token -> throttle -> handler -> fault "after" ->
answered. Handlers are plain functions that never wait, so each call takes effect as a whole or not at all.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from pathlib import Path

from aiohttp import web

from ims_simulator import (
    control,
    copies,
    edits,
    federation,
    iam,
    images,
    jobs,
    listing,
    tag_search,
    tagging,
    temporary_keys,
    workload,
)
from ims_simulator.auth import Throttle, authenticate
from ims_simulator.calls import Call, shown_body
from ims_simulator.clock import Clock
from ims_simulator.context import Context
from ims_simulator.errors import ApiError, GatewayError, Reply
from ims_simulator.faults import Fault
from ims_simulator.knobs import Knobs
from ims_simulator.signature import RawRequest
from ims_simulator.state import Cloud

Handler = Callable[[Context], Reply]
Sleep = Callable[[float], Awaitable[None]]

MAX_BODY = 12 * 1024**2
"""Bytes; the gateway's limit."""

ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("POST", "/v3/auth/tokens", "token", iam.create_token),
    ("GET", "/v3/projects", "projects", iam.list_projects),
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
    ("POST", "/v2/{project_id}/images/{image_id}/tags/action", "tags", tagging.act_on_tags),
    ("GET", "/v2/{project_id}/images/{image_id}/tags", "tags", tagging.show_tags),
    ("POST", "/v2/{project_id}/images/{image_id}/tags", "tags", tagging.add_tag),
    ("DELETE", "/v2/{project_id}/images/{image_id}/tags/{key}", "tags", tagging.remove_tag),
    ("GET", "/v2/{project_id}/images/tags", "tags", tagging.show_all_tags),
    ("POST", "/v2/{project_id}/images/resource_instances/action", "tags", tag_search.search_by_tags),
    ("PUT", "/v2/images/{image_id}/tags/{tag}", "tags", tagging.add_native_tag),
    ("DELETE", "/v2/images/{image_id}/tags/{tag}", "tags", tagging.remove_native_tag),
)

NOT_IMS = frozenset({"token", "temporary_key", "projects", "metadata", "pod_identity"})
"""Kinds of calls that IAM and the node answer; they look after their callers themselves."""


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
    """A simulator as a web application; `clock` and `sleep` let tests bring their own time, the rest is as in `Cloud`.

    Raises: StateFileError.
    """
    cloud = Cloud(knobs=knobs, edition=edition, seed=seed, state_file=state_file, clock=clock, frozen_at=frozen_at)
    app = web.Application(client_max_size=MAX_BODY)
    app[control.CLOUD] = cloud
    control.add_routes(app)
    service = _Service(cloud, sleep)
    for method, path, kind, handler in ROUTES:
        app.router.add_route(method, path, service.handle(kind, handler))
    app.router.add_route("*", "/{path:.*}", service.handle("other", None))

    async def tell_the_time(request: web.Request, response: web.StreamResponse) -> None:
        if request.path.startswith(control.PREFIX):
            response.headers["Date"] = formatdate(cloud.clock(), usegmt=True)

    app.on_response_prepare.append(tell_the_time)

    async def close(_: web.Application) -> None:
        cloud.close()

    app.on_cleanup.append(close)
    return app


class _Service:
    """Carries requests to handlers."""

    def __init__(self, cloud: Cloud, sleep: Sleep) -> None:
        self._cloud = cloud
        self._sleep = sleep
        self._throttle = Throttle()

    def handle(self, kind: str, handler: Handler | None) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """An aiohttp handler for calls of one kind; without `handler` the API does not exist."""

        async def handle(request: web.Request) -> web.StreamResponse:
            raw, problem = await _body(request)
            context = self._context(request, kind, raw, problem is not None)
            call = context.call
            self._cloud.calls.begin(call)
            fault = self._cloud.faults.of_call(kind, call.method, call.path, raw)
            if fault is not None:
                call.fault = fault.id
                if fault.spec.when == "before":
                    await self._sleep(fault.spec.delay_seconds)
            replaced = fault is not None and (fault.spec.cut is True or fault.spec.reply is not None)
            if fault is not None and replaced and fault.spec.when == "before":
                return await self._struck(request, context, fault)
            reply = self._carry_out(context, kind, handler, problem)
            if fault is not None and fault.spec.when == "after":
                await self._sleep(fault.spec.delay_seconds)
                if replaced:
                    return await self._struck(request, context, fault)
            answer = self._answer(context, reply)
            return await _half(request, answer) if fault is not None and fault.spec.cut else answer

        return handle

    def _context(self, request: web.Request, kind: str, raw: bytes, too_large: bool) -> Context:
        now, sequence = self._cloud.clock(), self._cloud.calls.last_sequence + 1
        call = Call(
            sequence=sequence,
            time=now,
            method=request.method,
            path=request.path,
            query=request.query_string,
            kind=kind,
            request_id=self._cloud.ids.hex(sequence, "request"),
            body=shown_body(raw),
            image_id=request.match_info.get("image_id"),
        )
        return Context(
            cloud=self._cloud,
            now=now,
            method=request.method,
            path=request.path,
            params=request.match_info,
            query=request.query,
            headers=request.headers,
            request=RawRequest(
                method=request.method,
                target=request.raw_path.encode("utf-8", "surrogateescape"),
                headers=request.raw_headers,
                body=raw,
                too_large=too_large,
            ),
            raw=raw,
            base_url=f"{request.scheme}://{request.host}",
            call=call,
        )

    def _carry_out(self, context: Context, kind: str, handler: Handler | None, problem: ApiError | None) -> Reply:
        cloud = self._cloud
        context.now = cloud.clock()
        try:
            if problem is not None and (handler is None or kind in NOT_IMS):
                raise problem
            if handler is None:
                raise GatewayError(404, "0101")
            if kind not in NOT_IMS:
                caller = authenticate(cloud, context.request, context.call, context.now)
                context.authenticated = caller
                self._throttle.check(cloud, caller.user, kind, context.now)
            return handler(context)
        except ApiError as error:
            context.call.error_code = getattr(error, "code", None) or getattr(error, "number", None)
            return error.reply(context.call.request_id, cloud.knobs)

    async def _struck(self, request: web.Request, context: Context, fault: Fault) -> web.StreamResponse:
        if fault.spec.reply is not None:
            answer = self._answer(context, fault.spec.reply.render(context.call.request_id, self._cloud.knobs))
            return await _half(request, answer) if fault.spec.cut else answer
        self._cloud.calls.finish(context.call, 0)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    def _answer(self, context: Context, reply: Reply) -> web.Response:
        self._cloud.calls.finish(context.call, reply.status)
        headers = {"Date": formatdate(self._cloud.clock(), usegmt=True), **reply.headers}
        if context.call.kind in NOT_IMS or _has_request_id(reply, self._cloud.knobs):
            headers.setdefault("X-Request-Id", context.call.request_id)
        if context.call.kind in ("token", "temporary_key", "projects"):
            headers["X-IAM-Trace-Id"] = f"token_{context.call.request_id}"
        if reply.text is not None:
            return web.Response(status=reply.status, text=reply.text, content_type=reply.content_type, headers=headers)
        if reply.body is None:
            return web.Response(status=reply.status, headers=headers)
        body = json.dumps(reply.body, ensure_ascii=False).encode()
        headers["Content-Type"] = reply.content_type
        return web.Response(status=reply.status, body=body, headers=headers)


async def _body(request: web.Request) -> tuple[bytes, ApiError | None]:
    """The body; or nothing, and what the gateway says of one that is too large."""
    try:
        return await request.read(), None
    except web.HTTPRequestEntityTooLarge:
        return b"", GatewayError(413, "0201", "Request entity too large.")


def _has_request_id(reply: Reply, knobs: Knobs) -> bool:
    if knobs.request_id_header == "all":
        return True
    if knobs.request_id_header == "errors":
        return reply.status >= 400
    return isinstance(reply.body, dict) and "request_id" in reply.body


async def _half(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Send half of a reply's body and hang up."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
