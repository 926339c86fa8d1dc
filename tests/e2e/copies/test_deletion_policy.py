"""deletionPolicy: Delete deletes the image before the object goes, Retain always lets go of the object."""

import os
from typing import Final

import pytest

from e2e.lab import Lab
from e2e.processes import wait_for
from e2e.together import together

_QUICK_SECONDS: Final = 5.0
_SLOW: Final = bool(os.environ.get("IMAGECOPY_SLOW_TESTS"))


@together
def test_policy_delete_deletes_the_image_and_then_the_object(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("golden", deletionPolicy="Delete")
    image_id = copy.until_phase("Succeeded").status["imageID"]
    copy.delete(20)
    assert lab.cloud.copies() == []
    assert len(lab.cloud.calls("delete")) == 1
    assert image_id in copy.until_event("Deleted")


@together
def test_policy_delete_waits_for_a_running_copy_and_deletes_it(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=8)
    copy = lab.copy("golden", deletionPolicy="Delete")
    copy.until_phase("Copying")
    lab.api.delete(copy.path)
    seen = copy.until_phase("Deleting")
    assert seen.told("Ready") == ("False", "Deleting")
    assert "can't be cancelled" in seen.message
    assert lab.cloud.calls("delete") == []
    copy.wait_gone()
    assert lab.cloud.copies() == []
    assert [job["status"] for job in lab.cloud.jobs()] == ["SUCCESS"]
    assert len(lab.cloud.posts()) == 1


@together
def test_policy_delete_without_a_copy_goes_at_once(lab: Lab) -> None:
    lab.connect()
    waiting = lab.copy("waiting", "queued", deletionPolicy="Delete")
    waiting.until_reason("WaitingForSource")
    failed = lab.copy("whole", "full-ecs", deletionPolicy="Delete")
    failed.until_phase("Failed")
    waiting.delete(_QUICK_SECONDS)
    failed.delete(_QUICK_SECONDS)
    assert lab.cloud.calls("delete") == []


@together
def test_protected_image_blocks_its_deletion_until_it_may_be_deleted(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("golden", deletionPolicy="Delete")
    image_id = copy.until_phase("Succeeded").status["imageID"]
    lab.cloud.change_image(image_id, props={"protected": True})
    lab.api.delete(copy.path)
    copy.until_reason("DeletionBlocked")
    lab.cloud.change_image(image_id, props={"protected": False})
    copy.wait_gone()
    assert lab.cloud.copies() == []


@together
def test_switching_to_retain_frees_an_object_whose_image_is_protected(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("golden", deletionPolicy="Delete")
    image_id = copy.until_phase("Succeeded").status["imageID"]
    lab.cloud.change_image(image_id, props={"protected": True})
    lab.api.delete(copy.path)
    seen = copy.until_reason("DeletionBlocked")
    assert seen.phase == "Deleting"
    assert "protected" in seen.message
    assert "set spec.deletionPolicy to Retain" in seen.message
    assert "protected" in copy.until_event("DeletionBlocked")
    copy.edit(deletionPolicy="Retain")
    copy.wait_gone()
    assert [image["id"] for image in lab.cloud.copies()] == [image_id]


@together
def test_switching_to_retain_frees_an_object_whose_secret_is_gone(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("golden", deletionPolicy="Delete")
    copy.until_phase("Succeeded")
    lab.api.delete(f"/api/v1/namespaces/{lab.namespace}/secrets/login")
    lab.copy("probe", "queued").until_reason("WaitingForProvider")
    lab.api.delete(copy.path)
    assert f"Secret {lab.namespace}/login" in copy.until_reason("DeletionBlocked").message
    copy.edit(deletionPolicy="Retain")
    copy.wait_gone()
    assert len(lab.cloud.copies()) == 1


@together
def test_blocked_deletion_goes_on_when_the_cloud_is_back(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("golden", deletionPolicy="Delete")
    copy.until_phase("Succeeded")
    lab.cloud.stop()
    lab.api.delete(copy.path)
    copy.until_reason("DeletionBlocked")
    lab.cloud.start()
    copy.wait_gone()
    assert lab.cloud.copies() == []


@together
def test_image_without_our_marker_is_kept(lab: Lab) -> None:
    lab.connect()
    image_id = lab.cloud.add_image(name="by-hand")
    copy = lab.copy("golden", target={"adoptImageID": image_id}, deletionPolicy="Delete")
    assert copy.until_phase("Succeeded").status["imageID"] == image_id
    copy.delete(20)
    assert image_id in copy.until_event("Retained")
    assert lab.cloud.calls("delete") == []


@pytest.mark.timeout(240)
@together
def test_deletion_that_the_cloud_agrees_to_and_does_not_do_is_not_believed(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(delete_fails="on")
    copy = lab.copy("golden", deletionPolicy="Delete")
    copy.until_phase("Succeeded")
    lab.api.delete(copy.path)
    deletion = wait_for(lambda: lab.cloud.calls("delete"), "deletion asked for")[0]

    def looks() -> list[object]:
        return [call for call in lab.cloud.calls("list") if call["sequence"] > deletion["sequence"]]

    wait_for(lambda: len(looks()) >= 2, "looks whether the image is gone")
    assert copy.get().phase == "Deleting"
    if _SLOW:
        assert "still there" in copy.until_reason("DeletionBlocked", seconds=120).message
    copy.edit(deletionPolicy="Retain")
    copy.wait_gone()
    assert len(lab.cloud.copies()) == 1


@together
def test_policy_retain_needs_neither_secret_nor_cloud(lab: Lab) -> None:
    lab.connect()
    done = lab.copy("done")
    done.until_at_rest("Succeeded")
    lab.cloud.knobs(copy_seconds=60)
    copying = lab.copy("copying")
    copying.until_phase("Copying")
    lab.api.delete(f"/api/v1/namespaces/{lab.namespace}/secrets/login")
    lab.cloud.stop()
    copying.delete(_QUICK_SECONDS)
    done.delete(_QUICK_SECONDS)
    lab.cloud.start()
    assert len(lab.cloud.copies()) == 2
