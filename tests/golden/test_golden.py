"""Compares every HTTP exchange of the scenarios with the log that is kept.

So a change of the operator's traffic shows as a diff in review. `make golden` records an intended change.
"""

from __future__ import annotations

import asyncio
import difflib
import json

import pytest

from golden.environment import SEED
from golden.record import WIDTH, fold, path_of
from golden.scenarios import SCENARIOS, record_scenario
from ims_simulator.state.accounts import accounts


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_traffic_is_as_it_was(name: str) -> None:
    kept = path_of(name).read_text("utf-8")
    now = await record_scenario(name)
    diff = "\n".join(difflib.unified_diff(kept.splitlines(), now.splitlines(), "kept", "now", lineterm=""))
    assert now == kept, f"the traffic of {name} has changed. If that is intended, run: make golden\n{diff}"


def test_every_log_has_a_scenario() -> None:
    assert {path.stem for path in path_of("x").parent.glob("*.txt")} == set(SCENARIOS)


async def test_two_plays_at_once_make_the_same_log() -> None:
    first, second = await asyncio.gather(record_scenario("plain-copy"), record_scenario("plain-copy"))
    assert first == second


def test_no_log_holds_a_secret() -> None:
    secrets = [secret for login in accounts(SEED).logins for secret in (login.password, login.secret_key)]
    for name in SCENARIOS:
        text = path_of(name).read_text("utf-8")
        assert "MII" not in text
        assert not any(secret in text for secret in secrets)


def test_json_is_folded_into_lines_that_are_still_json() -> None:
    value = {"a": ["x" * 30] * 9, "b": {"c": {"d": "y" * 100}}, "e": [], "f": {"g": "z" * 200}, "h": 1, "i": None}
    lines = fold(value)
    assert json.loads("\n".join(lines)) == value
    assert len(lines) < len(json.dumps(value, indent=2).splitlines())
    assert all(len(line) <= WIDTH for line in lines if "y" not in line and "z" not in line)
