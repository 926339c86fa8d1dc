"""The process: what it holds is built once at the start and closed at the end, in order.

A start checks what can be checked: the cluster, the CRDs, the ports. A stop lets what must not be broken off come to
its end for a few seconds; a second signal ends the process at once, which loses nothing but time.
"""

import asyncio
import itertools
import os
import random
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import kopf
import structlog
from kopf._cogs.structs.references import (  # not public, but what kopf.operator() takes
    Insights,
    NamespaceName,
    Resource,
)
from kubernetes.aio.client import Configuration

from imagecopy import __version__, handlers, logs, metrics
from imagecopy.api.base import GROUP
from imagecopy.api.provider import PLURALS, ProviderKind
from imagecopy.flow.pacing import Bounds
from imagecopy.flow.project import home
from imagecopy.flow.view import occupies_slot
from imagecopy.health import Endpoints
from imagecopy.ims import AddressRules, BadProxy, CallRecord, Proxies
from imagecopy.kube import connection
from imagecopy.kube.client import IMAGE_COPIES, KubeClient
from imagecopy.kube.errors import KubeError
from imagecopy.kube.session import Sessions, counting
from imagecopy.reconcile import Census, Cloud, Providers, ProviderStatuses, Reconciler, Sweeper
from imagecopy.reconcile.slots import UNKNOWN_PROJECT
from imagecopy.settings import Settings
from imagecopy.vitals import Vitals

_START_SECONDS: Final = 30.0
"""A start waits so long for an API server that does not answer."""
_DRAIN_SECONDS: Final = 3.0
_SCAN_PAUSE_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 2.0
"""kopf waits so long for a tick under way when its timer has to stop. Past that it asks again every second, each time
by an annotation on the object: a write, and a trace that stays."""
_LOGIN_SECONDS: Final = 600
"""kopf logs in to the API server anew after so long, as a service account's token is replaced on disk hourly."""
_UNKNOWN_SECONDS: Final = 60.0
"""So long after the start, a running copy whose provider can't be used counts against every project's slots."""
_KILLED: Final = 130

_T = TypeVar("_T")

_log = structlog.stdlib.get_logger(__name__)


class CannotStart(Exception):
    """The operator can't do its work here; the message says why and what to do."""


class _EndlessBackoffs:
    """kopf's pauses while the API server fails: without an end, as at their end the whole operator would end."""

    def __iter__(self) -> Iterator[float]:
        for pause in itertools.chain((0.5, 1, 2, 4, 8), itertools.repeat(15)):
            yield pause * random.uniform(0.8, 1.2)  # noqa: S311


async def run(settings: Settings) -> None:
    """Run until a signal says stop.

    Raises:
        CannotStart: something that is needed is missing, or a proxy can't be used.
        NoCluster: no way to a cluster is known.
        PortTaken: a port can't be listened on.
    """
    async with AsyncExitStack() as stack:
        proxies = _proxies()
        configuration = await connection.load()
        vitals = Vitals()
        await stack.enter_async_context(_background(vitals.pulse.run()))
        configuration.trace_configs = [counting(metrics.count_kubernetes_call)]
        kube = await stack.enter_async_context(_closing(KubeClient(configuration)))
        endpoints = await stack.enter_async_context(_closing(Endpoints(vitals)))
        await endpoints.start(settings.health_port, settings.metrics_port)
        await _patiently(partial(_check_crds, kube))
        installation = settings.installation_id or ""
        if not installation:
            installation = await _patiently(partial(kube.namespace_uid, "kube-system"))
        providers = await stack.enter_async_context(
            _closing(
                Providers(
                    kube,
                    settings.allowlist,
                    addresses=_address_rules(settings, configuration),
                    proxies=proxies,
                    calls_per_second=settings.calls_per_second,
                    ambient=settings.ambient,
                    on_call=_on_call,
                )
            )
        )
        reconciler = Reconciler(
            kube,
            Cloud(providers),
            installation=installation,
            writer=f"{socket.gethostname()[:40]}/{secrets.token_hex(4)}",
            bounds=Bounds(settings.min_poll_seconds, settings.max_poll_seconds),
            clock=partial(datetime.now, UTC),
            settle_seconds=settings.settle_seconds,
            on_event=metrics.count_event,
            on_end=metrics.count_end,
        )
        census = Census()
        metrics.tell_build(__version__)
        stack.enter_context(metrics.telling(metrics.State(vitals=vitals, census=census, slots=reconciler.slots)))
        await _patiently(partial(_find_running, kube, reconciler, settings.namespaces))
        if settings.sweep_seconds:
            sweeper = Sweeper(kube, reconciler, settings.namespaces, settings.sweep_seconds, census=census)
            await stack.enter_async_context(_background(sweeper.run()))
        registry = kopf.OperatorRegistry()
        sessions = Sessions(configuration, vitals.watches, metrics.count_kubernetes_call)
        await stack.enter_async_context(_closing(sessions))
        kopf.on.login(registry=registry)(partial(_login, configuration=configuration, sessions=sessions))
        handlers.register(registry, reconciler, census)
        statuses = ProviderStatuses(
            kube,
            providers,
            reconciler.slots,
            clock=reconciler.clock,
            namespaces=settings.namespaces,
            check_seconds=settings.provider_check_seconds,
            on_check=metrics.provider_checked,
        )
        await stack.enter_async_context(_closing(statuses))
        kinds = await _patiently(partial(_watchable, kube, settings.namespaces))
        handlers.register_providers(registry, statuses, kinds)
        watched = frozenset((IMAGE_COPIES, *(PLURALS[kind] for kind in kinds)))
        _log.info("started", version=__version__, installation=installation, namespaces=settings.namespaces or "all")
        await _operate(registry, settings, vitals, reconciler, watched)
        await reconciler.drain(_DRAIN_SECONDS)
        _log.info("stopped")


