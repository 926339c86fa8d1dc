"""Authentication by user name and password. Source: OTC API reference, IAM, "Obtaining a User Token"."""

import time

from imagecopy.ims.auth.base import Clock
from imagecopy.ims.auth.breaker import Breaker
from imagecopy.ims.auth.credentials import Hidden, PasswordCredentials
from imagecopy.ims.auth.iam import TOKENS_PATH, Advice, Iam, Reply, project_advice, scope_of
from imagecopy.ims.auth.renewal import Fresh
from imagecopy.ims.auth.tokens import TokenAuth, TokenSession, fresh_bare_token, fresh_token
from imagecopy.ims.wire import Wire


class PasswordTokenAuth(TokenAuth):
    """Logs in with user name and password."""

    def __init__(
        self,
        iam_endpoint: str,
        credentials: PasswordCredentials,
        wire: Wire,
        *,
        region: str | None = None,
        breaker: Breaker | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """Prepare; nothing is sent before the first call.

        ``region`` picks the endpoint of a catalogue that has several, and names the project when the credentials
        don't.

        Raises:
            EndpointNotAllowed: the allowlist forbids ``iam_endpoint``.
        """
        super().__init__(PasswordLogin(Iam(iam_endpoint, wire), credentials, region), breaker=breaker, clock=clock)


class PasswordLogin:
    """Gets a token for a project."""

    def __init__(self, iam: Iam, credentials: PasswordCredentials, region: str | None) -> None:
        self._iam = iam
        self._credentials = credentials
        self._region = region

    def __repr__(self) -> str:
        return f"{self._iam!r}, {self._credentials!r}"

    async def __call__(self) -> Fresh[TokenSession]:
        """Log in."""
        credentials = self._credentials
        scope = scope_of(credentials.project, self._region)
        where = project_advice(credentials.project, self._region)
        return fresh_token(await _ask(self._iam, credentials, scope, where), self._region)


class DomainLogin:
    """Gets a token for the user's whole account, with which an agency can be assumed."""

    def __init__(self, iam: Iam, credentials: PasswordCredentials) -> None:
        self._iam = iam
        self._credentials = credentials

    async def __call__(self) -> Fresh[str]:
        """Log in."""
        credentials = self._credentials
        scope: dict[str, object] = {"domain": {"name": credentials.domain_name}}
        return fresh_bare_token(await _ask(self._iam, credentials, scope, "check domainName"))


async def _ask(iam: Iam, credentials: PasswordCredentials, scope: dict[str, object], where: str) -> Reply:
    user = {
        "name": credentials.username,
        "password": credentials.password,
        "domain": {"name": credentials.domain_name},
    }
    identity = {"methods": ["password"], "password": {"user": user}}
    return await iam.ask(
        TOKENS_PATH,
        body={"auth": {"identity": identity, "scope": scope}},
        hidden=Hidden.of(credentials.password),
        advice=Advice(refused=f"check {credentials.keys}", misconfigured=f"{where}, and the IAM endpoint"),
    )
