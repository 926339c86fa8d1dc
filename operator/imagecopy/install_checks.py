"""Checks of the cluster before the operator is installed or uninstalled, run by the chart's hooks."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from imagecopy import settings
from imagecopy.api.base import FINALIZER, GROUP
from imagecopy.api.provider import PLURALS
from imagecopy.kube import connection
from imagecopy.kube.client import IMAGE_COPIES, KubeClient
from imagecopy.kube.errors import KubeError, Missing

_POLL_SECONDS: Final = 1.0
_NAMED: Final = 20
"""How many objects a message names; with more, kubectl lists them better."""


class NotYet(Exception):
    """The check failed; the message says why and what to do."""


async def await_crds(timeout_seconds: float) -> str:
    """Wait until the API server serves all our resources, and return a sentence that says so.

    Raises:
        NotYet: it does not in time.
        NoCluster: no way to a cluster is known.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_seconds
    async with _connected() as kube:
        while True:
            why = await _not_served(kube)
            if why is None:
                return f"{GROUP} is served"
            if loop.time() + _POLL_SECONDS > until:
                raise NotYet(f"not within {timeout_seconds:g} s: {why}")
            await asyncio.sleep(_POLL_SECONDS)


async def before_uninstall() -> str:
    """Return a sentence that says that no ImageCopy needs the operator any more.

    Raises:
        NotYet: ImageCopies need it, or they can't be listed.
        BadSettings: IMAGECOPY_NAMESPACES can't be used.
        NoCluster: no way to a cluster is known.
    """
    namespaces = settings.load().namespaces
    async with _connected() as kube:
        try:
            held = [name async for name in _held(kube, namespaces)]
        except KubeError as exc:
            raise NotYet(f"can't check whether ImageCopies still need the operator: {exc}. {_WAY_PAST}") from exc
    if held:
        raise NotYet(_refusal(held))
    return "no ImageCopy needs the operator"


_WAY_PAST: Final = (
    "To uninstall anyway: helm uninstall --no-hooks. The objects then wait for an operator; deleted ones stay until it "
    f"is back, or until their finalizer {FINALIZER} is removed by hand."
)


def _refusal(held: list[str]) -> str:
    shown = "\n".join(f"  {name}" for name in held[:_NAMED])
    more = f"\n  and {len(held) - _NAMED} more" if len(held) > _NAMED else ""
    return (
        f"nothing was removed, because these ImageCopies (deletionPolicy Delete) still need the operator:\n"
        f"{shown}{more}\n"
        "Delete these objects together with their images, or set their deletionPolicy to Retain to keep the images "
        f"(kubectl get imgcp -A). To keep this release instead: helm rollback to its last revision. {_WAY_PAST}"
    )


async def _held(kube: KubeClient, namespaces: Iterable[str]) -> AsyncIterator[str]:
    for wanted in tuple(namespaces) or (None,):
        try:
            async for namespace, name in kube.held_image_copies(FINALIZER, wanted):
                yield f"{namespace}/{name}"
        except Missing:  # the CRD is gone, and all objects with it
            return


async def _not_served(kube: KubeClient) -> str | None:
    try:
        missing = [plural for plural in (IMAGE_COPIES, *PLURALS.values()) if not await kube.is_served(plural)]
    except KubeError as exc:
        return str(exc)
    return f"the API server does not serve {', '.join(missing)}.{GROUP}" if missing else None


@asynccontextmanager
async def _connected() -> AsyncIterator[KubeClient]:
    kube = KubeClient(await connection.load())
    try:
        yield kube
    finally:
        await kube.aclose()
