"""Authentication: one interface, and one class for each authentication method.

::

    auth_for(credentials) -> ImsAuth
        PasswordTokenAuth, TokenAuth     a token goes with each request
            password     user name and password
            agency       ... with which an agency is assumed
            oidc         the operator's service account token
        SignatureAuth                    each request is signed
            access_key   a key from the user, permanent or temporary
            agency       ... with which an agency is assumed: temporary keys
            ambient      temporary keys from the node's metadata service, or from CCE Pod Identity

Tokens and temporary keys are a :class:`~imagecopy.ims.auth.renewal.Renewed` value. A login that may be refused has a
circuit breaker, :class:`~imagecopy.ims.auth.breaker.Breaker`. The client only knows :class:`ImsAuth`.
"""

from imagecopy.ims.auth.base import Clock, ImsAuth, Session
from imagecopy.ims.auth.breaker import Breakers
from imagecopy.ims.auth.credentials import (
    AccessKeyCredentials,
    AgencyCredentials,
    Credentials,
    IdentityProviderCredentials,
    NodeAgencyCredentials,
    PasswordCredentials,
    PodIdentityCredentials,
    ProjectRef,
)
from imagecopy.ims.auth.factory import auth_for
from imagecopy.ims.auth.password import PasswordTokenAuth
from imagecopy.ims.auth.tokens import TokenSession

__all__ = [
    "AccessKeyCredentials",
    "AgencyCredentials",
    "Breakers",
    "Clock",
    "Credentials",
    "IdentityProviderCredentials",
    "ImsAuth",
    "NodeAgencyCredentials",
    "PasswordCredentials",
    "PasswordTokenAuth",
    "PodIdentityCredentials",
    "ProjectRef",
    "Session",
    "TokenSession",
    "auth_for",
]
