"""Acts on the cloud for one ImageCopy, and reports the outcome in the state machine's words."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from imagecopy import ims
from imagecopy.cloud.access import CloudAccess
from imagecopy.flow.deletion import DeletionRequested
from imagecopy.flow.observation import (
    Cause,
    PostAccepted,
    PostOutcome,
    PostRejected,
    PostUnknown,
    TagsRefused,
    TagsSet,
    Trouble,
)
from imagecopy.flow.steps import PostCopy, SetTags
from imagecopy.flow.view import View
from imagecopy.providers.objects import Unusable
from imagecopy.providers.trouble import trouble_of

_STALE: Final = Trouble(
    Cause.TRANSIENT, "the copy request was not sent, because the operator was delayed; nothing was started"
)


class Actions:
    """What an ImageCopy can do. No method raises for a fault of cloud or provider: that is an outcome."""

    _access: CloudAccess

    async def post(self, view: View, order: PostCopy, *, is_stale: Callable[[], bool] = lambda: False) -> PostOutcome:
        """POST the copy call once, and return what is known of its outcome.

        ``is_stale`` is called at the last moment: whether the attempt is so old that another process may have ended it.
        """
        request = ims.CopyRequest(
            name=order.name,
            description=order.description,
            cmk_id=order.kms_key_id,
            enterprise_project_id=order.enterprise_project_id,
        )
        try:
            async with self._access.client(view, copying=True) as (client, _):
                if is_stale():
                    raise Unusable(_STALE)
                accepted = await client.copy_image(order.source_image_id, request)
        except ims.QuotaExceeded as exc:
            trouble = trouble_of(exc, about_source=True)
            return PostRejected(order.attempt, replace(trouble, message=trouble.message + await self._quota(view)))
        except (Unusable, ims.SurelyNotDone) as exc:
            return PostRejected(order.attempt, trouble_of(exc, about_source=True))
        except ims.ImsError as exc:
            return PostUnknown(order.attempt, trouble_of(exc, about_source=True))
        return PostAccepted(order.attempt, accepted.job_id, accepted.request_id)

    async def set_tags(self, view: View, order: SetTags) -> TagsSet | TagsRefused:
        """Make the target's tags as wanted; may be repeated."""
        try:
            async with self._access.client(view) as (client, _):
                if order.remove:
                    await client.delete_tags(order.image_id, order.remove)
                if order.set:
                    await client.add_tags(order.image_id, order.set)
        except (Unusable, ims.ImsError) as exc:
            return TagsRefused(order.image_id, trouble_of(exc))
        return TagsSet(order.image_id)

    async def delete_image(self, view: View, image_id: str) -> DeletionRequested | Trouble:
        """Request the deletion of an image; may be repeated."""
        try:
            async with self._access.client(view) as (client, _):
                await client.delete_image(image_id)
        except ims.NotFound:
            return DeletionRequested(image_id)
        except (Unusable, ims.ImsError) as exc:
            return trouble_of(exc)
        return DeletionRequested(image_id)

    async def _quota(self, view: View) -> str:
        """Return how much of the quota is used, in words for the end of a message; nothing where it can't be read."""
        try:
            async with self._access.client(view) as (client, _):
                quota = await client.get_quota()
        except (Unusable, ims.ImsError):
            return ""
        return f" ({quota.used} of {quota.limit} images used)"
