"""The numbered behaviours of the cloud, and the tests whose `behaviour` markers name them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ALL = range(1, 45)
"""The numbers in docs/simulator.md."""


def tests_by_behaviour(folder: Path) -> dict[int, list[str]]:
    """The tests of each behaviour. They are read from the sources, so that a single test file can run alone."""
    found: dict[int, list[str]] = {}
    for file in sorted(folder.rglob("test_*.py")):
        for number, test in _marked(ast.parse(file.read_text("utf-8"))):
            found.setdefault(number, []).append(f"{file.name}::{test}")
    return found


def _marked(module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.behaviour":
                    for argument in decorator.args:
                        yield int(ast.literal_eval(argument)), node.name
