"""The chart, rendered once for each set of values."""

import functools
from collections.abc import Callable

import pytest

from rendering import chart
from rendering.chart import Manifest

Render = Callable[[str], list[Manifest]]


@functools.cache
def _rendered(name: str) -> list[Manifest]:
    return chart.render(chart.value_sets()[name])


@pytest.fixture
def rendered() -> Render:
    """Return the objects of a set of values; not to be changed."""
    return _rendered


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "value_set" in metafunc.fixturenames:
        metafunc.parametrize("value_set", chart.value_sets())
