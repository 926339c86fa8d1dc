"""One operator process: the real controller between the simulated API server and cloud, fed as kopf feeds it."""

import asyncio
import contextvars
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from imagecopy.api.base import FINALIZER
from imagecopy.api.imagecopy import DeletionPolicy, ImageCopyStatus, ProviderRef
from imagecopy.cloud.cloud import Cloud as CloudRoom
from imagecopy.copies.controller import Controller, Options
from imagecopy.copies.views import Clocks, Identity
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import KubeError, Unavailable
from imagecopy.kube.objects import Snapshot, merge_patch
from imagecopy.providers.limiter import CallLimiter
from imagecopy.providers.registry import Access
from simulation.apiserver import ApiServer
from simulation.cloud import Client, Cloud
from simulation.network import Link
from unit.flow.builders import T0

_process: contextvars.ContextVar["Operator | None"] = contextvars.ContextVar("process", default=None)


class Kube(KubeClient):
    """The API server over a link."""

    def __init__(self, server: ApiServer, link: Link) -> None:
        self._server = server
        self._link = link

    async def image_copy(self, namespace: str, name: str) -> Snapshot:
        return Snapshot.parse(await self._call("kube", lambda: self._server.get(namespace, name)))

    async def image_copies(self, namespace: str | None = None) -> AsyncIterator[Snapshot]:
        for found in await self._call("kube", self._server.list):
            yield Snapshot.parse(found)

    async def write_status(self, known: Snapshot, status: ImageCopyStatus) -> Snapshot:
        patch = merge_patch(known.status.to_wire(), status.to_wire())
        place = (known.namespace, known.name, known.resource_version)
        return Snapshot.parse(await self._call("write", lambda: self._server.patch_status(*place, patch)))

    async def _call(self, kind: str, serve: Callable[[], Any]) -> Any:
        return await self._link.call(kind, serve, lambda: Unavailable("no reply"))


class OneProvider:
    """Lends the one client of a process."""

    def __init__(self, client: Client, slots: int) -> None:
        self._access = Access(client, CallLimiter(asyncio.get_running_loop().time, 50.0), slots)

    @asynccontextmanager
    async def access(self, namespace: str, ref: ProviderRef) -> AsyncIterator[Access]:
        yield self._access


class Operator:
    """A process that can be killed at any await, and that can stand still."""

    def __init__(self, name: str, server: ApiServer, cloud: Cloud, link: Link, rng: random.Random, slots: int) -> None:
        self.name = name
        self.link = link
        self._server = server
        self._rng = rng
        self._tasks: set[asyncio.Task[Any]] = set()
        self._handlers: dict[str, asyncio.Task[None]] = {}
        loop = asyncio.get_running_loop()
        self.kube = Kube(server, link)
        self.controller = Controller(
            self.kube,
            CloudRoom(OneProvider(Client(cloud, link), slots)),
            Identity("simulation", name),
            Clocks(lambda: T0 + timedelta(seconds=loop.time()), loop.time),
            _no_event,
            options=Options(calls_per_second=50.0, inventory_seconds=900.0, workers=8),
        )

    @property
    def is_alive(self) -> bool:
        """Whether it was not killed."""
        return not self.link.is_dead

    def start(self) -> None:
        """Start the process."""
        self._spawn(self._main())

    def kill(self) -> None:
        """End the process as SIGKILL does: none of its code runs any more."""
        self.link.kill()
        for task in list(self._tasks):
            task.cancel()

    def freeze(self, seconds: float) -> None:
        """Let the process stand still: it sees no reply before it goes on."""
        self.link.frozen_until = asyncio.get_running_loop().time() + seconds

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        context = contextvars.copy_context()
        context.run(_process.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    async def _main(self) -> None:
        while True:
            try:
                await self.controller.count_running()
                break
            except KubeError:
                await asyncio.sleep(1)
        for work in self.controller.background_tasks().values():
            self._spawn(work)
        while True:
            await self._watch()

    async def _watch(self) -> None:
        """Bring events until the watch breaks; deletions in the gap before the next one are not replayed."""
        stream = self._server.watch()
        ends_at = asyncio.get_running_loop().time() + self._rng.choice((20.0, 300.0, 3600.0)) * self._rng.random()
        try:
            while True:
                async with asyncio.timeout_at(ends_at):
                    kind, body = await stream.get()
                await asyncio.sleep(0.01 * self._rng.random())
                self._event(kind, body)
        except TimeoutError:
            pass
        finally:
            self._server.unwatch(stream)
        await asyncio.sleep(self._rng.choice((0.01, 1.0, 15.0)))

    def _event(self, kind: str | None, body: dict[str, Any]) -> None:
        """What kopf does with an event, and what our handlers do."""
        registry, meta = self.controller.registry, body["metadata"]
        uid = meta["uid"]
        if kind == "DELETED":
            registry.gone(uid)
            return
        if uid in self._handlers and not self._handlers[uid].done():
            return  # kopf brings no event of an object while a handler runs for it
        if not registry.knows(uid, meta["resourceVersion"]):
            registry.seen(Snapshot.parse(body), is_listed=kind is None)
        held = FINALIZER in meta.get("finalizers", ())
        deletes = body["spec"].get("deletionPolicy") == DeletionPolicy.DELETE
        if "deletionTimestamp" in meta and held:
            self._handlers[uid] = self._spawn(self._clean_up(uid, body) if deletes else self._finalize(uid, held=False))
        elif held != deletes and "deletionTimestamp" not in meta:
            self._spawn(self._finalize(uid, held=deletes))

    async def _clean_up(self, uid: str, body: dict[str, Any]) -> None:
        meta = body["metadata"]
        await self.controller.clean_up(meta["namespace"], meta["name"], Snapshot.parse(body))
        await self._finalize(uid, held=False)

    async def _finalize(self, uid: str, *, held: bool) -> None:
        while True:
            try:
                await self.link.call(
                    "finalizer", lambda: self._server.set_finalizer(uid, held=held), lambda: Unavailable("no reply")
                )
                return
            except KubeError:
                await asyncio.sleep(1)


def task_factory(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any) -> "asyncio.Task[Any]":
    """Create a task that belongs to the process that creates it, so that it dies with it."""
    task = asyncio.Task(work, loop=loop, **more)
    context = more.get("context")
    owner = context.get(_process) if context is not None else _process.get()
    if owner is not None:
        owner._tasks.add(task)
        task.add_done_callback(owner._tasks.discard)
        if not owner.is_alive:
            task.cancel()
    return task


async def _no_event(known: Snapshot, event: object) -> None:
    """Events are not simulated."""
