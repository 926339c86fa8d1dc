"""Deleting an ImageCopy with policy Retain is immediate and keeps the copy. Applying it again adopts the copy."""

from e2e.environment import Environment
from e2e.parallel import parallel
from support.waiting import wait_for

_QUICK_SECONDS = 5.0


@parallel
def test_deleted_and_applied_again_takes_over_the_copy(env: Environment) -> None:
    env.connect()
    copy = env.copy("golden")
    image_id = copy.until_finished("Succeeded").status["imageID"]
    copy.delete(_QUICK_SECONDS)
    state = env.copy("golden").until_finished("Succeeded")
    assert state.status["imageID"] == image_id
    assert state.status_and_reason("Ready") == ("True", "Adopted")
    assert image_id in copy.until_event("Adopted")
    assert len(env.cloud.posts()) == 1


@parallel
def test_deleted_while_copying_and_applied_again_takes_over_the_copy(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=8)
    copy = env.copy("golden")
    copy.until_phase("Copying")
    copy.delete(_QUICK_SECONDS)
    assert len(env.cloud.copies()) == 1
    state = env.copy("golden").until_finished("Succeeded")
    assert state.status["imageID"] == env.cloud.copies()[0]["id"]
    assert len(env.cloud.posts()) == 1


@parallel
def test_deleted_while_the_copy_call_is_under_way_and_applied_again_takes_over_the_copy(env: Environment) -> None:
    env.connect()
    env.cloud.fault("copy", when="after", delay_seconds=4)
    copy = env.copy("golden")
    wait_for(env.cloud.posts, "the copy call under way")
    # A running reconcile is not interrupted, so this deletion waits for the reply of the cloud.
    copy.delete()
    env.copy("golden").until_finished("Succeeded")
    assert len(env.cloud.posts()) == 1
    assert len(env.cloud.copies()) == 1


@parallel
def test_changed_object_of_the_same_name_does_not_take_over_the_copy(env: Environment) -> None:
    env.connect()
    copy = env.copy("golden")
    copy.until_finished("Succeeded")
    copy.delete()
    state = env.copy("golden", target={"kmsKeyID": env.cloud.key()}).until_finished("Succeeded")
    assert state.status_and_reason("Ready") == ("True", "Succeeded")
    assert len(env.cloud.copies("golden")) == 2


@parallel
def test_deletion_without_provider_or_cloud_is_quick(env: Environment) -> None:
    waiting = env.copy("waiting")
    waiting.until_reason("WaitingForProvider")
    env.connect()
    env.cloud.knobs(copy_seconds=60)
    copying = env.copy("copying")
    copying.until_phase("Copying")
    env.cloud.stop()
    waiting.delete(_QUICK_SECONDS)
    copying.delete(_QUICK_SECONDS)
    env.cloud.start()


@parallel
def test_namespace_with_a_copy_under_way_goes(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=60)
    env.copy("golden").until_phase("Copying")
    path = f"/api/v1/namespaces/{env.namespace}"
    env.api.delete(path)
    wait_for(lambda: not env.api.exists(path), "namespace gone")
    assert len(env.cloud.posts()) == 1
