"""Installations on an empty cluster: by helm with CRDs and demo, and by install.yaml.

The control plane is one of its own.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from controlplane import ControlPlane, find_binaries, versions
from controlplane.components import free_ports
from e2e.helm import RELEASE, Helm, HelmFailed
from e2e.node import Node
from e2e.objects import Api, Copy
from e2e.pod import Box
from rendering import chart, kustomize
from support.objects import GROUP, collection, image_copy
from support.waiting import wait_for

_SOURCE: Final = "080d465d-0dec-4a4a-878e-7dec77c7560b"
"""The simulator's sim-plain."""
_FOREIGN_KINDS: Final = ("PodMonitor", "ServiceMonitor", "PrometheusRule")


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane(find_binaries(versions.ALL), controller_manager=True) as plane:
        yield plane


@pytest.fixture(scope="module")
def api(plane: ControlPlane) -> Iterator[Api]:
    with contextlib.closing(Api(plane)) as api:
        yield api


@pytest.fixture
def emptied(api: Api) -> Iterator[None]:
    """Remove what a test leaves, so that the next one starts on an empty cluster."""
    yield
    finalizers = ("-n", "default", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    api.plane.kubectl("patch", "imagecopies", "first-copy", *finalizers, check=False)
    # The Pods of a test that failed have no node any more that would say that they ended.
    for kinds, options in (
        ("deployments,replicasets", ["--cascade=orphan"]),
        ("pods", ["--force", "--grace-period=0"]),
    ):
        api.plane.kubectl("-n", chart.NAMESPACE, "delete", kinds, "--all", *options, check=False)
    api.plane.kubectl("delete", "--ignore-not-found", "--timeout=60s", "-f", kustomize.INSTALL, check=False)


@pytest.mark.usefixtures("emptied")
def test_demo_comes_with_one_install_makes_a_copy_and_leaves_only_when_nothing_is_held(
    api: Api, tmp_path: Path, box: Box
) -> None:
    plane = api.plane
    namespace = yaml.safe_dump(chart.documents(kustomize.INSTALL.read_text())[0])
    plane.kubectl("apply", "--server-side", "-f", "-", input=namespace)
    helm = Helm(plane, chart.NAMESPACE, tmp_path)
    health, metrics, cloud = free_ports(3)
    values = {
        "ports": {"health": health, "metrics": metrics},
        "simulator": {"enabled": True, "copySeconds": 1, "port": cloud},
        "settings": {"minPollSeconds": 0.2},
    }
    with Node(api, chart.NAMESPACE, tmp_path, box) as node:
        said = helm.install(values)
        assert "first-copy" in said
        assert "Succeeded" in helm.run("test", RELEASE)

        copy = Copy(api, "default", "first-copy")
        manifest = image_copy(copy.name, _SOURCE, providerRef=None, deletionPolicy="Delete")
        api.create(collection("default", "imagecopies"), manifest)
        copy.until_phase("Succeeded")
        assert "forbidden" not in node.log(RELEASE)

        provider = api.get(f"{GROUP}/clusterimageproviders/default")["metadata"]["uid"]
        pods = f"/api/v1/namespaces/{chart.NAMESPACE}/pods"
        running = {pod["metadata"]["uid"] for pod in api.get(pods)["items"]}
        helm.upgrade(values)
        assert {pod["metadata"]["uid"] for pod in api.get(pods)["items"]} == running
        assert api.get(f"{GROUP}/clusterimageproviders/default")["metadata"]["uid"] == provider

        with pytest.raises(HelmFailed):
            helm.uninstall()
        assert "default/first-copy" in node.log("uninstall-guard")
        assert {pod["metadata"]["uid"] for pod in api.get(pods)["items"]} >= running
        copy.delete()

        helm.uninstall()
        wait_for(lambda: not api.get(pods)["items"], "no Pod left")
        assert api.get(f"{GROUP}/clusterimageproviders/default")["metadata"]["uid"] == provider
        assert not api.exists(f"/api/v1/namespaces/{chart.NAMESPACE}/serviceaccounts/{RELEASE}")
        api.delete(f"{GROUP}/clusterimageproviders/default")


def test_every_set_of_values_is_taken_by_the_api_server_without_a_warning(api: Api) -> None:
    plane = api.plane
    namespace = chart.documents(kustomize.INSTALL.read_text())[0]
    namespaces = [
        {**namespace, "metadata": {**namespace["metadata"], "name": name}}
        for name in (chart.NAMESPACE, "team-a", "team-b")
    ]
    crds = [path.read_text() for path in sorted((chart.ROOT / "crds").glob("*.yaml"))]
    foreign = [_stub(kind) for kind in _FOREIGN_KINDS]
    given = "\n---\n".join([yaml.safe_dump_all([*namespaces, *foreign]), *crds])
    plane.kubectl("apply", "--server-side", "-f", "-", input=given)
    plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all", check=False)
    for name, values in chart.value_sets().items():
        # The Pods of hooks need an account that a dry run does not create; the test of the demo runs them.
        objects = [found for found in chart.render(values) if found["kind"] != "Pod"]
        text = yaml.safe_dump_all(objects)
        dry = plane.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", input=text)
        assert dry.stderr == "", name
        assert len(dry.stdout.splitlines()) == len(objects)


def _stub(kind: str) -> dict[str, Any]:
    """Return a CRD of the Prometheus operator that accepts everything."""
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    group = "monitoring.coreos.com"
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _versions(api: Api) -> dict[tuple[str, str, str, str], str]:
    """Return the resourceVersion of each object of install.yaml."""
    found = {}
    objects = chart.documents(kustomize.INSTALL.read_text())
    listed = api.plane.kubectl("get", "-f", kustomize.INSTALL, "-o", "yaml").stdout
    for item in yaml.safe_load(listed)["items"]:
        # Controllers write statuses, so the generation counts where there is one.
        item.get("metadata", {}).pop("managedFields", None)
        found[chart.key_of(item)] = str(item["metadata"].get("generation") or item["metadata"]["resourceVersion"])
    assert len(found) == len(objects)
    return found


def test_install_yaml_is_applied_twice_without_a_change(api: Api) -> None:
    plane = api.plane
    apply = ("apply", "--server-side", "-f", kustomize.INSTALL)
    first = plane.kubectl(*apply)
    assert "violate" not in first.stderr
    wait_for(
        lambda: api.get(f"/api/v1/namespaces/{chart.NAMESPACE}/pods")["items"], "a Pod, let in by Pod Security", 30
    )
    before = _versions(api)
    plane.kubectl(*apply)
    assert _versions(api) == before
    assert plane.kubectl("diff", "--server-side", "-f", kustomize.INSTALL, check=False).stdout == ""


def _without(schema: dict[str, Any], *fields: str) -> dict[str, Any]:
    """Return an older version of the CRD, without these fields of status."""
    older: dict[str, Any] = yaml.safe_load(yaml.safe_dump(schema))
    for field in fields:
        del older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"][field]
    return older


def test_stored_objects_outlive_an_upgrade_and_a_downgrade_of_the_crds(api: Api) -> None:
    plane = api.plane
    newer = yaml.safe_load((chart.ROOT / "crds" / "imagecopy.io_imagecopies.yaml").read_text())
    older = _without(newer, "projectID")

    def install(crd: dict[str, Any]) -> None:
        plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=yaml.safe_dump(crd))

    def stored() -> dict[str, Any]:
        found = api.get(copy.path)
        return {"uid": found["metadata"]["uid"], "spec": found["spec"], **found["status"]}

    copy = Copy(api, "default", "in-flight")
    attempt = {"number": 1, "token": "0123456789abcdef", "postedAt": "2026-09-01T12:00:00Z", "jobID": "a" * 32}
    install(older)
    wait_for(lambda: not _accepts_project(api), "the older CRD is served", 30)
    api.create(collection("default", "imagecopies"), image_copy(copy.name, _SOURCE, providerRef=None))
    api.patch(f"{copy.path}/status", {"status": {"phase": "Copying", "jobID": "a" * 32, "attempt": attempt}})
    before = stored()
    assert "projectID" not in before

    install(newer)
    wait_for(lambda: _accepts_project(api), "the newer CRD is served", 30)
    assert stored() == before
    api.patch(f"{copy.path}/status", {"status": {"projectID": "b" * 32}})
    assert stored() == before | {"projectID": "b" * 32}

    install(older)
    wait_for(lambda: not _accepts_project(api), "the older CRD is served again", 30)
    assert stored() == before
    install(newer)
    copy.delete()


def _accepts_project(api: Api) -> bool:
    """Tell whether the API server's documentation has the field."""
    shown = api.plane.kubectl("explain", "imagecopy.status.projectID", check=False)
    return shown.returncode == 0
