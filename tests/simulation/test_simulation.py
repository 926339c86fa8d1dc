"""Some hundred schedules of the simulation, and that it catches an operator that is broken on purpose."""

import pytest

from simulation.__main__ import run_one
from simulation.variants import VARIANTS

SEEDS = 500
BATCH = 25
ENOUGH = 2000
"""Within so many schedules each broken variant is found."""


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_no_schedule_breaks_an_invariant(first: int) -> None:
    failed = [result for seed in range(first, first + BATCH) if (result := run_one(seed)).failure]
    assert [(result.seed, result.failure) for result in failed] == []


def test_a_schedule_is_the_same_each_time() -> None:
    one, other = run_one(7), run_one(7)
    assert one.log == other.log
    assert one.posts > 0


@pytest.mark.parametrize("variant", sorted(VARIANTS))
@pytest.mark.timeout(300)
def test_an_operator_that_is_broken_on_purpose_is_caught(variant: str) -> None:
    assert any(run_one(seed, variant).failure for seed in range(ENOUGH))
