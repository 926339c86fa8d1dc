"""The rate limiter and circuit breaker of a provider, on a clock that a test moves."""

import asyncio

import pytest

from imagecopy import ims
from imagecopy.providers.limiter import CallLimiter, CallsPaused


class _Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def limiter(clock: _Clock) -> CallLimiter:
    return CallLimiter(clock, 10.0)


def _paused_for(limiter: CallLimiter, *, copying: bool = False) -> float:
    """The seconds until a call may be made."""
    try:
        limiter.check(copying=copying)
    except CallsPaused as exc:
        return exc.seconds
    return 0.0


def _throttled(retry_after: float | None = None, code: str | None = None) -> ims.Throttled:
    return ims.Throttled("slow down", code=code, retry_after=retry_after)


_JOBS = "IMG.0060"
_FAULTS = [ims.Unreachable("down"), ims.OutcomeUnknown("HTTP 503"), ims.TryLater("busy")]


def _break(limiter: CallLimiter) -> None:
    for _ in range(5):
        limiter.failed(ims.Unreachable("down"))


def test_a_new_limiter_lets_calls_through(limiter: CallLimiter) -> None:
    assert limiter.reserve(copying=True) == 0


def test_throttling_pauses_calls_for_as_long_as_the_cloud_asks(limiter: CallLimiter, clock: _Clock) -> None:
    limiter.failed(_throttled(33))
    assert (_paused_for(limiter), _paused_for(limiter, copying=True)) == (33, 33)
    clock.now += 32
    assert _paused_for(limiter) == 1
    clock.now += 1
    assert _paused_for(limiter) == 0


def test_a_pause_carries_the_error_that_began_it(limiter: CallLimiter) -> None:
    limiter.failed(_throttled(33, "APIGW.0308"))
    with pytest.raises(CallsPaused, match="slow down") as caught:
        limiter.reserve(copying=False)
    assert caught.value.why.code == "APIGW.0308"


def test_a_pause_that_the_cloud_asks_for_has_a_limit(limiter: CallLimiter) -> None:
    limiter.failed(_throttled(86400))
    assert _paused_for(limiter) == 900


def test_throttling_without_a_time_doubles_the_pause(limiter: CallLimiter, clock: _Clock) -> None:
    pauses = []
    for _ in range(7):
        limiter.failed(_throttled())
        pauses.append(_paused_for(limiter))
        clock.now += pauses[-1]
    assert pauses == [5, 10, 20, 40, 80, 120, 120]
    limiter.succeeded()
    limiter.failed(_throttled())
    assert _paused_for(limiter) == 5


def test_calls_that_fail_at_the_same_time_count_once(limiter: CallLimiter, clock: _Clock) -> None:
    for _ in range(20):
        limiter.failed(_throttled())
    assert _paused_for(limiter) == 5
    limiter.succeeded()
    assert _paused_for(limiter) == 5, "a call that was sent before the pause does not end it"
    clock.now += 5
    limiter.failed(_throttled())
    assert _paused_for(limiter) == 10


def test_too_many_jobs_pause_copy_calls_only(limiter: CallLimiter, clock: _Clock) -> None:
    pauses = []
    for _ in range(6):
        limiter.failed(_throttled(code=_JOBS))
        assert _paused_for(limiter) == 0
        pauses.append(_paused_for(limiter, copying=True))
        limiter.succeeded()
        assert _paused_for(limiter, copying=True) == pauses[-1], "a read that works does not end the pause"
        clock.now += pauses[-1]
    assert pauses == [5, 10, 20, 40, 60, 60]
    limiter.succeeded(copied=True)
    limiter.failed(_throttled(code=_JOBS))
    assert _paused_for(limiter, copying=True) == 5


def test_five_failures_in_a_row_pause_all_calls(limiter: CallLimiter) -> None:
    for number in range(5):
        assert _paused_for(limiter) == 0
        limiter.failed(_FAULTS[number % 3])
    assert (_paused_for(limiter), _paused_for(limiter, copying=True)) == (10, 10)


@pytest.mark.parametrize(
    "answer", [None, ims.NotFound("none"), ims.Refused("no"), ims.QuotaExceeded("full"), ims.PermissionDenied("no")]
)
def test_any_answer_resets_the_count_of_failures(limiter: CallLimiter, answer: ims.ImsError | None) -> None:
    for _ in range(10):
        for _ in range(4):
            limiter.failed(ims.Unreachable("down"))
        if answer is None:
            limiter.succeeded()
        else:
            limiter.failed(answer)
        assert _paused_for(limiter) == 0


def test_a_single_probe_is_let_through(limiter: CallLimiter, clock: _Clock) -> None:
    _break(limiter)
    clock.now += 10
    assert limiter.reserve(copying=False) == 0
    for _ in range(100):
        with pytest.raises(CallsPaused):
            limiter.reserve(copying=False)
    limiter.succeeded()
    assert _paused_for(limiter) == 0
    limiter.failed(ims.Unreachable("down"))
    assert _paused_for(limiter) == 0, "the count of failures starts again"


def test_a_probe_that_fails_doubles_the_pause(limiter: CallLimiter, clock: _Clock) -> None:
    _break(limiter)
    pauses = []
    for _ in range(6):
        pauses.append(_paused_for(limiter))
        clock.now += pauses[-1]
        limiter.reserve(copying=False)
        limiter.failed(ims.OutcomeUnknown("HTTP 503"))
    assert pauses == [10, 20, 40, 80, 120, 120]


def test_a_probe_that_never_ends_is_replaced(limiter: CallLimiter, clock: _Clock) -> None:
    _break(limiter)
    clock.now += 10
    limiter.reserve(copying=False)
    assert _paused_for(limiter) == 60
    clock.now += 60
    assert limiter.reserve(copying=False) == 0


def test_a_probe_that_is_throttled_waits_as_long_as_the_cloud_asks(limiter: CallLimiter, clock: _Clock) -> None:
    _break(limiter)
    clock.now += 10
    limiter.reserve(copying=False)
    limiter.failed(_throttled(7))
    assert _paused_for(limiter) == 7
    clock.now += 7
    assert limiter.reserve(copying=False) == 0


def test_a_check_is_not_the_probe(limiter: CallLimiter, clock: _Clock) -> None:
    _break(limiter)
    clock.now += 10
    for _ in range(3):
        limiter.check(copying=True)
    assert limiter.reserve(copying=True) == 0


def test_calls_keep_to_the_rate_limit(limiter: CallLimiter, clock: _Clock) -> None:
    turns = [limiter.reserve(copying=False) for _ in range(50)]
    assert turns == pytest.approx([number / 10 for number in range(50)])
    clock.now += 2
    assert limiter.reserve(copying=False) == pytest.approx(3)
    clock.now += 1000
    assert [limiter.reserve(copying=False) for _ in range(2)] == pytest.approx([0, 0.1]), "unused turns are lost"


async def test_a_call_records_how_it_went(limiter: CallLimiter) -> None:
    for _ in range(5):
        with pytest.raises(ims.Unreachable):
            async with limiter.call():
                raise ims.Unreachable("down")
    with pytest.raises(CallsPaused, match="down"):
        limiter.check(copying=False)


async def test_a_call_that_is_cancelled_lets_another_be_the_probe(limiter: CallLimiter, clock: _Clock) -> None:
    _break(limiter)
    clock.now += 10
    with pytest.raises(asyncio.CancelledError):
        async with limiter.call():
            raise asyncio.CancelledError
    assert _paused_for(limiter) == 0
