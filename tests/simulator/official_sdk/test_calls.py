"""The calls of the official Python SDK, which works with the simulator as with the real service.

The simulator runs in a process of its own. Signatures need the real time, so the tests end jobs by the control API
instead of moving the clock.
"""

from __future__ import annotations

from typing import Any

import pytest

from simulator import sdk
from simulator.process import Process
from simulator.sdk import REGION, client_of, last_request_id, refusal

pytestmark = pytest.mark.usefixtures("sdks_own_warnings")


def source(config: Any, kind: str = "plain") -> str:
    return next(str(image["id"]) for image in config["source_images"] if image["kind"] == kind)


def ask_for_copy(client: Any, config: Any, name: str, kind: str = "plain", **fields: str) -> str:
    body = sdk.ims.CopyImageInRegionRequestBody(name=name, **fields)
    request = sdk.ims.CopyImageInRegionRequest(image_id=source(config, kind), body=body)
    return str(client.copy_image_in_region(request).job_id)


def end(cloud: Process, job_id: str) -> None:
    assert cloud.call("PATCH", f"/_simulator/jobs/{job_id}", {"end": "SUCCESS"})[0] == 200


def copied(cloud: Process, client: Any, config: Any, name: str, **fields: str) -> str:
    job_id = ask_for_copy(client, config, name, **fields)
    end(cloud, job_id)
    return str(client.show_job(sdk.ims.ShowJobRequest(job_id=job_id)).entities.image_id)


def test_a_copy_is_made_and_both_job_calls_follow_it(cloud: Process, client: Any, config: Any) -> None:
    job_id = ask_for_copy(client, config, "followed", description="by the SDK")
    shown = client.show_job(sdk.ims.ShowJobRequest(job_id=job_id))
    progress = client.show_job_progress(sdk.ims.ShowJobProgressRequest(job_id=job_id))
    assert (shown.status, progress.status) == ("RUNNING", "RUNNING")
    assert shown.job_type == "imsCopyImageInRegionJob"
    assert 0 <= progress.entities.process_percent < 1
    end(cloud, job_id)
    shown = client.show_job(sdk.ims.ShowJobRequest(job_id=job_id))
    progress = client.show_job_progress(sdk.ims.ShowJobProgressRequest(job_id=job_id))
    assert (shown.status, progress.status) == ("SUCCESS", "SUCCESS")
    assert shown.entities.image_id == progress.entities.image_id


def test_the_newer_copy_call_does_the_same(cloud: Process, client: Any, config: Any) -> None:
    body = sdk.ims.CopyImageInRegionRequestBody(name="safe")
    request = sdk.ims.CopyImageInRegionInSafeModeRequest(image_id=source(config), body=body)
    job_id = client.copy_image_in_region_in_safe_mode(request).job_id
    end(cloud, job_id)
    assert client.show_job(sdk.ims.ShowJobRequest(job_id=job_id)).status == "SUCCESS"


def test_a_failed_copy_shows_its_reason(cloud: Process, client: Any, config: Any) -> None:
    job_id = ask_for_copy(client, config, "failing")
    order = {"end": "FAIL", "error_code": "IMG.0061", "fail_reason": "The disk is full."}
    assert cloud.call("PATCH", f"/_simulator/jobs/{job_id}", order)[0] == 200
    for shown in (
        client.show_job(sdk.ims.ShowJobRequest(job_id=job_id)),
        client.show_job_progress(sdk.ims.ShowJobProgressRequest(job_id=job_id)),
    ):
        assert (shown.status, shown.error_code, shown.fail_reason) == ("FAIL", "IMG.0061", "The disk is full.")
        assert shown.end_time


def test_a_copy_is_listed_and_shown_with_its_attributes(cloud: Process, client: Any, config: Any) -> None:
    image_id = copied(cloud, client, config, "listed", description="d")
    listed = client.list_images(sdk.ims.ListImagesRequest(name="listed", imagetype="private")).images
    assert [image.id for image in listed] == [image_id]
    assert (listed[0].status, listed[0].description) == ("active", "d")
    assert listed[0].originalimagename == source(config)
    assert client.list_images(sdk.ims.ListImagesRequest(id=image_id)).images[0].data_origin.endswith(source(config))
    shown = client.glance_show_image(sdk.ims.GlanceShowImageRequest(image_id=image_id))
    assert (shown.id, shown.name, shown.status) == (image_id, "listed", "active")
    native = client.glance_list_images(sdk.ims.GlanceListImagesRequest(name="listed")).images
    assert [image.id for image in native] == [image_id]


