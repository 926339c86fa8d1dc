"""Shared reads: what many need at once is read once for all of them, as long as that is cheaper.

In a burst of copies, all look for images with their target's name, and most need the same source. The first few reads
within a window are made at once, each by itself. Later ones wait for the end of the window and are read in one batch:
each thing once, or by one list of everything where that is cheaper than one list for each name. A batch begins after
the last request in it, so its result is as fresh as that of a read of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Final, Generic, TypeVar

from imagecopy import ims
from imagecopy.ims.client import PAGE_SIZE
from imagecopy.providers.limiter import CallLimiter

_AT_ONCE: Final = 4
"""How many reads of a kind begin at once within a window."""
_WINDOW_SECONDS: Final = 0.25
"""How long a window is. Further reads wait for its end, and are made in one batch."""
_COST: Final = 8.0
"""A batch that takes long is followed by a window this many times as long, ..."""
_LONGEST_WINDOW_SECONDS: Final = 2.0
"""... but no longer than this: where the cloud is slow, a batch costs us no more."""
_COST_OF_A_PAGE: Final = 4
"""How many small replies cost as much as one full page, on both sides."""

K = TypeVar("K")
V = TypeVar("V")


class Batches(Generic[K, V]):
    """Reads of one kind, in batches where there are many. Times are by the clock of the event loop."""

    def __init__(self, read: Callable[[frozenset[K]], Awaitable[Mapping[K, V]]]) -> None:
        """``read`` reads all of these keys; what it raises, all that wait for the batch get."""
        self._read = read
        self._window_ends = float("-inf")
        self._begun = 0
        self._turn = asyncio.Lock()
        self._asked: set[K] = set()
        self._batch: asyncio.Task[Mapping[K, V]] | None = None

    async def get(self, key: K) -> V:
        """Return what is read; the read begins after this call."""
        now = asyncio.get_running_loop().time()
        if now >= self._window_ends and self._batch is None:
            self._window_ends, self._begun = now + _WINDOW_SECONDS, 0
        if self._begun < _AT_ONCE and self._batch is None:
            self._begun += 1
            return (await self._read(frozenset((key,))))[key]
        self._asked.add(key)
        if self._batch is None:
            self._batch = asyncio.create_task(self._next_batch())
            self._batch.add_done_callback(_retrieve_error)
        # A caller that is cancelled must not cancel the others that wait for the same batch.
        return (await asyncio.shield(self._batch))[key]

    async def _next_batch(self) -> Mapping[K, V]:
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(self._window_ends - loop.time())
            began = loop.time()
            keys, self._asked, self._batch = frozenset(self._asked), set(), None
            self._begun, self._window_ends = _AT_ONCE, float("inf")
            try:
                return await self._read(keys)
            finally:
                window = min(_COST * (loop.time() - began), _LONGEST_WINDOW_SECONDS)
                self._window_ends = loop.time() + max(window, _WINDOW_SECONDS)


class SharedReads:
    """The reads of one client that may be shared. Each goes through its limiter.

    Each method may raise :class:`~imagecopy.providers.limiter.CallsPaused`, and any ImsError of the call.
    """

    def __init__(self, client: ims.ImsClient, limiter: CallLimiter) -> None:
        self._client = client
        self._limiter = limiter
        self._images: Batches[str, ims.Image | ims.ImsError] = Batches(self._read_images)
        self._names: Batches[str, tuple[ims.Image, ...]] = Batches(self._read_names)
        self._private_images = 0
        """How many the last list of all images had."""

    async def image(self, image_id: str) -> ims.Image:
        """Return an image, see :meth:`imagecopy.ims.ImsClient.get_image`."""
        found = await self._images.get(image_id)
        if isinstance(found, ims.ImsError):
            raise found
        return found

    async def named(self, name: str) -> tuple[ims.Image, ...]:
        """Return all private images with exactly this name, newest first."""
        return await self._names.get(name)

    async def all(self, *, status: str | None = None, created_since: datetime | None = None) -> list[ims.Image]:
        """Return all private images that match; each page takes its turn. Not shared."""
        async with self._limiter.call():
            return await self._client.list_images(
                status=status, created_since=created_since, turn=self._limiter.wait_turn
            )

    async def _read_images(self, ids: frozenset[str]) -> Mapping[str, ims.Image | ims.ImsError]:
        return dict(zip(ids, await asyncio.gather(*map(self._read_image, ids)), strict=True))

    async def _read_image(self, image_id: str) -> ims.Image | ims.ImsError:
        try:
            async with self._limiter.call():
                return await self._client.get_image(image_id)
        except ims.ImsError as exc:
            return exc

    async def _read_names(self, names: frozenset[str]) -> Mapping[str, tuple[ims.Image, ...]]:
        pages = self._private_images // PAGE_SIZE + 1
        if len(names) > _COST_OF_A_PAGE * pages:
            try:
                images = await self.all()
            except ims.OutcomeUnknown:
                pass  # more than one list may have, or no whole one: each name has its own then
            else:
                self._private_images = len(images)
                return grouped(images, names)
        return dict(zip(names, await asyncio.gather(*map(self._read_name, names)), strict=True))

    async def _read_name(self, name: str) -> tuple[ims.Image, ...]:
        async with self._limiter.call():
            return tuple(await self._client.list_images(name=name))


def grouped(images: Iterable[ims.Image], names: frozenset[str]) -> dict[str, tuple[ims.Image, ...]]:
    """Return the images of each of these names, in their order."""
    found: dict[str, list[ims.Image]] = {name: [] for name in names}
    for image in images:
        if image.name in found:
            found[image.name].append(image)
    return {name: tuple(of_name) for name, of_name in found.items()}


def _retrieve_error(task: asyncio.Task[Mapping[K, V]]) -> None:
    """Retrieve the error of a batch, because all that waited for it may have been cancelled."""
    if not task.cancelled():
        task.exception()
