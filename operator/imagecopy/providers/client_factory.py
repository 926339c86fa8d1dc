"""Makes a client of the cloud from a provider and its Secret. Sends nothing."""

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
    """A client, and warnings about the Secret that it was made from."""

    client: ims.ImsClient
    warnings: tuple[str, ...]


class ClientFactory:
    """Makes clients.

    ``wire`` says how clouds are reached, ``ambient`` which providers may use the operator's own identity. The circuit
    breakers of logins belong to the factory, so that a new client of the same login keeps to their pauses.
    """

    def __init__(self, wire: ims.Wire, ambient: Ambient) -> None:
        self._wire = wire
        self._ambient = ambient
        self._breakers = ims.Breakers()

    def build(self, provider: Provider, secret: Secret) -> BuiltClient:
        """Make the client that provider and Secret describe.

        Raises:
            Unusable: provider or Secret can't work as written.
        """
        spec = provider.spec
        given = spec.endpoints
        try:
            known = ims.cloud_endpoints(spec.cloud.value, spec.region) if spec.cloud and spec.region else None
            iam = (given.iam if given else None) or (known.iam if known else None)
            if iam is None:
                raise BadSecret(
                    f"{provider.named} does not say where to log in: set cloud and region, or endpoints.iam"
                )
            login = read_login(
                provider.where,
                secret.data,
                project_id=spec.project_id,
                region=spec.region,
                kind=provider.kind,
                ambient=self._ambient,
            )
            wire = replace(self._wire, context=_context(provider))
            auth = ims.auth_for(login.credentials, iam, wire, region=spec.region, breakers=self._breakers)
            client = ims.ImsClient(
                auth,
                wire,
                ims_endpoint=(given.ims if given else None) or (known.ims if known else None),
                project_id=spec.project_id,
            )
        except (BadSecret, ims.ImsError, ValueError) as exc:
            words = exc.message if isinstance(exc, ims.ImsError) else str(exc)
            raise Unusable(Trouble(Cause.PROVIDER_INVALID, words)) from None
        for warning in login.warnings:
            _log.warning("%s", warning)
        return BuiltClient(client, login.warnings)


def _context(provider: Provider) -> ssl.SSLContext | None:
    """Return the CA certificates that the provider trusts; None: the public ones.

    Raises:
        Misconfigured: the certificates of the provider can't be read.
    """
    if provider.spec.ca_bundle is None:
        return None
    try:
        return ims.ssl_context(provider.spec.ca_bundle)
    except ims.Misconfigured as exc:
        raise ims.Misconfigured(f"spec.caBundle of {provider.named}: {exc.message}") from None
