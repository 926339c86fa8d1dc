"""At every moment of a copy's life, all tools read the same, correct state from its status."""

import os
import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final

import yaml

from controlplane import find_binaries, versions
from e2e.environment import Environment
from e2e.history import Histories
from e2e.objects import Copy
from e2e.parallel import parallel
from gitops.agreement import disagreements
from gitops.argocd import health
from gitops.kstatus import kstatus
from support.objects import GROUP, Manifest

LIVES: Final = {
    "plain": ("InProgress Current", "Progressing Healthy"),
    "waits-for-provider": ("InProgress Current", "Progressing Healthy"),
    "job-fails-once": ("InProgress Current", "Progressing Healthy"),
    "fails": ("InProgress Failed", "Progressing Degraded"),
    "fails-and-is-retried": ("InProgress Failed InProgress Current", "Progressing Degraded Progressing Healthy"),
    "suspended": ("InProgress Current", "Progressing Suspended Progressing Healthy"),
    "adopted": ("InProgress Current", "Progressing Healthy"),
    "retagged": ("InProgress Current InProgress Current", "Progressing Healthy Progressing Healthy"),
    "deleted": ("InProgress Current Terminating", "Progressing Healthy Progressing"),
}
"""What kstatus and Argo CD say of each life, one after the other."""

_EDITS: Final = {"suspended": 1, "retagged": 1}
"""How often the test edits the spec in a life."""
_FINALIZER: Final = "imagecopy.io/finalizer"
_VARIES: Final = {"resourceVersion", "managedFields", "finalizers", "generation", "annotations"}


@parallel
def test_all_tools_agree_at_each_moment_of_each_life(env: Environment) -> None:
    env.connect()
    histories = Histories(env.api, env.namespace)
    _live(env)
    lives = histories.close(env.manifest("", suspend=True))
    assert set(lives) == set(LIVES)
    for name, versions_of_it in lives.items():
        for version in versions_of_it:
            assert disagreements(version) == [], f"{name}: {yaml.safe_dump(version)}"
        reported = tuple(" ".join(_changes(map(read, versions_of_it))) for read in (kstatus, health))
        assert reported == LIVES[name], name
        _assert_progress_grows(name, versions_of_it)
        _assert_only_status_and_finalizers_are_ours(name, versions_of_it)


def _changes(words: Iterable[str]) -> list[str]:
    return [str(word) for word, _ in groupby(words)]


def _live(env: Environment) -> None:
    """Run all these copies in parallel, and record their versions."""
    refusal = {"status": 400, "shape": "ims", "code": "IMG.0130", "message": "Whole image."}
    env.cloud.fault(match={"body": "job-fails-once"}, job={"fail": True})
    env.cloud.fault(match={"kind": "copy", "body": "fails-and-is-retried"}, reply=refusal)
    by_hand = env.cloud.add_image(name="by-hand")
    late = {"kind": "ImageProvider", "name": "late"}
    waits = env.copy("waits-for-provider", providerRef=late)
    copies = {
        "plain": env.copy("plain"),
        "job-fails-once": env.copy("job-fails-once"),
        "fails": env.copy("fails", "full-ecs"),
        "fails-and-is-retried": env.copy("fails-and-is-retried"),
        "suspended": env.copy("suspended", suspend=True),
        "adopted": env.copy("adopted", target={"adoptImageID": by_hand, "tags": {"team": "web"}}),
        "retagged": env.copy("retagged", target={"tags": {"team": "web"}}),
        "deleted": env.copy("deleted", deletionPolicy="Delete"),
        "waits-for-provider": waits,
    }
    waits.until_reason("WaitingForProvider")
    provider = env.api.get(f"{GROUP}/namespaces/{env.namespace}/imageproviders/cloud")
    env.api.create(
        f"{GROUP}/namespaces/{env.namespace}/imageproviders",
        {key: provider[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "late"}},
    )
    copies["suspended"].until_finished("Suspended")
    copies["suspended"].edit(suspend=False)
    copies["fails-and-is-retried"].until_finished("Failed")
    copies["fails-and-is-retried"].retry("one")
    copies["retagged"].until_finished("Succeeded")
    copies["retagged"].edit(target={"tags": {"team": "db"}})
    copies["deleted"].until_phase("Succeeded")
    copies["deleted"].delete()
    copies["fails"].until_finished("Failed")
    copies["retagged"].until(lambda state: state.status["observedGeneration"] == 2, "new tags set")
    for name in LIVES.keys() - {"fails", "deleted"}:
        copies[name].until_released("Succeeded", 90)


