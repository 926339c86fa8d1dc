"""The memory of refused logins."""

import asyncio

import pytest

from imagecopy.ims import CredentialsInvalid, TryLater, Unreachable
from imagecopy.ims.auth.breaker import Breaker, Breakers
from unit.ims.cloud import Clock


def refuse(breaker: Breaker) -> float:
    breaker.refused(CredentialsInvalid("no"))
    return breaker.left


def test_refusals_of_tries_that_were_under_way_together_count_once() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    assert [refuse(breaker) for _ in range(5)] == [60] * 5
    clock.now += 60
    assert [refuse(breaker) for _ in range(5)] == [120] * 5


def test_a_refusal_right_after_other_trouble_counts() -> None:
    breaker = Breaker(Clock())
    breaker.trouble(TryLater("busy"))
    assert breaker.left == 5
    assert refuse(breaker) == 60


def test_what_was_said_is_said_again_until_the_next_try() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.check()
    refuse(breaker)
    clock.now += 59
    with pytest.raises(CredentialsInvalid) as caught:
        breaker.check()
    assert (caught.value.message, caught.value.retry_after) == ("no", 1)
    clock.now += 1
    breaker.check()


def test_each_login_has_one_breaker() -> None:
    breakers, clock = Breakers(), Clock()
    assert breakers.of("a", clock) is breakers.of("a", clock)
    assert breakers.of("a", clock) is not breakers.of("b", clock)


def test_refusals_outlast_a_thousand_other_logins_and_are_forgotten_after_an_hour() -> None:
    breakers, clock = Breakers(), Clock()
    first = breakers.of("first", clock)
    refuse(first)
    clock.now += 3600
    for number in range(3000):
        breakers.of(f"login {number}", clock)
    assert breakers.of("first", clock) is first
    clock.now += 61
    for number in range(1000):
        breakers.of(f"one more {number}", clock)
    assert breakers.of("first", clock) is not first


async def test_the_first_goes_alone_and_then_five_go_together() -> None:
    breaker, inside, go_on = Breaker(Clock()), 0, asyncio.Event()

    async def visit() -> None:
        nonlocal inside
        async with breaker.turn(60):
            inside += 1
            await go_on.wait()

    async def settle() -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    visits = [asyncio.create_task(visit()) for _ in range(20)]
    await settle()
    assert inside == 1
    breaker.taken()
    go_on.set()
    await asyncio.gather(*visits)
    go_on.clear()
    inside = 0
    visits = [asyncio.create_task(visit()) for _ in range(20)]
    await settle()
    assert inside == 5
    go_on.set()
    await asyncio.gather(*visits)


async def test_one_who_gave_up_waiting_leaves_no_place_taken() -> None:
    breaker = Breaker(Clock())
    async with breaker.turn(60):
        for _ in range(10):
            with pytest.raises(Unreachable, match="waited 0 s"):
                async with breaker.turn(0):
                    raise AssertionError
    breaker.taken()
    async with asyncio.TaskGroup() as group:
        barrier = asyncio.Barrier(5)

        async def visit() -> None:
            async with breaker.turn(60):
                await barrier.wait()

        for _ in range(5):
            group.create_task(visit())
