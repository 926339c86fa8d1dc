"""Which objects may have a job running, and which of them is next."""

import time
from collections import defaultdict

import pytest

from imagecopy.copies.queue import UNKNOWN_PROJECT, Claim, Place, Slots

P, Q = "project-1", "project-2"


def _place(number: int) -> Place:
    return (f"2026-09-01T12:00:{number:05}Z", f"team-a/golden-{number}", f"uid-{number}")


class Queue:
    """Slots, with the claims of objects by name; ``woken`` has the names of those whose turn may have come."""

    def __init__(self, limit: int = 0, project: str = P) -> None:
        self.woken: list[str] = []
        self.slots: Slots[str] = Slots()
        self.slots.on_turn = self.woken.append
        self.claims: defaultdict[str, Claim] = defaultdict(Claim)
        for number in range(limit):
            assert self.take(f"running-{number}", limit, number, project)

    def take(self, name: str, limit: int, number: int, project: str = P) -> bool:
        return self.slots.take(self.claims[name], name, project, limit, _place(number))

    def takes(self, *numbers: int, limit: int = 2, project: str = P) -> list[bool]:
        return [self.take(f"w-{number}", limit, number, project) for number in numbers]

    def hold(self, name: str, project: str) -> None:
        self.slots.hold(self.claims[name], project)

    def holding(self, name: str) -> bool:
        """Whether the object holds a slot of a known project."""
        return self.claims[name].is_held

    def release(self, name: str) -> None:
        self.claims[name].release()


def test_there_are_so_many_slots_and_no_more() -> None:
    queue = Queue(2)
    assert (queue.slots.used(P), queue.slots.waiting(P)) == (2, 0)
    assert queue.takes(10, 11) == [False, False]
    assert (queue.slots.used(P), queue.slots.waiting(P)) == (2, 2)


def test_taking_again_changes_nothing() -> None:
    queue = Queue(2)
    assert queue.take("running-0", 2, 0)
    assert queue.takes(10, 10, 10) == [False] * 3
    assert (queue.slots.used(P), queue.slots.waiting(P)) == (2, 1)


def test_the_oldest_is_next_whoever_asks_first() -> None:
    queue = Queue(2)
    queue.takes(12, 10, 11)
    queue.release("running-0")
    assert queue.takes(12, 11) == [False, False]
    assert queue.takes(10) == [True]
    assert (queue.slots.used(P), queue.slots.waiting(P)) == (2, 2)


def test_objects_of_one_second_stand_in_the_order_of_their_names() -> None:
    queue = Queue(1)

    def same_second(name: str) -> bool:
        place = ("2026-09-01T12:00:00Z", f"team-a/{name}", f"uid-{name}")
        return queue.slots.take(queue.claims[name], name, P, 1, place)

    for name in ("b", "a"):
        assert not same_second(name)
    queue.release("running-0")
    assert not same_second("b")
    assert same_second("a")


def test_a_freed_slot_is_told_to_the_oldest_only() -> None:
    queue = Queue(2)
    queue.takes(12, 10, 11)
    queue.release("running-0")
    assert queue.woken == ["w-10"]
    queue.release("running-1")
    assert queue.woken[1:] == ["w-10", "w-11"]


def test_a_place_that_is_given_up_lets_the_next_one_up() -> None:
    queue = Queue(1)
    queue.takes(10, 11, limit=1)
    queue.release("running-0")
    queue.release("w-10")
    assert queue.woken == ["w-10", "w-11"]
    assert queue.takes(11, limit=1) == [True]


def test_more_slots_are_told_to_as_many_as_wait_for_them() -> None:
    queue = Queue(1)
    queue.takes(10, 11, 12, 13, limit=1)
    assert queue.takes(10, limit=3) == [True]
    assert queue.woken == ["w-10", "w-11"]
    assert queue.takes(11, limit=3) == [True]


