"""The client of one provider: made from the provider and its Secret, cached, and replaced when either changes.

The provider and its Secret are read again when somebody uses the client and the last read is 10 s old, or 2 s while
they did not work. Secrets are never watched or listed. The client is replaced when the provider's uid or generation,
or the Secret's uid or resourceVersion, is another one; the old client is closed when its last user is done. While the
API server does not answer, the cached client goes on serving.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from imagecopy import ims
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import KubeError
from imagecopy.providers.client_factory import ClientFactory
from imagecopy.providers.objects import Provider, ProviderKey, Unusable, read_provider, read_secret

READ_SECONDS: Final = 10.0
"""How long a provider and its Secret are used before they are read again ..."""
READ_BROKEN_SECONDS: Final = 2.0
"""... and how long while they did not work."""

Version = tuple[object, ...]
"""What a client was made from: uid and generation of the provider, uid and resourceVersion of the Secret."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class CachedClient:
    """A client, what it was made from, and how many use it at the moment."""

    client: ims.ImsClient
    version: Version
    secret: str
    """Namespace and name of the Secret, for messages."""
    secret_version: str
    warnings: tuple[str, ...]
    """Problems of the Secret that do not keep it from working."""
    max_concurrent_copies: int
    users: int = 0
    replaced: bool = False

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        """Keep the client open through the body, even when it is replaced meanwhile."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1
            await self._close_if_unused()

    async def retire(self) -> None:
        """Close the client when its last user is done."""
        self.replaced = True
        await self._close_if_unused()

    async def _close_if_unused(self) -> None:
        if self.replaced and self.users == 0:
            await self.client.aclose()


class ClientCache:
    """The cached client of one provider.

    ``on_change`` is called when the client is replaced, when it can't be used any more or for another reason than
    before, and when the cloud refuses its login.
    """

    def __init__(
        self,
        key: ProviderKey,
        kube: KubeClient,
        factory: ClientFactory,
        clock: Callable[[], float],
        on_change: Callable[[], None],
    ) -> None:
        self._key = key
        self._kube = kube
        self._factory = factory
        self._clock = clock
        self._on_change = on_change
        self._lock = asyncio.Lock()
        self._provider: Provider | None = None
        self._client: CachedClient | None = None
        self._trouble: Trouble | None = None
        """Why there is no provider or no client."""
        self._read_provider_at = 0.0
        self._read_secret_at = 0.0
        self._login_refused = False

    @property
    def version(self) -> Version | None:
        """What the cached client was made from; None: there is no client."""
        return None if self._client is None else self._client.version

    async def provider(self) -> Provider:
        """Return the provider, read again if that is due.

        Raises:
            Unusable: it does not exist or can't work as written.
        """
        async with self._lock:
            if self._clock() >= self._read_provider_at:
                await self._read_provider()
            if self._provider is None:
                raise self._unusable()
            return self._provider

    async def client_of(self, provider: Provider) -> CachedClient | None:
        """Return the client made from ``provider`` and its Secret, which is read again if that is due.

        None: the provider has changed since :meth:`provider` returned it, maybe in which namespaces it allows.

        Raises:
            Unusable: the Secret does not exist, or provider and Secret can't work as written.
        """
        async with self._lock:
            if self._provider is not provider:
                return None
            if self._clock() >= self._read_secret_at:
                await self._read_secret(provider)
            if self._client is None:
                raise self._unusable()
            return self._client

    @asynccontextmanager
    async def in_use(self, cached: CachedClient) -> AsyncIterator[None]:
        """Keep the client open through the body. A refused login raised from the body comes out naming the Secret."""
        async with cached.in_use():
            try:
                yield
            except ims.CredentialsInvalid as exc:
                if not self._login_refused:
                    self._login_refused = True
                    self._on_change()
                raise type(exc).like(exc, f"{exc.message} (the login is from Secret {cached.secret})") from exc

    def forget_refusal(self) -> None:
        """Have the next refusal of the login count as a change."""
        self._login_refused = False

    def expire_provider(self) -> None:
        """Have the provider read again when it is used next, because its spec has changed."""
        self._read_provider_at = 0.0

    async def retire(self) -> None:
        """Close the client when its last user is done. Callers that wait for a client get Unusable."""
        async with self._lock:
            self._provider = None
            await self._retire()

    async def aclose(self) -> None:
        """Close the client at once."""
        if self._client is not None:
            await self._client.client.aclose()

    async def _read_provider(self) -> None:
        try:
            provider = await read_provider(self._kube, self._key)
        except Unusable as exc:
            self._provider = None
            await self._broken(exc.trouble)
        except KubeError as exc:
            self._not_answered(exc)
        else:
            if self._provider is None or self._provider.version != provider.version:
                self._provider, self._read_secret_at = provider, 0.0
            self._read_provider_at = self._clock() + READ_SECONDS

    async def _read_secret(self, provider: Provider) -> None:
        """Read the Secret, and replace the client if it was made from another version."""
        try:
            secret = await read_secret(self._kube, provider)
            version = (*provider.version, secret.uid, secret.resource_version)
            if self._client is None or self._client.version != version:
                built = self._factory.build(provider, secret)
                await self._retire()
                self._client = CachedClient(
                    built.client,
                    version,
                    provider.where,
                    f"{secret.uid}/{secret.resource_version}",
                    built.warnings,
                    provider.spec.max_concurrent_copies,
                )
                self._login_refused = False
                self._on_change()
        except Unusable as exc:
            await self._broken(exc.trouble)
        except KubeError as exc:
            self._not_answered(exc)
        else:
            self._trouble = None
            self._read_secret_at = self._clock() + READ_SECONDS

    async def _broken(self, trouble: Trouble) -> None:
        """There is no client until provider or Secret change."""
        await self._retire()
        if self._trouble != trouble:
            self._trouble = trouble
            self._on_change()
        self._read_provider_at = self._read_secret_at = self._clock() + READ_BROKEN_SECONDS

    def _not_answered(self, exc: KubeError) -> None:
        """The API server did not answer: keep what is cached."""
        _log.warning("%s or its Secret can't be read now; a client that is cached goes on serving: %s", self._key, exc)
        words = f"the Kubernetes API server does not answer, so {self._key} can't be read now"
        self._trouble = Trouble(Cause.TRANSIENT, words)
        self._read_provider_at = self._read_secret_at = self._clock() + READ_BROKEN_SECONDS

    async def _retire(self) -> None:
        cached, self._client = self._client, None
        if cached is not None:
            await cached.retire()

    def _unusable(self) -> Unusable:
        return Unusable(self._trouble or Trouble(Cause.PROVIDER_MISSING, f"{self._key} was deleted: create it again"))
