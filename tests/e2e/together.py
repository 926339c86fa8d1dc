"""Tests that run beside each other, as most of their time is waiting for a copy.

    @together
    def test_something(lab: Lab) -> None: ...

    @together
    def test_something_in_each_kind_of_box(lab: Lab, box: Box) -> None: ...

All selected tests of this kind are started in threads at once, each in a lab of its own; the test that pytest runs
waits for the outcome of its thread. Reports show how long the thread took, not how long pytest waited for it.

Such a test is served by the operator that all share, unless it is ``@together_with_own_operator``: then no operator
serves its namespace but those that it starts itself.
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

from e2e.lab import Lab, Site
from e2e.processes import STOP

Test = Callable[..., None]
"""Takes a lab, and what it is parametrized with."""

_THREADS: Final = 24


def together(test: Test) -> Callable[..., None]:
    """Run this test beside the others, with the operator that all share."""
    return _waiting(test, own_operator=False)


def together_with_own_operator(test: Test) -> Callable[..., None]:
    """Run this test beside the others, with an operator that it starts itself."""
    return _waiting(test, own_operator=True)


def _waiting(test: Test, *, own_operator: bool) -> Callable[..., None]:
    def wait(running: "Running", request: pytest.FixtureRequest, **_: object) -> None:
        wait.seconds = running.seconds(request.node)  # type: ignore[attr-defined]

    functools.update_wrapper(wait, test)
    del wait.__wrapped__  # type: ignore[attr-defined]  # pytest would look for the fixture ``lab``
    parameters = [known for name, known in inspect.signature(test).parameters.items() if name != "lab"]
    ours = [known for name, known in inspect.signature(wait).parameters.items() if name != "_"]
    wait.__signature__ = inspect.Signature([*ours, *parameters])  # type: ignore[attr-defined]
    wait.is_together, wait.test, wait.own_operator = True, test, own_operator  # type: ignore[attr-defined]
    return wait


def is_together(item: pytest.Item) -> bool:
    """Tell whether this is a test of this kind."""
    return getattr(getattr(item, "function", None), "is_together", False)


def seconds_of(item: pytest.Item) -> float | None:
    """Return how long the thread of a test took, if it is one of this kind and ended well."""
    return getattr(getattr(item, "function", None), "seconds", None)


@dataclass(frozen=True)
class Case:
    """A test with its parameters."""

    test: Test
    parameters: Mapping[str, object]
    namespace: str
    own_operator: bool

    @classmethod
    def of(cls, item: Any) -> "Case":
        """Return what an item runs; its namespace is named after it, parameters first, as names may be cut."""
        function, callspec = item.function, getattr(item, "callspec", None)
        words = [*([callspec.id] if callspec else ()), function.test.__name__.removeprefix("test_")]
        namespace = re.sub(r"[^a-z0-9]+", "-", "-".join(words))[:60].strip("-")
        return cls(function.test, callspec.params if callspec else {}, namespace, function.own_operator)


class Selected:
    """The tests of this kind that are to be run."""

    def __init__(self, items: Iterable[pytest.Item]) -> None:
        self.cases = {item.nodeid: Case.of(item) for item in items if is_together(item)}
        self.shared = [case.namespace for case in self.cases.values() if not case.own_operator]
        assert len({case.namespace for case in self.cases.values()}) == len(self.cases), "two tests share a name"


class Running:
    """The tests under way."""

    def __init__(self, site: Site, cases: Mapping[str, Case]) -> None:
        self._site = site
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="e2e")
        self._futures: dict[str, Future[float]] = {
            nodeid: self._pool.submit(self._run, case) for nodeid, case in cases.items()
        }

    def seconds(self, item: pytest.Item) -> float:
        """Wait for a test's end; return how long it took, or raise what it raised."""
        return self._futures[item.nodeid].result()

    def close(self) -> None:
        """End all that have not ended; return when they have."""
        STOP.set()
        self._pool.shutdown(cancel_futures=True)
        STOP.clear()

    def wait_all(self) -> None:
        """Wait until all have ended, well or not."""
        for future in self._futures.values():
            future.exception()

    def _run(self, case: Case) -> float:
        begin = time.monotonic()
        with Lab(self._site, case.namespace).open() as lab:
            case.test(lab, **case.parameters)
        return time.monotonic() - begin
