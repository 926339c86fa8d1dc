"""The ceiling of the simulator: how many calls a second it answers, without an operator."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

import aiohttp

from bench.environment import Environment
from bench.result import Result
from bench.sizes import Sizes

_CALLERS: Final = 16


async def ceiling(sizes: Sizes) -> AsyncIterator[Result]:
    """The most calls a second that the simulator answers to one client, with no other client."""
    async with Environment.open(copy_seconds=60) as env:
        source = env.cloud.source()
        async with aiohttp.ClientSession(base_url=env.cloud.url) as http:
            headers = {"X-Auth-Token": await _log_in(http, env)}
            result = Result("ceiling", 0)
            per_second = {}
            for kind, method, path, body in (
                ("image", "GET", f"/v2/images/{source}", None),
                ("list", "GET", "/v2/cloudimages?name=nothing&__imagetype=private", None),
                ("copy", "POST", f"/v1/cloudimages/{source}/copy", {"name": "bench"}),
            ):
                calls = await _saturate(http, method, path, body, headers, sizes.ceiling_seconds)
                per_second[kind] = calls / sizes.ceiling_seconds
            result.cloud = {"calls_per_second": per_second}
            yield result


async def _log_in(http: aiohttp.ClientSession, env: Environment) -> str:
    login = env.cloud.login()
    user = {"name": login["username"], "password": login["password"], "domain": {"name": login["domainName"]}}
    body = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"id": env.cloud.config["project_id"]}},
        }
    }
    async with http.post("/v3/auth/tokens", json=body) as reply:
        return reply.headers["X-Subject-Token"]


async def _saturate(
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    body: Mapping[str, object] | None,
    headers: Mapping[str, str],
    seconds: float,
) -> int:
    """Repeat a call from several tasks for this long; return the number of calls."""
    end = time.monotonic() + seconds
    calls = 0

    async def caller() -> None:
        nonlocal calls
        while time.monotonic() < end:
            async with http.request(method, path, json=body, headers=headers) as reply:
                await reply.read()
                if not reply.ok:
                    raise RuntimeError(f"{method} {path}: {reply.status} {await reply.text()}")
                calls += 1

    await asyncio.gather(*(caller() for _ in range(_CALLERS)))
    return calls
