"""Properties of the chart's objects."""

import base64
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import imagecopy
from ims_simulator.state.accounts import accounts
from ims_simulator.state.seed import DEFAULT_SEED
from rendering import chart
from rendering.chart import CHART, ROOT, Manifest, of_kind
from unit.deploy.conftest import Render

_STOP_SECONDS: Final = 10
"""What a stop of the operator may take: see imagecopy.app."""


def _pods(manifests: list[Manifest]) -> list[dict[str, Any]]:
    pods = [manifest["spec"] for manifest in of_kind(manifests, "Pod")]
    return pods + [manifest["spec"]["template"]["spec"] for manifest in of_kind(manifests, "Deployment")]


def _operator(manifests: list[Manifest]) -> Manifest:
    return next(
        found
        for found in of_kind(manifests, "Deployment")
        if found["metadata"]["labels"]["app.kubernetes.io/component"] == "operator"
    )


def _crds(manifests: list[Manifest]) -> dict[str, Manifest]:
    return {crd["metadata"]["name"]: crd for crd in of_kind(manifests, "CustomResourceDefinition")}


def test_crds_are_those_of_the_operator(rendered: Render) -> None:
    ours = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]
    found = _crds(rendered("default"))
    assert len(found) == len(ours)
    for crd in ours:
        assert found[crd["metadata"]["name"]]["spec"] == crd["spec"]
    assert {path.name: path.read_bytes() for path in (CHART / "files/crds").iterdir()} == {
        path.name: path.read_bytes() for path in (ROOT / "crds").iterdir()
    }, "run `make manifests`"


def test_braces_in_a_crd_are_text(tmp_path: Path) -> None:
    folder = tmp_path / "chart"
    (folder / "files/crds").mkdir(parents=True)
    (folder / "templates").mkdir()
    for name in ("Chart.yaml", "values.yaml", "templates/crds.yaml", "templates/_helpers.tpl"):
        (folder / name).write_text((CHART / name).read_text())
    crd = {
        "kind": "CustomResourceDefinition",
        "apiVersion": "x",
        "metadata": {"name": "x"},
        "spec": {"a": "{{ .B }} {{"},
    }
    (folder / "files/crds/x.yaml").write_text("# first line\n" + yaml.safe_dump(crd, sort_keys=False))
    (found,) = chart.render(chart=folder)
    assert found["spec"] == crd["spec"]


@pytest.mark.parametrize(
    ("options", "count", "policy"),
    [("crds.keep=true", 3, "keep"), ("crds.keep=false", 3, None), ("crds.install=false", 0, None)],
)
def test_crds_are_installed_and_kept_as_asked(options: str, count: int, policy: str | None) -> None:
    crds = _crds(chart.render(None, "--set", options))
    assert len(crds) == count
    for crd in crds.values():
        assert crd["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == policy


def test_every_pod_is_restricted(rendered: Render, value_set: str) -> None:
    for pod in _pods(rendered(value_set)):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["enableServiceLinks"] is False
        assert "automountServiceAccountToken" in pod
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert container["resources"]["limits"].keys() == {"memory"}


def test_fixed_user_can_be_left_to_the_platform() -> None:
    none = (
        "--set",
        "podSecurityContext.runAsUser=null,podSecurityContext.runAsGroup=null,podSecurityContext.fsGroup=null",
    )
    for pod in _pods(chart.render(None, *none)):
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_one_operator_at_a_time_with_time_to_stop(rendered: Render, value_set: str) -> None:
    spec = _operator(rendered(value_set))["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > _STOP_SECONDS


def test_probes_ask_what_the_operator_answers(rendered: Render) -> None:
    (container,) = _operator(rendered("default"))["spec"]["template"]["spec"]["containers"]
    asked = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert asked == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    names = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert names == {
        "health": environment["IMAGECOPY_HEALTH_PORT"],
        "metrics": environment["IMAGECOPY_METRICS_PORT"],
    }
    assert (container["command"], container["args"]) == (["imagecopy"], ["run"])


def test_selectors_stay_when_labels_change(rendered: Render) -> None:
    labels = {"app.kubernetes.io/name": "imagecopy-operator", "app.kubernetes.io/instance": chart.RELEASE}
    for name in ("default", "everything"):
        selector = _operator(rendered(name))["spec"]["selector"]["matchLabels"]
        assert selector == labels | {"app.kubernetes.io/component": "operator"}


def test_versions_agree() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["appVersion"] == imagecopy.__version__
    assert f'version = "{imagecopy.__version__}"' in (ROOT / "pyproject.toml").read_text()
    image = f"{yaml.safe_load((CHART / 'values.yaml').read_text())['image']['repository']}:{imagecopy.__version__}"
    assert image in (ROOT / "deploy/install.yaml").read_text()


@pytest.mark.parametrize("release", ["imagecopy-operator", "x", "a" * 53])
def test_names_fit_whatever_the_release_is_called(release: str) -> None:
    for manifest in chart.render(chart.value_sets()["demo"], release=release):
        meta = manifest["metadata"]
        assert len(meta["name"]) <= 63
        for value in meta["labels"].values():
            assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", value), value


def test_login_of_the_demo_is_the_simulators(rendered: Render) -> None:
    (secret,) = of_kind(rendered("demo"), "Secret")
    given = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    seed = accounts(DEFAULT_SEED)
    login = next(login for login in seed.logins if login.can_change)
    assert given == {
        "username": login.user,
        "password": login.password,
        "domainName": seed.domain_name,
        "projectName": seed.project.name,
    }


def test_provider_comes_after_its_crd_on_a_first_install_and_is_a_plain_object_later(rendered: Render) -> None:
    on_install = of_kind(rendered("demo"), "ClusterImageProvider")[0]["metadata"]["annotations"]
    assert on_install["helm.sh/hook"] == "post-install"
    assert on_install["meta.helm.sh/release-name"] == chart.RELEASE
    values = chart.value_sets()["demo"]
    later = chart.render(values, "--is-upgrade")
    assert of_kind(later, "ClusterImageProvider")[0]["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert not [pod for pod in of_kind(later, "Pod") if "await-crds" in pod["metadata"]["name"]]
    for option in ("clusterImageProvider.hook=false", "crds.install=false"):
        plain = chart.render(values, "--set", option)
        assert "helm.sh/hook" not in of_kind(plain, "ClusterImageProvider")[0]["metadata"]["annotations"]


def test_monitoring_is_off_unless_asked_for(rendered: Render) -> None:
    kinds = {manifest["kind"] for manifest in rendered("default")}
    assert kinds == {
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "Deployment",
        "Pod",
        "Service",
        "ServiceAccount",
    }


def test_own_namespace_is_taken_from_the_pod_and_others_are_named(rendered: Render) -> None:
    def namespaces(name: str) -> Any:
        (container,) = _operator(rendered(name))["spec"]["template"]["spec"]["containers"]
        return next((entry for entry in container["env"] if entry["name"] == "IMAGECOPY_NAMESPACES"), None)

    assert namespaces("default") is None
    assert namespaces("namespaced")["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}
    assert namespaces("teams")["value"] == "team-a,team-b"
