"""From a provider and its Secret to a client of that cloud. Nothing is sent."""

import logging
import ssl
from dataclasses import dataclass, replace

from imagecopy import ims
from imagecopy.api.ambient import Ambient
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.kube.client import Secret
from imagecopy.providers.credentials import BadSecret, read_login
from imagecopy.providers.objects import Provider, Unusable

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BuiltClient:
    """A client, and what is odd about the Secret that it was made from."""

    client: ims.ImsClient
    warnings: tuple[str, ...]


def build_client(
    provider: Provider, secret: Secret, wire: ims.Wire, *, ambient: Ambient, breakers: ims.Breakers
) -> BuiltClient:
    """Return a client for what provider and Secret say.

    Raises:
        Unusable: they can't work as they are.
    """
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
            ambient=ambient,
        )
        wire = replace(wire, context=_context(provider))
        auth = ims.auth_for(login.credentials, iam, wire, region=spec.region, breakers=breakers)
        client = ims.ImsClient(
            auth,
            wire,
            ims_endpoint=(given.ims if given else None) or (known.ims if known else None),
            project_id=spec.project_id,
        )
        for warning in login.warnings:
            _log.warning("%s", warning)
        return BuiltClient(client, login.warnings)
    except (BadSecret, ims.ImsError, ValueError) as exc:
        words = exc.message if isinstance(exc, ims.ImsError) else str(exc)
        raise Unusable(Trouble(Cause.PROVIDER_INVALID, words)) from None


def _context(provider: Provider) -> ssl.SSLContext | None:
    """Return whom the provider trusts; None: the public CAs.

    Raises:
        Misconfigured: its certificates can't be read.
    """
    if provider.spec.ca_bundle is None:
        return None
    try:
        return ims.ssl_context(provider.spec.ca_bundle)
    except ims.Misconfigured as exc:
        raise ims.Misconfigured(f"spec.caBundle of {provider.named}: {exc.message}") from None
