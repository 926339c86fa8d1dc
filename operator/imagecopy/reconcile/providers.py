"""Providers: from a providerRef to a client of that cloud, shared by all copies that use it.

Provider and Secret are read again at most every few seconds, whoever asks, and never watched or listed. A client
lives as long as neither changes; with it live its token and the breaker of its login. While the API server
does not answer, the client that is there goes on serving.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from imagecopy import ims
from imagecopy.api.ambient import CLUSTER_ONLY, Ambient
from imagecopy.api.imagecopy import ProviderRef
from imagecopy.api.provider import ClusterImageProviderSpec, ImageProviderSpec, ProviderKind, SecretRef
from imagecopy.flow.seen import Cause, Trouble
from imagecopy.kube.client import KubeClient, Secret
from imagecopy.kube.errors import KubeError, Missing, Refused
from imagecopy.reconcile.credentials import BadSecret, read_login
from imagecopy.reconcile.gate import Gate

CHECK_SECONDS: Final = 10.0
"""A provider and its Secret are looked at again after so long ..."""
CHECK_BROKEN_SECONDS: Final = 2.0
"""... and after so long where they did not work."""

PLURALS: Final = {ProviderKind.CLUSTER: "clusterimageproviders", ProviderKind.NAMESPACED: "imageproviders"}

_log = logging.getLogger(__name__)


class Unusable(Exception):
    """The provider can't be used now; ``trouble`` says why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


_Key = tuple[ProviderKind, str, str]
_Fingerprint = tuple[object, ...]


@dataclass(slots=True, eq=False)
class _Lease:
    """A client, what it was made from, and how many use it right now."""

    client: ims.ImsClient
    made_from: _Fingerprint
    secret: str
    """Where its login is from, for people."""
    max_concurrent_copies: int
    users: int = 0
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """What a tick gets of a provider: its client, the gate before it, and how many copies may run at a time."""

    client: ims.ImsClient
    gate: Gate
    max_concurrent_copies: int


@dataclass(slots=True)
class _Entry:
    gate: Gate
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    lease: _Lease | None = None
    trouble: Trouble | None = None
    check_at: float = 0.0


