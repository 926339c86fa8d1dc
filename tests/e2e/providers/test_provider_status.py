"""What a provider tells of itself, whom it serves, and that a copy stays with its project."""

from typing import Any

from e2e.lab import WRONG_PASSWORD, Lab
from e2e.objects import GROUP, Manifest
from e2e.processes import HOST, wait_for
from e2e.tls import self_signed, tls_front
from e2e.together import together, together_with_own_operator


def _path(lab: Lab) -> str:
    return f"{GROUP}/namespaces/{lab.namespace}/imageproviders/cloud"


def _ready(lab: Lab, path: str | None = None) -> Manifest:
    """Return the condition Ready of a provider; empty if it is not there."""
    conditions = (lab.api.get(path or _path(lab)).get("status") or {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == "Ready"), {})


def _until(lab: Lab, reason: str, path: str | None = None) -> Manifest:
    def look() -> Manifest | None:
        found = _ready(lab, path)
        return found if found.get("reason") == reason else None

    return wait_for(look, f"provider {reason}")


@together
def test_kubectl_get_tells_before_anyone_copies_whether_a_login_works(lab: Lab) -> None:
    lab.connect()
    _until(lab, "Available")
    header, row = lab.kubectl("get", "imageproviders").splitlines()
    told = dict(zip(header.split(), row.split(), strict=True))
    quota = lab.cloud.config["knobs"]["quota"]
    assert (told["READY"], told["REASON"], told["PROJECT"]) == ("True", "Available", lab.cloud.config["region"])
    assert told["QUOTA"] == str(quota)
    assert lab.api.get(_path(lab))["status"]["projectID"] == lab.cloud.config["project_id"]
    assert lab.cloud.posts() == []
    assert [len(lab.cloud.calls(kind)) for kind in ("token", "quota")] == [1, 1]


@together
def test_wrong_login_of_an_unused_provider_is_told_and_mended_without_a_copy(lab: Lab) -> None:
    lab.secret(lab.cloud.login() | {"password": WRONG_PASSWORD})
    lab.provider()
    told = _until(lab, "CredentialsInvalid")
    assert told["status"] == "False"
    assert f"Secret {lab.namespace}/login" in told["message"]
    assert len(lab.cloud.calls("token")) == 1
    lab.secret(lab.cloud.login())
    assert _until(lab, "Available")["status"] == "True"


@together
def test_line_break_in_a_secret_is_left_out_and_told_by_an_event_of_the_provider(lab: Lab) -> None:
    login = lab.cloud.login()
    lab.secret(login | {"password": login["password"] + "\n"})
    lab.provider()
    _until(lab, "Available")
    told = wait_for(
        lambda: [
            event["message"]
            for event in lab.api.get(f"/api/v1/namespaces/{lab.namespace}/events")["items"]
            if event["involvedObject"]["kind"] == "ImageProvider"
        ],
        "an Event about the Secret",
    )
    assert any("password" in message and f"{lab.namespace}/login" in message for message in told)
    assert login["password"] not in str(told)


@together
def test_cluster_provider_serves_the_namespaces_it_allows(lab: Lab) -> None:
    lab.secret(lab.cloud.login())
    lab.cluster_provider(lab.namespace)
    path = f"{GROUP}/clusterimageproviders/{lab.namespace}"
    lab.api.patch(path, {"spec": {"allowedNamespaces": {"matchNames": ["another"]}}})
    copy = lab.copy("golden", providerRef={"kind": "ClusterImageProvider", "name": lab.namespace})
    seen = copy.until_reason("InvalidConfiguration")
    assert f"ClusterImageProvider {lab.namespace}" in seen.message
    assert "allowedNamespaces" in seen.message
    assert lab.cloud.calls("list") == []
    labels = {"matchLabels": {"kubernetes.io/metadata.name": lab.namespace}}
    lab.api.patch(path, {"spec": {"allowedNamespaces": {"matchNames": None, "selector": labels}}})
    copy.until_at_rest("Succeeded")
    assert len(lab.cloud.posts()) == 1
    lab.api.delete(path)


@together
def test_certificate_of_a_private_cloud_is_trusted_by_ca_bundle_alone(lab: Lab) -> None:
    folder = lab.site.folder / lab.namespace
    folder.mkdir()
    both, certificate = self_signed(folder)
    port = lab.site.ports.take()
    url = f"https://{HOST}:{port}"
    with tls_front(port, lab.cloud.port, both):
        lab.secret(lab.cloud.login())
        lab.provider(endpoints={"ims": url, "iam": f"{url}/v3"})
        copy = lab.copy("golden")
        seen = copy.until_reason("InvalidConfiguration")
        assert "caBundle" in seen.message
        assert "caBundle" in _until(lab, "InvalidConfiguration")["message"]
        assert lab.cloud.calls() == []
        _switch(lab, caBundle=certificate)
        copy.until_at_rest("Succeeded")
        _until(lab, "Available")
    assert len(lab.cloud.posts()) == 1


def _switch(lab: Lab, **spec: Any) -> None:
    lab.api.patch(_path(lab), {"spec": spec})


@together
def test_copy_waits_while_its_provider_leads_to_another_project_and_is_not_made_there(lab: Lab) -> None:
    lab.cloud.knobs(copy_seconds=8)
    lab.connect()
    copy = lab.copy("golden")
    copy.until(lambda seen: seen.status.get("jobID"), "a job")
    own, other = lab.cloud.config["project_id"], lab.cloud.config["other_projects"][0]["id"]
    assert copy.get().status["projectID"] == own
    _switch(lab, projectID=other)
    seen = copy.until_reason("InvalidConfiguration")
    assert own in seen.message
    assert other in seen.message
    assert seen.told("Reconciling") == ("True", "InvalidConfiguration")
    _switch(lab, projectID=own)
    copy.until_at_rest("Succeeded")
    assert len(lab.cloud.posts()) == 1


@together_with_own_operator
def test_neither_a_new_secret_nor_a_killed_operator_nor_the_other_project_make_a_second_copy(lab: Lab) -> None:
    knobs = {"IMAGECOPY_SETTLE_SECONDS": "3"}
    lab.cloud.knobs(copy_seconds=8)
    operator = lab.operator(**knobs)
    lab.connect()
    copy = lab.copy("golden")
    copy.until(lambda seen: seen.status.get("jobID"), "a job")
    own, other = lab.cloud.config["project_id"], lab.cloud.config["other_projects"][0]["id"]
    operator.kill()
    _switch(lab, projectID=other)
    known = lab.cloud.config["logins"][0]
    lab.secret({"accessKeyID": known["access_key"], "secretAccessKey": known["secret_key"]})
    lab.operator(**knobs)
    copy.until_reason("InvalidConfiguration")
    _switch(lab, projectID=own)
    copy.until_at_rest("Succeeded")
    assert len(lab.cloud.posts()) == 1
    assert len(lab.cloud.copies()) == 1
