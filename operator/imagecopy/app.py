"""The process: what it holds is built once at the start and closed at the end, in order.

A start checks what can be checked: the cluster, the CRDs, the ports. A stop lets what must not be broken off come to
its end for a few seconds; a second signal ends the process at once, which loses nothing but time.
"""

import asyncio
import gc
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import kopf
import structlog
from kubernetes.aio.client import Configuration

from imagecopy import __version__, logs, metrics
from imagecopy.api.base import GROUP
from imagecopy.api.provider import PLURALS, ProviderKind
from imagecopy.cloud.cloud import Cloud
from imagecopy.copies.inventory import Inventory
from imagecopy.copies.phase_counts import PhaseCounts
from imagecopy.copies.poller import run_poller
from imagecopy.copies.queue import UNKNOWN_PROJECT
from imagecopy.copies.reconciler import Reconciler
from imagecopy.flow.pacing import Bounds
from imagecopy.flow.project import bound_project
from imagecopy.flow.view import occupies_slot
from imagecopy.ims import AddressRules, BadProxy, CallRecord, Proxies
from imagecopy.kube import connection
from imagecopy.kube.client import IMAGE_COPIES, KubeClient
from imagecopy.kube.errors import KubeError
from imagecopy.kube.events import Poster
from imagecopy.kube.session import Sessions, counting
from imagecopy.providers.controller import ProviderController
from imagecopy.providers.registry import ProviderRegistry
from imagecopy.settings import Settings
from imagecopy.watch import handlers
from imagecopy.watch.endpoints import Endpoints
from imagecopy.watch.liveness import Liveness
from imagecopy.watch.runner import DRAIN_SECONDS, EndlessBackoffs, operate, register_login

_START_SECONDS: Final = 30.0
"""A start waits so long for an API server that does not answer."""
_UNKNOWN_SECONDS: Final = 60.0
"""So long after the start, a running copy whose provider can't be used counts against every project's slots."""

_T = TypeVar("_T")

_log = structlog.stdlib.get_logger(__name__)


class CannotStart(Exception):
    """The operator can't do its work here; the message says why and what to do."""


def spare_collections() -> None:
    """Let the garbage collector leave alone what was imported, and look less often at what lives long.

    Almost all of what a burst allocates is freed by reference counts; looking for cycles in the rest, every few hundred
    allocations, took a tenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def run(settings: Settings) -> None:
    """Run until a signal says stop.

    Raises:
        CannotStart: something that is needed is missing, or a proxy can't be used.
        NoCluster: no way to a cluster is known.
        PortTaken: a port can't be listened on.
    """
    spare_collections()
    async with AsyncExitStack() as stack:
        proxies = _proxies()
        configuration = await connection.load()
        vitals = Liveness(metrics.observe_beat)
        await stack.enter_async_context(_background(vitals.loop.run()))
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
                ProviderRegistry(
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
        poster = await stack.enter_async_context(_posting(kube))
        reconciler = Reconciler(
            kube,
            Cloud(providers),
            installation=installation,
            writer=f"{socket.gethostname()[:40]}/{secrets.token_hex(4)}",
            bounds=Bounds(settings.min_poll_seconds, settings.max_poll_seconds),
            calls_per_second=settings.calls_per_second,
            clock=partial(datetime.now, UTC),
            settle_seconds=settings.settle_seconds,
            tell=poster.post,
            on_event=metrics.count_event,
            on_end=metrics.count_end,
        )
        census = PhaseCounts()
        metrics.tell_build(__version__)
        stack.enter_context(metrics.telling(metrics.State(vitals=vitals, census=census, slots=reconciler.slots)))
        await _patiently(partial(_find_running, kube, reconciler, settings.namespaces))
        scheduler = handlers.make_scheduler(reconciler)
        await stack.enter_async_context(_background(scheduler.run()))
        lookout = run_poller(
            reconciler.lookout,
            view=reconciler.view,
            images=reconciler.cloud.active_images_since,
            prompt=scheduler.prompt,
        )
        await stack.enter_async_context(_background(lookout))
        if settings.sweep_seconds:
            sweeper = Inventory(kube, reconciler, settings.namespaces, settings.sweep_seconds, census=census)
            await stack.enter_async_context(_background(sweeper.run()))
        registry = kopf.OperatorRegistry()
        sessions = Sessions(configuration, vitals.watches, metrics.count_kubernetes_call)
        await stack.enter_async_context(_closing(sessions))
        register_login(registry, configuration, sessions)
        handlers.register(registry, reconciler, scheduler, census)
        provider_controller = ProviderController(
            kube,
            providers,
            reconciler.slots,
            clock=reconciler.clock,
            namespaces=settings.namespaces,
            check_seconds=settings.provider_check_seconds,
            on_check=metrics.provider_checked,
        )
        await stack.enter_async_context(_closing(provider_controller))
        kinds = await _patiently(partial(_watchable, kube, settings.namespaces))
        handlers.register_providers(registry, provider_controller, kinds)
        watched = frozenset((IMAGE_COPIES, *(PLURALS[kind] for kind in kinds)))
        _log.info("started", version=__version__, installation=installation, namespaces=settings.namespaces or "all")
        await operate(registry, settings.namespaces, vitals, reconciler, scheduler, watched)
        await reconciler.drain(DRAIN_SECONDS)
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


async def _patiently(read: Callable[[], Awaitable[_T]]) -> _T:
    """Read something that a start needs, again and again while the API server can't be used.

    Raises:
        CannotStart: it could not be for too long.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + _START_SECONDS
    for pause in EndlessBackoffs():
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
                reconciler.slots.hold(copy.uid, bound_project(copy.status) or UNKNOWN_PROJECT)
    asyncio.get_running_loop().call_later(_UNKNOWN_SECONDS, reconciler.slots.forget_unknown)


@asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _posting(kube: KubeClient) -> AsyncIterator[Poster]:
    poster = Poster(kube)
    async with _background(poster.run()):
        yield poster
    await poster.flush(DRAIN_SECONDS)


def _on_call(record: CallRecord) -> None:
    logs.cloud_call(record)
    metrics.count_call(record)


@asynccontextmanager
async def _closing(thing: Any) -> AsyncIterator[Any]:
    try:
        yield thing
    finally:
        await thing.aclose()
