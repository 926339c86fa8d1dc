"""What is measured. Each scenario yields its results one after the other; those that build on one state go together."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import aiohttp

from bench.result import Result, Spread
from bench.yard import Mark, Window, Yard, counted

PLENTY: Final = {"IMAGECOPY_CALLS_PER_SECOND": "1000"}
"""For what starts many copies: the default budget of 10 calls a second is for real clouds."""
_PATIENCE_SECONDS: Final = 900.0

Scenario = Callable[["Sizes"], AsyncIterator[Result]]


class Sizes:
    """How large the scenarios are."""

    def __init__(self, *, quick: bool) -> None:
        self.warm_up_seconds = 1.0 if quick else 5.0
        self.bursts: tuple[int, ...] = (100,) if quick else (100, 1_000, 5_000, 10_000)
        self.burst_copy_seconds = 6.0 if quick else 60.0
        self.waiting = 100 if quick else 10_000
        self.in_flight: tuple[int, ...] = (60,) if quick else (1_000, 10_000)
        self.in_flight_copy_seconds = 120.0 if quick else 1200.0
        self.restart_seconds = 3.0 if quick else 30.0
        self.latency = 3 if quick else 30
        self.slow = 10 if quick else 200
        self.throttled = 3 if quick else 20
        self.short_copy_seconds = 5.0 if quick else 30.0
        self.throttle_window_seconds = 5 if quick else 60
        self.long_copy_seconds = 8.0 if quick else 600.0
        self.long: tuple[int, ...] = (5,) if quick else (1, 20)
        self.window_seconds = 4.0 if quick else 60.0
        self.ceiling_seconds = 1.0 if quick else 10.0


async def bursts(sizes: Sizes) -> AsyncIterator[Result]:
    """N objects at once, slots open; then a restart with all of them finished."""
    for count in sizes.bursts:
        async with Yard.open(copy_seconds=sizes.burst_copy_seconds) as yard:
            await yard.start_operator(**PLENTY)
            await asyncio.sleep(sizes.warm_up_seconds)
            idle = yard.usage()
            mark = await yard.mark()
            names = _names("copy", count)
            begin = time.time()
            await asyncio.gather(yard.copies(names), _posted := _Later(yard.all_posted(count, _PATIENCE_SECONDS)))
            posted = _posted.value
            start = await yard.since(mark)
            await yard.all_in("Succeeded", count, _PATIENCE_SECONDS)
            await yard.quiet(_PATIENCE_SECONDS)
            window = await yard.since(mark)
            result = _of("burst", count, window, sizes.burst_copy_seconds)
            result.operator["idle_rss_mib"] = idle.rss_mib
            result.notes["until_all_posted"] = {"operator": start.operator["cores"], **start.others}
            result.seconds = {
                "all_created": max(yard.created_at.values()) - begin,
                "all_posted": max(posted.values()) - begin,
                "apply_to_post": Spread.of(posted[name] - yard.created_at[name] for name in names),
                "detection": await _detection(yard, mark, names),
            }
            yield result
            yield await _restart_finished(yard, count)


async def _restart_finished(yard: Yard, count: int) -> Result:
    await yard.kill_operator()
    before = await _calls_so_far(yard)
    requests = await yard.requests()
    begin = time.time()
    ready = await yard.start_operator()
    calm = await yard.quiet(_PATIENCE_SECONDS)
    calls = await yard.calls(before)
    usage = yard.usage()
    spent = await yard.requests() - requests
    return Result(
        "restart-finished",
        count,
        operator={"cpu_seconds": usage.cpu_seconds, "rss_mib": usage.rss_mib, "peak_rss_mib": usage.peak_rss_mib},
        kubernetes={"requests": dict(spent), "writes": _writes(spent)},
        cloud=counted(calls),
        seconds={"to_ready": ready, "to_quiet": calm - begin},
    )


async def waiting(sizes: Sizes) -> AsyncIterator[Result]:
    """N objects for five slots, none of which comes free."""
    async with Yard.open(copy_seconds=3600) as yard:
        await yard.slots(5)
        await yard.start_operator(**PLENTY)
        await yard.copies(_names("copy", sizes.waiting))
        await yard.quiet(_PATIENCE_SECONDS)
        mark = await yard.mark()
        await asyncio.sleep(sizes.window_seconds * 2)
        window = await yard.since(mark)
        polls = [call for call in window.calls if call["kind"] != "job"]
        result = _of("waiting", sizes.waiting, window)
        result.notes["calls_beside_polls_of_the_five"] = len(polls)
        yield result


async def in_flight(sizes: Sizes) -> AsyncIterator[Result]:
    """N copies running: a restart among them, steady polling, one more object, and a restart after all have ended."""
    for count in sizes.in_flight:
        async with Yard.open(copy_seconds=sizes.in_flight_copy_seconds) as yard:
            await yard.start_operator(**PLENTY)
            names = _names("copy", count)
            await asyncio.gather(yard.copies(names), _Later(yard.all_posted(count, _PATIENCE_SECONDS)))
            await yard.all_in("Copying", count, _PATIENCE_SECONDS)
            await asyncio.sleep(sizes.warm_up_seconds)
            await yard.kill_operator()
            before = await _calls_so_far(yard)
            ready = await yard.start_operator()
            mark = await yard.mark()
            await asyncio.sleep(sizes.restart_seconds)
            first = await yard.since(mark)
            calls = await yard.calls(before)
            result = _of("restart-in-flight", count, first)
            result.cloud = counted(calls)
            result.seconds = {"to_ready": ready}
            yield result

            mark = await yard.mark()
            await asyncio.sleep(sizes.window_seconds)
            yield _of("steady", count, await yard.since(mark))

            yield await _latency(yard, "latency-busy", sizes.latency, count)

            await yard.kill_operator()
            await yard.cloud("POST", "/clock", {"advance_seconds": 7200})
            mark_sequence = await _calls_so_far(yard)
            begin = time.time()
            await yard.start_operator()
            end = await yard.all_in("Succeeded", count, _PATIENCE_SECONDS)
            calls = await yard.calls(mark_sequence)
            yield Result(
                "restart-after-the-end",
                count,
                cloud=counted(calls),
                seconds={"all_succeeded": end - begin},
            )


async def latency(sizes: Sizes) -> AsyncIterator[Result]:
    """One object at a time on an idle operator."""
    async with Yard.open(copy_seconds=5) as yard:
        await yard.start_operator()
        await asyncio.sleep(sizes.warm_up_seconds)
        yield await _latency(yard, "latency-idle", sizes.latency, 0)


async def _latency(yard: Yard, scenario: str, times: int, beside: int) -> Result:
    mark = await yard.mark()
    names = _names(scenario, times)
    posted: dict[str, float] = {}
    for name in names:
        since = await _calls_so_far(yard)
        await yard.copy(name)

        async def look(since: int = since, name: str = name) -> bool:
            for call in await yard.calls(since, "copy"):
                if call["body"]["name"] == name:
                    posted[name] = call["time"]
            return name in posted

        await yard.until(look, f"{name} is POSTed", _PATIENCE_SECONDS, 0.05)
        await asyncio.sleep(0.5)
    result = _of(scenario, beside, await yard.since(mark))
    result.seconds = {"apply_to_post": Spread.of(posted[name] - yard.created_at[name] for name in names)}
    return result


async def slow_cloud(sizes: Sizes) -> AsyncIterator[Result]:
    """Each reply of the cloud takes two seconds."""
    async with Yard.open(copy_seconds=sizes.short_copy_seconds) as yard:
        await yard.start_operator(**PLENTY)
        await yard.cloud("POST", "/faults", {"delay_seconds": 2, "when": "before", "count": 1_000_000})
        mark = await yard.mark()
        names = _names("copy", sizes.slow)
        begin = time.time()
        await asyncio.gather(yard.copies(names), _posted := _Later(yard.all_posted(sizes.slow, _PATIENCE_SECONDS)))
        await yard.all_in("Succeeded", sizes.slow, _PATIENCE_SECONDS)
        result = _of("slow-cloud", sizes.slow, await yard.since(mark), sizes.short_copy_seconds)
        result.seconds = {
            "all_posted": max(_posted.value.values()) - begin,
            "detection": await _detection(yard, mark, names),
        }
        yield result


async def throttled(sizes: Sizes) -> AsyncIterator[Result]:
    """The cloud takes one call a second, refuses the others with 429, and counts those, too."""
    window = sizes.throttle_window_seconds
    async with Yard.open(copy_seconds=sizes.short_copy_seconds, rate_limit=window, rate_window_seconds=window) as yard:
        await yard.start_operator()
        mark = await yard.mark()
        names = _names("copy", sizes.throttled)
        begin = time.time()
        await yard.copies(names)
        await yard.all_in("Succeeded", sizes.throttled, _PATIENCE_SECONDS)
        done = time.time()
        seen = await yard.since(mark)
        result = _of("throttled", sizes.throttled, seen, sizes.short_copy_seconds)
        result.cloud["refused"] = sum(call["status"] == 429 for call in seen.calls)
        result.cloud["posts"] = sum(call["kind"] == "copy" and call["status"] == 200 for call in seen.calls)
        result.seconds = {"all_succeeded": done - begin}
        yield result


async def long_copies(sizes: Sizes) -> AsyncIterator[Result]:
    """Copies of ten minutes: one alone, whose calls are all told, then several beside each other."""
    for count in sizes.long:
        async with Yard.open(copy_seconds=sizes.long_copy_seconds) as yard:
            mark_sequence = await _calls_so_far(yard)
            await yard.start_operator()
            mark = await yard.mark()
            names = _names("copy", count)
            await yard.copies(names)
            await asyncio.sleep(sizes.long_copy_seconds)
            await yard.all_in("Succeeded", count, _PATIENCE_SECONDS)
            result = _of("ten-minutes", count, await yard.since(mark), sizes.long_copy_seconds)
            calls = await yard.calls(mark_sequence)
            result.cloud = counted(calls) | {"per_copy": len(calls) / count}
            result.seconds = {"detection": await _detection(yard, mark, names)}
            yield result


async def ceiling(sizes: Sizes) -> AsyncIterator[Result]:
    """What the simulator can do at most: calls a second from one client, nobody else about."""
    async with Yard.open(copy_seconds=60) as yard:
        login = next(login for login in yard.config["logins"] if login["can_copy"])
        user = {"name": login["user"], "password": login["password"], "domain": {"name": login["domain"]}}
        order = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"id": yard.config["project_id"]}},
            }
        }
        source = next(image["id"] for image in yard.config["source_images"] if image["kind"] == "plain")
        async with aiohttp.ClientSession(base_url=yard.cloud_url) as http:
            async with http.post("/v3/auth/tokens", json=order) as reply:
                headers = {"X-Auth-Token": reply.headers["X-Subject-Token"]}
            result = Result("ceiling", 0)
            per_second = {}
            for kind, method, path, body in (
                ("image", "GET", f"/v2/images/{source}", None),
                ("list", "GET", "/v2/cloudimages?name=nothing&__imagetype=private", None),
                ("copy", "POST", f"/v1/cloudimages/{source}/copy", {"name": "bench"}),
            ):
                done = await _saturate(http, method, path, body, headers, sizes.ceiling_seconds)
                per_second[kind] = done / sizes.ceiling_seconds
            result.cloud = {"calls_per_second": per_second}
            yield result


async def _saturate(
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    body: Mapping[str, object] | None,
    headers: Mapping[str, str],
    seconds: float,
) -> int:
    until = time.monotonic() + seconds
    done = 0

    async def caller() -> None:
        nonlocal done
        while time.monotonic() < until:
            async with http.request(method, path, json=body, headers=headers) as reply:
                await reply.read()
                if not reply.ok:
                    raise RuntimeError(f"{method} {path}: {reply.status} {await reply.text()}")
                done += 1

    await asyncio.gather(*(caller() for _ in range(16)))
    return done


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


class _Later:
    """A value that comes later: await it, then read it."""

    def __init__(self, coming: Awaitable[Any]) -> None:
        self._coming = coming
        self.value: Any = None

    def __await__(self) -> Any:
        self.value = yield from self._coming.__await__()
        return self.value


def _of(scenario: str, objects: int, window: Window, copy_seconds: float | None = None) -> Result:
    result = Result(
        scenario,
        objects,
        copy_seconds=copy_seconds,
        operator=dict(window.operator),
        kubernetes=dict(window.kubernetes),
        cloud=dict(window.cloud),
        loop_lag=dict(window.loop_lag),
        others=dict(window.others),
    )
    if objects and copy_seconds:
        result.cloud["per_copy"] = len(window.calls) / objects
        result.kubernetes["writes_per_object"] = _writes(window.kubernetes["requests"]) / objects
    return result


def _writes(requests: Mapping[str, int]) -> int:
    """Return how many writes of ImageCopies there were, refused ones too."""
    return sum(
        count for what, count in requests.items() if what.startswith(("PATCH", "PUT")) and " imagecopies" in what
    )


async def _detection(yard: Yard, mark: Mark, names: Iterable[str]) -> Spread | None:
    """Return the time from the end of each job to its last status write, which tells of it."""
    ends, writes = await yard.job_ends(), yard.status_writes(mark)
    return Spread.of(writes[name][-1] - ends[name] for name in names)


async def _calls_so_far(yard: Yard) -> int:
    calls = await yard.calls()
    return calls[-1]["sequence"] if calls else 0


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number:05}" for number in range(count)]
