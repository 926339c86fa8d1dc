"""Tests that run in parallel, as they spend most of their time waiting for a copy.

    @parallel
    def test_something(env: Environment) -> None: ...

    @parallel
    def test_something_in_each_kind_of_box(env: Environment, box: Box) -> None: ...

All selected tests of this kind start in threads at once, each in an environment of its own. The test that pytest runs
waits for the outcome of its thread. Reports show how long the thread took, not how long pytest waited for it.

One shared operator serves these tests. The namespace of a test that is ``@parallel_with_own_operator`` is served only
by the operators that the test starts itself.
"""

import functools
import inspect
import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import pytest

from e2e.environment import Environment, SharedEnvironment
from support.waiting import STOP

Test = Callable[..., None]
"""Takes an environment, and the parameters of the test."""

_THREADS: Final = 24


def parallel(test: Test) -> Callable[..., None]:
    """Run this test in parallel to others, with the shared operator."""
    return _waiting(test, own_operator=False)


def parallel_with_own_operator(test: Test) -> Callable[..., None]:
    """Run this test in parallel to others, with an operator that it starts itself."""
    return _waiting(test, own_operator=True)


def _waiting(test: Test, *, own_operator: bool) -> Callable[..., None]:
    def wait(running: "Running", request: pytest.FixtureRequest, **_: object) -> None:
        wait.seconds = running.seconds(request.node)  # type: ignore[attr-defined]

    functools.update_wrapper(wait, test)
    del wait.__wrapped__  # type: ignore[attr-defined]  # pytest would look for the fixture ``env``
    parameters = [known for name, known in inspect.signature(test).parameters.items() if name != "env"]
    ours = [known for name, known in inspect.signature(wait).parameters.items() if name != "_"]
    wait.__signature__ = inspect.Signature([*ours, *parameters])  # type: ignore[attr-defined]
    wait.is_parallel, wait.test, wait.own_operator = True, test, own_operator  # type: ignore[attr-defined]
    return wait


def is_parallel(item: pytest.Item) -> bool:
    """Tell whether a test is parallel."""
    return getattr(getattr(item, "function", None), "is_parallel", False)


def seconds_of(item: pytest.Item) -> float | None:
    """Return how long the thread of a parallel test took, or None if it failed or is no such test."""
    return getattr(getattr(item, "function", None), "seconds", None)


@dataclass(frozen=True)
class Case:
    """A parallel test with its parameters."""

    test: Test
    parameters: Mapping[str, object]
    namespace: str
    own_operator: bool

    @classmethod
    def of(cls, item: Any) -> "Case":
        """Return the case of an item. Its namespace is named after it, parameters first because names are truncated."""
        function, callspec = item.function, getattr(item, "callspec", None)
        words = [*([callspec.id] if callspec else ()), function.test.__name__.removeprefix("test_")]
        namespace = re.sub(r"[^a-z0-9]+", "-", "-".join(words))[:60].strip("-")
        return cls(function.test, callspec.params if callspec else {}, namespace, function.own_operator)


class Selected:
    """The parallel tests of a session."""

    def __init__(self, items: Iterable[pytest.Item]) -> None:
        self.cases = {item.nodeid: Case.of(item) for item in items if is_parallel(item)}
        self.shared = [case.namespace for case in self.cases.values() if not case.own_operator]
        assert len({case.namespace for case in self.cases.values()}) == len(self.cases), "two tests share a name"


class Running:
    """The parallel tests, running in threads."""

    def __init__(self, shared: SharedEnvironment, cases: Mapping[str, Case]) -> None:
        self._shared = shared
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="e2e")
        self._futures: dict[str, Future[float]] = {
            nodeid: self._pool.submit(self._run, case) for nodeid, case in cases.items()
        }

    def seconds(self, item: pytest.Item) -> float:
        """Wait until a test ends; return how long it took, or raise what it raised."""
        return self._futures[item.nodeid].result()

    def close(self) -> None:
        """Interrupt the tests that still run; return when they have ended."""
        STOP.set()
        self._pool.shutdown(cancel_futures=True)
        STOP.clear()

    def wait_all(self) -> None:
        """Wait until all have ended, whether they passed or not."""
        for future in self._futures.values():
            future.exception()

    def _run(self, case: Case) -> float:
        begin = time.monotonic()
        with Environment(self._shared, case.namespace).open() as env:
            case.test(env, **case.parameters)
        return time.monotonic() - begin
