"""Observes the cloud for one ImageCopy, in the state machine's words. Nothing in here decides."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from imagecopy import ims
from imagecopy.cloud import translate
from imagecopy.cloud.access import CloudAccess, TurnTooFar
from imagecopy.cloud.shared_reads import SharedReads
from imagecopy.flow.image import target_to_follow
from imagecopy.flow.observation import (
    ImageState,
    JobObserved,
    NothingObserved,
    ObservedImage,
    Postponed,
    PreflightObserved,
    TargetObserved,
    TargetsObserved,
    Trouble,
)
from imagecopy.flow.project import wrong_project
from imagecopy.flow.view import Need, View
from imagecopy.providers.limiter import CallsPaused
from imagecopy.providers.objects import Unusable
from imagecopy.providers.trouble import trouble_of

CloudObservation = (
    NothingObserved | Trouble | PreflightObserved | TargetsObserved | TargetObserved | JobObserved | Postponed
)
"""What :meth:`Observations.observe` returns."""

_LONGEST_TURN_SECONDS: Final = 0.5
"""A poll that would wait longer for its turn is postponed, where the poller watches for the end of the copy."""


@dataclass(frozen=True, slots=True)
class Project:
    """The project of the cloud in which a copy needs a slot, and how many slots there are."""

    id: str
    slots: int


@dataclass(frozen=True, slots=True)
class ImageList:
    """Private images of a project."""

    project: str
    images: tuple[ObservedImage, ...]


class Observations:
    """What an ImageCopy can observe. No method raises for a fault of cloud or provider: that is a Trouble."""

    _access: CloudAccess

    async def project(self, view: View, *, copying: bool = False) -> Project | Trouble:
        """Return the project that the copy is made in. Logs in if that was not done yet, else makes no call.

        ``copying``: whether a copy call is to follow, which may be paused where other calls are not. A provider that
        points to another project than the one that the copy is bound to is a trouble, too.
        """
        try:
            async with self._access.provider(view) as access:
                if copying:
                    access.limiter.check(copying=True)
                project = await access.client.project_id()
                return wrong_project(view, project) or Project(project, access.max_concurrent_copies)
        except (Unusable, CallsPaused, ims.ImsError) as exc:
            return trouble_of(exc)

    async def may_use(self, view: View) -> bool:
        """Tell whether the object may use its provider; makes no call of the cloud."""
        try:
            async with self._access.provider(view):
                return True
        except Unusable:
            return False

    async def observe(self, view: View, need: Need, *, may_postpone: bool = False) -> CloudObservation:
        """Observe what a decision needs.

        ``may_postpone``: whether a poll of a job may be postponed, because the poller watches for its end.
        """
        try:
            match need:
                case Need.NOTHING:
                    return NothingObserved()
                case Need.PREFLIGHT:
                    async with self._access.reads(view) as (reads, project):
                        return replace(await self._preflight(reads, view), project=project)
                case Need.TARGETS:
                    async with self._access.reads(view) as (reads, project):
                        return TargetsObserved(_targets(await reads.named(view.target_name), view), project)
                case Need.JOB:
                    longest = _LONGEST_TURN_SECONDS if may_postpone else None
                    async with self._access.client(view, longest_turn=longest) as (client, project):
                        return replace(await self._job(client, view), project=project)
                case Need.TARGET:
                    async with self._access.client(view) as (client, project):
                        return replace(await self._target(client, view), project=project)
        except TurnTooFar as exc:
            # Each at another time: together they would have to be postponed together again.
            return Postponed(exc.seconds + random.uniform(0, 2) * view.bounds.least)  # noqa: S311
        except (Unusable, ims.ImsError) as exc:
            return trouble_of(exc, about_source=need is Need.PREFLIGHT)

    async def images(self, view: View) -> ImageList | Trouble:
        """Return all private images of the project that the object's provider points to, the copy's own or not."""
        return await self._list(view)

    async def active_images_since(self, view: View, since: datetime) -> ImageList | Trouble:
        """Return the active images that were created since then in the project that the object's provider points to.

        One call shows which of many copies are done.
        """
        return await self._list(view, status="active", created_since=since)

    async def _list(
        self, view: View, *, status: str | None = None, created_since: datetime | None = None
    ) -> ImageList | Trouble:
        try:
            async with self._access.reads(view, any_project=True) as (reads, project):
                images = await reads.all(status=status, created_since=created_since)
                return ImageList(project, tuple(translate.image(image) for image in images))
        except (Unusable, ims.ImsError) as exc:
            return trouble_of(exc)

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
        observed = translate.job(job)
        if job.state is ims.JobState.SUCCESS and not (observed.image_id or view.status.image_id):
            return TargetsObserved(await self._targets(client, view))
        return observed

    async def _target(self, client: ims.ImsClient, view: View) -> TargetObserved:
        image_id = view.status.image_id or view.spec.target.adopt_image_id or ""
        found = await client.list_images(image_id=image_id)
        if found:
            return TargetObserved(translate.image(found[0]))
        return TargetObserved(ObservedImage(image_id, ImageState.ABSENT, "missing"))

    async def _targets(self, client: ims.ImsClient, view: View) -> tuple[ObservedImage, ...]:
        return _targets(await client.list_images(name=view.target_name), view)


def _targets(named: Iterable[ims.Image], view: View) -> tuple[ObservedImage, ...]:
    """Return those of the images of the target's name, newest first, that carry our owner mark, oldest first.

    Where the cloud reports what an image was made from, that has to be our source: someone may have copied our
    copy, with its description.
    """
    source = view.spec.source.image_id
    targets = []
    for image in reversed(tuple(named)):
        observed = translate.image(image)
        reported = image.data_origin or image.original_image_id
        if observed.marker and observed.marker.owner == view.owner and (image.derived_from(source) or not reported):
            targets.append(observed)
    return tuple(targets)
