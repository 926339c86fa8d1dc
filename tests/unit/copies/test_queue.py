"""Who may have a job running, and whose turn is next."""

import time

import pytest

from imagecopy.copies.queue import UNKNOWN_PROJECT, Slots

P, Q = "project-1", "project-2"


def _place(number: int) -> tuple[str, str]:
    return (f"2026-09-01T12:00:{number:05}Z", f"team-a/golden-{number}")


def _full(limit: int = 2, project: str = P, told: list[str] | None = None) -> Slots:
    slots = Slots()
    slots.on_turn = None if told is None else told.append
    for number in range(limit):
        assert slots.take(f"running-{number}", project, limit, _place(number))
    return slots


def _takes(slots: Slots, *numbers: int, limit: int = 2, project: str = P) -> list[bool]:
    return [slots.take(f"w-{number}", project, limit, _place(number)) for number in numbers]


def test_there_are_so_many_slots_and_no_more() -> None:
    slots = _full(2)
    assert (slots.used(P), slots.waiting(P)) == (2, 0)
    assert _takes(slots, 10, 11) == [False, False]
    assert (slots.used(P), slots.waiting(P)) == (2, 2)


def test_taking_again_changes_nothing() -> None:
    slots = _full(2)
    assert slots.take("running-0", P, 2, _place(0))
    assert _takes(slots, 10, 10, 10) == [False] * 3
    assert (slots.used(P), slots.waiting(P)) == (2, 1)


def test_the_oldest_is_next_whoever_asks_first() -> None:
    slots = _full(2)
    _takes(slots, 12, 10, 11)
    slots.release("running-0")
    assert _takes(slots, 12, 11) == [False, False]
    assert _takes(slots, 10) == [True]
    assert (slots.used(P), slots.waiting(P)) == (2, 2)


def test_objects_of_one_second_stand_in_the_order_of_their_names() -> None:
    slots = _full(1)
    for name in ("b", "a"):
        assert not slots.take(f"uid-{name}", P, 1, ("2026-09-01T12:00:00Z", f"team-a/{name}"))
    slots.release("running-0")
    assert not slots.take("uid-b", P, 1, ("2026-09-01T12:00:00Z", "team-a/b"))
    assert slots.take("uid-a", P, 1, ("2026-09-01T12:00:00Z", "team-a/a"))


def test_a_freed_slot_is_told_to_the_oldest_only() -> None:
    told: list[str] = []
    slots = _full(2, told=told)
    _takes(slots, 12, 10, 11)
    slots.release("running-0")
    assert told == ["w-10"]
    slots.release("running-1")
    assert told[1:] == ["w-10", "w-11"]


def test_a_place_that_is_given_up_lets_the_next_one_up() -> None:
    told: list[str] = []
    slots = _full(1, told=told)
    _takes(slots, 10, 11, limit=1)
    slots.release("running-0")
    slots.release("w-10")
    assert told == ["w-10", "w-11"]
    assert _takes(slots, 11, limit=1) == [True]


def test_more_slots_are_told_to_as_many_as_wait_for_them() -> None:
    told: list[str] = []
    slots = _full(1, told=told)
    _takes(slots, 10, 11, 12, 13, limit=1)
    assert _takes(slots, 10, limit=3) == [True]
    assert told == ["w-10", "w-11"]
    assert _takes(slots, 11, limit=3) == [True]


def test_who_waits_knows_how_many_are_ahead() -> None:
    slots = _full(1)
    _takes(slots, 12, 10, 11, limit=1)
    assert [slots.ahead(f"w-{number}") for number in (10, 11, 12)] == [0, 1, 2]


def test_projects_have_slots_of_their_own() -> None:
    slots = _full(1)
    assert _takes(slots, 10, limit=1, project=Q) == [True]
    assert (slots.used(P), slots.used(Q)) == (1, 1)


def test_who_moves_to_another_project_leaves_queue_and_slot_of_the_first() -> None:
    slots = _full(1)
    _takes(slots, 10, limit=1)
    assert _takes(slots, 10, limit=1, project=Q) == [True]
    assert (slots.waiting(P), slots.used(Q)) == (0, 1)
    assert slots.take("running-0", Q, 2, _place(0))
    assert slots.used(P) == 0


def test_a_job_that_was_found_counts_beyond_the_limit() -> None:
    slots = Slots()
    for number in range(7):
        slots.hold(f"found-{number}", P)
    assert slots.used(P) == 7
    assert _takes(slots, 10, limit=5) == [False]
    for number in range(3):
        slots.release(f"found-{number}")
    assert _takes(slots, 10, limit=5) == [True]


def test_a_job_of_an_unknown_project_counts_for_all_until_it_is_known() -> None:
    slots = Slots()
    slots.hold("found", UNKNOWN_PROJECT)
    assert (slots.used(P), slots.used(Q), slots.used(UNKNOWN_PROJECT)) == (1, 1, 1)
    assert not slots.holds("found")
    assert _takes(slots, 10, limit=1) == [False]
    slots.hold("found", Q)
    assert slots.holds("found")
    assert (slots.used(P), slots.used(Q)) == (0, 1)
    assert _takes(slots, 10, limit=1) == [True]


def test_jobs_of_an_unknown_project_are_forgotten() -> None:
    told: list[str] = []
    slots = Slots()
    slots.on_turn = told.append
    slots.hold("found-1", UNKNOWN_PROJECT)
    slots.hold("found-2", UNKNOWN_PROJECT)
    slots.hold("found-3", P)
    _takes(slots, 10, limit=3)
    _takes(slots, 11, limit=1, project=Q)
    slots.forget_unknown()
    assert (slots.used(P), slots.used(Q)) == (1, 0)
    assert sorted(set(told)) == ["w-10", "w-11"]


def test_a_limit_that_grows_or_shrinks_counts_at_once() -> None:
    slots = _full(2)
    assert _takes(slots, 10, limit=2) == [False]
    assert _takes(slots, 10, limit=3) == [True]
    assert _takes(slots, 11, limit=1) == [False]
    slots.release("running-0")
    slots.release("running-1")
    assert _takes(slots, 11, limit=1) == [False], "one job still runs"
    slots.release("w-10")
    assert _takes(slots, 11, limit=1) == [True]


@pytest.mark.parametrize("uid", ["running-0", "w-10", "nobody"])
def test_releasing_twice_gives_back_once(uid: str) -> None:
    slots = _full(2)
    _takes(slots, 10)
    slots.release(uid)
    used, waiting = slots.used(P), slots.waiting(P)
    slots.release(uid)
    assert (slots.used(P), slots.waiting(P)) == (used, waiting)


def test_ten_thousand_who_wait_are_cheap() -> None:
    slots = _full(5)
    began = time.process_time()
    for number in range(10_000, 20_000):
        assert not slots.take(f"w-{number}", P, 5, _place(number))
    running = [f"running-{number}" for number in range(5)]
    for number in range(10_000, 20_000):
        slots.release(running.pop(0))
        assert slots.take(f"w-{number}", P, 5, _place(number))
        running.append(f"w-{number}")
    assert (slots.used(P), slots.waiting(P)) == (5, 0)
    assert time.process_time() - began < 5
