"""The status of a provider, the namespaces it allows, and copies that stay with their project."""

from typing import Any

from e2e.environment import WRONG_PASSWORD, Environment
from e2e.parallel import parallel, parallel_with_own_operator
from e2e.tls import self_signed, tls_front
from support.objects import GROUP, Manifest
from support.processes import HOST
from support.waiting import wait_for


def _path(env: Environment) -> str:
    return f"{GROUP}/namespaces/{env.namespace}/imageproviders/cloud"


def _ready(env: Environment, path: str | None = None) -> Manifest:
    """Return the condition Ready of a provider, or an empty dict if it has none."""
    conditions = (env.api.get(path or _path(env)).get("status") or {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == "Ready"), {})


def _until(env: Environment, reason: str, path: str | None = None) -> Manifest:
    def look() -> Manifest | None:
        found = _ready(env, path)
        return found if found.get("reason") == reason else None

    return wait_for(look, f"provider {reason}")


@parallel
def test_kubectl_get_tells_before_anyone_copies_whether_a_login_works(env: Environment) -> None:
    env.connect()
    _until(env, "Available")
    header, row = env.kubectl("get", "imageproviders").splitlines()
    shown = dict(zip(header.split(), row.split(), strict=True))
    quota = env.cloud.config["knobs"]["quota"]
    assert (shown["READY"], shown["REASON"], shown["PROJECT"]) == (
        "True",
        "Available",
        env.cloud.config["region"],
    )
    assert shown["QUOTA"] == str(quota)
    assert env.api.get(_path(env))["status"]["projectID"] == env.cloud.config["project_id"]
    assert env.cloud.posts() == []
    assert [len(env.cloud.calls(kind)) for kind in ("token", "quota")] == [1, 1]


@parallel
def test_wrong_login_of_an_unused_provider_is_told_and_mended_without_a_copy(env: Environment) -> None:
    env.secret(env.cloud.login() | {"password": WRONG_PASSWORD})
    env.provider()
    shown = _until(env, "CredentialsInvalid")
    assert shown["status"] == "False"
    assert f"Secret {env.namespace}/login" in shown["message"]
    assert len(env.cloud.calls("token")) == 1
    env.secret(env.cloud.login())
    assert _until(env, "Available")["status"] == "True"


@parallel
def test_line_break_in_a_secret_is_left_out_and_told_by_an_event_of_the_provider(env: Environment) -> None:
    login = env.cloud.login()
    env.secret(login | {"password": login["password"] + "\n"})
    env.provider()
    _until(env, "Available")
    shown = wait_for(
        lambda: [
            event["message"]
            for event in env.api.get(f"/api/v1/namespaces/{env.namespace}/events")["items"]
            if event["involvedObject"]["kind"] == "ImageProvider"
        ],
        "an Event about the Secret",
    )
    assert any("password" in message and f"{env.namespace}/login" in message for message in shown)
    assert login["password"] not in str(shown)


@parallel
def test_cluster_provider_serves_the_namespaces_it_allows(env: Environment) -> None:
    env.secret(env.cloud.login())
    env.cluster_provider(env.namespace)
    path = f"{GROUP}/clusterimageproviders/{env.namespace}"
    env.api.patch(path, {"spec": {"allowedNamespaces": {"matchNames": ["another"]}}})
    copy = env.copy("golden", providerRef={"kind": "ClusterImageProvider", "name": env.namespace})
    state = copy.until_reason("InvalidConfiguration")
    assert f"ClusterImageProvider {env.namespace}" in state.message
    assert "allowedNamespaces" in state.message
    assert env.cloud.calls("list") == []
    labels = {"matchLabels": {"kubernetes.io/metadata.name": env.namespace}}
    env.api.patch(path, {"spec": {"allowedNamespaces": {"matchNames": None, "selector": labels}}})
    copy.until_finished("Succeeded")
    assert len(env.cloud.posts()) == 1
    env.api.delete(path)


@parallel
def test_certificate_of_a_private_cloud_is_trusted_by_ca_bundle_alone(env: Environment) -> None:
    folder = env.shared.folder / env.namespace
    folder.mkdir()
    both, certificate = self_signed(folder)
    port = env.shared.ports.take()
    url = f"https://{HOST}:{port}"
    with tls_front(port, env.cloud.port, both):
        env.secret(env.cloud.login())
        env.provider(endpoints={"ims": url, "iam": f"{url}/v3"})
        copy = env.copy("golden")
        state = copy.until_reason("InvalidConfiguration")
        assert "caBundle" in state.message
        assert "caBundle" in _until(env, "InvalidConfiguration")["message"]
        assert env.cloud.calls() == []
        _switch(env, caBundle=certificate)
        copy.until_finished("Succeeded")
        _until(env, "Available")
    assert len(env.cloud.posts()) == 1


def _switch(env: Environment, **spec: Any) -> None:
    env.api.patch(_path(env), {"spec": spec})


@parallel
def test_copy_waits_while_its_provider_leads_to_another_project_and_is_not_made_there(env: Environment) -> None:
    env.cloud.knobs(copy_seconds=8)
    env.connect()
    copy = env.copy("golden")
    copy.until(lambda state: state.status.get("jobID"), "a job")
    own, other = env.cloud.config["project_id"], env.cloud.config["other_projects"][0]["id"]
    assert copy.get().status["projectID"] == own
    _switch(env, projectID=other)
    state = copy.until_reason("InvalidConfiguration")
    assert own in state.message
    assert other in state.message
    assert state.status_and_reason("Reconciling") == ("True", "InvalidConfiguration")
    _switch(env, projectID=own)
    copy.until_finished("Succeeded")
    assert len(env.cloud.posts()) == 1


@parallel_with_own_operator
def test_neither_a_new_secret_nor_a_killed_operator_nor_the_other_project_make_a_second_copy(env: Environment) -> None:
    knobs = {"IMAGECOPY_SETTLE_SECONDS": "3"}
    env.cloud.knobs(copy_seconds=8)
    operator = env.operator(**knobs)
    env.connect()
    copy = env.copy("golden")
    copy.until(lambda state: state.status.get("jobID"), "a job")
    own, other = env.cloud.config["project_id"], env.cloud.config["other_projects"][0]["id"]
    operator.kill()
    _switch(env, projectID=other)
    known = env.cloud.config["logins"][0]
    env.secret({"accessKeyID": known["access_key"], "secretAccessKey": known["secret_key"]})
    env.operator(**knobs)
    copy.until_reason("InvalidConfiguration")
    _switch(env, projectID=own)
    copy.until_finished("Succeeded")
    assert len(env.cloud.posts()) == 1
    assert len(env.cloud.copies()) == 1
