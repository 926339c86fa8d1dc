from datetime import datetime, timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagecopy.flow.pacing import Bounds, doubling, growing, later, next_follow, next_poll
from unit.flow.builders import at

BOUNDS = Bounds()


def followed(duration: float, *, step: float = 0.01, jitter: float = 1.0) -> tuple[int, float]:
    """Follow a job whose progress grows evenly, told in steps; return the looks and how late its end was seen."""
    elapsed, looks, told, moved_at = BOUNDS.first, 1, -1.0, 0.0
    while elapsed < duration:
        progress = int(elapsed / duration / step) * step
        if progress != told:
            told, moved_at = progress, elapsed
        elapsed += next_poll(elapsed, progress, elapsed - moved_at, BOUNDS) * jitter
        looks += 1
    return looks, elapsed - duration


def test_an_even_copy_of_ten_minutes_takes_at_most_ten_looks() -> None:
    assert max(followed(duration)[0] for duration in range(590, 611)) <= 10


@pytest.mark.parametrize("jitter", [0.9, 1.1])
def test_jitter_costs_at_most_two_looks(jitter: float) -> None:
    assert max(followed(duration, jitter=jitter)[0] for duration in range(590, 611)) <= 13


def test_the_end_is_seen_within_two_and_a_half_seconds_in_the_median() -> None:
    late = sorted(followed(duration)[1] for duration in range(50, 661, 7))
    assert median(late) <= 2.5
    assert late[int(0.95 * len(late))] <= 6


def test_the_looks_stay_few_from_twenty_seconds_to_thirty_minutes() -> None:
    assert max(followed(duration)[0] for duration in range(20, 1801, 7)) <= 22


def test_progress_told_in_tenths_is_followed_with_as_few_looks_and_a_twentieth_late() -> None:
    durations = range(60, 1801, 30)
    looks, late = zip(*(followed(duration, step=0.1) for duration in durations), strict=True)
    assert max(looks) <= 22
    assert median(over / duration for over, duration in zip(late, durations, strict=True)) <= 0.05


def test_a_job_without_progress_is_looked_at_in_doubling_times() -> None:
    elapsed, looks = BOUNDS.first, 1
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


def learnt(duration: float, expected: float) -> tuple[int, float]:
    """As ``followed``, where copies of the source are expected to take so long."""
    elapsed, looks, told, moved_at = BOUNDS.first, 1, -1.0, 0.0
    while elapsed < duration:
        progress = int(elapsed / duration / 0.01) * 0.01
        if progress != told:
            told, moved_at = progress, elapsed
        elapsed += next_poll(elapsed, progress, elapsed - moved_at, BOUNDS, expected)
        looks += 1
    return looks, elapsed - duration


def test_a_copy_that_takes_as_long_as_those_before_takes_six_looks_and_is_seen_at_once() -> None:
    for duration, most in ((600, 6), (60, 2)):
        looks, late = learnt(duration, duration)
        assert looks == most
        assert late == pytest.approx(0.5)


def test_one_that_takes_a_little_longer_is_followed_closely_from_then_on() -> None:
    for longer in range(1, 12):
        looks, late = learnt(600 + longer, 600)
        assert looks <= 10
        assert late <= 4


@pytest.mark.parametrize("duration", [90, 300, 450])
def test_one_that_is_much_faster_than_those_before_goes_by_its_own_progress(duration: float) -> None:
    assert learnt(duration, 600)[1] <= 6


def test_an_expectation_never_makes_a_look_later_than_the_longest_pause() -> None:
    assert next_poll(5, None, 0, BOUNDS, 36000) <= BOUNDS.longest
    assert next_follow(5, BOUNDS, 36000) <= BOUNDS.longest


def test_an_image_that_is_followed_is_looked_at_when_it_should_be_there() -> None:
    elapsed, looks = BOUNDS.first, 1
    while elapsed < 600:
        elapsed += next_follow(elapsed, BOUNDS, 600)
        looks += 1
    assert looks == 6
    assert elapsed == pytest.approx(600.5)


def test_an_image_of_which_nothing_is_known_is_looked_at_less_and_less() -> None:
    elapsed, looks = BOUNDS.first, 1
    while elapsed < 600:
        elapsed += next_follow(elapsed, BOUNDS)
        looks += 1
    assert looks <= 18
    assert next_follow(600, BOUNDS) == 60


def test_where_many_run_no_pause_is_shorter_than_their_share_allows() -> None:
    crowded = Bounds(least=200)
    assert crowded.first == 200
    assert next_poll(5, 0.01, 0, crowded) == 200
    assert next_poll(599, 0.99, 0, crowded) == 200
