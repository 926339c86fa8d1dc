"""A cloud in memory: copies that take their time, rows that show up late, jobs that fail, and quotas of jobs."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn, TypeVar

from imagecopy import ims
from imagecopy.flow.marker import Marker
from simulation.network import Link
from unit.flow.builders import PROJECT, SOURCE, T0

T = TypeVar("T")

LONGEST_HIDDEN_SECONDS: Final = 250.0
"""A row shows up within the settle window (300 s)."""


@dataclass
class Copy:
    """One copy that the cloud accepted."""

    image_id: str
    job_id: str
    request: ims.CopyRequest
    source: str
    began: float
    seconds: float
    shows_after: float
    fails: bool
    deleted_at: float | None = None

    @property
    def marker(self) -> Marker:
        """Whose copy it is."""
        marker = Marker.find(self.request.description)
        assert marker is not None, self.request
        return marker

    def is_running(self, now: float) -> bool:
        """Whether its job runs."""
        return now < self.began + self.seconds

    def is_alive(self, now: float) -> bool:
        """Whether its image is there, or will be."""
        return self.deleted_at is None and (not self.fails or self.is_running(now))


class Cloud:
    """What the cloud holds; everything in it happens at once, when a request arrives."""

    def __init__(self, rng: random.Random, clock: Callable[[], float], *, limit: int) -> None:
        """``limit``: how many jobs may run at a time."""
        self._rng = rng
        self._clock = clock
        self._limit = limit
        self.copies: list[Copy] = []
        self.posts = 0
        self.refusals = 0
        self.tags: dict[str, dict[str, str]] = {}
        self.source_status = "active"
        self.job_failures = 0.0
        self.late_rows = 0.0
        self.on_copy: Callable[[Copy], None] = lambda _: None
        """Called with each copy that is accepted, before it is there."""

    def shows_all(self, name: str) -> bool:
        """Whether lists show all copies of this name that there are."""
        return all(self._clock() >= copy.shows_after for copy in self.copies if copy.request.name == name)

    def copy_image(self, source: str, request: ims.CopyRequest) -> ims.CopyAccepted:
        self.posts += 1
        now = self._clock()
        if sum(copy.is_running(now) for copy in self.copies) >= self._limit:
            self.refusals += 1
            raise ims.Throttled("too many jobs", code="IMG.0060", http_status=400)
        number = len(self.copies) + 1
        hidden = self._rng.random() * LONGEST_HIDDEN_SECONDS if self._rng.random() < self.late_rows else 0.0
        copy = Copy(
            image_id=f"image-{number}",
            job_id=f"job-{number}",
            request=request,
            source=source,
            began=now,
            seconds=self._rng.choice((5.0, 60.0, 600.0)),
            shows_after=now + hidden,
            fails=self._rng.random() < self.job_failures,
        )
        self.on_copy(copy)
        self.copies.append(copy)
        return ims.CopyAccepted(copy.job_id, f"request-{number}")

    def get_job(self, job_id: str) -> ims.Job:
        copy = next((copy for copy in self.copies if copy.job_id == job_id), None)
        if copy is None:
            raise ims.JobNotFound("no such job", http_status=404)
        now = self._clock()
        if copy.is_running(now):
            return ims.Job(
                state=ims.JobState.RUNNING, progress=(now - copy.began) / copy.seconds, image_id=copy.image_id
            )
        if copy.fails:
            return ims.Job(state=ims.JobState.FAIL, error_code="IMG.0042", fail_reason="the job failed")
        ended = _moment(copy.began + copy.seconds)
        return ims.Job(state=ims.JobState.SUCCESS, image_id=copy.image_id, end_time=ended)

    def list_images(
        self, *, name: str | None = None, image_id: str | None = None, status: str | None = None, **_: Any
    ) -> list[ims.Image]:
        now = self._clock()
        found = []
        for copy in self.copies:
            gone = copy.deleted_at is not None or (copy.fails and not copy.is_running(now))
            shown = self._image(copy)
            if gone or now < copy.shows_after or name not in (None, shown.name) or image_id not in (None, shown.id):
                continue
            if status in (None, shown.status):
                found.append(shown)
        return found[::-1]

    def get_image(self, image_id: str) -> ims.Image:
        if image_id != SOURCE:
            raise ims.NotFound("no such image", http_status=404)
        return ims.Image(id=image_id, status=self.source_status, tags={})

    def add_tags(self, image_id: str, tags: dict[str, str]) -> None:
        self.tags.setdefault(image_id, {}).update(tags)

    def delete_tags(self, image_id: str, tags: dict[str, str]) -> None:
        for key in tags:
            self.tags.get(image_id, {}).pop(key, None)

    def delete_image(self, image_id: str) -> None:
        copy = next((copy for copy in self.copies if copy.image_id == image_id and copy.deleted_at is None), None)
        if copy is None:
            raise ims.NotFound("no such image", http_status=404)
        copy.deleted_at = self._clock()

    def _image(self, copy: Copy) -> ims.Image:
        return ims.Image(
            id=copy.image_id,
            name=copy.request.name,
            status="saving" if copy.is_running(self._clock()) else "active",
            description=copy.request.description or "",
            original_image_id=copy.source,
            tags={},
            created_at=_moment(copy.began),
        )


def _moment(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def no_reply() -> ims.OutcomeUnknown:
    """The error where no reply came."""
    return ims.OutcomeUnknown("no reply")


class Client(ims.ImsClient):
    """The client of one process: each call goes over its link."""

    def __init__(self, cloud: Cloud, link: Link) -> None:
        self._cloud = cloud
        self._link = link

    async def project_id(self) -> str:
        return PROJECT

    async def aclose(self) -> None:
        """Nothing to close."""

    async def copy_image(self, source_image_id: str, request: ims.CopyRequest) -> ims.CopyAccepted:
        return await self._call("post", lambda: self._cloud.copy_image(source_image_id, request))

    async def get_job(self, job_id: str) -> ims.Job:
        return await self._call("read", lambda: self._cloud.get_job(job_id))

    async def get_image(self, image_id: str) -> ims.Image:
        return await self._call("read", lambda: self._cloud.get_image(image_id))

    async def list_images(self, **query: Any) -> list[ims.Image]:
        return await self._call("read", lambda: self._cloud.list_images(**query))

    async def add_tags(self, image_id: str, tags: Any) -> None:
        await self._call("read", lambda: self._cloud.add_tags(image_id, tags))

    async def delete_tags(self, image_id: str, tags: Any) -> None:
        await self._call("read", lambda: self._cloud.delete_tags(image_id, tags))

    async def delete_image(self, image_id: str) -> None:
        await self._call("read", lambda: self._cloud.delete_image(image_id))

    async def get_quota(self) -> NoReturn:
        raise ims.PermissionDenied("no quota here")

    async def _call(self, kind: str, serve: Callable[[], T]) -> T:
        return await self._link.call(kind, serve, no_reply)
