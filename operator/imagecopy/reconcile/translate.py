"""From the cloud's words to the state machine's: replies and errors of :mod:`imagecopy.ims` as things seen."""

from dataclasses import replace
from typing import Final

from imagecopy import ims
from imagecopy.flow.marker import Marker
from imagecopy.flow.seen import Cause, ImageSeen, ImageState, JobSeen, JobState, Trouble
from imagecopy.reconcile.gate import Closed

_CAUSES: Final[tuple[tuple[type[ims.ImsError], Cause], ...]] = (
    (ims.Unreachable, Cause.UNREACHABLE),
    (ims.EndpointNotAllowed, Cause.PROVIDER_INVALID),
    (ims.Misconfigured, Cause.PROVIDER_INVALID),
    (ims.CredentialsInvalid, Cause.CREDENTIALS),
    (ims.PermissionDenied, Cause.PERMISSION),
    (ims.Throttled, Cause.THROTTLED),
    (ims.QuotaExceeded, Cause.QUOTA),
    (ims.NotFound, Cause.SOURCE_MISSING),
    (ims.NotReady, Cause.SOURCE_NOT_READY),
    (ims.Refused, Cause.REFUSED),
    (ims.ImsError, Cause.TRANSIENT),
)

_ID_LIMIT: Final = 64
"""Characters of an image id that status holds; anything longer is none."""

_IMAGE_STATES: Final = {
    "active": ImageState.ACTIVE,
    "queued": ImageState.PENDING,
    "saving": ImageState.PENDING,
    "killed": ImageState.DEAD,
    "deleted": ImageState.DEAD,
}


def _cause(kind: type[ims.ImsError]) -> Cause:
    return next(cause for base, cause in _CAUSES if issubclass(kind, base))


def trouble(error: ims.ImsError, *, about_source: bool) -> Trouble:
    """Return what went wrong, with the cloud's own words.

    ``about_source``: whether the call was about the source image, so that "no such image" speaks of it.
    """
    cause = _cause(type(error))
    if not about_source and cause in (Cause.SOURCE_MISSING, Cause.SOURCE_NOT_READY):
        cause = Cause.TRANSIENT
    return Trouble(
        cause=cause,
        message=error.message,
        code=error.code,
        request_id=error.request_id,
        retry_after=error.retry_after,
    )


def closed(gate: Closed) -> Trouble:
    """Return the trouble of a gate that is closed: what closed it, and for how long."""
    return replace(trouble(gate.why, about_source=False), retry_after=gate.seconds)


def image(found: ims.Image) -> ImageSeen:
    """Return an image as seen. A status we don't know is taken as not usable yet."""
    return ImageSeen(
        id=found.id,
        state=_IMAGE_STATES.get(found.status, ImageState.PENDING),
        status=found.status or "without a status",
        marker=Marker.find(found.description),
    )


def job(found: ims.Job) -> JobSeen:
    """Return a job as seen; a failed one with the trouble that its code stands for."""
    image_id = found.image_id if len(found.image_id or "") <= _ID_LIMIT else None
    if found.state is ims.JobState.SUCCESS:
        seconds = None
        if found.begin_time is not None and found.end_time is not None:
            seconds = (found.end_time - found.begin_time).total_seconds()
        return JobSeen(JobState.SUCCEEDED, found.progress, image_id, ended_at=found.end_time, seconds=seconds)
    if found.state is not ims.JobState.FAIL:
        return JobSeen(JobState.RUNNING, found.progress, image_id)
    kind = ims.class_of_code(found.error_code)
    failed = Trouble(
        cause=_cause(kind) if kind else Cause.TRANSIENT,
        message=found.fail_reason or "the cloud gave no reason",
        code=found.error_code,
    )
    return JobSeen(JobState.FAILED, found.progress, image_id, failed, found.end_time)
