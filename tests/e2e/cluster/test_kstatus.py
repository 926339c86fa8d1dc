"""At every moment of a copy's life, all tools that read its status come to the right answer, and to the same one."""

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
from e2e.history import Histories
from e2e.lab import Lab
from e2e.objects import GROUP, Copy, Manifest
from e2e.together import together
from gitops.agreement import disagreements
from gitops.argocd import health
from gitops.kstatus import kstatus

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


@together
def test_all_tools_agree_at_each_moment_of_each_life(lab: Lab) -> None:
    lab.connect()
    histories = Histories(lab.api, lab.namespace)
    _live(lab)
    lives = histories.close(lab.manifest("", suspend=True))
    assert set(lives) == set(LIVES)
    for name, versions_of_it in lives.items():
        for version in versions_of_it:
            assert disagreements(version) == [], f"{name}: {yaml.safe_dump(version)}"
        told = tuple(" ".join(_changes(map(read, versions_of_it))) for read in (kstatus, health))
        assert told == LIVES[name], name
        _assert_progress_grows(name, versions_of_it)
        _assert_only_status_and_finalizers_are_ours(name, versions_of_it)


def _changes(words: Iterable[str]) -> list[str]:
    return [str(word) for word, _ in groupby(words)]


def _live(lab: Lab) -> None:
    """Lead all these lives, beside each other."""
    refusal = {"status": 400, "shape": "ims", "code": "IMG.0130", "message": "Whole image."}
    lab.cloud.fault(match={"body": "job-fails-once"}, job={"fail": True})
    lab.cloud.fault(match={"kind": "copy", "body": "fails-and-is-retried"}, reply=refusal)
    by_hand = lab.cloud.add_image(name="by-hand")
    late = {"kind": "ImageProvider", "name": "late"}
    waits = lab.copy("waits-for-provider", providerRef=late)
    copies = {
        "plain": lab.copy("plain"),
        "job-fails-once": lab.copy("job-fails-once"),
        "fails": lab.copy("fails", "full-ecs"),
        "fails-and-is-retried": lab.copy("fails-and-is-retried"),
        "suspended": lab.copy("suspended", suspend=True),
        "adopted": lab.copy("adopted", target={"adoptImageID": by_hand, "tags": {"team": "web"}}),
        "retagged": lab.copy("retagged", target={"tags": {"team": "web"}}),
        "deleted": lab.copy("deleted", deletionPolicy="Delete"),
        "waits-for-provider": waits,
    }
    waits.until_reason("WaitingForProvider")
    provider = lab.api.get(f"{GROUP}/namespaces/{lab.namespace}/imageproviders/cloud")
    lab.api.create(
        f"{GROUP}/namespaces/{lab.namespace}/imageproviders",
        {key: provider[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "late"}},
    )
    copies["suspended"].until_at_rest("Suspended")
    copies["suspended"].edit(suspend=False)
    copies["fails-and-is-retried"].until_at_rest("Failed")
    copies["fails-and-is-retried"].retry("one")
    copies["retagged"].until_at_rest("Succeeded")
    copies["retagged"].edit(target={"tags": {"team": "db"}})
    copies["deleted"].until_phase("Succeeded")
    copies["deleted"].delete()
    copies["fails"].until_at_rest("Failed")
    copies["retagged"].until(lambda seen: seen.status["observedGeneration"] == 2, "new tags set")
    for name in LIVES.keys() - {"fails", "deleted"}:
        copies[name].until(lambda seen: seen.phase == "Succeeded" and not seen.finalizers, "Succeeded, let go of", 90)


def _assert_progress_grows(name: str, life: list[Manifest]) -> None:
    """Within an attempt; the next one begins anew."""
    for before, after in pairwise(version["status"] for version in life):
        if before.get("attempt", {}).get("number") == after.get("attempt", {}).get("number"):
            shown = [int(status.get("progress", "0%").rstrip("%")) for status in (before, after)]
            assert shown == sorted(shown), name


