"""Checks a finished copy against the list of images: its image may be gone, or a second one carry its owner mark."""

from datetime import datetime

from imagecopy.api.conditions import Reason
from imagecopy.api.imagecopy import RETRY_ANNOTATION
from imagecopy.flow import conditions
from imagecopy.flow.observation import ImageState, ObservedImage, alive
from imagecopy.flow.steps import Step, fail, with_duplicate_event
from imagecopy.flow.view import View


def check_finished(view: View, image: ObservedImage | None, marked: tuple[ObservedImage, ...], now: datetime) -> Step:
    """Return the step for a copy that succeeded.

    ``image``: the image that status.imageID names, None where it is not there; ``marked``: all of its owner mark.
    An image that is gone is reported and not copied again: that is for the owner of the object to decide.
    """
    if image is None or image.state in (ImageState.DEAD, ImageState.ABSENT):
        what = "missing" if image is None else image.status
        again = f"To copy it again, set the annotation {RETRY_ANNOTATION} to a new value"
        words = f"image {view.status.image_id} is {what} in the cloud. {again}"
        return fail(view, now, Reason.IMAGE_MISSING, words)
    counted = conditions.duplicated(view, now, alive(marked))
    return with_duplicate_event(view, Step(counted.status))
