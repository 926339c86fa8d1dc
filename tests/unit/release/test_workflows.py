"""Rules for all workflows."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

REPO = Path(__file__).parents[3]
FILES = sorted((REPO / ".github" / "workflows").glob("*.yaml"))
OWN = "./.github/workflows/"

pytestmark = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def jobs(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load(path.read_text())["jobs"].values())


def test_actions_are_pinned_by_commit_and_say_which_version_that_is(path: Path) -> None:
    uses = re.findall(r"uses: (.*)", path.read_text())
    foreign = [line for line in uses if not line.startswith(OWN)]
    assert [line for line in foreign if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_an_action_is_used_at_one_commit_only(path: Path) -> None:
    everywhere = {pin for file in FILES for pin in re.findall(r"uses: ([\w-]+/[\w-]+@\w+)", file.read_text())}
    names = [pin.partition("@")[0] for pin in everywhere]
    assert sorted(names) == sorted(set(names))


def test_nothing_is_allowed_but_what_a_job_says(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    assert all("permissions" in job for job in jobs(path))


def test_only_releases_may_write(path: Path) -> None:
    for job in jobs(path):
        if "write" in job["permissions"].values():
            assert path.name == "release.yaml" or job["if"] == "${{ inputs.version != '' }}"


def test_every_job_ends_in_bounded_time(path: Path) -> None:
    assert all(job.get("timeout-minutes") or job["uses"].startswith(OWN) for job in jobs(path))


def test_no_script_is_put_together_from_what_others_write(path: Path) -> None:
    scripts = [step["run"] for job in jobs(path) for step in job.get("steps", []) if "run" in step]
    assert [script for script in scripts if "${{" in script] == []


def test_a_checkout_leaves_no_token_behind(path: Path) -> None:
    checkouts = [
        step
        for job in jobs(path)
        for step in job.get("steps", [])
        if step.get("uses", "").startswith("actions/checkout")
    ]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
