"""The official SDK's ways to get keys, and its reading of errors, with the simulator as the cloud."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from simulator import sdk
from simulator.identities import Issuer
from simulator.process import Process
from simulator.sdk import REGION, client_of, last_request_id, refusal

pytestmark = pytest.mark.usefixtures("sdks_own_warnings")

accessors: Any = sdk.accessors
QUOTA = sdk.ims.ShowImageQuotaRequest()


def last_call(cloud: Process, kind: str = "quota") -> Any:
    return cloud.call("GET", f"/_simulator/calls?kind={kind}")[1]["calls"][-1]


def logged_in(cloud: Process, config: Any, accessor: Any) -> Any:
    """A client that gets its keys from an accessor of the SDK."""
    login = sdk.core.BasicCredentials(project_id=config["project_id"])
    login.sts_accessor = accessor
    return sdk.client(cloud.url, login)


@pytest.mark.behaviour(44)
def test_b44_the_sdk_reads_the_metadata_service(
    cloud: Process,
    config: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accessors.MetadataAccessor, "_METADATA_ENDPOINT", config["endpoints"]["metadata"])
    assert logged_in(cloud, config, accessors.MetadataAccessor()).show_image_quota(QUOTA).quotas
    assert (last_call(cloud)["way"], last_call(cloud)["agency"]) == ("temporary_key", "sim-node-agency")


@pytest.mark.behaviour(44)
@pytest.mark.parametrize("status", [404, 405, 503])
def test_b44_the_sdk_does_without_a_metadata_token(
    cloud: Process,
    config: Any,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    monkeypatch.setattr(accessors.MetadataAccessor, "_METADATA_ENDPOINT", config["endpoints"]["metadata"])
    cloud.call("PATCH", "/_simulator/knobs", {"metadata_token_status": status})
    try:
        assert logged_in(cloud, config, accessors.MetadataAccessor()).show_image_quota(QUOTA).quotas
    finally:
        cloud.call("PATCH", "/_simulator/knobs", {"metadata_token_status": 200})


@pytest.mark.behaviour(44)
def test_b44_the_sdk_reports_that_a_node_has_no_agency(
    cloud: Process,
    config: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accessors.MetadataAccessor, "_METADATA_ENDPOINT", config["endpoints"]["metadata"])
    cloud.call("PATCH", "/_simulator/knobs", {"node_agency": False})
    try:
        status, _, message, _ = refusal(accessors.MetadataAccessor().get_credential)
    finally:
        cloud.call("PATCH", "/_simulator/knobs", {"node_agency": True})
    assert status == 401
    assert "Please configure Cloud Service Agency first" in message


@pytest.mark.behaviour(44)
def test_b44_the_sdk_reads_pod_identity(cloud: Process, config: Any, tmp_path: Path) -> None:
    file, pod = tmp_path / "token", config["pod_identity"]
    file.write_text(pod["token"] + "\n")
    accessor = accessors.PodIdentityAccessor(pod["uri"], str(file))
    assert logged_in(cloud, config, accessor).show_image_quota(QUOTA).quotas
    assert last_call(cloud)["agency"] == "sim-pod-agency"
    file.write_text("another")
    with pytest.raises(sdk.exceptions.SdkException, match="401"):
        accessor.get_credential()


@pytest.mark.behaviour(44)
def test_b44_the_sdk_logs_in_with_a_service_account_token(
    cloud: Process,
    config: Any,
    tmp_path: Path,
) -> None:
    issuer, file = Issuer(), tmp_path / "token"
    order = {"issuer": "https://k8s", "audience": "imagecopy", "jwks": issuer.jwks}
    cloud.call("PUT", "/_simulator/identity_providers/k8s", order)
    file.write_text(issuer.token(time.time()))
    login = sdk.core.BasicCredentials(project_id=config["project_id"]).with_iam_endpoint(cloud.url)
    login.with_idp_id("k8s").with_id_token_file(str(file))
    assert sdk.client(cloud.url, login).show_image_quota(QUOTA).quotas
    assert last_call(cloud)["user"].startswith("system:serviceaccount:")
    file.write_text(issuer.token(time.time(), aud="another"))
    again = sdk.core.BasicCredentials(project_id=config["project_id"]).with_iam_endpoint(cloud.url)
    again.with_idp_id("k8s").with_id_token_file(str(file))
    status, code, message, request_id = refusal(sdk.client(cloud.url, again).show_image_quota, QUOTA)
    assert (status, code, message) == (401, "IAM.0001", "The request you have made requires authentication.")
    assert request_id == last_request_id(cloud)


@pytest.mark.behaviour(34)
def test_b34_the_sdk_reports_that_a_region_has_no_project(cloud: Process, config: Any) -> None:
    known = config["logins"][0]
    login = sdk.core.BasicCredentials(known["access_key"], known["secret_key"]).with_iam_endpoint(cloud.url)
    builder = sdk.ims.ImsClient.new_builder().with_credentials(login)
    with pytest.raises(sdk.exceptions.SdkException, match="Failed to get project id of region 'eu-nowhere'"):
        builder.with_region(sdk.region("eu-nowhere", cloud.url)).build()


@pytest.mark.behaviour(33)
def test_b33_the_sdk_reports_that_iam_refuses_a_signature(cloud: Process, config: Any) -> None:
    wrong = sdk.core.BasicCredentials(config["logins"][2]["access_key"], "wrong").with_iam_endpoint(cloud.url)
    builder = sdk.ims.ImsClient.new_builder().with_credentials(wrong).with_region(sdk.region(REGION, cloud.url))
    with pytest.raises(sdk.exceptions.SdkException, match="verify aksk signature fail"):
        builder.build()


@pytest.mark.behaviour(33)
def test_b33_the_sdk_reports_a_wrong_secret_and_the_lock(cloud: Process, config: Any) -> None:
    login = sdk.credentials(config["logins"][1]["access_key"], "wrong", config["project_id"])
    wrong = sdk.client(cloud.url, login)
    for _ in range(6):
        status, code, message, request_id = refusal(wrong.show_image_quota, QUOTA)
        assert (status, code) == (401, "APIGW.0301")
        assert "canonicalRequest:GET|/v1/cloudimages/quota/||" in message
        assert request_id == last_request_id(cloud)
    _, _, message, _ = refusal(client_of(cloud, config, 1).show_image_quota, QUOTA)
    assert message.endswith("AK access failed to reach the limit,forbidden")
    cloud.call("POST", "/_simulator/clock", {"advance_seconds": 300})
    assert client_of(cloud, config, 1).show_image_quota(QUOTA).quotas


@pytest.mark.behaviour(33)
def test_b33_the_sdk_reports_an_expired_key(cloud: Process, config: Any) -> None:
    cloud.call("PATCH", "/_simulator/knobs", {"temporary_key_seconds": 0.001})
    body = {"auth": {"identity": {"methods": ["token"]}}}
    key = cloud.call("POST", "/v3.0/OS-CREDENTIAL/securitytokens", body, cloud.login())[1]["credential"]
    cloud.call("PATCH", "/_simulator/knobs", {"temporary_key_seconds": 0})
    cloud.call("POST", "/_simulator/clock", {"advance_seconds": 1})
    login = sdk.credentials(key["access"], key["secret"], config["project_id"], key["securitytoken"])
    status, code, message, _ = refusal(sdk.client(cloud.url, login).show_image_quota, QUOTA)
    assert (status, code, message) == (401, "APIGW.0307", "The token must be updated.")


SHAPES = [
    ({"status": 400, "shape": "ims", "code": "IMG.0060", "message": "full"}, "IMG.0060", "full"),
    ({"status": 403, "shape": "gateway", "code": "0302", "message": "no"}, "APIGW.0302", "no"),
    ({"status": 404, "shape": "keystone", "message": "gone"}, "404", "gone"),
    ({"status": 502, "shape": "html"}, "502", "<h1>502 Bad Gateway</h1>"),
    ({"status": 503, "shape": "empty"}, "503", ""),
    ({"status": 504, "shape": "gateway"}, "APIGW.0201", "Backend timeout."),
    ({"status": 500, "shape": "json", "body": {"code": "IMG.0061", "message": "flat"}}, "IMG.0061", "flat"),
]


@pytest.mark.behaviour(37)
@pytest.mark.parametrize(
    ("reply", "code", "words"), SHAPES, ids=[f"{one[0]['status']} {one[0]['shape']}" for one in SHAPES]
)
def test_b37_the_sdk_reads_each_shape_of_an_error(
    cloud: Process,
    client: Any,
    reply: dict[str, Any],
    code: str,
    words: str,
) -> None:
    assert cloud.call("POST", "/_simulator/faults", {"match": {"kind": "quota"}, "reply": reply})[0] == 201
    kind = sdk.exceptions.ClientRequestException if reply["status"] < 500 else sdk.exceptions.ServerResponseException
    with pytest.raises(kind) as caught:
        client.show_image_quota(QUOTA)
    assert (caught.value.status_code, str(caught.value.error_code)) == (reply["status"], code)
    assert words in caught.value.error_msg
    assert caught.value.request_id == last_request_id(cloud)


@pytest.mark.behaviour(37)
def test_b37_the_sdk_recognises_a_cut_connection(cloud: Process, client: Any) -> None:
    assert cloud.call("POST", "/_simulator/faults", {"match": {"kind": "quota"}, "cut": True})[0] == 201
    with pytest.raises(sdk.exceptions.ConnectionException):
        client.show_image_quota(QUOTA)
