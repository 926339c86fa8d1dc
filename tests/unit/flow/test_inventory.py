"""What a sweep makes of a copy that succeeded."""

from dataclasses import replace

import pytest

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import Phase
from imagecopy.flow.inventory import check_finished
from imagecopy.flow.observation import ImageState, ObservedImage
from imagecopy.flow.view import View, condition, is_finished, may_retry
from unit.flow.builders import TARGET, asked, at, done, image

_SECOND = image(number=2, id="second")


def _duplicated(view: View, *marked: ObservedImage) -> View:
    return replace(view, status=check_finished(view, image(), marked, at(900)).status)


def test_a_copy_that_is_there_is_left_alone() -> None:
    step = check_finished(done(), image(), (image(),), at(900))
    assert (step.status, step.events, step.action) == (done().status, (), None)


@pytest.mark.parametrize(
    ("seen", "word"),
    [
        (None, "missing"),
        (image(ImageState.DEAD), "killed"),
        (image(ImageState.ABSENT), "missing"),
    ],
    ids=["none", "dead", "absent"],
)
def test_a_copy_that_is_gone_is_told_and_not_copied_again(seen: ObservedImage | None, word: str) -> None:
    step = check_finished(done(), seen, (), at(900))
    ready = condition(step.status, ConditionType.READY)
    assert ready is not None
    assert (ready.reason, step.status.phase) == (Reason.IMAGE_MISSING, Phase.FAILED)
    assert ready.message == (
        f"image {TARGET} is {word} in the cloud. "
        "To copy it again, set the annotation imagecopy.io/retry-requested-at to a new value"
    )
    assert (step.action, step.requeue_after) == (None, None)
    assert [event.reason for event in step.events] == ["ImageMissing"]
    gone = replace(asked(done(), "a"), status=step.status)
    assert is_finished(gone.status)
    assert may_retry(gone.status, gone.retry_requested_at)


@pytest.mark.parametrize("state", [ImageState.ACTIVE, ImageState.PENDING])
def test_a_second_image_is_told_once(state: ImageState) -> None:
    marked = (image(), replace(_SECOND, state=state))
    step = check_finished(done(), image(), marked, at(900))
    told = condition(step.status, ConditionType.DUPLICATED)
    assert told is not None
    assert told.reason is Reason.SECOND_IMAGE
    assert f"{TARGET}, second" in told.message
    assert [event.reason for event in step.events] == ["SecondImage"]
    assert is_finished(step.status), "the copy stays ready"
    again = check_finished(replace(done(), status=step.status), image(), marked, at(1800))
    assert (again.status, again.events) == (step.status, ())


def test_a_third_image_is_news() -> None:
    step = check_finished(
        _duplicated(done(), image(), _SECOND), image(), (image(), _SECOND, image(id="third")), at(900)
    )
    assert [event.reason for event in step.events] == ["SecondImage"]


@pytest.mark.parametrize("left", [(image(),), (image(), replace(_SECOND, state=ImageState.DEAD))])
def test_a_second_image_that_is_gone_is_no_longer_told(left: tuple[ObservedImage, ...]) -> None:
    step = check_finished(_duplicated(done(), image(), _SECOND), image(), left, at(1800))
    assert (step.status, step.events) == (done().status, ())
