"""What a tick looks at and does in the cloud, in the state machine's words. Nothing in here decides."""

import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from imagecopy import ims
from imagecopy.api.imagecopy import ProviderRef
from imagecopy.cloud import translate
from imagecopy.cloud.shared_reads import SharedReads
from imagecopy.flow.decide import target_to_follow
from imagecopy.flow.deletion import DeletionRequested
from imagecopy.flow.observation import (
    Cause,
    ImageState,
    JobObserved,
    NothingObserved,
    ObservedImage,
    PostAccepted,
    PostOutcome,
    Postponed,
    PostRejected,
    PostUnknown,
    PreflightObserved,
    TagsRefused,
    TagsSet,
    TargetObserved,
    TargetsObserved,
    Trouble,
)
from imagecopy.flow.project import wrong_project
from imagecopy.flow.steps import PostCopy, SetTags
from imagecopy.flow.view import Need, View
from imagecopy.providers.limiter import CallsPaused
from imagecopy.providers.objects import Unusable
from imagecopy.providers.registry import Access
from imagecopy.providers.trouble import trouble_of, trouble_of_pause

CloudObservation = (
    NothingObserved | Trouble | PreflightObserved | TargetsObserved | TargetObserved | JobObserved | Postponed
)
"""What looking can bring."""

_LONGEST_TURN_SECONDS: Final = 0.5
"""A look at a job that would have to wait longer for its turn is put off, where the lookout watches over the copy."""
_HELD_UP: Final = Trouble(Cause.TRANSIENT, "the operator was held up before it could send the copy call, and did not")


class ProviderClients(Protocol):
    """Where clients come from; see :class:`imagecopy.providers.registry.ProviderRegistry`."""

    def access(self, namespace: str, ref: ProviderRef) -> AbstractAsyncContextManager[Access]:
        """Lend a provider, or raise Unusable."""


@dataclass(frozen=True, slots=True)
class Project:
    """Where a slot is needed, and how many there are."""

    id: str
    slots: int


@dataclass(frozen=True, slots=True)
class ImageList:
    """All private images of a project."""

    project: str
    images: tuple[ObservedImage, ...]


