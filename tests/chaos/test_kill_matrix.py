"""A short part of the kill matrix with a fixed seed, and the proof that it finds duplicates.

The whole matrix is `make chaos`. These tests take tens of seconds, because a copy takes seconds and the settle window
is ten seconds long.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from chaos import faults, points
from chaos.invariants import Kind
from chaos.matrix import Options, run
from chaos.plan import Round, compose
from chaos.results import Results

_SEED: Final = 4
_ROUNDS: Final = (
    ("none", 1, ("before-intent", "post-acted-no-reply", "tags-set")),
    ("reply-lost", 2, ("post-acted-no-reply", "found-not-written", "terminal-unheard")),
    ("api-reply-lost", 1, ("finalizer-on-unheard", "job-id-not-written", "before-terminal")),
    ("none", 2, ("poll-while-running", "deletion-told", "image-delete-no-reply")),
    ("api-down", 5, ("job-id-lands-late", "terminal-lands-late", "last-finalizer-off")),
    ("none", 1, ("after-job-id", "deletion-in-flight", "last-finalizer-unheard")),
)
"""Fault, number of objects and points of rounds that take some ten seconds, all at once.

Two operators run in the last round but one.
"""


def _rounds() -> list[Round]:
    rounds = []
    for number, (fault, objects, names) in enumerate(_ROUNDS):
        chosen = [points.BY_NAME[name] for name in names]
        round_ = compose(_SEED, number, faults.BY_NAME[fault], chosen, objects=objects)
        kills = tuple(replace(kill, cold=False) for kill in round_.kills)
        two_operators, deleted_early = number == len(_ROUNDS) - 2, "deletion-in-flight" in names
        rounds.append(replace(round_, kills=kills, two_operators=two_operators, deleted_early=deleted_early))
    return rounds


async def _run(rounds: list[Round], folder: Path, mutation: str | None = None) -> Results:
    options = Options(seed=_SEED, parallel=len(rounds), mutation=mutation, build=folder, verbose=True)
    results = await run(options, iter(rounds), print)
    print(results.table())
    return results


@pytest.mark.timeout(240)
async def test_no_copy_is_made_twice_lost_or_stuck_wherever_the_operator_is_killed(tmp_path: Path) -> None:
    results = await _run(_rounds(), tmp_path)
    assert not results.violations, [str(violation) for violation in results.violations]
    assert results.kills >= 12


@pytest.mark.timeout(120)
async def test_a_protocol_that_is_broken_on_purpose_is_seen_to_make_duplicates(tmp_path: Path) -> None:
    lost = [points.BY_NAME["post-acted-no-reply"]]
    rounds = [compose(_SEED, 0, faults.BY_NAME["row-late"], lost, objects=2)]
    results = await _run(rounds, tmp_path, mutation="skip-intent")
    assert results.count(Kind.DUPLICATE) >= 1
