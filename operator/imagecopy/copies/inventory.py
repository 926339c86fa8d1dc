"""The inventory: now and then, one list call for each provider shows whether the images of finished copies still exist.

For each object it only checks the status, and it writes only where something is wrong. An image that a list
does not have is read by its id, in two inventories, before it is reported as missing. It leaves alone the copies of
another project than the one that the provider points to now, and those of namespaces that may not use the provider.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import structlog

from imagecopy.api.conditions import ConditionType
from imagecopy.cloud.cloud import Cloud
from imagecopy.copies.registry import Registry
from imagecopy.copies.status_writer import StatusWriter
from imagecopy.copies.views import Views
from imagecopy.flow.inventory import check_finished
from imagecopy.flow.observation import ImageState, ObservedImage, TargetObserved, Trouble
from imagecopy.flow.project import wrong_project
from imagecopy.flow.view import Need, View, is_finished, is_true
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import KubeError
from imagecopy.kube.objects import Snapshot
from imagecopy.providers.objects import ProviderKey, key_of

_BETWEEN_PROVIDERS_SECONDS: Final = 1.0

_log = structlog.stdlib.get_logger(__name__)


class Inventory:
    """Takes inventories for as long as it runs."""

    def __init__(
        self,
        kube: KubeClient,
        cloud: Cloud,
        views: Views,
        status: StatusWriter,
        registry: Registry,
        namespaces: Iterable[str] = (),
    ) -> None:
        """``registry`` learns which objects are gone. ``namespaces``: the watched ones, none for all."""
        self._kube = kube
        self._cloud = cloud
        self._views = views
        self._status = status
        self._registry = registry
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._absent: set[str] = set()
        """The objects whose image the last inventory did not find."""

    async def run(self, seconds: float) -> None:
        """Take inventories until cancelled, ``seconds`` apart. The first comes after a pause: a start is quiet."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.take()
            except KubeError as exc:
                _log.warning("this inventory was given up; the next one follows", error=str(exc))
            except Exception:
                _log.exception("an inventory failed; this is a bug, please report it")

    async def take(self) -> None:
        """Check the images of all finished copies once.

        Raises:
            KubeError: the objects can't be listed.
        """
        groups: dict[ProviderKey, list[Snapshot]] = defaultdict(list)
        known, listed = self._registry.uids(), set()
        for namespace in self._namespaces:
            async for copy in self._kube.image_copies(namespace):
                listed.add(copy.uid)
                if copy.status.image_id and _is_ready(copy):
                    groups[key_of(copy.namespace, copy.spec.provider_ref)].append(copy)
        self._registry.retain(known, listed)
        self._absent &= listed
        for key, copies in groups.items():
            await self._check_provider(key, copies)
            await asyncio.sleep(_BETWEEN_PROVIDERS_SECONDS)

    async def _check_provider(self, key: ProviderKey, copies: list[Snapshot]) -> None:
        views = await self._allowed([(copy, self._views.of_finished(copy)) for copy in copies])
        if not views:
            return
        listed = await self._cloud.images(views[0][1])
        if isinstance(listed, Trouble):
            _log.info("the images of a provider can't be listed now", provider=str(key), error=listed.words)
            return
        by_id = {image.id: image for image in listed.images}
        by_owner: dict[str, list[ObservedImage]] = defaultdict(list)
        for image in listed.images:
            if image.marker is not None:
                by_owner[image.marker.owner].append(image)
        for copy, view in views:
            if wrong_project(view, listed.project):
                continue
            with structlog.contextvars.bound_contextvars(namespace=copy.namespace, name=copy.name):
                await self._check(copy, view, by_id.get(copy.status.image_id or ""), tuple(by_owner[view.owner]))

    async def _allowed(self, views: list[tuple[Snapshot, View]]) -> list[tuple[Snapshot, View]]:
        """Return those of namespaces that may use the provider."""
        by_namespace = {view.namespace: view for _, view in views}
        may = {name for name, view in by_namespace.items() if await self._cloud.may_use(view)}
        return [(copy, view) for copy, view in views if view.namespace in may]

    async def _check(
        self, copy: Snapshot, view: View, image: ObservedImage | None, marked: tuple[ObservedImage, ...]
    ) -> None:
        if image is None:
            observed = await self._cloud.observe(view, Need.TARGET)
            if isinstance(observed, Trouble):
                return
            image = observed.target if isinstance(observed, TargetObserved) else None
        absent = image is None or image.state is ImageState.ABSENT
        if absent and copy.uid not in self._absent:
            self._absent.add(copy.uid)
            return
        if not absent:
            self._absent.discard(copy.uid)
        step = check_finished(view, image, marked, self._views.clocks.now())
        try:
            await self._status.store_finished(copy, step.status, step.events)
        except KubeError as exc:
            _log.info("the next inventory reports what this one found", error=str(exc))


def _is_ready(copy: Snapshot) -> bool:
    return is_finished(copy.status) and is_true(copy.status, ConditionType.READY)
