"""The poller: where many copies run at one provider, one list call shows which of them are done.

A copy polls its own job some ten times. Where many run, that would take more calls than a list every few seconds, or
more than the provider's budget. Then their ends are seen in the list: of the active images that were created since the
oldest of these copies was requested. It has those that are done and few others, so it is short until then. The polls of
single jobs go on, for progress and failures, but take at most half of the budget.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from imagecopy.cloud.cloud import ImageList
from imagecopy.copies.record import PolledJob, Record
from imagecopy.flow.observation import ImageState, TargetsObserved, Trouble
from imagecopy.flow.view import View, in_flight
from imagecopy.providers.objects import ProviderKey, key_of

CROWD: Final = 40
"""From this number of running copies on, lists are cheaper: 240 in ten minutes against 10 polls of each copy."""
POLL_SECONDS: Final = 120.0
"""In a crowd, a copy polls its own job no more often than this."""
PAUSE_SECONDS: Final = 2.5
"""The pause between two lists; an end is seen half of it late on average."""
_COST: Final = 4.0
"""A list that takes long is followed by a pause this many times as long, ..."""
_LONGEST_PAUSE_SECONDS: Final = 5.0
"""... but no longer than this: it may be the cloud that is slow."""
_SKEW: Final = timedelta(minutes=5)
"""How far the cloud's clock may be behind ours."""
_SHARE_OF_BUDGET: Final = 0.5

_log = structlog.stdlib.get_logger(__name__)


class ListImages(Protocol):
    """Lists the active images of a provider's project; see :meth:`imagecopy.cloud.cloud.Cloud.active_images_since`."""

    def __call__(self, view: View, since: datetime) -> Awaitable[ImageList | Trouble]: ...  # noqa: D102


class Poller:
    """The running copies of this process, in one group for each provider."""

    def __init__(self, calls_per_second: float) -> None:
        """``calls_per_second`` is the budget of a provider."""
        self._polls_per_second = calls_per_second * _SHARE_OF_BUDGET
        self._groups: dict[ProviderKey, dict[str, Record]] = {}
        self._slowed: set[ProviderKey] = set()
        """Groups that were a crowd at any time since the last list, whose members poll their jobs rarely."""

    def track(self, record: Record) -> None:
        """Add the object's job to its provider's group if it runs, and take it out if it does not."""
        known = record.snapshot
        attempt = in_flight(known.status)
        if attempt is None or not attempt.job_id:
            record.leave_poller()
            return
        group = self._groups.setdefault(key_of(known.namespace, known.spec.provider_ref), {})
        if record.polled is None or record.polled.group is not group or record.polled.token != attempt.token:
            record.leave_poller()
            group[attempt.token] = record
            record.polled = PolledJob(group, attempt.token, attempt.posted_at)
            if len(group) >= CROWD:
                self._slowed.add(key_of(known.namespace, known.spec.provider_ref))

    def is_crowd(self, key: ProviderKey) -> bool:
        """Tell whether the ends of a provider's copies are seen in lists."""
        return len(self._groups.get(key, ())) >= CROWD

    def least_pause(self, key: ProviderKey) -> float:
        """Return the seconds between two polls of one job, so that all of them keep to their share of the budget."""
        return max(POLL_SECONDS, len(self._groups[key]) / self._polls_per_second) if self.is_crowd(key) else 0.0

    def crowds(self) -> list[ProviderKey]:
        """Return the providers whose copies are to be listed; groups that are empty end here."""
        self._groups = {key: group for key, group in self._groups.items() if group}
        return [key for key in self._groups if self.is_crowd(key)]

    async def run(
        self,
        *,
        view_of: Callable[[Record], View],
        list_images: ListImages,
        hasten: Callable[[Record], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """List until cancelled; ``hasten`` is called with each record whose image is there."""
        pause = PAUSE_SECONDS
        while True:
            await sleep(pause)
            began = clock()
            crowds = self.crowds()
            for key in self._slowed.difference(crowds):  # those that are left poll for themselves again, and soon
                for record in list(self._groups.get(key, {}).values()):
                    hasten(record)
            self._slowed = set(crowds)
            for key in crowds:
                await self._poll(key, view_of, list_images, hasten)
            pause = max(PAUSE_SECONDS, min(_COST * (clock() - began), _LONGEST_PAUSE_SECONDS))

    async def _poll(
        self,
        key: ProviderKey,
        view_of: Callable[[Record], View],
        list_images: ListImages,
        hasten: Callable[[Record], None],
    ) -> None:
        """List the images of one group, whose members may all end while the list is under way."""
        group = self._groups.get(key)
        if not group:
            return
        since = min(record.polled.posted_at for record in group.values() if record.polled) - _SKEW
        listed = await list_images(view_of(next(iter(group.values()))), since)
        if isinstance(listed, Trouble):
            _log.debug("running copies could not be listed", provider=str(key), error=listed.words)
            return
        for image in listed.images:
            record = group.get(image.marker.token) if image.marker and image.state is ImageState.ACTIVE else None
            if record is not None:
                record.leave_poller()
                record.found = TargetsObserved((image,), listed.project)
                hasten(record)
