"""Fixtures of all end-to-end tests: one control plane with our CRDs, and one operator for most of the tests."""

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import pytest

from controlplane import ControlPlane, find_binaries, versions
from e2e.environment import Ports, SharedEnvironment
from e2e.objects import Api
from e2e.parallel import Running, Selected, is_parallel, seconds_of
from e2e.pod import Box, boxes
from support.cluster import install_crds

_PORTS_PER_TEST: Final = 6


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests after all others, and the parallel ones last, so that those have a head start."""

    def rank(item: pytest.Item) -> int:
        if Path(__file__).parent not in item.path.parents:
            return 0
        if is_parallel(item):
            return 2
        return 3 if item.path.stem == "test_logs" else 1

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        report.duration = seconds_of(item) or report.duration
    return report


@pytest.fixture(params=boxes(), ids=str)
def box(request: pytest.FixtureRequest) -> Box:
    """How Pods are run: every way that this machine allows, one after the other."""
    way: Box = request.param
    return way


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    binaries = find_binaries((*versions.CORE, versions.CONTROLLER_MANAGER))
    with ControlPlane(binaries, controller_manager=True) as plane:
        install_crds(plane)
        yield plane


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of all operators' logs and all simulators' states."""
    return tmp_path_factory.mktemp("evidence")


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest, control_plane: ControlPlane, evidence: Path) -> Iterator[SharedEnvironment]:
    count = len(Selected(request.session.items).cases)
    with contextlib.closing(Api(control_plane)) as api:
        yield SharedEnvironment(api, evidence, Ports(4 + _PORTS_PER_TEST * count))


@pytest.fixture(scope="session")
def running(request: pytest.FixtureRequest, shared: SharedEnvironment) -> Iterator[Running]:
    """All parallel tests, started."""
    selected = Selected(request.session.items)
    namespaces = ",".join(selected.shared)
    operator = shared.operator("shared", {"IMAGECOPY_NAMESPACES": namespaces}) if selected.shared else None
    if operator:
        operator.wait_ready()
    tests = Running(shared, selected.cases)
    yield tests
    tests.close()
    if operator:
        operator.stop()


@pytest.fixture(scope="session", autouse=True)
def head_start(request: pytest.FixtureRequest) -> None:
    """Start the parallel tests before the first test of the session."""
    if any(is_parallel(item) for item in request.session.items):
        request.getfixturevalue("running")
