"""The providers that this process uses or watches: one record for each, with one client that all copies share."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from imagecopy import ims
from imagecopy.api.ambient import CLUSTER_ONLY, Ambient
from imagecopy.api.imagecopy import ProviderRef
from imagecopy.kube.client import KubeClient
from imagecopy.providers.admission import Admission
from imagecopy.providers.client_cache import CachedClient, ClientCache, Version
from imagecopy.providers.client_factory import ClientFactory
from imagecopy.providers.limiter import CallLimiter
from imagecopy.providers.objects import ProviderKey, key_of
from imagecopy.providers.record import ProviderRecord


@dataclass(frozen=True, slots=True)
class Access:
    """What a copy gets of a provider: its client, the limiter of its calls, and how many copies may run at a time."""

    client: ims.ImsClient
    limiter: CallLimiter
    max_concurrent_copies: int


@dataclass(frozen=True, slots=True)
class Inspection(Access):
    """What a check of a provider gets in addition."""

    version: Version
    secret_version: str
    warnings: tuple[str, ...]
    """Problems of the Secret that do not keep it from working."""


class ProviderRegistry:
    """Owns the record of each provider, and lends its client.

    A record begins when a copy first names the provider, or the watch first brings it. It ends with :meth:`gone`.
    """

    def __init__(
        self,
        kube: KubeClient,
        allowlist: ims.Allowlist,
        *,
        addresses: ims.AddressRules | None = None,
        proxies: ims.Proxies | None = None,
        calls_per_second: float = 10.0,
        ambient: Ambient = CLUSTER_ONLY,
        on_call: ims.OnCall | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without a record.

        ``addresses`` and ``proxies`` say how clouds are reached, ``ambient`` which providers may use the operator's
        own identity. ``calls_per_second`` is the limit of each provider.
        """
        self._kube = kube
        self._calls_per_second = calls_per_second
        wire = ims.Wire(
            allowlist=allowlist,
            addresses=addresses or ims.AddressRules(),
            proxies=proxies or ims.Proxies(),
            on_call=on_call,
        )
        self._factory = ClientFactory(wire, ambient)
        self._clock = clock
        self._admission = Admission(kube, clock)
        self._records: dict[ProviderKey, ProviderRecord] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self.on_use: Callable[[ProviderRecord], None] | None = None
        """Called when a copy uses a provider that its namespace may use. Called often: it must return at once."""
        self.on_change: Callable[[ProviderRecord], None] | None = None
        """Called when the state of a provider's client changed (see :class:`ClientCache`). It must return at once."""

    async def aclose(self) -> None:
        """Close all clients."""
        for record in self.records:
            await record.client.aclose()
        self._records.clear()
        await asyncio.gather(*self._closing)

    @property
    def records(self) -> list[ProviderRecord]:
        """The records of all providers."""
        return list(self._records.values())

    def find(self, key: ProviderKey) -> ProviderRecord | None:
        """Return the record of a provider, if there is one."""
        return self._records.get(key)

    def record(self, key: ProviderKey) -> ProviderRecord:
        """Return the record of a provider; a new one if there is none."""
        record = self._records.get(key)
        if record is None:
            record = self._records[key] = self._new_record(key)
        return record

    def gone(self, key: ProviderKey) -> None:
        """End the record of a provider that was deleted: its checks at once, its client when its last user is done."""
        record = self._records.pop(key, None)
        if record is None:
            return
        record.cancel_checks()
        task = asyncio.create_task(record.client.retire())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    @asynccontextmanager
    async def access(self, namespace: str, ref: ProviderRef) -> AsyncIterator[Access]:
        """Lend the provider that an ImageCopy in ``namespace`` refers to.

        Raises:
            Unusable: the namespace may not use it, it or its Secret is missing, or they can't work as written.

        A refused login raised from the body comes out naming the Secret.
        """
        record = self.record(key_of(namespace, ref))
        cached = await self._client(record, namespace)
        async with record.client.in_use(cached):
            yield Access(cached.client, record.limiter, cached.max_concurrent_copies)

    @asynccontextmanager
    async def inspect(self, key: ProviderKey) -> AsyncIterator[Inspection]:
        """Lend a provider for a check of itself, on behalf of no namespace.

        Raises:
            Unusable: as for :meth:`access`.
        """
        record = self.record(key)
        cached = await self._client(record, None)
        async with record.client.in_use(cached):
            yield Inspection(
                cached.client,
                record.limiter,
                cached.max_concurrent_copies,
                cached.version,
                cached.secret_version,
                cached.warnings,
            )
        record.client.forget_refusal()

    async def _client(self, record: ProviderRecord, namespace: str | None) -> CachedClient:
        """Return the client of a provider, after checking that copies of ``namespace`` may use it; None: no check.

        The check comes before the Secret is read.

        Raises:
            Unusable: as for :meth:`access`.
        """
        while True:
            provider = await record.client.provider()
            if namespace is not None:
                await self._admission.check(provider, namespace)
                self._notify(self.on_use, record)
            cached = await record.client.client_of(provider)
            if cached is not None:
                return cached

    def _new_record(self, key: ProviderKey) -> ProviderRecord:
        client = ClientCache(key, self._kube, self._factory, self._clock, lambda: self._notify(self.on_change, record))
        record = ProviderRecord(key, CallLimiter(self._clock, self._calls_per_second), client)
        return record

    def _notify(self, callback: Callable[[ProviderRecord], None] | None, record: ProviderRecord) -> None:
        if callback is not None and self._records.get(record.key) is record:
            callback(record)
