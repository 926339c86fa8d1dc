"""The rendered objects are valid for helm, for each supported Kubernetes version, and for our CRDs."""

import json
from typing import Any, Final

import jsonschema
import kubernetes_validate
import pytest
import yaml

from rendering import chart
from rendering.chart import ROOT, of_kind
from unit.deploy.conftest import Render

KUBERNETES: Final = ("1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
_FOREIGN: Final = {"monitoring.coreos.com/v1"}
"""No schemas of these are to be had offline; test_monitoring looks at their content."""
_OWN: Final = "imagecopy.io/v1alpha1"


def test_helm_has_nothing_against_the_chart(value_set: str) -> None:
    chart.helm("lint", "--strict", chart.CHART, *chart.given(chart.value_sets()[value_set]))


@pytest.mark.parametrize("version", KUBERNETES)
def test_objects_fit_the_schemas_of_kubernetes(rendered: Render, version: str) -> None:
    every = {json.dumps(manifest, sort_keys=True) for name in chart.value_sets() for manifest in rendered(name)}
    for manifest in map(json.loads, sorted(every)):
        if manifest["apiVersion"] not in {*_FOREIGN, _OWN}:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_schemas_are_looked_at() -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"port": 1}}, "1.30", strict=True
        )


def test_own_objects_fit_our_crds(rendered: Render) -> None:
    definition = yaml.safe_load((ROOT / "crds/imagecopy.io_clusterimageproviders.yaml").read_text())
    schema: dict[str, Any] = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["additionalProperties"] = False
    providers = of_kind(rendered("everything"), "ClusterImageProvider")
    assert [provider["metadata"]["name"] for provider in providers] == ["otc", "default"]
    for provider in providers:
        jsonschema.validate(provider, schema)


def test_lowest_kubernetes_is_that_of_the_chart() -> None:
    about = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())
    assert about["kubeVersion"] == f">={KUBERNETES[0]}.0-0"
    with pytest.raises(chart.ChartError, match=r"incompatible with Kubernetes v1\.29"):
        chart.render(None, "--kube-version", "1.29.9")
    assert chart.render(None, "--kube-version", "1.30.0-eks-1")


def test_every_object_is_in_the_namespace_of_the_release_or_cluster_scoped(rendered: Render, value_set: str) -> None:
    cluster = {"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "ClusterImageProvider"}
    for manifest in rendered(value_set):
        namespace = manifest["metadata"].get("namespace")
        if manifest["kind"] in cluster:
            assert namespace is None
        elif manifest["kind"] not in {"Role", "RoleBinding"}:
            assert namespace == chart.NAMESPACE


def test_rendering_twice_gives_the_same(rendered: Render) -> None:
    assert chart.render(chart.value_sets()["everything"]) == rendered("everything")


def test_templates_ask_neither_cluster_nor_clock_nor_chance() -> None:
    words = ("lookup", "Capabilities", "now", "rand", "genCA", "uuidv4", "genSelfSigned", "date ")
    texts = {path.name: path.read_text() for path in (chart.CHART / "templates").rglob("*.*")}
    found = [
        (name, word)
        for name, text in texts.items()
        for action in text.split("{{")[1:]
        for word in words
        if word in action.split("}}")[0] and not action.lstrip("- ").startswith("/*")
    ]
    assert found == []
