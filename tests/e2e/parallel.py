"""Tests that run in parallel, as they spend most of their time waiting for a copy.

    @parallel
    def test_something(env: Environment) -> None: ...

All selected tests of this kind start in threads at once, each in an environment of its own. The test that pytest runs
waits for the outcome of its thread. Reports show how long the thread took, not how long pytest waited for it.

One shared operator serves these tests. The namespace of a test that is ``@parallel_with_own_operator`` is served only
by the operators that the test starts itself.
"""

import functools
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import pytest

from e2e.environment import Environment, SharedEnvironment
from support.waiting import STOP

Test = Callable[[Environment], None]

_THREADS: Final = 24


def parallel(test: Test) -> Callable[..., None]:
    """Run this test in parallel to others, with the shared operator."""
    return _waiting(test, own_operator=False)


def parallel_with_own_operator(test: Test) -> Callable[..., None]:
    """Run this test in parallel to others, with an operator that it starts itself."""
    return _waiting(test, own_operator=True)


def _waiting(test: Test, *, own_operator: bool) -> Callable[..., None]:
    def wait(running: "Running") -> None:
        wait.seconds = running.seconds(test)  # type: ignore[attr-defined]

    functools.update_wrapper(wait, test)
    del wait.__wrapped__  # type: ignore[attr-defined]  # pytest would look for the fixture ``env``
    wait.is_parallel, wait.test, wait.own_operator = True, test, own_operator  # type: ignore[attr-defined]
    return wait


def is_parallel(item: pytest.Item) -> bool:
    """Tell whether a test is parallel."""
    return getattr(getattr(item, "function", None), "is_parallel", False)


def seconds_of(item: pytest.Item) -> float | None:
    """Return how long the thread of a parallel test took, or None if it failed or is no such test."""
    return getattr(getattr(item, "function", None), "seconds", None)


def namespace_of(test: Test) -> str:
    """Return the namespace of a test, named after it."""
    return re.sub(r"[^a-z0-9]+", "-", test.__name__.removeprefix("test_"))[:60].strip("-")


class Selected:
    """The parallel tests of a session."""

    def __init__(self, items: Iterable[pytest.Item]) -> None:
        functions: list[Any] = [getattr(item, "function", None) for item in items if is_parallel(item)]
        self.tests: list[Test] = [function.test for function in functions]
        self.shared = [namespace_of(function.test) for function in functions if not function.own_operator]
        assert len({namespace_of(test) for test in self.tests}) == len(self.tests), "two tests share a name"


class Running:
    """The parallel tests, running in threads."""

    def __init__(self, shared: SharedEnvironment, tests: Iterable[Test]) -> None:
        self._shared = shared
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="e2e")
        self._futures: dict[Test, Future[float]] = {test: self._pool.submit(self._run, test) for test in tests}

    def seconds(self, test: Test) -> float:
        """Wait until a test ends; return how long it took, or raise what it raised."""
        return self._futures[test].result()

    def close(self) -> None:
        """Interrupt the tests that still run; return when they have ended."""
        STOP.set()
        self._pool.shutdown(cancel_futures=True)
        STOP.clear()

    def wait_all(self) -> None:
        """Wait until all have ended, whether they passed or not."""
        for future in self._futures.values():
            future.exception()

    def _run(self, test: Test) -> float:
        begin = time.monotonic()
        with Environment(self._shared, namespace_of(test)).open() as env:
            test(env)
        return time.monotonic() - begin
