"""Tests that run beside each other, as most of their time is waiting for a copy.

    @together
    def test_something(lab: Lab) -> None: ...

All selected tests of this kind are started in threads at once, each in a lab of its own; the test that pytest runs
waits for the outcome of its thread. Reports show how long the thread took, not how long pytest waited for it.

Such a test is served by the operator that all share, unless it is ``@together_with_own_operator``: then no operator
serves its namespace but those that it starts itself.
"""

import functools
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import pytest

from e2e.lab import Lab, Site
from e2e.processes import STOP

Test = Callable[[Lab], None]

_THREADS: Final = 24


def together(test: Test) -> Callable[..., None]:
    """Run this test beside the others, with the operator that all share."""
    return _waiting(test, own_operator=False)


def together_with_own_operator(test: Test) -> Callable[..., None]:
    """Run this test beside the others, with an operator that it starts itself."""
    return _waiting(test, own_operator=True)


def _waiting(test: Test, *, own_operator: bool) -> Callable[..., None]:
    def wait(running: "Running") -> None:
        wait.seconds = running.seconds(test)  # type: ignore[attr-defined]

    functools.update_wrapper(wait, test)
    del wait.__wrapped__  # type: ignore[attr-defined]  # pytest would look for the fixture ``lab``
    wait.is_together, wait.test, wait.own_operator = True, test, own_operator  # type: ignore[attr-defined]
    return wait


def is_together(item: pytest.Item) -> bool:
    """Tell whether this is a test of this kind."""
    return getattr(getattr(item, "function", None), "is_together", False)


def seconds_of(item: pytest.Item) -> float | None:
    """Return how long the thread of a test took, if it is one of this kind and ended well."""
    return getattr(getattr(item, "function", None), "seconds", None)


def namespace_of(test: Test) -> str:
    """Return the namespace of a test, named after it."""
    return re.sub(r"[^a-z0-9]+", "-", test.__name__.removeprefix("test_"))[:60].strip("-")


class Selected:
    """The tests of this kind that are to be run."""

    def __init__(self, items: Iterable[pytest.Item]) -> None:
        functions: list[Any] = [getattr(item, "function", None) for item in items if is_together(item)]
        self.tests: list[Test] = [function.test for function in functions]
        self.shared = [namespace_of(function.test) for function in functions if not function.own_operator]
        assert len({namespace_of(test) for test in self.tests}) == len(self.tests), "two tests share a name"


class Running:
    """The tests under way."""

    def __init__(self, site: Site, tests: Iterable[Test]) -> None:
        self._site = site
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="e2e")
        self._futures: dict[Test, Future[float]] = {test: self._pool.submit(self._run, test) for test in tests}

    def seconds(self, test: Test) -> float:
        """Wait for a test's end; return how long it took, or raise what it raised."""
        return self._futures[test].result()

    def close(self) -> None:
        """End all that have not ended; return when they have."""
        STOP.set()
        self._pool.shutdown(cancel_futures=True)
        STOP.clear()

    def wait_all(self) -> None:
        """Wait until all have ended, well or not."""
        for future in self._futures.values():
            future.exception()

    def _run(self, test: Test) -> float:
        begin = time.monotonic()
        with Lab(self._site, namespace_of(test)).open() as lab:
            test(lab)
        return time.monotonic() - begin
