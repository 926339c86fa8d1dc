"""Access to the cloud for one ImageCopy: through the provider that it names, its rate limiter and its project."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from weakref import WeakKeyDictionary

from imagecopy import ims
from imagecopy.api.imagecopy import ProviderRef
from imagecopy.cloud.shared_reads import SharedReads
from imagecopy.flow.project import wrong_project
from imagecopy.flow.view import View
from imagecopy.providers.limiter import CallsPaused
from imagecopy.providers.objects import Unusable
from imagecopy.providers.registry import Access
from imagecopy.providers.trouble import trouble_of


class ProviderClients(Protocol):
    """Where clients come from; see :class:`imagecopy.providers.registry.ProviderRegistry`."""

    def access(self, namespace: str, ref: ProviderRef) -> AbstractAsyncContextManager[Access]:
        """Lend a provider, or raise Unusable."""


class TurnTooFar(Exception):
    """A call was not made, because it would have had to wait ``seconds`` for its turn."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class CloudAccess:
    """Lends clients and shared reads."""

    def __init__(self, providers: ProviderClients) -> None:
        self._providers = providers
        self._reads: WeakKeyDictionary[ims.ImsClient, SharedReads] = WeakKeyDictionary()

    def provider(self, view: View) -> AbstractAsyncContextManager[Access]:
        """Lend the provider that the object names.

        Raises:
            Unusable: the provider can't be used.
        """
        return self._providers.access(view.namespace, view.spec.provider_ref)

    @asynccontextmanager
    async def client(
        self, view: View, *, copying: bool = False, longest_turn: float | None = None
    ) -> AsyncIterator[tuple[ims.ImsClient, str]]:
        """Lend the client for one call, with the project that it works in; the rate limiter learns how the call went.

        Raises:
            Unusable: the provider can't be used, its calls are paused, or it points to another project.
            TurnTooFar: the call would have to wait for its turn for longer than ``longest_turn`` seconds.
        """
        async with self.provider(view) as access:
            backlog = access.limiter.backlog_seconds
            if longest_turn is not None and backlog > longest_turn:
                raise TurnTooFar(backlog)
            try:
                async with access.limiter.call(copying=copying):
                    project = await access.client.project_id()
                    if wrong := wrong_project(view, project):
                        raise Unusable(wrong)
                    yield access.client, project
            except CallsPaused as exc:
                raise Unusable(trouble_of(exc)) from None

    @asynccontextmanager
    async def reads(self, view: View, *, any_project: bool = False) -> AsyncIterator[tuple[SharedReads, str]]:
        """Lend shared reads, each of which passes the rate limiter by itself, and the project that they read in.

        ``any_project``: whether it may be another one than the project that the copy is bound to.

        Raises:
            Unusable: the provider can't be used, its calls are paused, or it points to another project.
        """
        async with self.provider(view) as access:
            try:
                access.limiter.check(copying=False)
                try:
                    project = await access.client.project_id()
                except ims.ImsError as exc:
                    access.limiter.failed(exc)
                    raise
                if not any_project and (wrong := wrong_project(view, project)):
                    raise Unusable(wrong)
                reads = self._reads.get(access.client)
                if reads is None:
                    reads = self._reads[access.client] = SharedReads(access.client, access.limiter)
                yield reads, project
            except CallsPaused as exc:
                raise Unusable(trouble_of(exc)) from None
