"""What the end-to-end tests share: one control plane with our CRDs, and one operator for most of them."""

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import pytest

from controlplane import ControlPlane, find_binaries, versions
from e2e.lab import Ports, Site
from e2e.objects import Api
from e2e.pod import Box, boxes
from e2e.together import Running, Selected, is_together, seconds_of

CRDS: Final = Path(__file__).parents[2] / "crds"
_PORTS_PER_TEST: Final = 6


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests after all others, those that run beside each other last, so that they have a head start."""

    def rank(item: pytest.Item) -> int:
        if Path(__file__).parent not in item.path.parents:
            return 0
        if is_together(item):
            return 2
        return 3 if item.path.stem == "test_logs" else 1

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        report.duration = seconds_of(item) or report.duration
    return report


def apply_crds(plane: ControlPlane) -> None:
    """Install the CRDs and wait until they are served."""
    plane.kubectl("apply", "--server-side", "-f", CRDS)
    # A CRD created a moment ago may have no conditions yet, which kubectl wait takes as an error.
    established = ["wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS)]
    if plane.kubectl(*established, check=False).returncode:
        plane.kubectl(*established)


@pytest.fixture(params=boxes(), ids=str)
def box(request: pytest.FixtureRequest) -> Box:
    """How Pods are run: each way that this machine allows, one after the other."""
    way: Box = request.param
    return way


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    binaries = find_binaries((*versions.CORE, versions.CONTROLLER_MANAGER))
    with ControlPlane(binaries, controller_manager=True) as plane:
        apply_crds(plane)
        yield plane


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where operators log and simulators keep their state."""
    return tmp_path_factory.mktemp("evidence")


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest, control_plane: ControlPlane, evidence: Path) -> Iterator[Site]:
    count = len(Selected(request.session.items).cases)
    with contextlib.closing(Api(control_plane)) as api:
        yield Site(api, evidence, Ports(4 + _PORTS_PER_TEST * count))


@pytest.fixture(scope="session")
def running(request: pytest.FixtureRequest, site: Site) -> Iterator[Running]:
    """All tests that run beside each other, started."""
    selected = Selected(request.session.items)
    operator = site.operator("shared", {"IMAGECOPY_NAMESPACES": ",".join(selected.shared)}) if selected.shared else None
    if operator:
        operator.wait_ready()
    tests = Running(site, selected.cases)
    yield tests
    tests.close()
    if operator:
        operator.stop()


@pytest.fixture(scope="session", autouse=True)
def head_start(request: pytest.FixtureRequest) -> None:
    """Start what can wait beside other tests before the first of them."""
    if any(is_together(item) for item in request.session.items):
        request.getfixturevalue("running")