def _proxies() -> Proxies:
    try:
        proxies = Proxies.from_environment(os.environ)
    except BadProxy as exc:
        raise CannotStart(str(exc)) from None
    for scheme, proxy in (("https", proxies.https), ("http", proxies.http)):
        if proxy is not None:
            _log.info("the cloud is called through a proxy", scheme=scheme, proxy=str(proxy))
    return proxies


def _address_rules(settings: Settings, configuration: Configuration) -> AddressRules:
    hosts = (urlsplit(configuration.host).hostname, os.environ.get("KUBERNETES_SERVICE_HOST"))
    return AddressRules(cluster_networks=settings.cluster_networks, api_servers=tuple(host for host in hosts if host))


async def _operate(
    registry: kopf.OperatorRegistry,
    settings: Settings,
    vitals: Vitals,
    reconciler: Reconciler,
    watched: frozenset[str],
) -> None:
    """Let kopf work until a signal says stop.

    kopf asks once which resources there are. An API server that has just started, or just got our CRDs, may answer
    without them, and kopf would wait for ever: so it is started anew until it watches.
    """
    stop = asyncio.Event()
    while not (await _watch(registry, settings, vitals, reconciler, watched, stop) or stop.is_set()):
        _log.warning("the API server does not tell of our resources yet; asking again")
        await asyncio.sleep(_SCAN_PAUSE_SECONDS)


async def _watch(
    registry: kopf.OperatorRegistry,
    settings: Settings,
    vitals: Vitals,
    reconciler: Reconciler,
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
        # kopf would wait 7 s for a call that hangs, which is too near to the 10 s that a stop may take.
        await reconciler.drain(_DRAIN_SECONDS)
        reconciler.break_off()

    async def once_ready() -> None:
        await insights.ready_resources.wait()
        if not watched <= {resource.plural for resource in insights.watched_resources}:
            ended.set()
            return
        vitals.watches.expect(_paths(insights.watched_resources, settings.namespaces))
        await ready.wait()
        _on_signals(stop)  # kopf put handlers of its own in place of ours, which know no second signal

    waiting = [asyncio.create_task(pass_on_stop()), asyncio.create_task(once_ready())]
    try:
        await kopf.operator(
            registry=registry,
            settings=_kopf_settings(),
            insights=insights,
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=settings.namespaces,
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
    settings.persistence.diffbase_storage = handlers.NoDiffs()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.chunk_size = 500
    settings.queueing.idle_timeout = 1.0
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    settings.networking.error_backoffs = _EndlessBackoffs()
    settings.background.cancellation_polling = 1
    settings.background.instant_exit_timeout = _TICK_SECONDS
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


async def _patiently(read: Callable[[], Awaitable[_T]]) -> _T:
    """Read something that a start needs, again and again while the API server can't be used.

    Raises:
        CannotStart: it could not be for too long.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + _START_SECONDS
    for pause in _EndlessBackoffs():
        try:
            return await read()
        except KubeError as exc:
            if loop.time() + pause > until:
                raise CannotStart(f"the API server can't be used: {exc}") from exc
            _log.warning("waiting for the API server", error=str(exc))
            await asyncio.sleep(pause)
    raise AssertionError


async def _check_crds(kube: KubeClient) -> None:
    missing = [plural for plural in (IMAGE_COPIES, *PLURALS.values()) if not await kube.is_served(plural)]
    if missing:
        names = ", ".join(f"{plural}.{GROUP}" for plural in missing)
        raise CannotStart(
            f"these CRDs are not installed: {names}. Install them with: kubectl apply --server-side -f crds/"
        )


async def _watchable(kube: KubeClient, namespaces: tuple[str, ...]) -> tuple[ProviderKind, ...]:
    """Return the kinds of provider that we may watch. kopf would ask for ever for what it may not, and not be ready."""
    kinds = []
    for kind, plural in PLURALS.items():
        places = namespaces if kind is ProviderKind.NAMESPACED and namespaces else (None,)
        if all([await kube.may_list(plural, place) for place in places]):
            kinds.append(kind)
        else:
            _log.warning(
                "providers of this kind may not be listed, so they are checked only when a copy uses them; "
                "grant list and watch, and start the operator anew",
                kind=kind.value,
            )
    return tuple(kinds)


async def _find_running(kube: KubeClient, reconciler: Reconciler, namespaces: tuple[str, ...]) -> None:
    """Count the copies that run already, before any other is started."""
    for namespace in namespaces or (None,):
        async for copy in kube.image_copies(namespace):
            if occupies_slot(copy.status):
                reconciler.slots.hold(copy.uid, home(copy.status) or UNKNOWN_PROJECT)
    asyncio.get_running_loop().call_later(_UNKNOWN_SECONDS, reconciler.slots.forget_unknown)


@asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _on_call(record: CallRecord) -> None:
    logs.cloud_call(record)
    metrics.count_call(record)


@asynccontextmanager
async def _closing(thing: Any) -> AsyncIterator[Any]:
    try:
        yield thing
    finally:
        await thing.aclose()
