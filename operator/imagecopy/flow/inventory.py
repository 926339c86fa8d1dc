"""What a sweep over finished copies finds: the image gone, or a second one that carries the same mark."""

from datetime import datetime

from imagecopy.api.conditions import Reason
from imagecopy.flow import conditions
from imagecopy.flow.observation import ImageState, ObservedImage, alive
from imagecopy.flow.steps import Step, fail, with_duplicate_event
from imagecopy.flow.view import View


def judge(view: View, image: ObservedImage | None, marked: tuple[ObservedImage, ...], now: datetime) -> Step:
    """Return the step for a copy that succeeded.

    ``image``: the image that status.imageID names, None where it is not there; ``marked``: all of its owner mark.
    An image that is gone is told, not copied again: that is for the object's owner to decide.
    """
    if image is None or image.state in (ImageState.DEAD, ImageState.ABSENT):
        what = "not there any more" if image is None else image.status
        words = f"image {view.status.image_id} is {what} in the cloud; annotate a retry to copy it again"
        return fail(view, now, Reason.IMAGE_MISSING, words)
    counted = conditions.duplicated(view, now, alive(marked))
    return with_duplicate_event(view, Step(counted.status))
