"""Builds the authentication that fits given credentials."""

import time

from imagecopy.ims.auth.access_key import KeySource, static_key_auth, static_signing, temporary_key_auth
from imagecopy.ims.auth.agency import AgencyKeySource, AgencyTokenLogin
from imagecopy.ims.auth.ambient import NodeAgencySource, PodIdentitySource
from imagecopy.ims.auth.base import Clock, ImsAuth
from imagecopy.ims.auth.breaker import Breaker, Breakers
from imagecopy.ims.auth.credentials import (
    AccessKeyCredentials,
    AgencyCredentials,
    Credentials,
    IdentityProviderCredentials,
    NodeAgencyCredentials,
    PasswordCredentials,
    PodIdentityCredentials,
)
from imagecopy.ims.auth.iam import Iam
from imagecopy.ims.auth.oidc import IdentityTokenLogin
from imagecopy.ims.auth.password import DomainLogin, PasswordTokenAuth
from imagecopy.ims.auth.renewal import Renewed
from imagecopy.ims.auth.signing import BareSigning, WallClock, now_in_utc
from imagecopy.ims.auth.tokens import TokenAuth
from imagecopy.ims.wire import Wire


def auth_for(
    credentials: Credentials,
    iam_endpoint: str,
    wire: Wire,
    *,
    region: str | None = None,
    breakers: Breakers | None = None,
    clock: Clock = time.monotonic,
    wall: WallClock = now_in_utc,
) -> ImsAuth:
    """Return the authentication; nothing is sent before its first use.

    ``region`` names the project when the credentials don't, and selects the endpoint if a catalogue has several.
    ``breakers`` are shared by all that use the same login. ``wall`` is the clock for signatures.

    Raises:
        EndpointNotAllowed: the allowlist forbids ``iam_endpoint``.
    """
    iam = Iam(iam_endpoint, wire)
    breakers = breakers or Breakers()
    turn_seconds = wire.timeouts.pool_seconds

    def breaker_of(login: Credentials) -> Breaker:
        return breakers.of(f"{iam!r} {login.fingerprint()}", clock)

    breaker = breaker_of(credentials)
    source: KeySource
    match credentials:
        case PasswordCredentials():
            return PasswordTokenAuth(iam_endpoint, credentials, wire, region=region, breaker=breaker, clock=clock)
        case IdentityProviderCredentials():
            return TokenAuth(IdentityTokenLogin(iam, credentials, region), breaker=breaker, clock=clock)
        case AccessKeyCredentials():
            return static_key_auth(
                credentials, iam, region=region, breaker=breaker, clock=clock, wall=wall, turn_seconds=turn_seconds
            )
        case AgencyCredentials(base=PasswordCredentials() as base):
            tokens = Renewed(DomainLogin(iam, base), breaker_of(base), clock)
            return TokenAuth(AgencyTokenLogin(iam, credentials, tokens, region), breaker=breaker, clock=clock)
        case AgencyCredentials(base=AccessKeyCredentials() as base):
            signing = static_signing(base, breaker_of(base), clock, wall, turn_seconds)
            source = AgencyKeySource(iam, credentials, BareSigning(signing))
        case NodeAgencyCredentials():
            source = NodeAgencySource(credentials, wire)
        case PodIdentityCredentials():
            source = PodIdentitySource(wire)
    return temporary_key_auth(
        source,
        iam,
        credentials.project,
        keys=credentials.keys,
        region=region,
        breaker=breaker,
        clock=clock,
        wall=wall,
    )
