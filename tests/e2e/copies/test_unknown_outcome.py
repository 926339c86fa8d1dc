"""A copy whose outcome nobody knows, and what the sweep finds out about finished ones."""

from typing import Final

from e2e.lab import Lab
from e2e.objects import Copy, Seen
from e2e.together import together_with_own_operator

_OWN_TO_THE_COPY: Final = ("id", "self", "file", "_simulator", "status", "created_at", "updated_at", "active_at")


def _until_succeeded_again(copy: Copy) -> Seen:
    return copy.until(lambda seen: seen.phase == "Succeeded" and not seen.finalizers, "Succeeded, let go of", 90)


@together_with_own_operator
def test_lost_attempt_is_repeated_after_the_settle_window(lab: Lab) -> None:
    lab.connect()
    lab.cloud.fault("copy", cut=True)
    lab.operator(IMAGECOPY_SETTLE_SECONDS="4")
    copy = lab.copy("golden")
    seen = copy.until_at_rest("Succeeded", 90)
    assert seen.outcomes == [("Lost", None), ("Succeeded", None)]
    first, second = lab.cloud.posts()
    assert second["time"] - first["time"] > 4
    assert first["body"]["description"] != second["body"]["description"]
    assert len(lab.cloud.copies()) == 1
    assert "failure" not in seen.status


@together_with_own_operator
def test_lost_attempt_halts_until_the_policy_is_retry(lab: Lab) -> None:
    lab.connect()
    lab.cloud.fault("copy", cut=True)
    lab.operator(IMAGECOPY_SETTLE_SECONDS="4")
    copy = lab.copy("golden", unknownOutcomePolicy="Halt")
    seen = copy.until_at_rest("Failed")
    assert seen.told("Stalled") == ("True", "OutcomeUnknown")
    assert "set spec.unknownOutcomePolicy to Retry" in seen.message
    assert len(lab.cloud.posts()) == 1
    copy.edit(unknownOutcomePolicy="Retry")
    seen = _until_succeeded_again(copy)
    assert seen.outcomes == [("Lost", None), ("Succeeded", None)]
    assert len(lab.cloud.posts()) == 2


@together_with_own_operator
def test_copy_that_shows_up_late_is_adopted(lab: Lab) -> None:
    lab.connect()
    lab.cloud.fault(job={"row_delay_seconds": 8})
    lab.cloud.fault("copy", when="after", cut=True)
    lab.operator(IMAGECOPY_SETTLE_SECONDS="60")
    copy = lab.copy("golden")
    copy.until_reason("ResolvingOutcome")
    seen = copy.until_at_rest("Succeeded", 90)
    assert seen.outcomes == [("Succeeded", None)]
    [image] = lab.cloud.copies()
    assert seen.status["imageID"] == image["id"]
    assert len(lab.cloud.posts()) == 1


@together_with_own_operator
def test_second_image_is_told_and_left_alone(lab: Lab) -> None:
    lab.connect()
    lab.operator(IMAGECOPY_SWEEP_SECONDS="2")
    copy = lab.copy("golden")
    image_id = copy.until_at_rest("Succeeded").status["imageID"]
    [image] = lab.cloud.copies()
    second = lab.cloud.add_image(
        name="golden", props={key: value for key, value in image.items() if key not in _OWN_TO_THE_COPY}
    )
    seen = copy.until(lambda seen: seen.condition("Duplicated"), "told of the second image")
    assert seen.told("Duplicated") == ("True", "SecondImage")
    assert seen.told("Ready") == ("True", "Succeeded")
    assert seen.status["imageID"] == image_id
    assert second in seen.condition("Duplicated")["message"]
    assert second in copy.until_event("SecondImage")
    assert lab.cloud.calls("delete") == []
    lab.cloud.remove_image(second)
    copy.until(lambda seen: seen.told("Duplicated")[0] != "True", "no second image any more")
    assert len(lab.cloud.posts()) == 1


@together_with_own_operator
def test_image_that_is_gone_is_told_and_copied_again_on_request(lab: Lab) -> None:
    lab.connect()
    lab.operator(IMAGECOPY_SWEEP_SECONDS="2")
    copy, kept = lab.copy("golden"), lab.copy("kept")
    image_id = copy.until_at_rest("Succeeded").status["imageID"]
    quiet = kept.until_at_rest("Succeeded")
    lab.cloud.remove_image(image_id)
    seen = copy.until_at_rest("Failed")
    assert seen.told("Stalled") == ("True", "ImageMissing")
    assert image_id in seen.message
    assert image_id in copy.until_event("ImageMissing")
    copy.retry("one")
    seen = _until_succeeded_again(copy)
    assert seen.status["imageID"] != image_id
    assert len(lab.cloud.posts("golden")) == 2
    assert kept.get().body == quiet.body