@dataclass(frozen=True, slots=True)
class _Provider:
    """A provider of either kind; ``secret`` says where its Secret is."""

    kind: ProviderKind
    named: str
    spec: ClusterImageProviderSpec | ImageProviderSpec
    secret: SecretRef
    version: tuple[str, int]

    @property
    def where(self) -> str:
        """The Secret, for people."""
        return f"{self.secret.namespace}/{self.secret.name}"


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
        self._entries: dict[_Key, _Entry] = {}

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
        key = (ref.kind, "" if ref.kind is ProviderKind.CLUSTER else namespace, ref.name)
        entry = self._entry(key)
        lease = await self._lease(key, entry)
        lease.users += 1
        try:
            yield Access(lease.client, entry.gate, lease.max_concurrent_copies)
        except ims.CredentialsInvalid as exc:
            raise type(exc).like(exc, f"{exc.message} (the login is from Secret {lease.secret})") from exc
        finally:
            lease.users -= 1
            if lease.replaced and lease.users == 0:
                await lease.client.aclose()

    def _entry(self, key: _Key) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(Gate(self._clock, self._calls_per_second))
        return entry

    async def _lease(self, key: _Key, entry: _Entry) -> _Lease:
        async with entry.lock:
            if self._clock() >= entry.check_at:
                await self._check(key, entry)
        if entry.lease is None:
            raise Unusable(entry.trouble or Trouble(Cause.PROVIDER_MISSING, "the provider was not looked at"))
        return entry.lease

    async def _check(self, key: _Key, entry: _Entry) -> None:
        """Look at provider and Secret, and renew the client if they changed."""
        try:
            provider = await self._provider(key)
            secret = await self._secret(provider)
            made_from = (*provider.version, secret.uid, secret.resource_version)
            if entry.lease is None or entry.lease.made_from != made_from:
                client = self._make(provider, secret)
                await self._retire(entry)
                entry.lease = _Lease(client, made_from, provider.where, provider.spec.max_concurrent_copies)
        except Unusable as exc:
            await self._retire(entry)
            entry.trouble = exc.trouble
            entry.check_at = self._clock() + CHECK_BROKEN_SECONDS
        except KubeError as exc:
            _log.warning("provider %s can't be looked at: %s", key[2], exc)
            entry.trouble = Trouble(Cause.TRANSIENT, "the Kubernetes API does not answer")
            entry.check_at = self._clock() + CHECK_BROKEN_SECONDS
        else:
            entry.trouble = None
            entry.check_at = self._clock() + CHECK_SECONDS

    async def _retire(self, entry: _Entry) -> None:
        lease, entry.lease = entry.lease, None
        if lease is not None:
            lease.replaced = True
            if lease.users == 0:
                await lease.client.aclose()

    async def _provider(self, key: _Key) -> _Provider:
        kind, namespace, name = key
        named = f"{kind.value} {namespace}/{name}" if namespace else f"{kind.value} {name}"
        try:
            found = await self._kube.custom_object(PLURALS[kind], name, namespace or None)
        except Missing:
            hint = f"create it, or name another one in a new ImageCopy's spec.providerRef (kubectl get {PLURALS[kind]})"
            raise Unusable(Trouble(Cause.PROVIDER_MISSING, f"{named} does not exist: {hint}")) from None
        except Refused as exc:
            raise Unusable(Trouble(Cause.PROVIDER_INVALID, f"the operator may not read {named}: {exc}")) from None
        meta = found["metadata"]
        try:
            if kind is ProviderKind.CLUSTER:
                spec = ClusterImageProviderSpec.model_validate(found.get("spec") or {})
                secret = spec.credentials_secret_ref
                return _Provider(kind, named, spec, secret, (meta["uid"], meta["generation"]))
            local = ImageProviderSpec.model_validate(found.get("spec") or {})
            secret = SecretRef(name=local.credentials_secret_ref.name, namespace=namespace)
            return _Provider(kind, named, local, secret, (meta["uid"], meta["generation"]))
        except ValidationError as exc:
            wrong = exc.errors()[0]
            words = f"{named} can't be read: {'.'.join(map(str, ('spec', *wrong['loc'])))}: {wrong['msg']}"
            raise Unusable(Trouble(Cause.PROVIDER_INVALID, words)) from None

    async def _secret(self, provider: _Provider) -> Secret:
        where = provider.where
        try:
            return await self._kube.secret(provider.secret.namespace, provider.secret.name)
        except Missing:
            words = f"Secret {where} does not exist, {provider.named} needs it: create it with the cloud's login"
            raise Unusable(Trouble(Cause.PROVIDER_MISSING, words)) from None
        except Refused as exc:
            raise Unusable(
                Trouble(Cause.PROVIDER_INVALID, f"the operator may not read Secret {where}: {exc}")
            ) from None

    def _make(self, provider: _Provider, secret: Secret) -> ims.ImsClient:
        spec = provider.spec
        where = provider.where
        given = spec.endpoints
        try:
            known = ims.cloud_endpoints(spec.cloud.value, spec.region) if spec.cloud and spec.region else None
            iam = (given.iam if given else None) or (known.iam if known else None)
            if iam is None:
                raise BadSecret(f"{provider.named} needs cloud and region, or endpoints.iam")
            login = read_login(
                where,
                secret.data,
                project_id=spec.project_id,
                region=spec.region,
                kind=provider.kind,
                ambient=self._ambient,
            )
            for warning in login.warnings:
                _log.warning("%s", warning)
            auth = ims.auth_for(login.credentials, iam, self._wire, region=spec.region, breakers=self._breakers)
            return ims.ImsClient(
                auth,
                self._wire,
                ims_endpoint=(given.ims if given else None) or (known.ims if known else None),
                project_id=spec.project_id,
            )
        except (BadSecret, ims.ImsError, ValueError) as exc:
            words = exc.message if isinstance(exc, ims.ImsError) else str(exc)
            raise Unusable(Trouble(Cause.PROVIDER_INVALID, words)) from None
