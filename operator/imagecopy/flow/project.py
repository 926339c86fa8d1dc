"""Binds a copy to its project: nothing is looked up, sent or deleted in another one.

Endpoints, project and Secret of a provider may change at any time, so that it points to another project of the cloud.
An attempt that was sent to the old project can't be found in the new one: looked up there, it would be given up after
the settle window and made a second time. So the project is stored with the intent. While the provider points
elsewhere, the copy waits.
"""

from imagecopy.api.imagecopy import AttemptOutcome, ImageCopyStatus
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.flow.view import View, in_flight


def bound_project(status: ImageCopyStatus) -> str | None:
    """Return the project that the copy is bound to; None if it may still be made in any.

    It is bound where an image of it exists or may exist, and where the outcome of an attempt was never known. After
    attempts that surely made nothing, the next one may be made elsewhere.
    """
    lost = any(ended.outcome is AttemptOutcome.LOST for ended in status.attempts)
    stays = lost or status.image_id is not None or in_flight(status) is not None
    return status.project_id if stays else None


def wrong_project(view: View, project: str) -> Trouble | None:
    """Return the trouble if the provider points to another project than the copy is bound to, else None."""
    own = bound_project(view.status)
    if own is None or own == project:
        return None
    ref = view.spec.provider_ref
    words = (
        f"this copy belongs to project {own}, but {ref.kind.value} {ref.name} points to project {project} now: "
        f"change its projectID, endpoints or Secret back to project {own}; until then nothing is done in either project"
    )
    return Trouble(Cause.OTHER_PROJECT, words)
