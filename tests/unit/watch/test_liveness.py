"""The loop, and what the liveness make of it and of the watches; the watches themselves: test_watch_signs."""

import asyncio

import pytest

from imagecopy.watch.liveness import (
    BEAT_SECONDS,
    LAG_LIMIT_SECONDS,
    WATCH_LIMIT_SECONDS,
    Liveness,
    LoopMonitor,
    WatchMonitor,
)

COPIES = "/apis/imagecopy.io/v1alpha1/imagecopies"
TEAM_A = "/apis/imagecopy.io/v1alpha1/namespaces/team-a/imagecopies"
TEAM_B = "/apis/imagecopy.io/v1alpha1/namespaces/team-b/imagecopies"


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.looptime
async def test_a_loop_that_runs_in_time_has_no_lag(looptime: float) -> None:
    loop = LoopMonitor(asyncio.get_running_loop().time)
    beating = asyncio.create_task(loop.run())
    await asyncio.sleep(60.1)
    assert loop.lag_seconds == pytest.approx(0, abs=0.01)
    assert loop.running_seconds() == 60
    beating.cancel()


def test_a_loop_that_is_stuck_is_late_before_its_next_beat() -> None:
    clock = Clock()
    loop = LoopMonitor(clock)
    clock.seconds += BEAT_SECONDS + 7
    assert loop.lag_seconds == 7


def test_a_loop_that_came_late_is_late_until_a_beat_in_time() -> None:
    clock = Clock()
    loop = LoopMonitor(clock)
    clock.seconds += BEAT_SECONDS + 7
    loop.beat()
    assert loop.lag_seconds == 7
    clock.seconds += BEAT_SECONDS
    loop.beat()
    assert loop.lag_seconds == 0
    assert loop.worst_lag_seconds == 7


def test_the_time_in_which_the_process_stood_still_is_no_silence_of_a_watch() -> None:
    clock = Clock()
    loop = LoopMonitor(clock)
    watches = WatchMonitor(loop.running_seconds)
    watches.expect([COPIES])
    clock.seconds += WATCH_LIMIT_SECONDS * 10
    loop.beat()
    assert watches.silent() == []
    for _ in range(int(WATCH_LIMIT_SECONDS / BEAT_SECONDS)):
        loop.beat()
    assert watches.silent() != []


def test_a_watch_that_was_never_begun_is_told_by_its_namespace() -> None:
    clock = Clock()
    watches = WatchMonitor(clock)
    watches.expect([TEAM_A, TEAM_B])
    watches.opened(TEAM_A)
    clock.seconds += WATCH_LIMIT_SECONDS - 10
    watches.heard(TEAM_A, b"")
    clock.seconds += 20
    assert watches.silent() == [
        "the watch of imagecopies in namespace team-b has given no sign of life for 310 s (limit 300 s)"
    ]
    assert watches.age_seconds == 310


def test_a_namespace_that_is_watched_no_more_is_forgotten() -> None:
    clock = Clock()
    watches = WatchMonitor(clock)
    watches.expect([TEAM_A, TEAM_B])
    watches.expect([TEAM_A])
    clock.seconds += 1000
    watches.heard(TEAM_A, b"")
    assert watches.silent() == []


def test_only_a_bookmark_tells_that_bookmarks_come() -> None:
    clock = Clock()
    watches = WatchMonitor(clock)
    watches.expect([COPIES])
    watches.heard(COPIES, b'{"type":"ADDED","object":{"metadata":{"name":"{\\"type\\":\\"BOOKMARK\\""}}}\n')
    clock.seconds += WATCH_LIMIT_SECONDS + 1
    watches.opened(COPIES)
    assert watches.silent() == []


def test_readiness_waits_for_every_namespace() -> None:
    liveness = Liveness()
    assert liveness.not_ready() == ["the watches have not begun yet"]
    liveness.watches.expect([TEAM_A, TEAM_B])
    liveness.watches.opened(TEAM_B)
    assert liveness.not_ready() == ["imagecopies in namespace team-a have not been listed yet"]
    liveness.watches.opened(TEAM_A)
    assert liveness.not_ready() == []


def test_a_list_alone_is_not_all_of_it() -> None:
    liveness = Liveness()
    liveness.watches.expect([COPIES])
    liveness.watches.listed(COPIES)  # the first of several pages
    assert liveness.not_ready() != []


def test_who_stops_is_not_ready_but_alive() -> None:
    liveness = Liveness()
    liveness.watches.expect([COPIES])
    liveness.watches.opened(COPIES)
    liveness.stopping = True
    assert liveness.not_ready() == ["stopping"]
    assert liveness.failures() == []


def test_a_late_loop_is_an_ailment() -> None:
    clock = Clock()
    liveness = Liveness()
    liveness.loop = LoopMonitor(clock)
    clock.seconds += BEAT_SECONDS + LAG_LIMIT_SECONDS
    assert liveness.failures() == []
    clock.seconds += 1
    assert liveness.failures() == ["the event loop is 6.0 s late (limit 5 s)"]
