"""Providers: from a providerRef to a client of that cloud, shared by all copies that use it.

Provider and Secret are read again at most every few seconds, whoever asks; Secrets are never watched or listed. A
client lives as long as neither changes; with it live its token and the breaker of its login. While the API server
does not answer, the client that is there goes on serving. Whether a namespace may use a provider is decided before
its Secret is read.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from imagecopy import ims
from imagecopy.api.ambient import CLUSTER_ONLY, Ambient
from imagecopy.api.imagecopy import ProviderRef
from imagecopy.api.provider import ClusterImageProviderSpec
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import KubeError
from imagecopy.providers.admission import Admission
from imagecopy.providers.client_factory import build_client
from imagecopy.providers.limiter import CallLimiter
from imagecopy.providers.objects import (
    Provider,
    ProviderKey,
    Unusable,
    key_of,
    read_provider,
    read_secret,
)

CHECK_SECONDS: Final = 10.0
"""A provider and its Secret are looked at again after so long ..."""
CHECK_BROKEN_SECONDS: Final = 2.0
"""... and after so long where they did not work."""

_log = logging.getLogger(__name__)


_Fingerprint = tuple[object, ...]


class Listener(Protocol):
    """Who hears what becomes of providers while copies use them. Both are called often, and must be quick."""

    def used(self, key: ProviderKey) -> None:
        """A copy asked for the provider."""

    def changed(self, key: ProviderKey) -> None:
        """Its client is another one, or it can (not) be used or logged in to any more."""


@dataclass(slots=True, eq=False)
class _Lease:
    """A client, what it was made from, and how many use it right now."""

    client: ims.ImsClient
    made_from: _Fingerprint
    where: str
    """Where its login is from, for people."""
    secret_version: str
    warnings: tuple[str, ...]
    max_concurrent_copies: int
    users: int = 0
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """What a tick gets of a provider: its client, the limiter of its calls, and how many copies may run at a time."""

    client: ims.ImsClient
    limiter: CallLimiter
    max_concurrent_copies: int


@dataclass(frozen=True, slots=True)
class Inspection(Access):
    """What a check of a provider gets, beside what a tick gets."""

    made_from: _Fingerprint
    """Another one after a change of provider or Secret."""
    secret_version: str
    warnings: tuple[str, ...]
    """What is odd about the Secret."""


@dataclass(slots=True)
class _Entry:
    limiter: CallLimiter
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    provider: Provider | None = None
    lease: _Lease | None = None
    trouble: Trouble | None = None
    """Why there is no provider, or no lease."""
    read_at: float = 0.0
    """When the provider is to be read again ..."""
    check_at: float = 0.0
    """... and its Secret."""
    login_refused: bool = False


class Providers:
    """All providers in use, and one client for each."""

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
        """Begin with none.

        ``addresses`` and ``proxies`` say how clouds are reached, ``ambient`` who may use the operator's own identity;
        ``calls_per_second`` is the budget of each provider.
        """
        self._kube = kube
        self._calls_per_second = calls_per_second
        self._wire = ims.Wire(
            allowlist=allowlist,
            addresses=addresses or ims.AddressRules(),
            proxies=proxies or ims.Proxies(),
            on_call=on_call,
        )
        self._ambient = ambient
        self._breakers = ims.Breakers()
        self._clock = clock
        self._admission = Admission(kube, clock)
        self._entries: dict[ProviderKey, _Entry] = {}
        self.listener: Listener | None = None

    async def aclose(self) -> None:
        """Close all clients."""
        for entry in self._entries.values():
            if entry.lease is not None:
                await entry.lease.client.aclose()
        self._entries.clear()

    @asynccontextmanager
    async def access(self, namespace: str, ref: ProviderRef) -> AsyncIterator[Access]:
        """Lend the provider that an ImageCopy in ``namespace`` refers to.

        Raises:
            Unusable: the provider or its Secret is missing or can't work as it is.

        A refused login, raised from within, comes out naming the Secret.
        """
        key = key_of(namespace, ref)
        entry = self._entry(key)
        async with self._lent(key, entry, await self._lease(key, entry, namespace)) as lease:
            yield Access(lease.client, entry.limiter, lease.max_concurrent_copies)

    @asynccontextmanager
    async def inspect(self, key: ProviderKey) -> AsyncIterator[Inspection]:
        """Lend the provider for a look at itself, on behalf of no namespace.

        Raises:
            Unusable: as for :meth:`access`.
        """
        entry = self._entry(key)
        async with self._lent(key, entry, await self._lease(key, entry, None)) as lease:
            yield Inspection(
                lease.client,
                entry.limiter,
                lease.max_concurrent_copies,
                lease.made_from,
                lease.secret_version,
                lease.warnings,
            )
        entry.login_refused = False

    def renew(self, key: ProviderKey) -> None:
        """Look at the provider anew when it is asked for next: it is another one now."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.read_at = 0.0

    def version(self, key: ProviderKey) -> tuple[object, ...] | None:
        """Return what the client that serves was made from, see :attr:`Inspection.made_from`; None: none serves."""
        entry = self._entries.get(key)
        return None if entry is None or entry.lease is None else entry.lease.made_from

    async def drop(self, key: ProviderKey) -> None:
        """Close the client of a provider that is gone."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            async with entry.lock:
                entry.provider = None
                await self._retire(entry)

    @asynccontextmanager
    async def _lent(self, key: ProviderKey, entry: _Entry, lease: _Lease) -> AsyncIterator[_Lease]:
        lease.users += 1
        try:
            yield lease
        except ims.CredentialsInvalid as exc:
            if not entry.login_refused:
                entry.login_refused = True
                self._changed(key)
            raise type(exc).like(exc, f"{exc.message} (the login is from Secret {lease.where})") from exc
        finally:
            lease.users -= 1
            if lease.replaced and lease.users == 0:
                await lease.client.aclose()

    def _changed(self, key: ProviderKey) -> None:
        if self.listener is not None:
            self.listener.changed(key)

    def _entry(self, key: ProviderKey) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(CallLimiter(self._clock, self._calls_per_second))
        return entry

    async def _lease(self, key: ProviderKey, entry: _Entry, namespace: str | None) -> _Lease:
        """Return what serves, for a namespace that may use it; None: on behalf of none.

        Raises:
            Unusable: nothing does.
        """
        while True:
            async with entry.lock:
                provider = await self._current(key, entry)
            if namespace is not None and isinstance(provider.spec, ClusterImageProviderSpec):
                allowed = provider.spec.allowed_namespaces
                if refusal := await self._admission.refusal(provider.named, allowed, namespace):
                    raise Unusable(refusal)
            if namespace is not None and self.listener is not None:
                self.listener.used(key)
            async with entry.lock:
                if entry.provider is not provider:
                    continue  # it changed in the meantime, maybe in whom it allows
                if self._clock() >= entry.check_at:
                    await self._check(key, entry, provider)
                if entry.lease is None:
                    raise Unusable(entry.trouble or Trouble(Cause.PROVIDER_MISSING, "the provider was not looked at"))
                return entry.lease

    async def _current(self, key: ProviderKey, entry: _Entry) -> Provider:
        """Return the provider as it is, read anew where that is due."""
        if self._clock() >= entry.read_at:
            try:
                provider = await read_provider(self._kube, key)
            except Unusable as exc:
                entry.provider = None
                await self._broken(key, entry, exc.trouble)
            except KubeError as exc:
                self._not_answered(key, entry, exc)
            else:
                if entry.provider is None or entry.provider.version != provider.version:
                    entry.provider, entry.check_at = provider, 0.0
                entry.read_at = self._clock() + CHECK_SECONDS
        if entry.provider is None:
            raise Unusable(entry.trouble or Trouble(Cause.PROVIDER_MISSING, "the provider was not looked at"))
        return entry.provider

    async def _check(self, key: ProviderKey, entry: _Entry, provider: Provider) -> None:
        """Look at the Secret, and renew the client if anything changed."""
        try:
            secret = await read_secret(self._kube, provider)
            made_from = (*provider.version, secret.uid, secret.resource_version)
            if entry.lease is None or entry.lease.made_from != made_from:
                made = build_client(provider, secret, self._wire, ambient=self._ambient, breakers=self._breakers)
                await self._retire(entry)
                entry.lease = _Lease(
                    made.client,
                    made_from,
                    provider.where,
                    f"{secret.uid}/{secret.resource_version}",
                    made.warnings,
                    provider.spec.max_concurrent_copies,
                )
                entry.login_refused = False
                self._changed(key)
        except Unusable as exc:
            await self._broken(key, entry, exc.trouble)
        except KubeError as exc:
            self._not_answered(key, entry, exc)
        else:
            entry.trouble = None
            entry.check_at = self._clock() + CHECK_SECONDS

    async def _broken(self, key: ProviderKey, entry: _Entry, trouble: Trouble) -> None:
        """Nothing can serve until provider or Secret change."""
        await self._retire(entry)
        if entry.trouble != trouble:
            entry.trouble = trouble
            self._changed(key)
        entry.read_at = entry.check_at = self._clock() + CHECK_BROKEN_SECONDS

    def _not_answered(self, key: ProviderKey, entry: _Entry, exc: KubeError) -> None:
        """What is there goes on serving."""
        _log.warning("%s can't be looked at: %s", key, exc)
        entry.trouble = Trouble(Cause.TRANSIENT, "the Kubernetes API does not answer")
        entry.read_at = entry.check_at = self._clock() + CHECK_BROKEN_SECONDS

    async def _retire(self, entry: _Entry) -> None:
        lease, entry.lease = entry.lease, None
        if lease is not None:
            lease.replaced = True
            if lease.users == 0:
                await lease.client.aclose()
