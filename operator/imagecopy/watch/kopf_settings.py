"""kopf's settings for this operator, and its login with sessions of ours."""

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import kopf
from kubernetes.aio.client import Configuration

from imagecopy.api.base import FINALIZER, GROUP
from imagecopy.kube.session import Sessions

_LOGIN_SECONDS: Final = 600
"""How often kopf logs in to the API server anew: a service account's token is replaced on disk every hour."""


class EndlessBackoffs:
    """kopf's pauses while the API server fails. They have no end, because the operator would end with them."""

    def __iter__(self) -> Iterator[float]:
        for pause in itertools.chain((0.5, 1, 2, 4, 8), itertools.repeat(15)):
            yield pause * random.uniform(0.8, 1.2)  # noqa: S311


class NoDiffStorage(kopf.DiffBaseStorage):
    """Keeps kopf from storing the last seen object in an annotation: to kopf, no object ever differs from before.

    There is nothing to compare, because kopf would copy it deeply several times for each event.
    """

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        """Return nothing to compare."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Return nothing to compare with."""
        return kopf.BodyEssence()

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


def kopf_settings() -> kopf.OperatorSettings:
    """Return the settings."""
    settings = kopf.OperatorSettings()
    settings.persistence.finalizer = FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = NoDiffStorage()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.chunk_size = 500
    settings.queueing.idle_timeout = 1.0
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    settings.networking.error_backoffs = EndlessBackoffs()
    return settings


def register_login(registry: kopf.OperatorRegistry, configuration: Configuration, sessions: Sessions) -> None:
    """Make kopf log in with our sessions."""
    kopf.on.login(registry=registry)(partial(_login, configuration=configuration, sessions=sessions))


async def _login(*_: Any, configuration: Configuration, sessions: Sessions, **__: Any) -> kopf.AiohttpSession:
    session = await sessions.open()
    until = datetime.now(UTC) + timedelta(seconds=_LOGIN_SECONDS)
    has_token = "Authorization" in session.headers  # which may be replaced; a certificate is not
    return kopf.AiohttpSession(
        server=configuration.host, aiohttp_session=session, expiration=until if has_token else None
    )
