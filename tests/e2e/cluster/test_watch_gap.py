"""What happened while nobody watched, and history that is forgotten (410). A control plane of its own."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import ControlPlane, find_binaries
from e2e.conftest import apply_crds
from e2e.lab import Lab, Ports, Site
from e2e.objects import Api


@pytest.fixture
def lab(evidence: Path) -> Iterator[Lab]:
    with ControlPlane(find_binaries()) as plane, contextlib.closing(Api(plane)) as api:
        apply_crds(plane)
        with Lab(Site(api, evidence, Ports(10)), "gap").open() as lab:
            lab.connect()
            yield lab


def test_objects_made_edited_and_deleted_in_a_gap_of_the_watch_are_made_up_for(lab: Lab) -> None:
    plane = lab.api.plane
    operator = lab.operator()
    try:
        operator.wait_ready()
        running, leaving = lab.copy("running"), lab.copy("leaving")
        for copy in (running, leaving):
            copy.until(lambda seen: seen.status.get("jobID"), "job id")
        os.kill(operator.process.pid, signal.SIGSTOP)
        plane.restart_apiserver()
        lab.api.delete(leaving.path)
        coming = lab.copy("coming")
        running.edit(target={"tags": {"edited": "meanwhile"}})
        plane.compact(running.get().body["metadata"]["resourceVersion"])
        plane.restart_apiserver()
        os.kill(operator.process.pid, signal.SIGCONT)
        running.until_at_rest("Succeeded")
        coming.until_at_rest("Succeeded")
        leaving.wait_gone()
        assert running.get().status["targetTags"] == {"edited": "meanwhile"}
        assert {name: len(lab.cloud.posts(name)) for name in ("running", "leaving", "coming")} == {
            "running": 1,
            "leaving": 1,
            "coming": 1,
        }
        assert operator.process.running()
    finally:
        operator.stop()
