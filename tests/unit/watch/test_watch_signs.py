"""kopf's watches seen through our sessions: what counts as a sign of life when streams and API servers fail."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from imagecopy.watch.liveness import WATCH_LIMIT_SECONDS, WatchMonitor
from unit.watch.apiserver import BOOKMARK, PATH, ApiServer, Mood, kopf_watching

PATIENCE = 0.05
LONG = 5.0
MOST = WATCH_LIMIT_SECONDS * 0.9


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def go(self, seconds: float) -> None:
        self.seconds += seconds


class Noted(WatchMonitor):
    """WatchMonitor whose signs a test can wait for."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._told: Counter[str] = Counter()
        self._changed = asyncio.Event()

    async def until(self, sign: str, times: int = 1) -> None:
        """Wait until a sign came so many times more."""
        wanted = self._told[sign] + times
        try:
            async with asyncio.timeout(LONG):
                while self._told[sign] < wanted:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{sign} did not come; what did: {dict(self._told)}") from None

    def listed(self, path: str) -> None:
        super().listed(path)
        self._note("listed")

    def opened(self, path: str) -> None:
        super().opened(path)
        self._note("opened")

    def heard(self, path: str, data: bytes) -> None:
        super().heard(path, data)
        self._note("heard")

    def ended(self, path: str) -> None:
        super().ended(path)
        self._note("ended")

    def failed(self, path: str, why: str) -> None:
        super().failed(path, why)
        self._note("failed")

    def _note(self, sign: str) -> None:
        self._told[sign] += 1
        self._changed.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watches(clock: Clock) -> Noted:
    watches = Noted(clock)
    watches.expect([PATH])
    return watches


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    server = ApiServer()
    async with server.listening():
        yield server


async def test_a_stream_that_stays_silent_is_told_while_the_api_server_answers(
    server: ApiServer, watches: Noted, clock: Clock
) -> None:
    server.greeting = BOOKMARK
    async with kopf_watching(server, watches, patience=PATIENCE):
        await watches.until("heard")
        server.greeting = None
        await watches.until("opened", 2)
        clock.go(MOST)
        await watches.until("opened", 2)
        assert watches.silent() == []
        clock.go(MOST)
        await watches.until("opened", 2)
        assert [line.partition(" has")[0] for line in watches.silent()] == ["the watch of imagecopies"]


@pytest.mark.parametrize("mood", [Mood.BUSY, Mood.FORBIDDEN, Mood.DEAF, Mood.MUTE])
async def test_an_api_server_that_does_not_serve_is_no_fault_of_the_watch(
    server: ApiServer, watches: Noted, clock: Clock, mood: Mood
) -> None:
    server.greeting = BOOKMARK
    async with kopf_watching(server, watches, patience=PATIENCE):
        await watches.until("heard")
        server.mood = mood
        for _ in range(4):
            await watches.until("failed", 2)
            clock.go(MOST)
            assert watches.silent() == []
        server.mood = Mood.WELL
        await watches.until("heard")
        clock.go(MOST)
        assert watches.silent() == []


async def test_a_bookmark_is_a_sign_of_life_though_no_handler_gets_it(
    server: ApiServer, watches: Noted, clock: Clock
) -> None:
    server.greeting = BOOKMARK
    async with kopf_watching(server, watches, patience=PATIENCE):
        for _ in range(3):
            await watches.until("heard", 2)
            clock.go(MOST)
            assert watches.silent() == []


async def test_where_bookmarks_never_come_silence_means_nothing(
    server: ApiServer, watches: Noted, clock: Clock
) -> None:
    async with kopf_watching(server, watches, patience=PATIENCE):
        for _ in range(3):
            await watches.until("opened", 2)
            clock.go(MOST)
            assert watches.silent() == []


async def test_a_stream_that_the_other_side_ends_is_a_sign_of_life(
    server: ApiServer, watches: Noted, clock: Clock
) -> None:
    server.greeting = BOOKMARK
    async with kopf_watching(server, watches, patience=LONG):
        await watches.until("heard")
        server.greeting = None
        for _ in range(3):
            clock.go(MOST)
            server.hang_up()
            await watches.until("opened")
            assert watches.silent() == []


async def test_a_watcher_that_died_is_told(server: ApiServer, watches: Noted, clock: Clock) -> None:
    async with kopf_watching(server, watches, patience=LONG):
        await watches.until("opened")
    clock.go(WATCH_LIMIT_SECONDS + 1)
    assert watches.silent() != []


async def test_what_exists_is_seen_when_the_watch_follows_the_list(server: ApiServer, watches: Noted) -> None:
    server.mood = Mood.FORBIDDEN
    async with kopf_watching(server, watches, patience=PATIENCE):
        await watches.until("failed")
        assert watches.unlisted() == ["imagecopies have not been listed yet: 403 Forbidden"]
        server.mood = Mood.WELL
        await watches.until("opened")
        assert watches.unlisted() == []