class Cloud:
    """The cloud as one ImageCopy's tick sees it, through the provider that the object names."""

    def __init__(self, providers: ProviderClients) -> None:
        self._providers = providers
        self._reads: WeakKeyDictionary[ims.ImsClient, SharedReads] = WeakKeyDictionary()

    async def project(self, view: View, *, copying: bool = False) -> Project | Trouble:
        """Return the project that the copy is made in; logs in where that was not done yet, else calls nobody.

        ``copying``: whether a copy call is to follow, for which calls must not be paused. It is trouble, too, where the
        provider leads to another project than the one that the copy has to stay with.
        """
        try:
            async with self._providers.access(view.namespace, view.spec.provider_ref) as access:
                try:
                    if copying:
                        access.limiter.check(copying=True)
                    project = await access.client.project_id()
                    return wrong_project(view, project) or Project(project, access.max_concurrent_copies)
                except CallsPaused as exc:
                    return trouble_of_pause(exc)
        except Unusable as exc:
            return exc.trouble
        except ims.ImsError as exc:
            return trouble_of(exc, about_source=False)

    async def may_use(self, view: View) -> bool:
        """Tell whether the provider can be used from the object's namespace; calls nobody in the cloud."""
        try:
            async with self._providers.access(view.namespace, view.spec.provider_ref):
                return True
        except Unusable:
            return False

    async def look(self, view: View, need: Need, *, may_postpone: bool = False) -> CloudObservation:
        """Look at what a decision needs. Never raises for a fault of cloud or provider: that is seen, too.

        ``may_postpone``: whether a look at a job may be put off, because somebody else watches for its end.
        """
        try:
            match need:
                case Need.NOTHING:
                    return NothingObserved()
                case Need.PREFLIGHT:
                    async with self._reading(view) as (reads, project):
                        return replace(await self._preflight(reads, view), project=project)
                case Need.TARGETS:
                    async with self._reading(view) as (reads, project):
                        return TargetsObserved(_targets(await reads.named(view.target_name), view), project)
                case Need.JOB:
                    longest = _LONGEST_TURN_SECONDS if may_postpone else None
                    async with self._through(view, longest_turn=longest) as (client, project):
                        return replace(await self._job(client, view), project=project)
                case Need.TARGET:
                    async with self._through(view) as (client, project):
                        return replace(await self._target(client, view), project=project)
        except _TooLong as exc:
            # Each at another time: together they would have to be put off together again.
            return Postponed(exc.seconds + random.uniform(0, 2) * view.bounds.least)  # noqa: S311
        except Unusable as exc:
            return exc.trouble
        except ims.ImsError as exc:
            return trouble_of(exc, about_source=need is Need.PREFLIGHT)

    async def post(self, view: View, order: PostCopy, *, is_stale: Callable[[], bool] = lambda: False) -> PostOutcome:
        """POST the copy call once, and say what is known of its outcome.

        ``is_stale`` is asked at the last moment: whether the attempt is so old that others may have given it up.
        """
        request = ims.CopyRequest(
            name=order.name,
            description=order.description,
            cmk_id=order.kms_key_id,
            enterprise_project_id=order.enterprise_project_id,
        )
        try:
            async with self._through(view, copying=True) as (client, _):
                if is_stale():
                    raise Unusable(_HELD_UP)
                accepted = await client.copy_image(order.source_image_id, request)
        except Unusable as exc:
            return PostRejected(order.attempt, exc.trouble)
        except ims.QuotaExceeded as exc:
            trouble = trouble_of(exc, about_source=True)
            return PostRejected(order.attempt, replace(trouble, message=trouble.message + await self._quota(view)))
        except ims.SurelyNotDone as exc:
            return PostRejected(order.attempt, trouble_of(exc, about_source=True))
        except ims.ImsError as exc:
            return PostUnknown(order.attempt, trouble_of(exc, about_source=True))
        return PostAccepted(order.attempt, accepted.job_id, accepted.request_id)

    async def set_tags(self, view: View, order: SetTags) -> TagsSet | TagsRefused:
        """Make the target's tags as wanted; may be repeated."""
        try:
            async with self._through(view) as (client, _):
                if order.remove:
                    await client.delete_tags(order.image_id, order.remove)
                if order.set:
                    await client.add_tags(order.image_id, order.set)
        except Unusable as exc:
            return TagsRefused(order.image_id, exc.trouble)
        except ims.ImsError as exc:
            return TagsRefused(order.image_id, trouble_of(exc, about_source=False))
        return TagsSet(order.image_id)

    async def delete_image(self, view: View, image_id: str) -> DeletionRequested | Trouble:
        """Ask for the deletion of an image; may be repeated."""
        try:
            async with self._through(view) as (client, _):
                await client.delete_image(image_id)
        except ims.NotFound:
            return DeletionRequested(image_id)
        except Unusable as exc:
            return exc.trouble
        except ims.ImsError as exc:
            return trouble_of(exc, about_source=False)
        return DeletionRequested(image_id)

    async def images(self, view: View) -> ImageList | Trouble:
        """Return all private images of the project that the provider of this object leads to, the copy's own or not."""
        try:
            async with self._reading(view, anywhere=True) as (reads, project):
                return ImageList(project, tuple(translate.image(image) for image in await reads.all()))
        except Unusable as exc:
            return exc.trouble
        except ims.ImsError as exc:
            return trouble_of(exc, about_source=False)

    async def active_images_since(self, view: View, since: datetime) -> ImageList | Trouble:
        """Return the images made since then that can be used, of the project that the provider of this object leads to.

        One call tells which of many copies are done.
        """
        try:
            async with self._reading(view, anywhere=True) as (reads, project):
                images = await reads.all(status="active", created_since=since)
                return ImageList(project, tuple(translate.image(image) for image in images))
        except Unusable as exc:
            return exc.trouble
        except ims.ImsError as exc:
            return trouble_of(exc, about_source=False)

    @asynccontextmanager
    async def _through(
        self, view: View, *, copying: bool = False, longest_turn: float | None = None
    ) -> AsyncIterator[tuple[ims.ImsClient, str]]:
        """Lend the client for one call through its limiter, with the project that it leads to.

        Raises:
            Unusable: the provider can't be used, its calls are paused, or it leads to another project.
            _TooLong: the call would have to wait for its turn for longer than ``longest_turn``.
        """
        async with self._providers.access(view.namespace, view.spec.provider_ref) as access:
            backlog = access.limiter.backlog_seconds
            if longest_turn is not None and backlog > longest_turn:
                raise _TooLong(backlog)
            try:
                async with access.limiter.call(copying=copying):
                    project = await access.client.project_id()
                    if wrong := wrong_project(view, project):
                        raise Unusable(wrong)
                    yield access.client, project
            except CallsPaused as exc:
                raise Unusable(trouble_of_pause(exc)) from None

    @asynccontextmanager
    async def _reading(self, view: View, *, anywhere: bool = False) -> AsyncIterator[tuple[SharedReads, str]]:
        """Lend reads, each of which goes through the limiter by itself.

        ``anywhere``: whether the project may be another one than that which the copy has to stay with.

        Raises:
            Unusable: the provider can't be used, its calls are paused, or it leads to another project.
        """
        async with self._providers.access(view.namespace, view.spec.provider_ref) as access:
            try:
                access.limiter.check(copying=False)
                try:
                    project = await access.client.project_id()
                except ims.ImsError as exc:
                    access.limiter.failed(exc)
                    raise
                if not anywhere and (wrong := wrong_project(view, project)):
                    raise Unusable(wrong)
                reads = self._reads.get(access.client)
                if reads is None:
                    reads = self._reads[access.client] = SharedReads(access.client, access.limiter)
                yield reads, project
            except CallsPaused as exc:
                raise Unusable(trouble_of_pause(exc)) from None

    async def _quota(self, view: View) -> str:
        """Return how much of the quota is used, in words for the end of a message; nothing where it can't be told."""
        try:
            async with self._through(view) as (client, _):
                quota = await client.get_quota()
        except (Unusable, ims.ImsError):
            return ""
        return f" ({quota.used} of {quota.limit} images used)"

    async def _preflight(self, reads: SharedReads, view: View) -> PreflightObserved:
        targets = _targets(await reads.named(view.target_name), view)
        if target_to_follow(view, targets) is not None:
            return PreflightObserved(targets, None)
        source = await reads.image(view.spec.source.image_id)
        return PreflightObserved(targets, translate.image(source))

    async def _job(self, client: ims.ImsClient, view: View) -> JobObserved | TargetsObserved:
        attempt = view.status.attempt
        if attempt is None or attempt.job_id is None:
            return TargetsObserved(await self._targets(client, view))
        try:
            job = await client.get_job(attempt.job_id)
        except ims.JobNotFound:
            return TargetsObserved(await self._targets(client, view))
        seen = translate.job(job)
        if job.state is ims.JobState.SUCCESS and not (seen.image_id or view.status.image_id):
            return TargetsObserved(await self._targets(client, view))
        return seen

    async def _target(self, client: ims.ImsClient, view: View) -> TargetObserved:
        image_id = view.status.image_id or view.spec.target.adopt_image_id or ""
        found = await client.list_images(image_id=image_id)
        if found:
            return TargetObserved(translate.image(found[0]))
        return TargetObserved(ObservedImage(image_id, ImageState.ABSENT, "not there any more"))

    async def _targets(self, client: ims.ImsClient, view: View) -> tuple[ObservedImage, ...]:
        return _targets(await client.list_images(name=view.target_name), view)


class _TooLong(Exception):
    """A call was not made, as it would have had to wait so many seconds for its turn."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def _targets(named: Iterable[ims.Image], view: View) -> tuple[ObservedImage, ...]:
    """Return those of the images of the target's name, newest first, that carry our owner mark, oldest first.

    Where the cloud tells what an image was made from, that has to be our source: someone may have copied our
    copy, description and all.
    """
    source = view.spec.source.image_id
    targets = []
    for image in reversed(tuple(named)):
        seen = translate.image(image)
        told = image.data_origin or image.original_image_id
        if seen.marker and seen.marker.owner == view.owner and (image.derived_from(source) or not told):
            targets.append(seen)
    return tuple(targets)
