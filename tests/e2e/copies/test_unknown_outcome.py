"""Copies with an unknown outcome, and finished copies that the inventory finds changed."""

from typing import Final

from e2e.environment import Environment
from e2e.objects import Copy, CopyState
from e2e.parallel import parallel_with_own_operator

_OWN_TO_THE_COPY: Final = ("id", "self", "file", "_simulator", "status", "created_at", "updated_at", "active_at")


def _until_succeeded_again(copy: Copy) -> CopyState:
    return copy.until_released("Succeeded", 90)


@parallel_with_own_operator
def test_lost_attempt_is_repeated_after_the_settle_window(env: Environment) -> None:
    env.connect()
    env.cloud.fault("copy", cut=True)
    env.operator(IMAGECOPY_SETTLE_SECONDS="10")
    copy = env.copy("golden")
    state = copy.until_finished("Succeeded", 90)
    assert state.outcomes == [("Lost", None), ("Succeeded", None)]
    first, second = env.cloud.posts()
    assert second["time"] - first["time"] > 10
    assert first["body"]["description"] != second["body"]["description"]
    assert len(env.cloud.copies()) == 1
    assert "failure" not in state.status


@parallel_with_own_operator
def test_lost_attempt_halts_until_the_policy_is_retry(env: Environment) -> None:
    env.connect()
    env.cloud.fault("copy", cut=True)
    env.operator(IMAGECOPY_SETTLE_SECONDS="10")
    copy = env.copy("golden", unknownOutcomePolicy="Halt")
    state = copy.until_finished("Failed")
    assert state.status_and_reason("Stalled") == ("True", "OutcomeUnknown")
    assert "set spec.unknownOutcomePolicy to Retry" in state.message
    assert len(env.cloud.posts()) == 1
    copy.edit(unknownOutcomePolicy="Retry")
    state = _until_succeeded_again(copy)
    assert state.outcomes == [("Lost", None), ("Succeeded", None)]
    assert len(env.cloud.posts()) == 2


@parallel_with_own_operator
def test_copy_that_shows_up_late_is_adopted(env: Environment) -> None:
    env.connect()
    env.cloud.fault(job={"row_delay_seconds": 8})
    env.cloud.fault("copy", when="after", cut=True)
    env.operator(IMAGECOPY_SETTLE_SECONDS="60")
    copy = env.copy("golden")
    copy.until_reason("ResolvingOutcome")
    state = copy.until_finished("Succeeded", 90)
    assert state.outcomes == [("Succeeded", None)]
    [image] = env.cloud.copies()
    assert state.status["imageID"] == image["id"]
    assert len(env.cloud.posts()) == 1


@parallel_with_own_operator
def test_second_image_is_told_and_left_alone(env: Environment) -> None:
    env.connect()
    env.operator(IMAGECOPY_SWEEP_SECONDS="2")
    copy = env.copy("golden")
    image_id = copy.until_finished("Succeeded").status["imageID"]
    [image] = env.cloud.copies()
    second = env.cloud.add_image(
        name="golden", props={key: value for key, value in image.items() if key not in _OWN_TO_THE_COPY}
    )
    state = copy.until(lambda state: state.condition("Duplicated"), "the second image is reported")
    assert state.status_and_reason("Duplicated") == ("True", "SecondImage")
    assert state.status_and_reason("Ready") == ("True", "Succeeded")
    assert state.status["imageID"] == image_id
    assert second in state.condition("Duplicated")["message"]
    assert second in copy.until_event("SecondImage")
    assert env.cloud.calls("delete") == []
    env.cloud.remove_image(second)
    copy.until(lambda state: state.status_and_reason("Duplicated")[0] != "True", "no second image any more")
    assert len(env.cloud.posts()) == 1


@parallel_with_own_operator
def test_image_that_is_gone_is_told_and_copied_again_on_request(env: Environment) -> None:
    env.connect()
    env.operator(IMAGECOPY_SWEEP_SECONDS="2")
    copy, kept = env.copy("golden"), env.copy("kept")
    image_id = copy.until_finished("Succeeded").status["imageID"]
    quiet = kept.until_finished("Succeeded")
    env.cloud.remove_image(image_id)
    state = copy.until_finished("Failed")
    assert state.status_and_reason("Stalled") == ("True", "ImageMissing")
    assert image_id in state.message
    assert image_id in copy.until_event("ImageMissing")
    copy.retry("one")
    state = _until_succeeded_again(copy)
    assert state.status["imageID"] != image_id
    assert len(env.cloud.posts("golden")) == 2
    assert kept.get().body == quiet.body
