"""The examples for Argo CD and Flux are consistent. tests/e2e checks their objects with the API server."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from gitops.argocd import DEPLOY, Health, check
from gitops.lua import run
from gitops.providers import REASONS, providers
from imagecopy import __version__
from imagecopy.api.imagecopy import ImageCopySpec
from unit.flow.builders import SOURCE

_ARGOCD: Final = DEPLOY / "argocd"
_FLUX: Final = DEPLOY / "flux"
_WAVE: Final = "argocd.argoproj.io/sync-wave"
_OPTIONS: Final = "argocd.argoproj.io/sync-options"
_KNOWN_OPTIONS: Final = {
    "CreateNamespace=true",
    "ServerSideApply=true",
    "SkipDryRunOnMissingResource=true",
    "Prune=confirm",
}
"""Sync options that the examples use; those of resources are in an annotation, those of Applications in a list."""


def _load(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def _one(path: Path) -> dict[str, Any]:
    [found] = _load(path)
    return found


def _wave(path: Path) -> int:
    return int(_one(path)["metadata"]["annotations"][_WAVE])


EXAMPLES: Final = sorted(
    path
    for folder in (_ARGOCD / "app-of-apps", _ARGOCD / "single-app", _ARGOCD / "images", _FLUX)
    for path in folder.rglob("*.yaml")
)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_sync_options_are_known(path: Path) -> None:
    for obj in _load(path):
        options = [*(obj["metadata"].get("annotations") or {}).get(_OPTIONS, "").split(",")]
        options += obj.get("spec", {}).get("syncPolicy", {}).get("syncOptions", [])
        assert set(options) - {""} <= _KNOWN_OPTIONS


def test_waves_of_one_application_lead_from_the_provider_to_the_consumer() -> None:
    """The chart's objects have no wave, which is wave 0."""
    waves = [_wave(_ARGOCD / "images" / f"{name}.yaml") for name in ("provider", "golden-2026-09", "consumer")]
    assert waves == sorted(set(waves))
    assert waves[0] > 0


def test_waves_of_applications_lead_from_the_operator_to_the_consumers() -> None:
    folder = _ARGOCD / "app-of-apps" / "apps"
    waves = [_wave(folder / f"{name}.yaml") for name in ("operator", "images", "consumers")]
    assert waves == sorted(set(waves))


def test_consumer_names_the_target_of_the_copy() -> None:
    copy, consumer = (_one(_ARGOCD / "images" / f"{name}.yaml") for name in ("golden-2026-09", "consumer"))
    assert consumer["data"]["imageName"] == copy["spec"]["target"]["name"] == copy["metadata"]["name"]


def test_examples_name_the_chart_of_this_version() -> None:
    single = _one(_ARGOCD / "single-app" / "application.yaml")["spec"]["sources"]
    [chart] = [source for source in single if "chart" in source]
    own = _one(_ARGOCD / "app-of-apps" / "apps" / "operator.yaml")["spec"]["source"]
    repository = _load(_FLUX / "operator" / "release.yaml")[0]["spec"]
    assert {chart["targetRevision"], own["targetRevision"], repository["ref"]["tag"]} == {__version__}
    assert {f"oci://{source['repoURL']}/{source['chart']}" for source in (chart, own)} == {repository["url"]}


def test_flux_copies_what_argocd_copies() -> None:
    for name in ("provider", "golden-2026-09"):
        one, other = (_one(folder / "images" / f"{name}.yaml") for folder in (_ARGOCD, _FLUX))
        assert (one["kind"], one["spec"]) == (other["kind"], other["spec"])


def test_flux_waits_longer_than_a_copy_may_take() -> None:
    [images] = [one for one in _load(_FLUX / "kustomizations.yaml") if one["metadata"]["name"] == "golden-images"]
    default = ImageCopySpec.model_validate({"source": {"imageID": SOURCE}}).active_deadline_seconds
    hours = re.fullmatch(r"(\d+)h", images["spec"]["timeout"])
    assert hours
    assert int(hours[1]) * 3600 > default
    assert images["spec"]["wait"] is True


def test_flux_gives_up_on_a_provider_for_the_reasons_that_argocd_does() -> None:
    text = (_FLUX / "kustomizations.yaml").read_text()
    named = {reason for reason in REASONS if f"'{reason}'" in text}
    objects = providers("ClusterImageProvider").values()
    degraded = [obj for obj in objects if check(obj).status is Health.DEGRADED]
    assert named == {obj["status"]["conditions"][0]["reason"] for obj in degraded}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (None, ("Progressing", "")),
        ({"health": {}}, ("Progressing", "")),
        ({"health": {"status": "Healthy"}}, ("Healthy", "")),
        ({"health": {"status": "Degraded", "message": "why"}}, ("Degraded", "why")),
    ],
)
def test_application_is_as_healthy_as_it_says(status: Any, told: tuple[str, str]) -> None:
    patch = _one(_ARGOCD / "app-of-apps" / "argocd-cm-patch.yaml")
    said = run(patch["data"]["resource.customizations.health.argoproj.io_Application"], {"status": status})
    assert (said["status"], said["message"]) == told
