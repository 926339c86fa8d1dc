"""What a tick looks at and does in the cloud, in the state machine's words. Nothing in here decides."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from imagecopy import ims
from imagecopy.api.imagecopy import ProviderRef
from imagecopy.flow.decide import to_follow
from imagecopy.flow.seen import (
    ImageSeen,
    ImageState,
    NothingSeen,
    PostAccepted,
    PostOutcome,
    PostRejected,
    PostUnknown,
    PreflightSeen,
    Seen,
    TagsRefused,
    TagsSet,
    TargetSeen,
    TargetsSeen,
)
from imagecopy.flow.steps import PostCopy, SetTags
from imagecopy.flow.view import Need, View
from imagecopy.reconcile import translate
from imagecopy.reconcile.providers import Unusable


class ProviderClients(Protocol):
    """Where clients come from; see :class:`imagecopy.reconcile.providers.Providers`."""

    def client(self, namespace: str, ref: ProviderRef) -> AbstractAsyncContextManager[ims.ImsClient]:
        """Lend the client of a provider, or raise Unusable."""


class Cloud:
    """The cloud as one ImageCopy's tick sees it, through the provider that the object names."""

    def __init__(self, providers: ProviderClients) -> None:
        self._providers = providers

    async def look(self, view: View, need: Need) -> Seen:
        """Look at what a decision needs. Never raises for a fault of cloud or provider: that is seen, too."""
        if need is Need.NOTHING:
            return NothingSeen()
        try:
            async with self._providers.client(view.namespace, view.spec.provider_ref) as client:
                match need:
                    case Need.PREFLIGHT:
                        return await self._preflight(client, view)
                    case Need.JOB:
                        return await self._job(client, view)
                    case Need.TARGET:
                        return await self._target(client, view)
                    case Need.TARGETS:
                        return TargetsSeen(await self._targets(client, view))
        except Unusable as exc:
            return exc.trouble
        except ims.ImsError as exc:
            return translate.trouble(exc, about_source=need is Need.PREFLIGHT)

    async def post(self, view: View, order: PostCopy) -> PostOutcome:
        """POST the copy call once, and say what is known of its outcome."""
        request = ims.CopyRequest(
            name=order.name,
            description=order.description,
            cmk_id=order.kms_key_id,
            enterprise_project_id=order.enterprise_project_id,
        )
        try:
            async with self._providers.client(view.namespace, view.spec.provider_ref) as client:
                accepted = await client.copy_image(order.source_image_id, request)
        except Unusable as exc:
            return PostRejected(order.attempt, exc.trouble)
        except ims.SurelyNotDone as exc:
            return PostRejected(order.attempt, translate.trouble(exc, about_source=True))
        except ims.ImsError as exc:
            return PostUnknown(order.attempt, translate.trouble(exc, about_source=True))
        return PostAccepted(order.attempt, accepted.job_id, accepted.request_id)

    async def set_tags(self, view: View, order: SetTags) -> TagsSet | TagsRefused:
        """Make the target's tags as wanted; may be repeated."""
        try:
            async with self._providers.client(view.namespace, view.spec.provider_ref) as client:
                if order.remove:
                    await client.delete_tags(order.image_id, order.remove)
                if order.set:
                    await client.add_tags(order.image_id, order.set)
        except Unusable as exc:
            return TagsRefused(order.image_id, exc.trouble)
        except ims.ImsError as exc:
            return TagsRefused(order.image_id, translate.trouble(exc, about_source=False))
        return TagsSet(order.image_id)

    async def _preflight(self, client: ims.ImsClient, view: View) -> Seen:
        targets = await self._targets(client, view)
        if to_follow(view, targets) is not None:
            return PreflightSeen(targets, None)
        source = await client.get_image(view.spec.source.image_id)
        return PreflightSeen(targets, translate.image(source))

    async def _job(self, client: ims.ImsClient, view: View) -> Seen:
        attempt = view.status.attempt
        if attempt is None or attempt.job_id is None:
            return TargetsSeen(await self._targets(client, view))
        try:
            job = await client.get_job(attempt.job_id)
        except ims.JobNotFound:
            return TargetsSeen(await self._targets(client, view))
        seen = translate.job(job)
        if job.state is ims.JobState.SUCCESS and not (seen.image_id or view.status.image_id):
            return TargetsSeen(await self._targets(client, view))
        return seen

    async def _target(self, client: ims.ImsClient, view: View) -> Seen:
        image_id = view.status.image_id or ""
        found = await client.list_images(image_id=image_id)
        if found:
            return TargetSeen(translate.image(found[0]))
        return TargetSeen(ImageSeen(image_id, ImageState.DEAD, "not there any more"))

    async def _targets(self, client: ims.ImsClient, view: View) -> tuple[ImageSeen, ...]:
        """Return the images of the target's name that carry our owner mark, oldest first.

        Where the cloud tells what an image was made from, that has to be our source: someone may have copied our
        copy, description and all.
        """
        source = view.spec.source.image_id
        targets = []
        for image in reversed(await client.list_images(name=view.target_name)):
            seen = translate.image(image)
            told = image.data_origin or image.original_image_id
            if seen.marker and seen.marker.owner == view.owner and (image.derived_from(source) or not told):
                targets.append(seen)
        return tuple(targets)
