"""Upgrade, uninstallation and reinstallation while copies run: no copy is made twice, none is lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from e2e.environment import Environment
from e2e.helm import Helm, values_for
from e2e.node import Node
from e2e.parallel import parallel_with_own_operator
from e2e.pod import Box
from support.waiting import wait_for

_GAP_SECONDS = 30
"""A promise of the operator: replacing its Pod interrupts the polls of a job for less than this."""


@contextmanager
def _installed(env: Environment, box: Box) -> Iterator[tuple[Helm, dict[str, Any]]]:
    """Install the chart for the namespace of the test, and connect it to the simulator of the test."""
    values = values_for(env)
    folder = env.shared.folder / env.namespace
    helm = Helm(env.api.plane, env.namespace, folder)
    with Node(env.api, env.namespace, folder, box):
        helm.install(values)
        env.connect()
        yield helm, values


def _pods(env: Environment) -> set[str]:
    found = env.api.get(f"/api/v1/namespaces/{env.namespace}/pods")["items"]
    return {pod["metadata"]["uid"] for pod in found}


@parallel_with_own_operator
def test_upgrade_with_copies_running_doubles_none_and_goes_on_looking(env: Environment, box: Box) -> None:
    env.cloud.knobs(copy_seconds=25)
    with _installed(env, box) as (helm, values):
        copies = [env.copy(f"golden-{number}") for number in range(3)]
        for copy in copies:
            copy.until(lambda state: state.status.get("jobID"), "a job")
        before = _pods(env)
        helm.upgrade({**values, "podAnnotations": {"example.com/upgraded": "yes"}})
        assert not before & _pods(env)
        for copy in copies:
            copy.until_finished("Succeeded")
            assert len(env.cloud.posts(copy.name)) == 1
            job = copy.get().status["jobID"]
            looks = [call["time"] for call in env.cloud.calls("job") if job in call["path"]]
            times = [env.cloud.posts(copy.name)[0]["time"], *looks]
            assert max(later - earlier for earlier, later in pairwise(times)) < _GAP_SECONDS
    assert len(env.cloud.copies()) == len(copies)


@parallel_with_own_operator
def test_installed_anew_it_takes_up_what_runs_and_adopts_what_is_there(env: Environment, box: Box) -> None:
    with _installed(env, box) as (helm, values):
        done = env.copy("done")
        done.until_finished("Succeeded")
        image = done.get().status["imageID"]
        env.cloud.knobs(copy_seconds=600)
        running = env.copy("running")
        running.until(lambda state: state.status.get("jobID"), "a job")

        helm.uninstall("--no-hooks")
        wait_for(lambda: not _pods(env), "no Pod left")
        done.delete()
        assert running.get().phase == "Copying"

        helm.install(values)
        env.cloud.change_job(running.get().status["jobID"], end="SUCCESS")
        env.cloud.knobs(copy_seconds=1)
        running.until_finished("Succeeded", seconds=180)
        again = env.copy("done")
        state = again.until_finished("Succeeded")
        assert (state.reason, state.status["imageID"]) == ("Adopted", image)
        assert [len(env.cloud.posts(name)) for name in ("done", "running")] == [1, 1]
        helm.uninstall()
    assert {again.get().phase, running.get().phase} == {"Succeeded"}
