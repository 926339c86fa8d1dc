"""deploy/kustomize and deploy/install.yaml agree with the chart."""

import subprocess
from operator import itemgetter
from pathlib import Path

import pytest

from controlplane import find_binaries
from rendering import chart, kustomize
from rendering.chart import NAMESPACE, Key, Manifest, by_key, documents, of_kind


def _built(folder: Path) -> dict[Key, Manifest]:
    done = subprocess.run(
        [find_binaries().kubectl, "kustomize", folder], capture_output=True, text=True, check=True, timeout=60
    )
    return by_key(documents(done.stdout))


def test_committed_files_are_the_generated_ones() -> None:
    committed = {path: path.read_text() for path in (*kustomize.KUSTOMIZE.rglob("*.yaml"), kustomize.INSTALL)}
    assert committed == kustomize.files(), "run `make manifests`"


def test_base_is_install_yaml() -> None:
    assert _built(kustomize.KUSTOMIZE / "base") == by_key(documents(kustomize.INSTALL.read_text()))


def test_install_yaml_is_the_default_rendering_and_a_restricted_namespace() -> None:
    installed = by_key(documents(kustomize.INSTALL.read_text()))
    namespace = installed.pop(("v1", "Namespace", "", NAMESPACE))
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    rendered = by_key(manifest for manifest in chart.render() if "helm.sh/hook" not in _annotations(manifest))
    assert installed.keys() == rendered.keys()
    for key, manifest in rendered.items():
        for part in manifest.keys() - {"metadata"}:
            assert installed[key][part] == manifest[part]
        assert installed[key]["metadata"]["labels"].items() <= manifest["metadata"]["labels"].items()


@pytest.mark.parametrize("overlay", kustomize.OVERLAYS)
def test_overlay_is_what_the_chart_renders_with_its_values(overlay: str) -> None:
    folder = kustomize.KUSTOMIZE / "overlays" / overlay
    afterwards = folder / "afterwards.yaml"
    built = _built(folder)
    if afterwards.exists():
        built |= by_key(documents(afterwards.read_text()))
    built.pop(("v1", "Namespace", "", NAMESPACE))
    assert _in_order(built) == _in_order(by_key(kustomize.plain(chart.value_sets()[overlay])))


def test_nothing_of_helm_is_left() -> None:
    for path in (*kustomize.KUSTOMIZE.rglob("*.yaml"), kustomize.INSTALL):
        assert "helm" not in path.read_text().lower(), path


def _in_order(manifests: dict[Key, Manifest]) -> dict[Key, Manifest]:
    """Sort environments, as a patch may add a variable at either end, and no variable of these refers to another."""
    for manifest in of_kind(list(manifests.values()), "Deployment"):
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            container.get("env", []).sort(key=itemgetter("name"))
    return manifests


def _annotations(manifest: Manifest) -> dict[str, str]:
    found: dict[str, str] = manifest["metadata"].get("annotations", {})
    return found
