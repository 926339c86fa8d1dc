"""The variables of `make demo` and `make bench`."""

import os
import subprocess
from pathlib import Path

import pytest

from support.scripts import load_script

_ROOT = Path(__file__).parents[3]


demo = load_script(_ROOT / "deploy" / "demo" / "demo.py")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, False),
        *((value, False) for value in ("", " ", "0", "no", "No", "n", "false", "off")),
        *((value, True) for value in ("1", "yes", "y", "true", "on", "2")),
    ],
)
def test_keep_leaves_the_demo_running_only_where_it_says_yes(
    monkeypatch: pytest.MonkeyPatch, value: str | None, kept: bool
) -> None:
    if value is None:
        monkeypatch.delenv("KEEP", raising=False)
    else:
        monkeypatch.setenv("KEEP", value)
    assert demo.is_kept() is kept


@pytest.mark.parametrize(("value", "quick"), [("", False), ("0", False), ("no", False), ("1", True), ("yes", True)])
def test_quick_makes_the_benchmark_short_only_where_it_says_yes(value: str, quick: bool) -> None:
    command = ["make", "--dry-run", "--no-print-directory", "bench", f"QUICK={value}"]
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    told = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert ("--quick" in told) is quick