def test_an_encrypted_copy_names_its_key(cloud: Process, client: Any, config: Any) -> None:
    key = next(key["id"] for key in config["kms_keys"] if key["name"] == "usable")
    image_id = copied(cloud, client, config, "encrypted", cmk_id=key)
    listed = client.list_images(sdk.ims.ListImagesRequest(id=image_id)).images
    assert listed[0].system__cmkid == key


def test_an_image_is_renamed(cloud: Process, client: Any, config: Any) -> None:
    image_id = copied(cloud, client, config, "before")
    change = sdk.ims.UpdateImageRequestBody(op="replace", path="/name", value="after")
    answer = client.update_image(sdk.ims.UpdateImageRequest(image_id=image_id, body=[change]))
    assert (answer.id, answer.name) == (image_id, "after")


def test_an_image_is_changed_by_the_native_call(cloud: Process, client: Any, config: Any) -> None:
    """With this content type the SDK does not sign the body."""
    image_id = copied(cloud, client, config, "native")
    change = sdk.ims.GlanceUpdateImageRequestBody(op="replace", path="/name", value="natively")
    answer = client.glance_update_image(sdk.ims.GlanceUpdateImageRequest(image_id=image_id, body=[change]))
    assert (answer.id, answer.name) == (image_id, "natively")


def test_tags_are_set_shown_and_removed(cloud: Process, client: Any, config: Any) -> None:
    image_id = copied(cloud, client, config, "tagged")

    def shown() -> dict[str, str]:
        tags = client.list_image_tags(sdk.ims.ListImageTagsRequest(image_id=image_id)).tags
        return {tag.key: tag.value for tag in tags}

    tags = [sdk.ims.ResourceTag(key="team", value="a"), sdk.ims.ResourceTag(key="env", value="prod")]
    body = sdk.ims.BatchAddOrDeleteTagsRequestBody(action="create", tags=tags)
    client.batch_add_or_delete_tags(sdk.ims.BatchAddOrDeleteTagsRequest(image_id=image_id, body=body))
    assert shown() == {"team": "a", "env": "prod"}
    one = sdk.ims.AddImageTagRequestBody(tag=sdk.ims.ResourceTag(key="one", value="1"))
    client.add_image_tag(sdk.ims.AddImageTagRequest(image_id=image_id, body=one))
    client.delete_image_tag(sdk.ims.DeleteImageTagRequest(image_id=image_id, key="env"))
    assert shown() == {"team": "a", "one": "1"}


def test_a_tag_is_set_and_removed_by_the_native_calls(cloud: Process, client: Any, config: Any) -> None:
    image_id = copied(cloud, client, config, "natively-tagged")
    client.glance_create_tag(sdk.ims.GlanceCreateTagRequest(image_id=image_id, tag="mark"))
    assert client.glance_show_image(sdk.ims.GlanceShowImageRequest(image_id=image_id)).tags == ["mark="]
    client.glance_delete_tag(sdk.ims.GlanceDeleteTagRequest(image_id=image_id, tag="mark"))
    assert client.glance_show_image(sdk.ims.GlanceShowImageRequest(image_id=image_id)).tags == []


def test_images_are_found_by_their_tags(cloud: Process, client: Any, config: Any) -> None:
    image_id = copied(cloud, client, config, "findable")
    body = sdk.ims.BatchAddOrDeleteTagsRequestBody(
        action="create", tags=[sdk.ims.ResourceTag(key="found", value="yes"), sdk.ims.ResourceTag(key="x", value="")]
    )
    client.batch_add_or_delete_tags(sdk.ims.BatchAddOrDeleteTagsRequest(image_id=image_id, body=body))
    body = sdk.ims.BatchAddOrDeleteTagsRequestBody(action="delete", tags=[sdk.ims.ResourceTag(key="x", value="")])
    client.batch_add_or_delete_tags(sdk.ims.BatchAddOrDeleteTagsRequest(image_id=image_id, body=body))
    tags = client.list_images_tags(sdk.ims.ListImagesTagsRequest()).tags
    assert {tag.key: tag.values for tag in tags}["found"] == ["yes"]
    assert "x" not in {tag.key for tag in tags}
    wanted = sdk.ims.ListImageByTagsRequestBody(action="filter", tags=[sdk.ims.Tags(key="found", values=["yes"])])
    found = client.list_image_by_tags(sdk.ims.ListImageByTagsRequest(body=wanted))
    assert (found.total_count, found.resources[0].resource_id) == (1, image_id)


