"""The sweep: now and then, with one list call per provider, look whether the finished copies are still there.

It costs nothing per object but a look at its status, and writes only where something is wrong. An image that a list
does not show is looked for by its id, at two sweeps, before it is told as missing. Copies of another project than the
one that the provider leads to now, and of namespaces that may not use it, are left alone.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import structlog

from imagecopy.api.conditions import ConditionType
from imagecopy.api.imagecopy import ProviderRef
from imagecopy.api.provider import ProviderKind
from imagecopy.copies.phase_counts import PhaseCounts
from imagecopy.copies.reconciler import Reconciler
from imagecopy.copies.record import Record
from imagecopy.flow.inventory import judge
from imagecopy.flow.observation import ImageState, ObservedImage, Trouble
from imagecopy.flow.project import wrong_project
from imagecopy.flow.view import Need, View, is_finished, is_true
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import KubeError
from imagecopy.kube.objects import Snapshot

_BETWEEN_PROVIDERS_SECONDS: Final = 1.0

_log = structlog.stdlib.get_logger(__name__)


class Inventory:
    """Sweeps for as long as it runs."""

    def __init__(
        self,
        kube: KubeClient,
        reconciler: Reconciler,
        namespaces: Iterable[str],
        seconds: float,
        *,
        census: PhaseCounts | None = None,
    ) -> None:
        """``namespaces``: the watched ones, none for all. ``seconds``: the pause between two sweeps.

        ``census``: is told which objects are left.
        """
        self._census = census or PhaseCounts()
        self._kube = kube
        self._reconciler = reconciler
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._seconds = seconds
        self._absent: set[str] = set()

    async def run(self) -> None:
        """Sweep until cancelled. The first sweep comes after the first pause: a start is quiet."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.sweep()
            except KubeError as exc:
                _log.warning("a sweep was given up", error=str(exc))
            except Exception:
                _log.exception("a sweep failed; this is a bug, please report it")

    async def sweep(self) -> None:
        """Look at all finished copies once.

        Raises:
            KubeError: the objects can't be listed.
        """
        groups: dict[tuple[str, ProviderRef], list[Snapshot]] = defaultdict(list)
        known, listed = self._census.uids(), set()
        for namespace in self._namespaces:
            async for copy in self._kube.image_copies(namespace):
                listed.add(copy.uid)
                if copy.status.image_id and _is_ready(copy):
                    ref = copy.spec.provider_ref
                    groups["" if ref.kind is ProviderKind.CLUSTER else copy.namespace, ref].append(copy)
        self._census.retain(known, listed)
        for copies in groups.values():
            await self._sweep_provider(copies)
            await asyncio.sleep(_BETWEEN_PROVIDERS_SECONDS)

    async def _sweep_provider(self, copies: list[Snapshot]) -> None:
        views = [(copy, self._reconciler.view(copy, Record())) for copy in copies]
        views = await self._allowed(views)
        if not views:
            return
        listed = await self._reconciler.cloud.images(views[0][1])
        if isinstance(listed, Trouble):
            _log.info("a provider can't be swept now", provider=copies[0].spec.provider_ref.name, error=listed.words)
            return
        by_id = {image.id: image for image in listed.images}
        by_owner: dict[str, list[ObservedImage]] = defaultdict(list)
        for image in listed.images:
            if image.marker is not None:
                by_owner[image.marker.owner].append(image)
        for copy, view in views:
            if wrong_project(view, listed.project):
                continue
            shown = by_id.get(copy.status.image_id or "")
            with structlog.contextvars.bound_contextvars(namespace=copy.namespace, name=copy.name):
                await self._judge(copy, view, shown, tuple(by_owner[view.owner]))

    async def _allowed(self, views: list[tuple[Snapshot, View]]) -> list[tuple[Snapshot, View]]:
        """Return those of namespaces that may use the provider."""
        by_namespace = {view.namespace: view for _, view in views}
        may = {name for name, view in by_namespace.items() if await self._reconciler.cloud.may_use(view)}
        return [(copy, view) for copy, view in views if view.namespace in may]

    async def _judge(
        self, copy: Snapshot, view: View, image: ObservedImage | None, marked: tuple[ObservedImage, ...]
    ) -> None:
        if image is None:
            looked = await self._reconciler.cloud.look(view, Need.TARGET)
            if isinstance(looked, Trouble):
                return
            image = getattr(looked, "target", None)
        absent = image is None or image.state is ImageState.ABSENT
        if absent and copy.uid not in self._absent:
            self._absent.add(copy.uid)
            return
        if not absent:
            self._absent.discard(copy.uid)
        step = judge(view, image, marked, self._reconciler.clock())
        try:
            await self._reconciler.store(copy, step.status, step.events, Record())
        except KubeError as exc:
            _log.info("what a sweep found is told by the next one", error=str(exc))


def _is_ready(copy: Snapshot) -> bool:
    return is_finished(copy.status) and is_true(copy.status, ConditionType.READY)
