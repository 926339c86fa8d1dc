"""Runs kopf: starts it anew until it watches all that it should, and stops it on a signal."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final

import kopf
import structlog
from kopf._cogs.structs.references import (  # not public, but what kopf.operator() takes
    Insights,
    NamespaceName,
    Resource,
)

from imagecopy.watch.kopf_settings import kopf_settings
from imagecopy.watch.liveness import Liveness

_SCAN_PAUSE_SECONDS: Final = 1.0
_KILLED: Final = 130

_log = structlog.stdlib.get_logger(__name__)


class Runner:
    """One run of kopf, until a signal or somebody else stops it."""

    def __init__(
        self,
        registry: kopf.OperatorRegistry,
        liveness: Liveness,
        *,
        namespaces: tuple[str, ...],
        plurals: frozenset[str],
        on_stop: Callable[[], Awaitable[None]],
    ) -> None:
        """``namespaces``: the watched ones, none for all. ``plurals``: the resources that have to be watched.

        ``on_stop`` ends the operator's own work, once, before kopf's end is awaited.
        """
        self._registry = registry
        self._liveness = liveness
        self._namespaces = namespaces
        self._plurals = plurals
        self._on_stop = on_stop
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Stop soon."""
        self._stop.set()

    async def run(self) -> None:
        """Let kopf work until it is stopped.

        kopf asks once which resources there are. An API server that has just started, or just got our CRDs, may answer
        without them, and kopf would wait for them forever: so it is started anew until it watches them.
        """
        while not (await self._run_kopf() or self._stop.is_set()):
            _log.warning("the API server does not serve our resources yet; asking again")
            await asyncio.sleep(_SCAN_PAUSE_SECONDS)

    async def _run_kopf(self) -> bool:
        """Run kopf; return False at once if it did not find all that is to be watched."""
        ended, ready, insights = asyncio.Event(), asyncio.Event(), Insights()
        self._handle_signals()

        async def pass_on_stop() -> None:
            await self._stop.wait()
            self._liveness.stopping = True
            ended.set()
            # kopf would wait 7 s for a call that hangs, which is too near to the 10 s that a stop may take.
            await self._on_stop()

        async def once_ready() -> None:
            await insights.ready_resources.wait()
            if not self._is_complete(insights):
                ended.set()
                return
            self._liveness.watches.expect(_paths(insights.watched_resources, self._namespaces))
            await ready.wait()
            self._handle_signals()  # kopf has replaced ours by handlers that know no second signal

        waiting = [asyncio.create_task(pass_on_stop()), asyncio.create_task(once_ready())]
        try:
            await kopf.operator(
                registry=self._registry,
                settings=kopf_settings(),
                insights=insights,
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=ended,
                ready_flag=ready,
            )
        finally:
            self._liveness.watches.expect(None)
            for task in waiting:
                task.cancel()
        return self._is_complete(insights)

    def _is_complete(self, insights: Insights) -> bool:
        return self._plurals <= {resource.plural for resource in insights.watched_resources}

    def _handle_signals(self) -> None:
        def stop_or_exit() -> None:
            if self._stop.is_set():
                os._exit(_KILLED)
            _log.info("stopping; another signal ends this at once")
            self._stop.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop_or_exit)


def _paths(watched: Iterable[Resource], namespaces: tuple[str, ...]) -> Iterator[str]:
    """Return the paths of all lists that are watched."""
    for resource in watched:
        for namespace in (namespaces if resource.namespaced else ()) or (None,):
            yield resource.get_url(namespace=NamespaceName(namespace) if namespace else None)
