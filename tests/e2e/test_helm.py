"""Installed by helm into some namespaces: the Pod's own command, files and rights make a copy, and no more."""

from contextlib import ExitStack
from typing import Any

import httpx

from e2e.helm import RELEASE, Helm
from e2e.lab import Lab
from e2e.node import Node
from e2e.pod import Box
from e2e.processes import HOST, wait_for
from e2e.together import together_with_own_operator


def _values(lab: Lab, **more: object) -> dict[str, Any]:
    """Return what fits the control plane that tests share: its CRDs are there, and other operators, too."""
    return {
        "crds": {"install": False},
        "rbac": {"userRoles": False},
        "ports": {"health": lab.site.ports.take(), "metrics": lab.site.ports.take()},
        "settings": {"endpointAllowlist": [f"{HOST}:{lab.cloud.port}"], "minPollSeconds": 0.2},
        **more,
    }


def _account(lab: Lab) -> str:
    return f"system:serviceaccount:{lab.namespace}:{RELEASE}"


def _may(lab: Lab, verb: str, resource: str, namespace: str) -> bool:
    """Ask the API server, as `kubectl auth can-i --as` does."""
    group = "imagecopy.io" if resource.startswith(("image", "cluster")) else ""
    wanted = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
    review = {"kind": "SubjectAccessReview", "spec": {"user": _account(lab), "resourceAttributes": wanted}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    reply = lab.api.http.post(path, json={"apiVersion": "authorization.k8s.io/v1", **review})
    assert reply.is_success, reply.text
    return bool(reply.json()["status"]["allowed"])


@together_with_own_operator
def test_operator_installed_for_one_namespace_makes_a_copy_and_may_do_nothing_else(lab: Lab, box: Box) -> None:
    lab.kubectl("label", "namespace", lab.namespace, "pod-security.kubernetes.io/enforce=restricted")
    helm = Helm(lab.api.plane, lab.namespace, lab.site.folder / lab.namespace)
    values = _values(lab, watchNamespaces=[lab.namespace])
    with ExitStack() as stack:
        node = stack.enter_context(Node(lab.api, lab.namespace, lab.site.folder / lab.namespace, box))
        helm.install(values)
        lab.secret(lab.cloud.login())
        lab.cluster_provider(lab.namespace)
        copy = lab.copy("golden", providerRef={"kind": "ClusterImageProvider", "name": lab.namespace})
        copy.until_at_rest("Succeeded")
        assert len(lab.cloud.posts()) == 1
        assert "Submitted" in copy.event_reasons()
        assert '"403' not in node.log(RELEASE)
        assert "forbidden" not in node.log(RELEASE)

        metrics = httpx.get(f"http://{HOST}:{values['ports']['metrics']}/metrics", trust_env=False).text
        assert 'imagecopy_events_total{reason="Succeeded"} 1.0' in metrics

        secrets = f"/api/v1/namespaces/{lab.namespace}/secrets"
        refused = lab.api.http.get(secrets, headers={"Impersonate-User": _account(lab)})
        assert refused.status_code == httpx.codes.FORBIDDEN
        assert _may(lab, "get", "secrets", lab.namespace)
        for verb, resource, namespace in (
            ("watch", "secrets", lab.namespace),
            ("get", "secrets", "default"),
            ("list", "imagecopies", "default"),
            ("delete", "imagecopies", lab.namespace),
            ("create", "pods", lab.namespace),
            ("patch", "clusterimageproviders", lab.namespace),
        ):
            assert not _may(lab, verb, resource, namespace), (verb, resource, namespace)

        lab.api.delete(f"/apis/imagecopy.io/v1alpha1/clusterimageproviders/{lab.namespace}")
        helm.uninstall()
        wait_for(lambda: not lab.api.get(f"/api/v1/namespaces/{lab.namespace}/pods")["items"], "no Pod left")
        assert copy.get().phase == "Succeeded"
