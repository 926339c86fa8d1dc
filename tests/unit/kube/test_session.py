"""The sessions that kopf gets: how they log in, and the count of calls. What they hear: unit/process."""

from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from imagecopy.kube.session import Sessions, counting
from imagecopy.watch.liveness import WatchMonitor

COPIES = "/apis/imagecopy.io/v1alpha1/imagecopies"


class Time:
    """Passes when it is slept."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.seconds += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def sessions_of(configuration: Configuration, time: Time) -> Sessions:
    return Sessions(configuration, WatchMonitor(time), lambda *_: None, clock=time, sleep=time.sleep)


async def opened(sessions: Sessions) -> str | None:
    session = await sessions.open()
    await session.close()
    return session.headers.get("Authorization")


async def test_each_session_has_the_token_of_its_moment(time: Time) -> None:
    configuration = Configuration(host="http://127.0.0.1:1")
    sessions = sessions_of(configuration, time)
    assert await opened(sessions) is None
    for token in ("old", "new"):
        time.seconds += 600
        configuration.api_key["BearerToken"] = f"Bearer {token}"
        assert await opened(sessions) == f"Bearer {token}"
    assert time.sleeps == []


async def test_logins_that_are_refused_follow_each_other_ever_more_slowly(time: Time) -> None:
    sessions = sessions_of(Configuration(host="http://127.0.0.1:1"), time)
    for _ in range(9):
        await opened(sessions)
    assert time.sleeps == [1, 2, 4, 8, 16, 30, 30, 30]
    time.seconds += 600
    await opened(sessions)
    assert len(time.sleeps) == 8


async def test_a_session_that_kopf_left_open_is_closed(time: Time) -> None:
    sessions = sessions_of(Configuration(host="http://127.0.0.1:1"), time)
    session = await sessions.open()
    await sessions.aclose()
    assert session.closed


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/mute"):
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({}, status=409 if request.method == "PATCH" else 200)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.mark.parametrize(
    ("method", "path", "counted"),
    [
        ("GET", f"{COPIES}?watch=true&resourceVersion=5", ("watch", "200")),
        ("GET", f"{COPIES}?limit=500", ("list", "200")),
        ("GET", f"{COPIES}/golden", ("get", "200")),
        ("PATCH", f"{COPIES}/golden/status", ("patch", "409")),
        ("POST", "/api/v1/namespaces/a/events", ("create", "200")),
        ("GET", "/mute", ("get", "error")),
    ],
)
async def test_calls_are_counted_by_verb_and_outcome(
    url: str, method: str, path: str, counted: tuple[str, str]
) -> None:
    calls: list[tuple[str, str]] = []
    traces = [counting(lambda *call: calls.append(call))]
    async with aiohttp.ClientSession(trace_configs=traces) as http:
        with suppress(aiohttp.ClientError):
            async with http.request(method, url + path):
                pass
    assert calls == [counted]


async def test_a_path_is_the_same_whatever_the_server_has_before_it(url: str, time: Time) -> None:
    watches = WatchMonitor(time)
    watches.expect([COPIES])
    sessions = Sessions(Configuration(host=url), watches, lambda *_: None)
    session = await sessions.open()
    async with session.get(f"{url}/k8s/clusters/c-1{COPIES}?watch=true") as stream:
        time.seconds += 1000
        async for _ in stream.content.iter_chunked(1000):
            pass
    assert watches.unlisted() == []
    assert watches.age_seconds == 0
    await sessions.aclose()
