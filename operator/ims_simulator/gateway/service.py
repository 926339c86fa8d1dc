"""The path of a request through the gateway, from its arrival to its reply.

1. The call log gets an entry.
2. A fault with `when: before` applies.
3. The gateway refuses unknown APIs, wrong tokens and calls over the rate limit.
4. The handler of the call runs. It is a plain function that never waits, so each call takes effect as a whole.
5. A fault with `when: after` applies, and the reply is sent.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from email.utils import formatdate

from aiohttp import web

from ims_simulator.gateway.authentication import authenticate
from ims_simulator.gateway.context import Context
from ims_simulator.gateway.signature import RawRequest
from ims_simulator.gateway.throttle import Throttle
from ims_simulator.replies.errors import ApiError, GatewayError, Reply
from ims_simulator.settings.knobs import Knobs
from ims_simulator.state.call_log import Call, shown_body
from ims_simulator.state.cloud import Cloud
from ims_simulator.state.faults import Fault

Handler = Callable[[Context], Reply]
Sleep = Callable[[float], Awaitable[None]]

MAX_BODY = 12 * 1024**2
"""Size limit of a request body in bytes."""

NOT_IMS = frozenset({"token", "temporary_key", "projects", "metadata", "pod_identity"})
"""Kinds of calls that IAM and the node services answer. Their handlers authenticate the caller themselves."""


class Service:
    """Takes requests to the handlers of IAM and IMS."""

    def __init__(self, cloud: Cloud, sleep: Sleep) -> None:
        self._cloud = cloud
        self._sleep = sleep
        self._throttle = Throttle()

    def web_handler(self, kind: str, handler: Handler | None) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Build the aiohttp handler for calls of one kind. Without `handler` it answers that the API does not exist."""

        async def handle(request: web.Request) -> web.StreamResponse:
            raw, problem = await _body(request)
            context = self._context(request, kind, raw, problem is not None)
            call = context.call
            self._cloud.calls.begin(call)
            fault = self._cloud.faults.for_call(kind, call.method, call.path, raw)
            if fault is not None:
                call.fault = fault.id
                if fault.spec.when == "before":
                    await self._sleep(fault.spec.delay_seconds)
            replaced = fault is not None and (fault.spec.cut is True or fault.spec.reply is not None)
            if fault is not None and replaced and fault.spec.when == "before":
                return await self._answer_fault(request, context, fault)
            reply = self._reply_to(context, kind, handler, problem)
            if fault is not None and fault.spec.when == "after":
                await self._sleep(fault.spec.delay_seconds)
                if replaced:
                    return await self._answer_fault(request, context, fault)
            answer = self._answer(context, reply)
            return await _send_half(request, answer) if fault is not None and fault.spec.cut else answer

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

    def _reply_to(self, context: Context, kind: str, handler: Handler | None, problem: ApiError | None) -> Reply:
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

    async def _answer_fault(self, request: web.Request, context: Context, fault: Fault) -> web.StreamResponse:
        if fault.spec.reply is not None:
            answer = self._answer(context, fault.spec.reply.render(context.call.request_id, self._cloud.knobs))
            return await _send_half(request, answer) if fault.spec.cut else answer
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
    """The body and no error, or no body and the refusal of one that is too large."""
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


async def _send_half(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Send half of a reply's body, then close the connection."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