def _assert_progress_grows(name: str, life: list[Manifest]) -> None:
    """Progress never goes back within an attempt. The next attempt starts at 0."""
    for before, after in pairwise(version["status"] for version in life):
        if before.get("attempt", {}).get("number") == after.get("attempt", {}).get("number"):
            shown = [int(status.get("progress", "0%").rstrip("%")) for status in (before, after)]
            assert shown == sorted(shown), name


def _assert_only_status_and_finalizers_are_ours(name: str, life: list[Manifest]) -> None:
    """The operator changes no field that Argo CD compares, and no metadata, which would make Argo CD refresh."""
    alive = [version["metadata"] for version in life if "deletionTimestamp" not in version["metadata"]]
    assert alive[-1]["generation"] - alive[0]["generation"] == _EDITS.get(name, 0), name
    for metadata in alive:
        annotations = set(metadata.get("annotations", {})) - {"imagecopy.io/retry-requested-at"}
        assert (set(metadata) - _VARIES, annotations) == (set(alive[0]) - _VARIES, set()), name
        assert metadata.get("finalizers", [_FINALIZER]) == [_FINALIZER]
    changes = sum(before.get("finalizers") != after.get("finalizers") for before, after in pairwise(alive))
    assert changes <= 1, name  # the finalizer of an object with policy Delete is added once


@parallel
def test_kubectl_wait_ends_when_it_should(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=3)
    good, bad = env.copy("good", target={"tags": {"team": "web"}}), env.copy("bad", "full-ecs")
    assert "condition met" in _wait(env, "Stalled", bad)
    assert bad.get().phase == "Failed"
    assert "condition met" in _wait(env, "Ready", good)
    assert good.get().phase == "Succeeded"
    good.edit(target={"tags": {"team": "db"}})
    assert "condition met" in _wait(env, "Ready", good)
    [image] = env.cloud.copies("good")
    assert image["tags"] == ["team=db"]


def _wait(env: Environment, condition: str, copy: Copy) -> str:
    return env.kubectl("wait", f"--for=condition={condition}", "--timeout=90s", f"imgcp/{copy.name}")


@parallel
def test_helm_waits_for_the_copy_and_fails_with_its_message(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=3)
    with tempfile.TemporaryDirectory() as folder:
        helm = _Helm(env, Path(folder))
        good, bad = env.existing("good"), env.existing("bad")
        with ThreadPoolExecutor(2) as pool:
            failed, done = pool.map(helm.run, ("install", "install"), ("bad", "good"), ("full-ecs", "plain"))
        assert done.returncode == 0, done.stderr
        state = good.get()
        assert state.phase == "Succeeded"
        assert failed.returncode == 1
        assert bad.get().condition("Stalled")["message"] in failed.stderr
        upgrade = helm.run("upgrade", "good", "plain")
        assert upgrade.returncode == 0, upgrade.stderr
        assert good.get().body["metadata"]["generation"] == state.body["metadata"]["generation"]
        assert len(env.cloud.posts("good")) == len(env.cloud.posts("bad")) == 1


class _Helm:
    """Helm with a chart that has one ImageCopy, named like the release."""

    def __init__(self, env: Environment, folder: Path) -> None:
        self._env, self._folder = env, folder
        program = find_binaries(versions.ALL).helm
        assert program is not None
        self._program = program
        self._chart = folder / "chart"
        (self._chart / "templates").mkdir(parents=True)
        (self._chart / "Chart.yaml").write_text("{apiVersion: v2, name: images, version: 1.0.0}\n")
        manifest = env.manifest("{{ .Release.Name }}")
        manifest["spec"]["source"]["imageID"] = "{{ .Values.source }}"
        (self._chart / "templates" / "copy.yaml").write_text(yaml.safe_dump(manifest))

    def run(self, verb: str, release: str, source: str) -> subprocess.CompletedProcess[str]:
        """Run ``helm VERB --wait``."""
        options = [
            "--wait",
            "--timeout=100s",
            f"--namespace={self._env.namespace}",
            f"--kubeconfig={self._env.api.plane.kubeconfig}",
            f"--set=source={self._env.cloud.source(source)}",
        ]
        home = {f"HELM_{what}_HOME": str(self._folder / what.lower()) for what in ("CACHE", "CONFIG", "DATA")}
        command = [str(self._program), verb, release, str(self._chart), *options]
        return subprocess.run(command, env=os.environ | home, capture_output=True, text=True, timeout=110)
