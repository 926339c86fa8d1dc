"""Translates images and jobs of :mod:`imagecopy.ims` into observations of the state machine."""

from typing import Final

from imagecopy import ims
from imagecopy.flow.marker import Marker
from imagecopy.flow.observation import Cause, ImageState, JobObserved, JobState, ObservedImage, Trouble
from imagecopy.providers.trouble import cause_of

_ID_LIMIT: Final = 64
"""Length of an image id that fits into status; anything longer is no id."""

_IMAGE_STATES: Final = {
    "active": ImageState.ACTIVE,
    "queued": ImageState.PENDING,
    "saving": ImageState.PENDING,
    "killed": ImageState.DEAD,
    "deleted": ImageState.DEAD,
}


def image(found: ims.Image) -> ObservedImage:
    """Return an image as an observation. An unknown status counts as not usable yet."""
    return ObservedImage(
        id=found.id,
        state=_IMAGE_STATES.get(found.status, ImageState.PENDING),
        status=found.status or "without a status",
        marker=Marker.find(found.description),
    )


def job(found: ims.Job) -> JobObserved:
    """Return a job as an observation; a failed one with the trouble that its error code stands for."""
    image_id = found.image_id if len(found.image_id or "") <= _ID_LIMIT else None
    if found.state is ims.JobState.SUCCESS:
        seconds = None
        if found.begin_time is not None and found.end_time is not None:
            seconds = (found.end_time - found.begin_time).total_seconds()
        return JobObserved(JobState.SUCCEEDED, found.progress, image_id, ended_at=found.end_time, seconds=seconds)
    if found.state is not ims.JobState.FAIL:
        return JobObserved(JobState.RUNNING, found.progress, image_id)
    kind = ims.class_of_code(found.error_code)
    failed = Trouble(
        cause=cause_of(kind) if kind else Cause.TRANSIENT,
        message=found.fail_reason or "the cloud gave no reason",
        code=found.error_code,
    )
    return JobObserved(JobState.FAILED, found.progress, image_id, failed, found.end_time)
