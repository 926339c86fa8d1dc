"""Upgraded, uninstalled and installed anew with copies under way: none is made twice, none is lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from e2e.helm import Helm
from e2e.lab import Lab
from e2e.node import Node
from e2e.pod import Box
from e2e.processes import HOST, wait_for
from e2e.together import together_with_own_operator

_GAP_SECONDS = 30
"""A promise of ours: no job goes unseen for longer because the operator's Pod is replaced."""


@contextmanager
def _installed(lab: Lab, box: Box) -> Iterator[tuple[Helm, dict[str, Any]]]:
    """Install the chart for the lab's namespace, and connect it to the lab's cloud."""
    values = {
        "crds": {"install": False},
        "rbac": {"userRoles": False},
        "watchNamespaces": [lab.namespace],
        "ports": {"health": lab.site.ports.take(), "metrics": lab.site.ports.take()},
        "settings": {"endpointAllowlist": [f"{HOST}:{lab.cloud.port}"], "minPollSeconds": 0.2},
    }
    folder = lab.site.folder / lab.namespace
    helm = Helm(lab.api.plane, lab.namespace, folder)
    with Node(lab.api, lab.namespace, folder, box):
        helm.install(values)
        lab.connect()
        yield helm, values


def _pods(lab: Lab) -> set[str]:
    found = lab.api.get(f"/api/v1/namespaces/{lab.namespace}/pods")["items"]
    return {pod["metadata"]["uid"] for pod in found}


@together_with_own_operator
def test_upgrade_with_copies_running_doubles_none_and_goes_on_looking(lab: Lab, box: Box) -> None:
    lab.cloud.knobs(copy_seconds=25)
    with _installed(lab, box) as (helm, values):
        copies = [lab.copy(f"golden-{number}") for number in range(3)]
        for copy in copies:
            copy.until(lambda seen: seen.status.get("jobID"), "a job")
        before = _pods(lab)
        helm.upgrade({**values, "podAnnotations": {"example.com/upgraded": "yes"}})
        assert not before & _pods(lab)
        for copy in copies:
            copy.until_at_rest("Succeeded")
            assert len(lab.cloud.posts(copy.name)) == 1
            job = copy.get().status["jobID"]
            looks = [call["time"] for call in lab.cloud.calls("job") if job in call["path"]]
            times = [lab.cloud.posts(copy.name)[0]["time"], *looks]
            assert max(later - earlier for earlier, later in pairwise(times)) < _GAP_SECONDS
    assert len(lab.cloud.copies()) == len(copies)


@together_with_own_operator
def test_installed_anew_it_takes_up_what_runs_and_adopts_what_is_there(lab: Lab, box: Box) -> None:
    with _installed(lab, box) as (helm, values):
        done = lab.copy("done")
        done.until_at_rest("Succeeded")
        image = done.get().status["imageID"]
        lab.cloud.knobs(copy_seconds=600)
        running = lab.copy("running")
        running.until(lambda seen: seen.status.get("jobID"), "a job")

        helm.uninstall("--no-hooks")
        wait_for(lambda: not _pods(lab), "no Pod left")
        done.delete()
        assert running.get().phase == "Copying"

        helm.install(values)
        lab.cloud.change_job(running.get().status["jobID"], end="SUCCESS")
        lab.cloud.knobs(copy_seconds=1)
        running.until_at_rest("Succeeded", seconds=180)
        again = lab.copy("done")
        seen = again.until_at_rest("Succeeded")
        assert (seen.reason, seen.status["imageID"]) == ("Adopted", image)
        assert [len(lab.cloud.posts(name)) for name in ("done", "running")] == [1, 1]
        helm.uninstall()
    assert {again.get().phase, running.get().phase} == {"Succeeded"}