def test_who_waits_knows_how_many_are_ahead() -> None:
    queue = Queue(1)
    queue.takes(12, 10, 11, limit=1)
    assert [queue.claims[f"w-{number}"].ahead for number in (10, 11, 12)] == [0, 1, 2]


def test_projects_have_slots_of_their_own() -> None:
    queue = Queue(1)
    assert queue.takes(10, limit=1, project=Q) == [True]
    assert (queue.slots.used(P), queue.slots.used(Q)) == (1, 1)


def test_who_moves_to_another_project_leaves_queue_and_slot_of_the_first() -> None:
    queue = Queue(1)
    queue.takes(10, limit=1)
    assert queue.takes(10, limit=1, project=Q) == [True]
    assert (queue.slots.waiting(P), queue.slots.used(Q)) == (0, 1)
    assert queue.take("running-0", 2, 0, Q)
    assert queue.slots.used(P) == 0


def test_a_job_that_was_found_counts_beyond_the_limit() -> None:
    queue = Queue()
    for number in range(7):
        queue.hold(f"found-{number}", P)
    assert queue.slots.used(P) == 7
    assert queue.takes(10, limit=5) == [False]
    for number in range(3):
        queue.release(f"found-{number}")
    assert queue.takes(10, limit=5) == [True]


def test_a_job_of_an_unknown_project_counts_for_all_until_it_is_known() -> None:
    queue = Queue()
    queue.hold("found", UNKNOWN_PROJECT)
    assert (queue.slots.used(P), queue.slots.used(Q), queue.slots.used(UNKNOWN_PROJECT)) == (1, 1, 1)
    assert queue.holding("found") is False
    assert queue.takes(10, limit=1) == [False]
    queue.hold("found", Q)
    assert queue.holding("found") is True
    assert (queue.slots.used(P), queue.slots.used(Q)) == (0, 1)
    assert queue.takes(10, limit=1) == [True]


def test_jobs_of_an_unknown_project_are_forgotten() -> None:
    queue = Queue()
    queue.hold("found-1", UNKNOWN_PROJECT)
    queue.hold("found-2", UNKNOWN_PROJECT)
    queue.hold("found-3", P)
    queue.takes(10, limit=3)
    queue.takes(11, limit=1, project=Q)
    queue.slots.release_unknown()
    assert (queue.slots.used(P), queue.slots.used(Q)) == (1, 0)
    assert sorted(set(queue.woken)) == ["w-10", "w-11"]


def test_a_limit_that_grows_or_shrinks_counts_at_once() -> None:
    queue = Queue(2)
    assert queue.takes(10, limit=2) == [False]
    assert queue.takes(10, limit=3) == [True]
    assert queue.takes(11, limit=1) == [False]
    queue.release("running-0")
    queue.release("running-1")
    assert queue.takes(11, limit=1) == [False], "one job still runs"
    queue.release("w-10")
    assert queue.takes(11, limit=1) == [True]


@pytest.mark.parametrize("uid", ["running-0", "w-10", "nobody"])
def test_releasing_twice_gives_back_once(uid: str) -> None:
    queue = Queue(2)
    queue.takes(10)
    queue.release(uid)
    used, waiting = queue.slots.used(P), queue.slots.waiting(P)
    queue.release(uid)
    assert (queue.slots.used(P), queue.slots.waiting(P)) == (used, waiting)


def test_ten_thousand_who_wait_are_cheap() -> None:
    queue = Queue(5)
    began = time.process_time()
    for number in range(10_000, 20_000):
        assert not queue.take(f"w-{number}", 5, number)
    running = [f"running-{number}" for number in range(5)]
    for number in range(10_000, 20_000):
        queue.release(running.pop(0))
        assert queue.take(f"w-{number}", 5, number)
        running.append(f"w-{number}")
    assert (queue.slots.used(P), queue.slots.waiting(P)) == (5, 0)
    assert time.process_time() - began < 5
