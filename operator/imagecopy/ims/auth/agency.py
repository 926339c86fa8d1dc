"""Authentication by an agency, which another account (or the same) created for the account of a login.

The login must be allowed to assume agencies (the role Agent Operator). The result works in the project of the account
that created the agency.

Sources: OTC API reference, IAM, "Obtaining an Agency Token" and "Obtaining a Temporary AK/SK". Their tables call the
agency's name ``agency_name``, as the official SDK does; their examples and older tools say ``xrole_name``. So the
second is tried where the first is a bad request.
"""

from typing import Final

import httpx

from imagecopy.ims.auth.access_key import fresh_key
from imagecopy.ims.auth.credentials import NOTHING, AgencyCredentials, Hidden
from imagecopy.ims.auth.iam import (
    SECURITY_TOKENS_PATH,
    TOKENS_PATH,
    Advice,
    Iam,
    Reply,
    project_advice,
    scope_of,
)
from imagecopy.ims.auth.renewal import Fresh, Renewed
from imagecopy.ims.auth.signer import AccessKey
from imagecopy.ims.auth.tokens import TokenSession, fresh_token
from imagecopy.ims.errors import CredentialsInvalid, Misconfigured

KEY_SECONDS: Final = 6 * 3600
"""The lifetime that is requested for temporary keys; 15 minutes to 24 hours are possible. It is long enough to bridge
an outage of IAM, and short enough that a leaked key expires soon."""

_NAMES: Final = ("agency_name", "xrole_name")


class _Agency:
    """Assumes an agency; remembers which field IAM expects its name in."""

    def __init__(self, iam: Iam, credentials: AgencyCredentials) -> None:
        self._iam = iam
        self._credentials = credentials
        self._name = _NAMES[0]

    def __repr__(self) -> str:
        return f"{self._iam!r}, {self._credentials!r}"

    async def _assume(
        self,
        path: str,
        *,
        scope: dict[str, object] | None,
        advice: Advice,
        more: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: httpx.Auth | None = None,
        hidden: Hidden = NOTHING,
    ) -> Reply:
        names = (self._name, *(name for name in _NAMES if name != self._name))
        for name in names:
            role = {
                "domain_name": self._credentials.agency_domain_name,
                name: self._credentials.agency_name,
                **(more or {}),
            }
            body: dict[str, object] = {"identity": {"methods": ["assume_role"], "assume_role": role}}
            if scope is not None:
                body["scope"] = scope
            try:
                reply = await self._iam.ask(
                    path, body={"auth": body}, headers=headers, auth=auth, hidden=hidden, advice=advice
                )
            except Misconfigured as exc:
                if exc.http_status != httpx.codes.BAD_REQUEST or name == names[-1]:
                    raise
            else:
                self._name = name
                return reply
        raise AssertionError


class AgencyTokenLogin(_Agency):
    """Assumes an agency with a password login, and gets a token."""

    def __init__(self, iam: Iam, credentials: AgencyCredentials, base: Renewed[str], region: str | None) -> None:
        """``base`` are tokens of the login's own account."""
        super().__init__(iam, credentials)
        self._base = base
        self._region = region

    async def __call__(self) -> Fresh[TokenSession]:
        """Log in and assume the agency."""
        token = await self._base.get()
        try:
            reply = await self._ask(token)
        except CredentialsInvalid as exc:
            if exc.http_status != httpx.codes.UNAUTHORIZED:
                self._base.taken(token)
                raise
            token = await self._base.replace(token)
            reply = await self._ask(token)
        self._base.taken(token)
        return fresh_token(reply, self._region)

    async def _ask(self, token: str) -> Reply:
        project = self._credentials.project
        keys = self._credentials.keys
        where = project_advice(project, self._region)
        return await self._assume(
            TOKENS_PATH,
            scope=scope_of(project, self._region),
            headers={"X-Auth-Token": token},
            hidden=Hidden.of(token),
            advice=Advice(
                refused=f"the login itself worked: check {keys}, and that its user has the role Agent Operator",
                misconfigured=f"check {keys}; {where}, which must be one of the agency's account",
            ),
        )


class AgencyKeySource(_Agency):
    """Assumes an agency with an access key, and gets temporary keys."""

    def __init__(self, iam: Iam, credentials: AgencyCredentials, base: httpx.Auth) -> None:
        """``base`` signs requests to IAM."""
        super().__init__(iam, credentials)
        self._base = base

    async def __call__(self) -> Fresh[AccessKey]:
        """Assume the agency."""
        keys = self._credentials.keys
        reply = await self._assume(
            SECURITY_TOKENS_PATH,
            scope=None,
            more={"duration_seconds": KEY_SECONDS},
            auth=self._base,
            advice=Advice(
                refused=f"the access key itself was taken: check {keys}, and that its user has the role Agent Operator",
                misconfigured=f"check {keys}",
            ),
        )
        try:
            return fresh_key(reply.data, reply.headers)
        except ValueError as exc:
            raise reply.unusable(str(exc)) from None
