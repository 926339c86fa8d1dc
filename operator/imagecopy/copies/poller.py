"""The lookout over running copies: where many run at one provider, one list call tells which of them are done.

Each copy looks at its own job, some ten times. Where so many run that this would cost more calls than a list every few
seconds, or more than the budget allows, the list is what their ends are seen by: of images that can be used and were
made since the oldest of the copies was asked for, it has those that are done and few others, so it is short until then.
The looks at single jobs go on, for progress and for failures, but take half of the budget at most.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from imagecopy.cloud.cloud import ImageList
from imagecopy.copies.record import Record
from imagecopy.flow.observation import ImageState, TargetsObserved, Trouble
from imagecopy.flow.view import View, in_flight
from imagecopy.kube.objects import Snapshot
from imagecopy.providers.objects import ProviderKey, key_of

CROWD: Final = 40
"""From so many running copies of a provider on, lists are cheaper: 240 in ten minutes, against 10 looks at each."""
LOOK_SECONDS: Final = 120.0
"""A copy in a crowd looks at its own job no more often."""
PAUSE_SECONDS: Final = 2.5
"""Between two lists; an end is seen half of it late."""
_COST: Final = 4.0
"""A list that takes long is followed by a pause so many times as long, ..."""
_LONGEST_PAUSE_SECONDS: Final = 5.0
"""... but no longer than this: it may be the cloud that is slow."""
_SKEW: Final = timedelta(minutes=5)
"""The cloud's clock may be behind ours by so much."""
_SHARE_OF_BUDGET: Final = 0.5

_log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Followed:
    uid: str
    memory: Record
    posted_at: datetime


class Poller:
    """The running copies of this process, by provider and by the token of their marker."""

    def __init__(self, calls_per_second: float) -> None:
        """``calls_per_second`` is the budget of a provider."""
        self._looks_per_second = calls_per_second * _SHARE_OF_BUDGET
        self._groups: defaultdict[ProviderKey, dict[str, _Followed]] = defaultdict(dict)
        self._places: dict[str, tuple[ProviderKey, str]] = {}

    def note(self, known: Snapshot, memory: Record) -> None:
        """Note whether the job of an object runs."""
        attempt = in_flight(known.status)
        if attempt is None or not attempt.job_id:
            self.forget(known.uid)
            return
        place = key_of(known.namespace, known.spec.provider_ref), attempt.token
        if self._places.get(known.uid) != place:
            self.forget(known.uid)
            self._places[known.uid] = place
        self._groups[place[0]][place[1]] = _Followed(known.uid, memory, attempt.posted_at)

    def forget(self, uid: str) -> None:
        """No job of this object runs any more."""
        place = self._places.pop(uid, None)
        if place is not None:
            key, token = place
            self._groups[key].pop(token, None)
            if not self._groups[key]:
                del self._groups[key]

    def is_crowd(self, key: ProviderKey) -> bool:
        """Tell whether the ends of a provider's copies are seen by lists."""
        return len(self._groups.get(key, ())) >= CROWD

    def least_pause(self, key: ProviderKey) -> float:
        """Return the seconds between two looks at one job: all have to keep within their share of the budget."""
        return max(LOOK_SECONDS, len(self._groups[key]) / self._looks_per_second) if self.is_crowd(key) else 0.0

    def crowds(self) -> list[ProviderKey]:
        """Return the providers whose copies are to be listed."""
        return [key for key in self._groups if self.is_crowd(key)]

    def uids(self, key: ProviderKey) -> list[str]:
        """Return the copies of a provider."""
        return [followed.uid for followed in self._groups.get(key, {}).values()]

    def oldest(self, key: ProviderKey) -> tuple[Record, datetime]:
        """Return one of a provider's copies, and the time from which on the images of all of them were made."""
        followed = self._groups[key].values()
        return next(iter(followed)).memory, min(each.posted_at for each in followed) - _SKEW

    def take(self, key: ProviderKey, token: str) -> _Followed | None:
        """Return the copy of this token, which is not followed any more then; None if it is not ours."""
        found = self._groups.get(key, {}).get(token)
        if found is not None:
            self.forget(found.uid)
        return found


List = Callable[[View, datetime], Awaitable[ImageList | Trouble]]


async def run_poller(
    lookout: Poller,
    *,
    view: Callable[[Snapshot, Record], View],
    images: List,
    prompt: Callable[[str], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """List until cancelled; ``prompt`` is called with the uid of each copy whose image was found to be there."""
    pause = PAUSE_SECONDS
    crowds: list[ProviderKey] = []
    while True:
        await sleep(pause)
        began = clock()
        before, crowds = crowds, lookout.crowds()
        for key in before:
            if key not in crowds:  # the last ones look for themselves again, and soon
                for uid in lookout.uids(key):
                    prompt(uid)
        for key in crowds:
            one, since = lookout.oldest(key)
            if one.stored is None:
                continue
            listed = await images(view(one.stored, one), since)
            if isinstance(listed, Trouble):
                _log.debug("running copies could not be listed", provider=str(key), error=listed.words)
                continue
            for image in listed.images:
                if image.state is ImageState.ACTIVE and image.marker is not None:
                    followed = lookout.take(key, image.marker.token)
                    if followed is not None:
                        followed.memory.found = TargetsObserved((image,), listed.project)
                        prompt(followed.uid)
        pause = max(PAUSE_SECONDS, min(_COST * (clock() - began), _LONGEST_PAUSE_SECONDS))
