"""kopf, as this process runs it: its settings, its login, and a start that makes sure that it watches."""

import asyncio
import itertools
import os
import random
import signal
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import kopf
import structlog
from kopf._cogs.structs.references import (  # not public, but what kopf.operator() takes
    Insights,
    NamespaceName,
    Resource,
)
from kubernetes.aio.client import Configuration

from imagecopy.api.base import GROUP
from imagecopy.copies.reconciler import Reconciler
from imagecopy.copies.timers import Timers
from imagecopy.kube.session import Sessions
from imagecopy.watch import handlers
from imagecopy.watch.liveness import Liveness

DRAIN_SECONDS: Final = 3.0
"""A stop waits so long for what must not be broken off."""
_SCAN_PAUSE_SECONDS: Final = 1.0
_LOGIN_SECONDS: Final = 600
"""kopf logs in to the API server anew after so long, as a service account's token is replaced on disk hourly."""
_KILLED: Final = 130

_log = structlog.stdlib.get_logger(__name__)


class EndlessBackoffs:
    """kopf's pauses while the API server fails: without an end, as at their end the whole operator would end."""

    def __iter__(self) -> Iterator[float]:
        for pause in itertools.chain((0.5, 1, 2, 4, 8), itertools.repeat(15)):
            yield pause * random.uniform(0.8, 1.2)  # noqa: S311


async def operate(
    registry: kopf.OperatorRegistry,
    namespaces: tuple[str, ...],
    vitals: Liveness,
    reconciler: Reconciler,
    scheduler: Timers,
    watched: frozenset[str],
) -> None:
    """Let kopf work until a signal says stop.

    kopf asks once which resources there are. An API server that has just started, or just got our CRDs, may answer
    without them, and kopf would wait for ever: so it is started anew until it watches.
    """
    stop = asyncio.Event()
    while not (await _watch(registry, namespaces, vitals, reconciler, scheduler, watched, stop) or stop.is_set()):
        _log.warning("the API server does not tell of our resources yet; asking again")
        await asyncio.sleep(_SCAN_PAUSE_SECONDS)


async def _watch(
    registry: kopf.OperatorRegistry,
    namespaces: tuple[str, ...],
    vitals: Liveness,
    reconciler: Reconciler,
    scheduler: Timers,
    watched: frozenset[str],
    stop: asyncio.Event,
) -> bool:
    """Run kopf; return False at once if it did not find all that is to be watched."""
    ended, ready, insights = asyncio.Event(), asyncio.Event(), Insights()
    _on_signals(stop)

    async def pass_on_stop() -> None:
        await stop.wait()
        vitals.stopping = True
        ended.set()
        scheduler.stop()
        # kopf would wait 7 s for a call that hangs, which is too near to the 10 s that a stop may take.
        await reconciler.drain(DRAIN_SECONDS)
        reconciler.break_off()

    async def once_ready() -> None:
        await insights.ready_resources.wait()
        if not watched <= {resource.plural for resource in insights.watched_resources}:
            ended.set()
            return
        vitals.watches.expect(_paths(insights.watched_resources, namespaces))
        await ready.wait()
        _on_signals(stop)  # kopf put handlers of its own in place of ours, which know no second signal

    waiting = [asyncio.create_task(pass_on_stop()), asyncio.create_task(once_ready())]
    try:
        await kopf.operator(
            registry=registry,
            settings=_kopf_settings(),
            insights=insights,
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=ended,
            ready_flag=ready,
        )
    finally:
        vitals.watches.expect(None)
        for task in waiting:
            task.cancel()
    return watched <= {resource.plural for resource in insights.watched_resources}


def _on_signals(stop: asyncio.Event) -> None:
    def stop_or_exit() -> None:
        if stop.is_set():
            os._exit(_KILLED)
        _log.info("stopping; another signal ends this at once")
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_or_exit)


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.persistence.finalizer = handlers.FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = handlers.NoDiffStorage()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.chunk_size = 500
    settings.queueing.idle_timeout = 1.0
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    settings.networking.error_backoffs = EndlessBackoffs()
    return settings


async def _login(*_: Any, configuration: Configuration, sessions: Sessions, **__: Any) -> kopf.AiohttpSession:
    session = await sessions.open()
    until = datetime.now(UTC) + timedelta(seconds=_LOGIN_SECONDS)
    replaced = "Authorization" in session.headers  # a token may be, a certificate is not
    return kopf.AiohttpSession(
        server=configuration.host, aiohttp_session=session, expiration=until if replaced else None
    )


def _paths(watched: Iterable[Resource], namespaces: tuple[str, ...]) -> Iterator[str]:
    """Return the paths of all lists that are watched."""
    for resource in watched:
        for namespace in (namespaces if resource.namespaced else ()) or (None,):
            yield resource.get_url(namespace=NamespaceName(namespace) if namespace else None)


def register_login(registry: kopf.OperatorRegistry, configuration: Configuration, sessions: Sessions) -> None:
    """Have kopf log in with our sessions."""
    kopf.on.login(registry=registry)(partial(_login, configuration=configuration, sessions=sessions))
