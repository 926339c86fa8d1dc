"""The process: builds everything once at the start, and closes it in reverse order at the end.

The start checks the cluster, the CRDs and the ports. A stop waits some seconds for what must not be cancelled. A second
signal ends the process at once, which costs nothing but time at the next start.
"""

import asyncio
import gc
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
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
from imagecopy.copies.controller import Controller, Options
from imagecopy.copies.views import Clocks, Identity
from imagecopy.flow.pacing import Bounds
from imagecopy.ims import AddressRules, BadProxy, CallRecord, Proxies
from imagecopy.kube import connection
from imagecopy.kube.client import IMAGE_COPIES, KubeClient
from imagecopy.kube.errors import KubeError
from imagecopy.kube.events import Poster
from imagecopy.kube.session import Sessions, counting
from imagecopy.providers.controller import ProviderController
from imagecopy.providers.registry import ProviderRegistry
from imagecopy.settings import Settings
from imagecopy.supervisor import Supervisor
from imagecopy.watch import handlers
from imagecopy.watch.endpoints import Endpoints
from imagecopy.watch.kopf_settings import EndlessBackoffs, register_login
from imagecopy.watch.liveness import Liveness
from imagecopy.watch.runner import Runner

_DRAIN_SECONDS: Final = 3.0
"""How long a stop waits for what must not be cancelled."""
_START_SECONDS: Final = 30.0
"""How long a start waits for an API server that does not answer."""
_T = TypeVar("_T")

_log = structlog.stdlib.get_logger(__name__)


class CannotStart(Exception):
    """The operator can't work in this cluster or environment; the message says why and what to do."""


def spare_collections() -> None:
    """Exclude what was imported from garbage collection, and collect less often.

    Reference counts free almost everything that a burst allocates. Searching the rest for cycles every few hundred
    allocations took a tenth of the CPU time.
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
        TaskEnded: a background task ended, because of a bug.
    """
    spare_collections()
    async with AsyncExitStack() as stack:
        proxies = _proxies()
        configuration = await connection.load()
        supervisor = Supervisor()
        liveness = Liveness(metrics.observe_beat)
        await stack.enter_async_context(supervisor.running("loop monitor", liveness.loop.run()))
        configuration.trace_configs = [counting(metrics.count_kubernetes_call)]
        kube = await stack.enter_async_context(_closing(KubeClient(configuration)))
        endpoints = await stack.enter_async_context(_closing(Endpoints(liveness)))
        await endpoints.start(settings.health_port, settings.metrics_port)
        await _patiently(partial(_check_crds, kube))
        installation = settings.installation_id or ""
        if not installation:
            installation = await _patiently(partial(kube.namespace_uid, "kube-system"))
        providers = await stack.enter_async_context(_closing(_providers(settings, kube, configuration, proxies)))
        poster = await stack.enter_async_context(_posting(kube, supervisor))
        copies = _controller(settings, kube, providers, poster, installation)
        metrics.tell_build(__version__)
        state = metrics.State(liveness=liveness, phases=copies.registry.phases, slots=copies.slots)
        stack.enter_context(metrics.telling(state))
        await _patiently(copies.count_running)
        for name, work in copies.background_tasks().items():
            await stack.enter_async_context(supervisor.running(name, work))
        provider_controller = _provider_controller(settings, kube, providers, copies)
        await stack.enter_async_context(_closing(provider_controller))
        sessions = Sessions(configuration, liveness.watches, metrics.count_kubernetes_call)
        await stack.enter_async_context(_closing(sessions))
        kinds = await _patiently(partial(_watchable, kube, settings.namespaces))
        registry = kopf.OperatorRegistry()
        register_login(registry, configuration, sessions)
        handlers.register(registry, copies)
        handlers.register_providers(registry, provider_controller, kinds)

        async def stop() -> None:
            supervisor.stopping()
            await copies.stop(_DRAIN_SECONDS)

        plurals = frozenset((IMAGE_COPIES, *(PLURALS[kind] for kind in kinds)))
        runner = Runner(registry, liveness, namespaces=settings.namespaces, plurals=plurals, on_stop=stop)
        supervisor.on_failure = partial(_end, runner, liveness)
        supervisor.check()
        _log.info("started", version=__version__, installation=installation, namespaces=settings.namespaces or "all")
        await runner.run()
        await copies.drain(_DRAIN_SECONDS)
        _log.info("stopped")
        supervisor.check()


def _end(runner: Runner, liveness: Liveness, reason: str) -> None:
    liveness.failure = reason
    runner.stop()


def _providers(
    settings: Settings, kube: KubeClient, configuration: Configuration, proxies: Proxies
) -> ProviderRegistry:
    return ProviderRegistry(
        kube,
        settings.allowlist,
        addresses=_address_rules(settings, configuration),
        proxies=proxies,
        calls_per_second=settings.calls_per_second,
        ambient=settings.ambient,
        on_call=_on_call,
    )


def _controller(
    settings: Settings, kube: KubeClient, providers: ProviderRegistry, poster: Poster, installation: str
) -> Controller:
    options = Options(
        bounds=Bounds(settings.min_poll_seconds, settings.max_poll_seconds),
        settle_seconds=settings.settle_seconds,
        calls_per_second=settings.calls_per_second,
        inventory_seconds=settings.sweep_seconds,
        namespaces=settings.namespaces,
    )
    return Controller(
        kube,
        Cloud(providers),
        Identity(installation, writer=f"{socket.gethostname()[:40]}/{secrets.token_hex(4)}"),
        Clocks(partial(datetime.now, UTC)),
        poster.post,
        options=options,
        on_event=metrics.count_event,
        on_completion=metrics.count_end,
    )


def _provider_controller(
    settings: Settings, kube: KubeClient, providers: ProviderRegistry, copies: Controller
) -> ProviderController:
    return ProviderController(
        kube,
        providers,
        copies.slots,
        clock=partial(datetime.now, UTC),
        namespaces=settings.namespaces,
        check_seconds=settings.provider_check_seconds,
        on_check=metrics.provider_checked,
    )


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
    """Read something that the start needs; try again while the API server can't be used.

    Raises:
        CannotStart: the API server could not be used for too long.
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
    """Return the kinds of provider that the operator may watch. For others, kopf would never become ready."""
    kinds = []
    for kind, plural in PLURALS.items():
        places = namespaces if kind is ProviderKind.NAMESPACED and namespaces else (None,)
        if all([await kube.may_list(plural, place) for place in places]):
            kinds.append(kind)
        else:
            _log.warning(
                "the operator lacks the right to list and watch providers of this kind, so it checks them only when a "
                "copy uses one. Grant it (RBAC), then restart the operator",
                kind=kind.value,
            )
    return tuple(kinds)


@asynccontextmanager
async def _posting(kube: KubeClient, supervisor: Supervisor) -> AsyncIterator[Poster]:
    poster = Poster(kube)
    async with supervisor.running("event poster", poster.run()):
        yield poster
    await poster.flush(_DRAIN_SECONDS)


def _on_call(record: CallRecord) -> None:
    logs.cloud_call(record)
    metrics.count_call(record)


@asynccontextmanager
async def _closing(thing: Any) -> AsyncIterator[Any]:
    try:
        yield thing
    finally:
        await thing.aclose()
