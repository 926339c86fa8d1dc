"""The RBAC rules: the least rights for each mode, without wildcards."""

from typing import Final

from rendering import chart
from rendering.chart import Manifest, of_kind
from unit.deploy.conftest import Render

Right = tuple[str, str, str]
"""Namespace or "*" for all, resource, verb."""

_COPIES: Final = {
    *(("imagecopies", verb) for verb in ("get", "list", "watch", "patch")),
    *(("imageproviders", verb) for verb in ("get", "list", "watch")),
    ("imagecopies/status", "patch"),
    ("imageproviders/status", "patch"),
    ("events", "create"),
    ("namespaces", "get"),
}
_CLUSTER_PROVIDERS: Final = {
    *(("clusterimageproviders", verb) for verb in ("get", "list", "watch")),
    ("clusterimageproviders/status", "patch"),
}


def _rights(manifests: list[Manifest]) -> set[Right]:
    """Return what the operator's account may do; bindings are followed, as the API server does."""
    roles = {(role["kind"], role["metadata"].get("namespace"), role["metadata"]["name"]): role for role in manifests}
    found: set[Right] = set()
    for binding in (*of_kind(manifests, "ClusterRoleBinding"), *of_kind(manifests, "RoleBinding")):
        (account,) = of_kind(manifests, "ServiceAccount")
        subject = {"kind": "ServiceAccount", **{key: account["metadata"][key] for key in ("name", "namespace")}}
        assert binding["subjects"] == [subject]
        namespace = binding["metadata"].get("namespace")
        for rule in roles[binding["roleRef"]["kind"], namespace, binding["roleRef"]["name"]]["rules"]:
            for resource in rule["resources"]:
                only = "".join(f"/{name}" for name in rule.get("resourceNames", ()))
                found |= {(namespace or "*", resource + only, verb) for verb in rule["verbs"]}
    return found


def _in(namespace: str, rights: set[tuple[str, str]]) -> set[Right]:
    return {(namespace, *right) for right in rights}


def test_all_namespaces(rendered: Render) -> None:
    assert _rights(rendered("default")) == _in("*", _COPIES | _CLUSTER_PROVIDERS | {("secrets", "get")})


def test_one_namespace(rendered: Render) -> None:
    assert _rights(rendered("namespaced")) == {
        *_in("imagecopy-system", _COPIES | {("secrets", "get")}),
        *_in("*", _CLUSTER_PROVIDERS | {("namespaces/kube-system", "get")}),
    }


def test_named_installation_need_not_read_kube_system() -> None:
    rights = _rights(chart.render(None, "--set", "watchNamespaces={a},settings.installationID=x"))
    assert [right for right in rights if "kube-system" in right[1]] == []


def test_namespaces_of_teams_without_anything_of_the_cluster(rendered: Render) -> None:
    expected = _in("imagecopy-system", {("secrets", "get")})
    for team in ("team-a", "team-b"):
        expected |= _in(team, _COPIES | {("secrets", "get")})
    assert _rights(rendered("teams")) == expected
    cluster = [found["kind"] for found in rendered("teams") if "namespace" not in found["metadata"]]
    assert cluster == []


def test_secrets_only_where_the_admin_says(rendered: Render) -> None:
    readable = {right for right in _rights(rendered("everything")) if right[1] == "secrets"}
    assert readable == {("imagecopy-system", "secrets", "get"), ("team-a", "secrets", "get")}


def test_no_wildcard_anywhere_and_secrets_are_never_listed(rendered: Render, value_set: str) -> None:
    for role in (*of_kind(rendered(value_set), "ClusterRole"), *of_kind(rendered(value_set), "Role")):
        for rule in role["rules"]:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            if "secrets" in rule["resources"]:
                assert rule["verbs"] == ["get"]


def test_users_get_roles_that_grow_and_none_reads_secrets(rendered: Render) -> None:
    roles = {role["metadata"]["name"].rpartition("-")[2]: role for role in of_kind(rendered("default"), "ClusterRole")}
    grants = {
        name: {
            (resource, verb)
            for rule in roles[name]["rules"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        for name in ("view", "edit", "admin")
    }
    assert {verb for _, verb in grants["view"]} == {"get", "list", "watch"}
    assert {resource for resource, _ in grants["edit"]} == {"imagecopies"}
    assert {resource for resource, _ in grants["admin"]} == {"imageproviders"}
    for name, into in (("view", {"view", "edit", "admin"}), ("edit", {"edit", "admin"}), ("admin", {"admin"})):
        labels = roles[name]["metadata"]["labels"]
        assert {label.rpartition("-")[2] for label in labels if "aggregate-to" in label} == into
        assert all(rule["apiGroups"] == ["imagecopy.io"] for rule in roles[name]["rules"])


def test_nothing_is_granted_when_rbac_is_off() -> None:
    found = {manifest["kind"] for manifest in chart.render(None, "--set", "rbac.create=false")}
    assert not found & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