def _assert_only_status_and_finalizers_are_ours(name: str, life: list[Manifest]) -> None:
    """What Argo CD compares stays as it was applied, and no write of ours to metadata makes it refresh at length."""
    alive = [version["metadata"] for version in life if "deletionTimestamp" not in version["metadata"]]
    assert alive[-1]["generation"] - alive[0]["generation"] == _EDITS.get(name, 0), name
    for metadata in alive:
        annotations = set(metadata.get("annotations", {})) - {"imagecopy.io/retry-requested-at"}
        assert (set(metadata) - _VARIES, annotations) == (set(alive[0]) - _VARIES, set()), name
        assert metadata.get("finalizers", [_FINALIZER]) == [_FINALIZER]
    changes = sum(before.get("finalizers") != after.get("finalizers") for before, after in pairwise(alive))
    assert changes <= 1, name  # put on what is deleted with its image, once


@together
def test_kubectl_wait_ends_when_it_should(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=3)
    good, bad = lab.copy("good", target={"tags": {"team": "web"}}), lab.copy("bad", "full-ecs")
    assert "condition met" in _wait(lab, "Stalled", bad)
    assert bad.get().phase == "Failed"
    assert "condition met" in _wait(lab, "Ready", good)
    assert good.get().phase == "Succeeded"
    good.edit(target={"tags": {"team": "db"}})
    assert "condition met" in _wait(lab, "Ready", good)
    [image] = lab.cloud.copies("good")
    assert image["tags"] == ["team=db"]


def _wait(lab: Lab, condition: str, copy: Copy) -> str:
    return lab.kubectl("wait", f"--for=condition={condition}", "--timeout=90s", f"imgcp/{copy.name}")


@together
def test_helm_waits_for_the_copy_and_fails_with_its_message(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=3)
    with tempfile.TemporaryDirectory() as folder:
        helm = _Helm(lab, Path(folder))
        good, bad = lab.known("good"), lab.known("bad")
        with ThreadPoolExecutor(2) as pool:
            failed, done = pool.map(helm.run, ("install", "install"), ("bad", "good"), ("full-ecs", "plain"))
        assert done.returncode == 0, done.stderr
        seen = good.get()
        assert seen.phase == "Succeeded"
        assert failed.returncode == 1
        assert bad.get().condition("Stalled")["message"] in failed.stderr
        upgrade = helm.run("upgrade", "good", "plain")
        assert upgrade.returncode == 0, upgrade.stderr
        assert good.get().body["metadata"]["generation"] == seen.body["metadata"]["generation"]
        assert len(lab.cloud.posts("good")) == len(lab.cloud.posts("bad")) == 1


class _Helm:
    """Helm with a chart that holds one ImageCopy, named as the release."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab, self._folder = lab, folder
        program = find_binaries(versions.ALL).helm
        assert program is not None
        self._program = program
        self._chart = folder / "chart"
        (self._chart / "templates").mkdir(parents=True)
        (self._chart / "Chart.yaml").write_text("{apiVersion: v2, name: images, version: 1.0.0}\n")
        manifest = lab.manifest("{{ .Release.Name }}")
        manifest["spec"]["source"]["imageID"] = "{{ .Values.source }}"
        (self._chart / "templates" / "copy.yaml").write_text(yaml.safe_dump(manifest))

    def run(self, verb: str, release: str, source: str) -> subprocess.CompletedProcess[str]:
        """Run ``helm VERB --wait``."""
        options = [
            "--wait",
            "--timeout=100s",
            f"--namespace={self._lab.namespace}",
            f"--kubeconfig={self._lab.api.plane.kubeconfig}",
            f"--set=source={self._lab.cloud.source(source)}",
        ]
        home = {f"HELM_{what}_HOME": str(self._folder / what.lower()) for what in ("CACHE", "CONFIG", "DATA")}
        command = [str(self._program), verb, release, str(self._chart), *options]
        return subprocess.run(command, env=os.environ | home, capture_output=True, text=True, timeout=110)
