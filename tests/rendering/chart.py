"""Renders the chart with the real helm."""

import functools
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from controlplane import find_binaries, versions

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "deploy/helm/imagecopy-operator"
RELEASE: Final = "imagecopy-operator"
NAMESPACE: Final = "imagecopy-system"

Manifest = dict[str, Any]
Key = tuple[str, str, str, str]
"""API version, kind, namespace, name."""


class ChartError(Exception):
    """Helm failed. The message is helm's."""


@functools.cache
def helm_program() -> Path:
    """Return the path of helm."""
    helm = find_binaries((*versions.CORE, versions.HELM_PROGRAM)).helm
    assert helm is not None
    return helm


def helm(*arguments: str | Path) -> str:
    """Run helm without a cluster; return its output. Raise ChartError with its message if it fails."""
    done = subprocess.run([helm_program(), *arguments], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise ChartError(done.stderr or done.stdout)
    return done.stdout


def value_sets() -> dict[str, Path | None]:
    """Return the files of values that the chart is tested with, by name. None means no file."""
    return {"default": None} | {path.stem.removesuffix("-values"): path for path in sorted(CHART.glob("ci/*.yaml"))}


def render(
    values: Path | None = None,
    *options: str,
    release: str = RELEASE,
    namespace: str = NAMESPACE,
    chart: Path = CHART,
) -> list[Manifest]:
    """Return the chart's objects, hooks included, in the order that helm prints them."""
    return documents(helm("template", release, chart, "--namespace", namespace, *given(values), *options))


def given(values: Path | None) -> list[str]:
    """Return helm's options for a file of values."""
    return ["--values", str(values)] if values else []


def documents(text: str) -> list[Manifest]:
    """Return the objects of a file."""
    return [found for found in yaml.load_all(text, yaml.CSafeLoader) if found]


def key_of(manifest: Manifest) -> Key:
    """Return the key that identifies an object."""
    meta = manifest["metadata"]
    return manifest["apiVersion"], manifest["kind"], meta.get("namespace", ""), meta["name"]


def by_key(manifests: Iterable[Manifest]) -> dict[Key, Manifest]:
    """Return objects by key. No object may occur twice."""
    found: dict[Key, Manifest] = {}
    for manifest in manifests:
        key = key_of(manifest)
        assert key not in found, f"this object occurs twice: {key}"
        found[key] = manifest
    return found


def of_kind(manifests: Sequence[Manifest], kind: str) -> list[Manifest]:
    """Return the objects of one kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def copy_crds() -> list[Path]:
    """Copy the CRDs of crds/ into the chart."""
    folder = CHART / "files/crds"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return [Path(shutil.copy(path, folder)) for path in sorted((ROOT / "crds").glob("*.yaml"))]
