"""The gate before a provider, by a clock that goes when it is told to."""

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
def gate(clock: _Clock) -> CallLimiter:
    return CallLimiter(clock, 10.0)


def _closed_for(gate: CallLimiter, *, copying: bool = False) -> float:
    """Seconds, 0 where the gate is open."""
    try:
        gate.check(copying=copying)
    except CallsPaused as exc:
        return exc.seconds
    return 0.0


def _throttled(retry_after: float | None = None, code: str | None = None) -> ims.Throttled:
    return ims.Throttled("slow down", code=code, retry_after=retry_after)


_JOBS = "IMG.0060"
_FAULTS = [ims.Unreachable("down"), ims.OutcomeUnknown("HTTP 503"), ims.TryLater("busy")]


def _break(gate: CallLimiter) -> None:
    for _ in range(5):
        gate.failed(ims.Unreachable("down"))


def test_a_new_gate_is_open(gate: CallLimiter) -> None:
    assert gate.enter(copying=True) == 0


def test_throttling_is_waited_for_as_long_as_the_cloud_asks(gate: CallLimiter, clock: _Clock) -> None:
    gate.failed(_throttled(33))
    assert (_closed_for(gate), _closed_for(gate, copying=True)) == (33, 33)
    clock.now += 32
    assert _closed_for(gate) == 1
    clock.now += 1
    assert _closed_for(gate) == 0


def test_a_closed_gate_tells_why(gate: CallLimiter) -> None:
    gate.failed(_throttled(33, "APIGW.0308"))
    with pytest.raises(CallsPaused, match="slow down") as caught:
        gate.enter(copying=False)
    assert caught.value.why.code == "APIGW.0308"


def test_no_cloud_can_close_it_for_long(gate: CallLimiter) -> None:
    gate.failed(_throttled(86400))
    assert _closed_for(gate) == 900


def test_throttling_without_a_time_doubles_the_pause(gate: CallLimiter, clock: _Clock) -> None:
    pauses = []
    for _ in range(7):
        gate.failed(_throttled())
        pauses.append(_closed_for(gate))
        clock.now += pauses[-1]
    assert pauses == [5, 10, 20, 40, 80, 120, 120]
    gate.worked()
    gate.failed(_throttled())
    assert _closed_for(gate) == 5


def test_calls_that_were_under_way_together_count_once(gate: CallLimiter, clock: _Clock) -> None:
    for _ in range(20):
        gate.failed(_throttled())
    assert _closed_for(gate) == 5
    gate.worked()
    assert _closed_for(gate) == 5, "a call that was under way tells nothing of the throttling"
    clock.now += 5
    gate.failed(_throttled())
    assert _closed_for(gate) == 10


def test_too_many_jobs_close_it_for_copy_calls_only(gate: CallLimiter, clock: _Clock) -> None:
    pauses = []
    for _ in range(6):
        gate.failed(_throttled(code=_JOBS))
        assert _closed_for(gate) == 0
        pauses.append(_closed_for(gate, copying=True))
        gate.worked()
        assert _closed_for(gate, copying=True) == pauses[-1], "a look that works opens nothing"
        clock.now += pauses[-1]
    assert pauses == [5, 10, 20, 40, 60, 60]
    gate.worked(copied=True)
    gate.failed(_throttled(code=_JOBS))
    assert _closed_for(gate, copying=True) == 5


def test_five_failures_in_a_row_break_it(gate: CallLimiter) -> None:
    for number in range(5):
        assert _closed_for(gate) == 0
        gate.failed(_FAULTS[number % 3])
    assert (_closed_for(gate), _closed_for(gate, copying=True)) == (10, 10)


@pytest.mark.parametrize(
    "answer", [None, ims.NotFound("none"), ims.Refused("no"), ims.QuotaExceeded("full"), ims.PermissionDenied("no")]
)
def test_any_answer_ends_a_row_of_failures(gate: CallLimiter, answer: ims.ImsError | None) -> None:
    for _ in range(10):
        for _ in range(4):
            gate.failed(ims.Unreachable("down"))
        if answer is None:
            gate.worked()
        else:
            gate.failed(answer)
        assert _closed_for(gate) == 0


def test_a_single_probe_is_let_through(gate: CallLimiter, clock: _Clock) -> None:
    _break(gate)
    clock.now += 10
    assert gate.enter(copying=False) == 0
    for _ in range(100):
        with pytest.raises(CallsPaused):
            gate.enter(copying=False)
    gate.worked()
    assert _closed_for(gate) == 0
    gate.failed(ims.Unreachable("down"))
    assert _closed_for(gate) == 0, "the row begins anew"


def test_a_probe_that_fails_doubles_the_pause(gate: CallLimiter, clock: _Clock) -> None:
    _break(gate)
    pauses = []
    for _ in range(6):
        pauses.append(_closed_for(gate))
        clock.now += pauses[-1]
        gate.enter(copying=False)
        gate.failed(ims.OutcomeUnknown("HTTP 503"))
    assert pauses == [10, 20, 40, 80, 120, 120]


def test_a_probe_that_is_not_heard_of_is_replaced(gate: CallLimiter, clock: _Clock) -> None:
    _break(gate)
    clock.now += 10
    gate.enter(copying=False)
    assert _closed_for(gate) == 60
    clock.now += 60
    assert gate.enter(copying=False) == 0


def test_a_probe_that_is_throttled_waits_as_long_as_the_cloud_asks(gate: CallLimiter, clock: _Clock) -> None:
    _break(gate)
    clock.now += 10
    gate.enter(copying=False)
    gate.failed(_throttled(7))
    assert _closed_for(gate) == 7
    clock.now += 7
    assert gate.enter(copying=False) == 0


def test_looking_whether_it_is_open_is_no_probe(gate: CallLimiter, clock: _Clock) -> None:
    _break(gate)
    clock.now += 10
    for _ in range(3):
        gate.check(copying=True)
    assert gate.enter(copying=True) == 0


def test_calls_keep_to_the_budget(gate: CallLimiter, clock: _Clock) -> None:
    turns = [gate.enter(copying=False) for _ in range(50)]
    assert turns == pytest.approx([number / 10 for number in range(50)])
    clock.now += 2
    assert gate.enter(copying=False) == pytest.approx(3)
    clock.now += 1000
    assert [gate.enter(copying=False) for _ in range(2)] == pytest.approx([0, 0.1]), "what was not used is not saved up"
