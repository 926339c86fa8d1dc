"""A short part of the kill matrix with a fixed seed, and the proof that it would see a duplicate.

The whole of it is `make chaos`. These take tens of seconds, because a copy takes seconds and the settle window is ten.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from chaos import faults, points
from chaos.matrix import Options, run
from chaos.plan import Round, compose
from chaos.tally import Tally
from chaos.truth import Kind

_SEED: Final = 4
_PARTS: Final = (
    ("none", 1, ("before-intent", "post-acted-no-reply", "tags-set")),
    ("reply-lost", 2, ("post-acted-no-reply", "found-not-written", "terminal-unheard")),
    ("api-reply-lost", 1, ("finalizer-on-unheard", "job-id-not-written", "before-terminal")),
    ("none", 2, ("poll-while-running", "deletion-told", "image-delete-no-reply")),
    ("api-down", 5, ("job-id-lands-late", "terminal-lands-late", "last-finalizer-off")),
    ("none", 1, ("after-job-id", "deletion-in-flight", "last-finalizer-unheard")),
)
"""Rounds of some ten seconds, all at once: fault, objects, points. In the last but one two operators run."""


def _rounds() -> list[Round]:
    rounds = []
    for number, (fault, objects, names) in enumerate(_PARTS):
        wanted = [points.BY_NAME[name] for name in names]
        round_ = compose(_SEED, number, faults.BY_NAME[fault], wanted, objects=objects)
        hits = tuple(replace(hit, cold=False) for hit in round_.hits)
        rivals, early = number == len(_PARTS) - 2, "deletion-in-flight" in names
        rounds.append(replace(round_, hits=hits, rivals=rivals, early=early))
    return rounds


async def _run(rounds: list[Round], folder: Path, way: str | None = None) -> Tally:
    options = Options(seed=_SEED, lanes=len(rounds), way=way, build=folder, verbose=True)
    tally = await run(options, iter(rounds), print)
    print(tally.table())
    return tally


@pytest.mark.timeout(240)
async def test_no_copy_is_made_twice_lost_or_stuck_wherever_the_operator_is_killed(tmp_path: Path) -> None:
    tally = await _run(_rounds(), tmp_path)
    assert not tally.violations, [str(violation) for violation in tally.violations]
    assert tally.kills >= 12


@pytest.mark.timeout(120)
async def test_a_protocol_that_is_broken_on_purpose_is_seen_to_make_duplicates(tmp_path: Path) -> None:
    lost = [points.BY_NAME["post-acted-no-reply"]]
    rounds = [compose(_SEED, 0, faults.BY_NAME["row-late"], lost, objects=2)]
    tally = await _run(rounds, tmp_path, way="skip-intent")
    assert tally.count(Kind.DUPLICATE) >= 1
