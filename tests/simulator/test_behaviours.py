"""The numbered behaviours: each has a test, and docs/simulator.md lists it."""

from __future__ import annotations

import re
from pathlib import Path

from simulator import behaviours, reference

FOLDER = Path(__file__).parent


def test_every_behaviour_has_a_test() -> None:
    missing = set(behaviours.ALL) - set(behaviours.tests_by_behaviour(FOLDER))
    assert not missing, f"no test has @pytest.mark.behaviour with {sorted(missing)}"


def test_tests_name_only_listed_behaviours() -> None:
    assert set(behaviours.tests_by_behaviour(FOLDER)) <= set(behaviours.ALL)


def test_the_page_lists_every_behaviour() -> None:
    rows = re.findall(r"^\| (\d+) \|", reference.PAGE.read_text("utf-8"), re.MULTILINE)
    assert [int(number) for number in rows] == list(behaviours.ALL)


def test_the_generated_lists_of_the_page_are_current() -> None:
    page = reference.PAGE.read_text("utf-8")
    assert page == reference.generated(page), "run make golden, which writes docs/simulator.md"


def test_a_marker_with_several_numbers_counts_for_each(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "@pytest.mark.behaviour(3, 4)\nasync def test_a(): ...\n"
        "@pytest.mark.behaviour(4)\n@other\ndef test_b(): ...\n"
        "@pytest.mark.behaviour(5)\ndef helper(): ...\n"
        "@pytest.mark.timeout(6)\ndef test_c(): ...\n"
    )
    one, other = "test_some.py::test_a", "test_some.py::test_b"
    assert behaviours.tests_by_behaviour(tmp_path) == {3: [one], 4: [one, other]}
