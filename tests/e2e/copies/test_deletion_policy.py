"""deletionPolicy: Delete deletes the image before the object, Retain always releases the object."""

import os
from typing import Final

import pytest

from e2e.environment import Environment
from e2e.objects import Copy
from e2e.parallel import parallel
from support.waiting import wait_for

_QUICK_SECONDS: Final = 5.0
_SLOW: Final = bool(os.environ.get("IMAGECOPY_SLOW_TESTS"))


def _finished_copy(env: Environment) -> Copy:
    """Return an ImageCopy with the policy Delete that has succeeded."""
    env.connect()
    copy = env.copy("golden", deletionPolicy="Delete")
    copy.until_phase("Succeeded")
    return copy


@parallel
def test_policy_delete_deletes_the_image_and_then_the_object(env: Environment) -> None:
    copy = _finished_copy(env)
    image_id = copy.get().status["imageID"]
    copy.delete(20)
    assert env.cloud.copies() == []
    assert len(env.cloud.calls("delete")) == 1
    assert image_id in copy.until_event("Deleted")


@parallel
def test_policy_delete_waits_for_a_running_copy_and_deletes_it(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=8)
    copy = env.copy("golden", deletionPolicy="Delete")
    copy.until_phase("Copying")
    env.api.delete(copy.path)
    state = copy.until_phase("Deleting")
    assert state.status_and_reason("Ready") == ("False", "Deleting")
    assert "can't be cancelled" in state.message
    assert env.cloud.calls("delete") == []
    copy.wait_gone()
    assert env.cloud.copies() == []
    assert [job["status"] for job in env.cloud.jobs()] == ["SUCCESS"]
    assert len(env.cloud.posts()) == 1


@parallel
def test_policy_delete_without_a_copy_goes_at_once(env: Environment) -> None:
    env.connect()
    waiting = env.copy("waiting", "queued", deletionPolicy="Delete")
    waiting.until_reason("WaitingForSource")
    failed = env.copy("whole", "full-ecs", deletionPolicy="Delete")
    failed.until_phase("Failed")
    waiting.delete(_QUICK_SECONDS)
    failed.delete(_QUICK_SECONDS)
    assert env.cloud.calls("delete") == []


@parallel
def test_protected_image_blocks_its_deletion_until_it_may_be_deleted(env: Environment) -> None:
    copy = _finished_copy(env)
    image_id = copy.get().status["imageID"]
    env.cloud.change_image(image_id, props={"protected": True})
    env.api.delete(copy.path)
    copy.until_reason("DeletionBlocked")
    env.cloud.change_image(image_id, props={"protected": False})
    copy.wait_gone()
    assert env.cloud.copies() == []


@parallel
def test_switching_to_retain_frees_an_object_whose_image_is_protected(env: Environment) -> None:
    copy = _finished_copy(env)
    image_id = copy.get().status["imageID"]
    env.cloud.change_image(image_id, props={"protected": True})
    env.api.delete(copy.path)
    state = copy.until_reason("DeletionBlocked")
    assert state.phase == "Deleting"
    assert "protected" in state.message
    assert "set spec.deletionPolicy to Retain" in state.message
    assert "protected" in copy.until_event("DeletionBlocked")
    copy.edit(deletionPolicy="Retain")
    copy.wait_gone()
    assert [image["id"] for image in env.cloud.copies()] == [image_id]


@parallel
def test_switching_to_retain_frees_an_object_whose_secret_is_gone(env: Environment) -> None:
    copy = _finished_copy(env)
    env.api.delete(f"/api/v1/namespaces/{env.namespace}/secrets/login")
    env.copy("probe", "queued").until_reason("WaitingForProvider")
    env.api.delete(copy.path)
    assert f"Secret {env.namespace}/login" in copy.until_reason("DeletionBlocked").message
    copy.edit(deletionPolicy="Retain")
    copy.wait_gone()
    assert len(env.cloud.copies()) == 1


@parallel
def test_blocked_deletion_goes_on_when_the_cloud_is_back(env: Environment) -> None:
    copy = _finished_copy(env)
    env.cloud.stop()
    env.api.delete(copy.path)
    copy.until_reason("DeletionBlocked")
    env.cloud.start()
    copy.wait_gone()
    assert env.cloud.copies() == []


@parallel
def test_image_without_our_marker_is_kept(env: Environment) -> None:
    env.connect()
    image_id = env.cloud.add_image(name="by-hand")
    copy = env.copy("golden", target={"adoptImageID": image_id}, deletionPolicy="Delete")
    assert copy.until_phase("Succeeded").status["imageID"] == image_id
    copy.delete(20)
    assert image_id in copy.until_event("Retained")
    assert env.cloud.calls("delete") == []


@pytest.mark.timeout(240)
@parallel
def test_deletion_that_the_cloud_agrees_to_and_does_not_do_is_not_believed(env: Environment) -> None:
    env.cloud.knobs(delete_fails="on")
    copy = _finished_copy(env)
    env.api.delete(copy.path)
    deletion = wait_for(lambda: env.cloud.calls("delete"), "deletion asked for")[0]

    wait_for(lambda: len(env.cloud.calls("list", since=deletion["sequence"])) >= 2, "checks whether the image is gone")
    assert copy.get().phase == "Deleting"
    if _SLOW:
        assert "still there" in copy.until_reason("DeletionBlocked", seconds=120).message
    copy.edit(deletionPolicy="Retain")
    copy.wait_gone()
    assert len(env.cloud.copies()) == 1


@parallel
def test_policy_retain_needs_neither_secret_nor_cloud(env: Environment) -> None:
    env.connect()
    done = env.copy("done")
    done.until_finished("Succeeded")
    env.cloud.knobs(copy_seconds=60)
    copying = env.copy("copying")
    copying.until_phase("Copying")
    env.api.delete(f"/api/v1/namespaces/{env.namespace}/secrets/login")
    env.cloud.stop()
    copying.delete(_QUICK_SECONDS)
    done.delete(_QUICK_SECONDS)
    env.cloud.start()
    assert len(env.cloud.copies()) == 2
