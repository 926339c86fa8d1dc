from datetime import datetime, timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagecopy.flow.pacing import FIRST_POLL_SECONDS, Bounds, doubling, growing, later, next_poll
from unit.flow.builders import at

BOUNDS = Bounds()


def followed(duration: float, *, step: float = 0.01, jitter: float = 1.0) -> tuple[int, float]:
    """Follow a job whose progress grows evenly, told in steps; return the looks and how late its end was seen."""
    elapsed, looks, told, moved_at = FIRST_POLL_SECONDS, 1, -1.0, 0.0
    while elapsed < duration:
        progress = int(elapsed / duration / step) * step
        if progress != told:
            told, moved_at = progress, elapsed
        elapsed += next_poll(elapsed, progress, elapsed - moved_at, BOUNDS) * jitter
        looks += 1
    return looks, elapsed - duration


def test_an_even_copy_of_ten_minutes_takes_at_most_eleven_looks() -> None:
    assert max(followed(duration)[0] for duration in range(590, 611)) <= 11


@pytest.mark.parametrize("jitter", [0.9, 1.1])
def test_jitter_costs_at_most_two_looks(jitter: float) -> None:
    assert max(followed(duration, jitter=jitter)[0] for duration in range(590, 611)) <= 13


def test_the_end_is_seen_within_five_seconds_in_the_median() -> None:
    late = [followed(duration)[1] for duration in range(20, 1801, 7)]
    assert median(late) <= 5


def test_the_looks_stay_few_from_twenty_seconds_to_thirty_minutes() -> None:
    assert max(followed(duration)[0] for duration in range(20, 1801, 7)) <= 22


def test_progress_told_in_tenths_is_followed_with_as_few_looks_and_a_twentieth_late() -> None:
    durations = range(60, 1801, 30)
    looks, late = zip(*(followed(duration, step=0.1) for duration in durations), strict=True)
    assert max(looks) <= 22
    assert median(over / duration for over, duration in zip(late, durations, strict=True)) <= 0.05


def test_a_job_without_progress_is_looked_at_in_doubling_times() -> None:
    elapsed, looks = FIRST_POLL_SECONDS, 1
    while elapsed < 600:
        elapsed += next_poll(elapsed, None, 0, BOUNDS)
        looks += 1
    assert looks <= 11


def test_a_job_that_hangs_near_its_end_is_looked_at_seldom() -> None:
    elapsed, looks = 600.0, 0
    while elapsed < 7200:
        elapsed += next_poll(elapsed, 0.99, elapsed - 600, BOUNDS)
        looks += 1
    assert looks <= 80


@given(
    st.floats(-1e9, 1e9),
    st.none() | st.floats(0, 1),
    st.floats(0, 1e9),
    st.floats(0.1, 100),
    st.floats(100, 3600),
)
def test_a_pause_is_always_within_the_bounds(
    elapsed: float, progress: float | None, stalled: float, shortest: float, longest: float
) -> None:
    assert shortest <= next_poll(elapsed, progress, stalled, Bounds(shortest, longest)) <= longest


def test_a_growing_pause_is_half_of_what_has_passed() -> None:
    assert [growing(elapsed, 5, 60) for elapsed in (0, 10, 20, 60, 120, 1e6)] == [5, 5, 10, 30, 60, 60]


def test_a_doubling_pause_doubles_up_to_its_bound() -> None:
    assert [doubling(times, 10, 360) for times in (0, 1, 2, 3, 6, 7, 10**6)] == [10, 10, 20, 40, 320, 360, 360]


@given(st.floats(0, 1e9).map(at), st.floats(0, 1e6))
def test_later_is_in_whole_seconds_never_earlier_and_less_than_a_second_later(now: datetime, seconds: float) -> None:
    due = later(now, seconds)
    assert due.microsecond == 0
    assert timedelta(0) <= due - (now + timedelta(seconds=seconds)) < timedelta(seconds=1)
