"""Deleting an ImageCopy lets go of it at once and leaves the copy; applying it again takes the copy over."""

from e2e.lab import Lab
from e2e.processes import wait_for
from e2e.together import together

_QUICK_SECONDS = 5.0


@together
def test_deleted_and_applied_again_takes_over_the_copy(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("golden")
    image_id = copy.until_at_rest("Succeeded").status["imageID"]
    copy.delete(_QUICK_SECONDS)
    seen = lab.copy("golden").until_at_rest("Succeeded")
    assert seen.status["imageID"] == image_id
    assert seen.told("Ready") == ("True", "Adopted")
    assert image_id in copy.until_event("Adopted")
    assert len(lab.cloud.posts()) == 1


@together
def test_deleted_while_copying_and_applied_again_takes_over_the_copy(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=8)
    copy = lab.copy("golden")
    copy.until_phase("Copying")
    copy.delete(_QUICK_SECONDS)
    assert len(lab.cloud.copies()) == 1
    seen = lab.copy("golden").until_at_rest("Succeeded")
    assert seen.status["imageID"] == lab.cloud.copies()[0]["id"]
    assert len(lab.cloud.posts()) == 1


@together
def test_deleted_while_the_copy_call_is_under_way_and_applied_again_takes_over_the_copy(lab: Lab) -> None:
    lab.connect()
    lab.cloud.fault("copy", when="after", delay_seconds=4)
    copy = lab.copy("golden")
    wait_for(lab.cloud.posts, "the copy call under way")
    # A tick under way is not broken off, so this one takes as long as the cloud takes for its reply.
    copy.delete()
    lab.copy("golden").until_at_rest("Succeeded")
    assert len(lab.cloud.posts()) == 1
    assert len(lab.cloud.copies()) == 1


@together
def test_changed_object_of_the_same_name_does_not_take_over_the_copy(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("golden")
    copy.until_at_rest("Succeeded")
    copy.delete()
    seen = lab.copy("golden", target={"kmsKeyID": lab.cloud.key()}).until_at_rest("Succeeded")
    assert seen.told("Ready") == ("True", "Succeeded")
    assert len(lab.cloud.copies("golden")) == 2


@together
def test_deletion_without_provider_or_cloud_is_quick(lab: Lab) -> None:
    waiting = lab.copy("waiting")
    waiting.until_reason("WaitingForProvider")
    lab.connect()
    lab.cloud.knobs(copy_seconds=60)
    copying = lab.copy("copying")
    copying.until_phase("Copying")
    lab.cloud.stop()
    waiting.delete(_QUICK_SECONDS)
    copying.delete(_QUICK_SECONDS)
    lab.cloud.start()


@together
def test_namespace_with_a_copy_under_way_goes(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=60)
    lab.copy("golden").until_phase("Copying")
    path = f"/api/v1/namespaces/{lab.namespace}"
    lab.api.delete(path)
    wait_for(lambda: not lab.api.exists(path), "namespace gone")
    assert len(lab.cloud.posts()) == 1