def test_the_quota_counts_copies(cloud: Process, client: Any, config: Any) -> None:
    def used() -> int:
        resources = client.show_image_quota(sdk.ims.ShowImageQuotaRequest()).quotas.resources
        return int(next(one.used for one in resources if one.type == "image"))

    before = used()
    copied(cloud, client, config, "counted")
    assert used() == before + 1


def test_a_deleted_image_is_gone(cloud: Process, client: Any, config: Any) -> None:
    image_id = copied(cloud, client, config, "doomed")
    client.glance_delete_image(sdk.ims.GlanceDeleteImageRequest(image_id=image_id))
    assert client.list_images(sdk.ims.ListImagesRequest(id=image_id)).images == []


def test_without_a_project_the_sdk_looks_it_up_by_its_region(cloud: Process, config: Any) -> None:
    known = config["logins"][0]
    login = sdk.core.BasicCredentials(known["access_key"], known["secret_key"]).with_iam_endpoint(cloud.url)
    built = sdk.ims.ImsClient.new_builder().with_credentials(login).with_region(sdk.region(REGION, cloud.url)).build()
    assert built.show_image_quota(sdk.ims.ShowImageQuotaRequest()).quotas.resources
    calls = cloud.call("GET", "/_simulator/calls?kind=projects")[1]["calls"]
    assert calls[-1]["query"] == f"name={REGION}"
    assert calls[-1]["status"] == 200


def test_temporary_keys_log_in_with_their_security_token(cloud: Process, config: Any) -> None:
    body = {"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 3600}}}}
    key = cloud.call("POST", "/v3.0/OS-CREDENTIAL/securitytokens", body, cloud.login())[1]["credential"]
    login = sdk.credentials(key["access"], key["secret"], config["project_id"], key["securitytoken"])
    listed = sdk.client(cloud.url, login).list_images(sdk.ims.ListImagesRequest(limit=1))
    assert len(listed.images) == 1


def test_the_sdk_reads_a_refusal_of_ims(cloud: Process, client: Any, config: Any) -> None:
    status, code, message, request_id = refusal(ask_for_copy, client, config, "iso", "iso")
    assert (status, code) == (400, "IMG.0167")
    assert message
    assert request_id == last_request_id(cloud)


def test_the_sdk_reads_a_missing_permission(cloud: Process, config: Any) -> None:
    status, code, _, request_id = refusal(ask_for_copy, client_of(cloud, config, 1), config, "forbidden")
    assert (status, code) == (403, "IMG.0026")
    assert request_id == last_request_id(cloud)


def test_the_sdk_reads_a_refusal_of_the_gateway(cloud: Process, config: Any) -> None:
    wrong = sdk.client(cloud.url, sdk.credentials("NOSUCHKEY", "x", config["project_id"]))
    status, code, message, request_id = refusal(wrong.show_image_quota, sdk.ims.ShowImageQuotaRequest())
    assert (status, code) == (401, "APIGW.0301")
    assert "ak not exist" in message
    assert request_id == last_request_id(cloud)


def test_the_sdk_reads_a_refusal_of_the_native_api(cloud: Process, client: Any) -> None:
    request = sdk.ims.GlanceShowImageRequest(image_id="00000000-0000-4000-8000-000000000000")
    status, code, message, request_id = refusal(client.glance_show_image, request)
    assert (status, str(code)) == (404, "404")
    assert message
    assert request_id == last_request_id(cloud)


def test_the_sdk_recognises_throttling_by_its_status(cloud: Process, client: Any) -> None:
    """The SDK's HTTP library treats a 429 as a retry that it may not make, and drops the body."""
    reply = {"status": 429, "shape": "gateway"}
    assert cloud.call("POST", "/_simulator/faults", {"match": {"kind": "quota"}, "reply": reply})[0] == 201
    assert refusal(client.show_image_quota, sdk.ims.ShowImageQuotaRequest())[0] == 429


def test_the_sdk_recognises_a_server_error(cloud: Process, client: Any) -> None:
    reply = {"status": 500, "shape": "ims", "code": "IMG.0061"}
    assert cloud.call("POST", "/_simulator/faults", {"match": {"kind": "quota"}, "reply": reply})[0] == 201
    with pytest.raises(sdk.exceptions.ServerResponseException) as caught:
        client.show_image_quota(sdk.ims.ShowImageQuotaRequest())
    assert (caught.value.status_code, caught.value.error_code) == (500, "IMG.0061")
