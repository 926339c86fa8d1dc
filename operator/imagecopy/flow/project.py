"""A copy stays with its project: nothing is looked for, sent or deleted in another one.

Endpoints, project and Secret of a provider may be changed at any time, so that it leads to another project of the cloud
all at once. An attempt that was sent to the old one can't be found in the new one: looked up there, it would be given
up after the settle window and made again. So the project is stored with the intent, and where the provider
leads elsewhere, the copy waits until it leads back.
"""

from imagecopy.api.imagecopy import AttemptOutcome, ImageCopyStatus
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.flow.view import View, in_flight


def bound_project(status: ImageCopyStatus) -> str | None:
    """Return the project that the copy has to stay with, None where it may still be made in any.

    It has to stay where there is an image of it, where there may be one, and where the outcome of an attempt was never
    learned. After attempts that surely made nothing, the next one may go elsewhere.
    """
    lost = any(ended.outcome is AttemptOutcome.LOST for ended in status.attempts)
    stays = lost or status.image_id is not None or in_flight(status) is not None
    return status.project_id if stays else None


def wrong_project(view: View, project: str) -> Trouble | None:
    """Return what is wrong where the provider leads to another project than the copy's; None where it leads there."""
    own = bound_project(view.status)
    if own is None or own == project:
        return None
    ref = view.spec.provider_ref
    words = (
        f"this copy is in project {own}, but {ref.kind.value} {ref.name} leads to project {project} now: "
        f"switch its projectID, endpoints or Secret back to project {own}; until then nothing is done in either"
    )
    return Trouble(Cause.OTHER_PROJECT, words)
