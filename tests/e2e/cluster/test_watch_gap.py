"""Changes during a gap of the watch, with a history that the API server has dropped (410 Gone).

The control plane is one of its own.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import ControlPlane, find_binaries
from e2e.environment import Environment, Ports, SharedEnvironment
from e2e.objects import Api
from support.cluster import install_crds


@pytest.fixture
def env(evidence: Path) -> Iterator[Environment]:
    with ControlPlane(find_binaries()) as plane, contextlib.closing(Api(plane)) as api:
        install_crds(plane)
        with Environment(SharedEnvironment(api, evidence, Ports(10)), "gap").open() as env:
            env.connect()
            yield env


def test_objects_made_edited_and_deleted_in_a_gap_of_the_watch_are_made_up_for(env: Environment) -> None:
    plane = env.api.plane
    operator = env.operator()
    try:
        operator.wait_ready()
        running, leaving = env.copy("running"), env.copy("leaving")
        for copy in (running, leaving):
            copy.until(lambda state: state.status.get("jobID"), "job id")
        os.kill(operator.process.pid, signal.SIGSTOP)
        plane.restart_apiserver()
        env.api.delete(leaving.path)
        coming = env.copy("coming")
        running.edit(target={"tags": {"edited": "meanwhile"}})
        plane.compact(running.get().body["metadata"]["resourceVersion"])
        plane.restart_apiserver()
        os.kill(operator.process.pid, signal.SIGCONT)
        running.until_finished("Succeeded")
        coming.until_finished("Succeeded")
        leaving.wait_gone()
        assert running.get().status["targetTags"] == {"edited": "meanwhile"}
        assert {name: len(env.cloud.posts(name)) for name in ("running", "leaving", "coming")} == {
            "running": 1,
            "leaving": 1,
            "coming": 1,
        }
        assert operator.process.running()
    finally:
        operator.stop()
