"""The scenarios that are measured. Each yields one result after the other; results that share a state go together."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Final

from bench.ceiling import ceiling
from bench.environment import Environment
from bench.measurement import Measurement, Start, count_calls, job_ends, requests_to_api_server
from bench.result import Result, Spread
from bench.sizes import Sizes

HIGH_BUDGET: Final = {"IMAGECOPY_CALLS_PER_SECOND": "1000"}
"""For scenarios that start many copies: the default budget of 10 calls a second is for real clouds."""
_DEADLINE_SECONDS: Final = 900.0

Scenario = Callable[[Sizes], AsyncIterator[Result]]


async def bursts(sizes: Sizes) -> AsyncIterator[Result]:
    """N objects at once with free slots, then a restart of the operator when all of them have finished."""
    for count in sizes.bursts:
        async with Environment.open(copy_seconds=sizes.burst_copy_seconds) as env:
            await env.start_operator(**HIGH_BUDGET)
            await asyncio.sleep(sizes.warm_up_seconds)
            idle = env.usage()
            start = await Start.now(env)
            names = _names("copy", count)
            begin = time.time()
            _, posted = await asyncio.gather(env.create_copies(names), env.until_posted(count, _DEADLINE_SECONDS))
            until_posted = await start.measure()
            await env.until_phase("Succeeded", count, _DEADLINE_SECONDS)
            await env.until_idle(_DEADLINE_SECONDS)
            result = _result("burst", count, await start.measure(), sizes.burst_copy_seconds)
            result.operator["idle_rss_mib"] = idle.rss_mib
            result.notes["until_all_posted"] = {"operator": until_posted.operator["cores"], **until_posted.others}
            result.seconds = {
                "all_created": max(env.created_at.values()) - begin,
                "all_posted": max(posted.values()) - begin,
                "apply_to_post": Spread.of(posted[name] - env.created_at[name] for name in names),
                "detection": await _detection(env, start, names),
            }
            yield result
            yield await _restart_finished(env, count)


async def _restart_finished(env: Environment, count: int) -> Result:
    await env.kill_operator()
    before = await env.last_call()
    requests = await requests_to_api_server(env)
    begin = time.time()
    ready = await env.start_operator()
    idle = await env.until_idle(_DEADLINE_SECONDS)
    calls = await env.cloud.calls(since=before)
    usage = env.usage()
    new_requests = await requests_to_api_server(env) - requests
    return Result(
        "restart-finished",
        count,
        operator={"cpu_seconds": usage.cpu_seconds, "rss_mib": usage.rss_mib, "peak_rss_mib": usage.peak_rss_mib},
        kubernetes={"requests": dict(new_requests), "writes": _writes(new_requests)},
        cloud=count_calls(calls),
        seconds={"to_ready": ready, "to_quiet": idle - begin},
    )


async def waiting(sizes: Sizes) -> AsyncIterator[Result]:
    """N objects for five slots, none of which becomes free."""
    async with Environment.open(copy_seconds=3600) as env:
        await env.set_slots(5)
        await env.start_operator(**HIGH_BUDGET)
        await env.create_copies(_names("copy", sizes.waiting))
        await env.until_idle(_DEADLINE_SECONDS)
        start = await Start.now(env)
        await asyncio.sleep(sizes.window_seconds * 2)
        measured = await start.measure()
        result = _result("waiting", sizes.waiting, measured)
        result.notes["calls_beside_polls_of_the_five"] = sum(call["kind"] != "job" for call in measured.calls)
        yield result


async def in_flight(sizes: Sizes) -> AsyncIterator[Result]:
    """N running copies: a restart, a period of polling, one more object, and a restart after all copies have ended."""
    for count in sizes.in_flight:
        async with Environment.open(copy_seconds=sizes.in_flight_copy_seconds) as env:
            await env.start_operator(**HIGH_BUDGET)
            names = _names("copy", count)
            await asyncio.gather(env.create_copies(names), env.until_posted(count, _DEADLINE_SECONDS))
            await env.until_phase("Copying", count, _DEADLINE_SECONDS)
            await asyncio.sleep(sizes.warm_up_seconds)
            await env.kill_operator()
            before = await env.last_call()
            ready = await env.start_operator()
            start = await Start.now(env)
            await asyncio.sleep(sizes.restart_seconds)
            measured = await start.measure()
            calls = await env.cloud.calls(since=before)
            result = _result("restart-in-flight", count, measured)
            result.cloud = count_calls(calls)
            result.seconds = {"to_ready": ready}
            yield result

            start = await Start.now(env)
            await asyncio.sleep(sizes.window_seconds)
            yield _result("steady", count, await start.measure())

            yield await _latency(env, "latency-busy", sizes.latency, count)

            await env.kill_operator()
            await env.cloud.advance_clock(7200)
            before = await env.last_call()
            begin = time.time()
            await env.start_operator()
            end = await env.until_phase("Succeeded", count, _DEADLINE_SECONDS)
            calls = await env.cloud.calls(since=before)
            seconds: dict[str, float | Spread | None] = {"all_succeeded": end - begin}
            yield Result("restart-after-the-end", count, cloud=count_calls(calls), seconds=seconds)


async def latency(sizes: Sizes) -> AsyncIterator[Result]:
    """One object at a time, on an idle operator."""
    async with Environment.open(copy_seconds=5) as env:
        await env.start_operator()
        await asyncio.sleep(sizes.warm_up_seconds)
        yield await _latency(env, "latency-idle", sizes.latency, 0)


async def _latency(env: Environment, scenario: str, times: int, others: int) -> Result:
    """Measure from the creation of an object to its POST, while `others` copies run."""
    start = await Start.now(env)
    names = _names(scenario, times)
    posted: dict[str, float] = {}
    for name in names:
        since = await env.last_call()
        await env.create_copy(name)

        async def check(since: int = since, name: str = name) -> bool:
            for call in await env.cloud.calls(since=since, kind="copy"):
                if call["body"]["name"] == name:
                    posted[name] = call["time"]
            return name in posted

        await env.until(check, f"{name} is POSTed", _DEADLINE_SECONDS, 0.05)
        await asyncio.sleep(0.5)
    result = _result(scenario, others, await start.measure())
    result.seconds = {"apply_to_post": Spread.of(posted[name] - env.created_at[name] for name in names)}
    return result


async def slow_cloud(sizes: Sizes) -> AsyncIterator[Result]:
    """Each reply of the cloud takes two seconds."""
    async with Environment.open(copy_seconds=sizes.short_copy_seconds) as env:
        await env.start_operator(**HIGH_BUDGET)
        await env.cloud.add_fault({"delay_seconds": 2, "when": "before"}, count=1_000_000)
        start = await Start.now(env)
        names = _names("copy", sizes.slow)
        begin = time.time()
        _, posted = await asyncio.gather(env.create_copies(names), env.until_posted(sizes.slow, _DEADLINE_SECONDS))
        await env.until_phase("Succeeded", sizes.slow, _DEADLINE_SECONDS)
        result = _result("slow-cloud", sizes.slow, await start.measure(), sizes.short_copy_seconds)
        result.seconds = {
            "all_posted": max(posted.values()) - begin,
            "detection": await _detection(env, start, names),
        }
        yield result


async def throttled(sizes: Sizes) -> AsyncIterator[Result]:
    """The cloud accepts one call a second. It refuses the others with 429, and counts them as calls as well."""
    window = sizes.throttle_window_seconds
    async with Environment.open(
        copy_seconds=sizes.short_copy_seconds, rate_limit=window, rate_window_seconds=window
    ) as env:
        await env.start_operator()
        start = await Start.now(env)
        names = _names("copy", sizes.throttled)
        begin = time.time()
        await env.create_copies(names)
        end = await env.until_phase("Succeeded", sizes.throttled, _DEADLINE_SECONDS)
        measured = await start.measure()
        result = _result("throttled", sizes.throttled, measured, sizes.short_copy_seconds)
        result.cloud["refused"] = sum(call["status"] == 429 for call in measured.calls)
        result.cloud["posts"] = sum(call["kind"] == "copy" and call["status"] == 200 for call in measured.calls)
        result.seconds = {"all_succeeded": end - begin}
        yield result


async def long_copies(sizes: Sizes) -> AsyncIterator[Result]:
    """Copies of ten minutes: a single one with all calls of its operator, then several in parallel."""
    for count in sizes.long:
        async with Environment.open(copy_seconds=sizes.long_copy_seconds) as env:
            before = await env.last_call()
            await env.start_operator()
            start = await Start.now(env)
            names = _names("copy", count)
            await env.create_copies(names)
            await asyncio.sleep(sizes.long_copy_seconds)
            await env.until_phase("Succeeded", count, _DEADLINE_SECONDS)
            result = _result("ten-minutes", count, await start.measure(), sizes.long_copy_seconds)
            calls = await env.cloud.calls(since=before)
            result.cloud = count_calls(calls) | {"per_copy": len(calls) / count}
            result.seconds = {"detection": await _detection(env, start, names)}
            yield result


ALL: Final[dict[str, Scenario]] = {
    "ceiling": ceiling,
    "latency": latency,
    "bursts": bursts,
    "waiting": waiting,
    "in-flight": in_flight,
    "slow-cloud": slow_cloud,
    "throttled": throttled,
    "long-copies": long_copies,
}


def _result(scenario: str, objects: int, measured: Measurement, copy_seconds: float | None = None) -> Result:
    result = Result(
        scenario,
        objects,
        copy_seconds=copy_seconds,
        operator=dict(measured.operator),
        kubernetes=dict(measured.kubernetes),
        cloud=dict(measured.cloud),
        loop_lag=dict(measured.loop_lag),
        others=dict(measured.others),
    )
    if objects and copy_seconds:
        result.cloud["per_copy"] = len(measured.calls) / objects
        result.kubernetes["writes_per_object"] = _writes(measured.kubernetes["requests"]) / objects
    return result


def _writes(requests: Mapping[str, int]) -> int:
    """Return the number of writes of ImageCopies, refused ones included."""
    return sum(
        count for what, count in requests.items() if what.startswith(("PATCH", "PUT")) and " imagecopies" in what
    )


async def _detection(env: Environment, start: Start, names: Iterable[str]) -> Spread | None:
    """Return the time from the end of each job to the last status write of its object, which reports the end."""
    ends, writes = await job_ends(env), start.status_writes()
    return Spread.of(writes[name][-1] - ends[name] for name in names)


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number:05}" for number in range(count)]
