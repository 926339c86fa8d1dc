"""The chart, installed for one namespace: the Pod's command, files and rights suffice for a copy, and allow no more."""

from contextlib import ExitStack

import httpx

from e2e.environment import Environment
from e2e.helm import RELEASE, Helm, values_for
from e2e.node import Node
from e2e.parallel import parallel_with_own_operator
from e2e.pod import Box
from support.processes import HOST
from support.waiting import wait_for


def _account(env: Environment) -> str:
    return f"system:serviceaccount:{env.namespace}:{RELEASE}"


def _may(env: Environment, verb: str, resource: str, namespace: str) -> bool:
    """Ask the API server, as `kubectl auth can-i --as` does."""
    group = "imagecopy.io" if resource.startswith(("image", "cluster")) else ""
    wanted = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
    review = {"kind": "SubjectAccessReview", "spec": {"user": _account(env), "resourceAttributes": wanted}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    reply = env.api.http.post(path, json={"apiVersion": "authorization.k8s.io/v1", **review})
    assert reply.is_success, reply.text
    return bool(reply.json()["status"]["allowed"])


@parallel_with_own_operator
def test_operator_installed_for_one_namespace_makes_a_copy_and_may_do_nothing_else(env: Environment, box: Box) -> None:
    env.kubectl("label", "namespace", env.namespace, "pod-security.kubernetes.io/enforce=restricted")
    helm = Helm(env.api.plane, env.namespace, env.shared.folder / env.namespace)
    values = values_for(env)
    with ExitStack() as stack:
        node = stack.enter_context(Node(env.api, env.namespace, env.shared.folder / env.namespace, box))
        helm.install(values)
        env.secret(env.cloud.login())
        env.cluster_provider(env.namespace)
        copy = env.copy("golden", providerRef={"kind": "ClusterImageProvider", "name": env.namespace})
        copy.until_finished("Succeeded")
        assert len(env.cloud.posts()) == 1
        assert "Submitted" in copy.event_reasons()
        assert '"403' not in node.log(RELEASE)
        assert "forbidden" not in node.log(RELEASE)

        metrics = httpx.get(f"http://{HOST}:{values['ports']['metrics']}/metrics", trust_env=False).text
        assert 'imagecopy_events_total{reason="Succeeded"} 1.0' in metrics

        secrets = f"/api/v1/namespaces/{env.namespace}/secrets"
        refused = env.api.http.get(secrets, headers={"Impersonate-User": _account(env)})
        assert refused.status_code == httpx.codes.FORBIDDEN
        assert _may(env, "get", "secrets", env.namespace)
        for verb, resource, namespace in (
            ("watch", "secrets", env.namespace),
            ("get", "secrets", "default"),
            ("list", "imagecopies", "default"),
            ("delete", "imagecopies", env.namespace),
            ("create", "pods", env.namespace),
            ("patch", "clusterimageproviders", env.namespace),
        ):
            assert not _may(env, verb, resource, namespace), (verb, resource, namespace)

        env.api.delete(f"/apis/imagecopy.io/v1alpha1/clusterimageproviders/{env.namespace}")
        helm.uninstall()
        wait_for(lambda: not env.api.get(f"/api/v1/namespaces/{env.namespace}/pods")["items"], "no Pod left")
        assert copy.get().phase == "Succeeded"
