"""Tokens: one is obtained from IAM, sent with every request (``X-Auth-Token``), and scoped to one project.

Source: OTC API reference, Identity and Access Management, "Token Management". A token is valid for 24 hours, and
the next one does not end it.
"""

import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import httpx

from imagecopy.ims.auth.base import Clock, ImsAuth, Session
from imagecopy.ims.auth.breaker import Breaker
from imagecopy.ims.auth.credentials import Hidden
from imagecopy.ims.auth.iam import Reply, with_advice
from imagecopy.ims.auth.renewal import Fresh, Renewed, is_taken, life_seconds
from imagecopy.ims.classify import Call, classify
from imagecopy.ims.errors import Misconfigured
from imagecopy.ims.lenient import as_dict, as_list, as_str, as_time

_FALLBACK_LIFE_SECONDS: Final = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSession(Session):
    """A session by token."""

    token: str = field(repr=False)
    expires_at: datetime
    life_seconds: float
    """Counted from its creation, by the server's clock."""


class TokenLogin(Protocol):
    """Obtains tokens by one authentication method."""

    async def __call__(self) -> Fresh[TokenSession]:
        """Get one.

        Raises:
            CredentialsInvalid: the login is refused.
            SurelyNotDone: it was not possible for another reason.
        """


class TokenAuth(ImsAuth):
    """Sends a token. It is shared by all callers and renewed ahead of its end (:class:`Renewed`)."""

    def __init__(self, login: TokenLogin, *, breaker: Breaker | None = None, clock: Clock = time.monotonic) -> None:
        """Prepare; nothing is sent before the first call."""
        self._login = login
        self._tokens = Renewed(login, breaker or Breaker(clock), clock)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._login!r})"

    async def session(self) -> TokenSession:
        """Return the session, logging in when there is none or it is about to end.

        Raises:
            CredentialsInvalid: the login is refused, or was and is not tried yet.
            SurelyNotDone: the login was not possible for another reason.
        """
        return await self._tokens.get()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send ``request`` with a token; after a 401, once more with a fresh one."""
        session = await self._tokens.get()
        request.headers["X-Auth-Token"] = session.token
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            session = await self._tokens.replace(session)
            request.headers["X-Auth-Token"] = session.token
            response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            await response.aread()
            body = Hidden.of(session.token).body(response.content)
            error = classify(Call.GET_IMAGE, response.status_code, response.headers, body)
            advice = "the login worked but its token did not: check that project, region and endpoints belong together"
            raise self._tokens.refused(session, type(error).like(error, with_advice(error.message, advice)))
        if is_taken(response.status_code):
            self._tokens.taken(session)


def fresh_token(reply: Reply, region: str | None) -> Fresh[TokenSession]:
    """Read a reply with a token that is for a project.

    Raises:
        TryLater: it has no usable token.
        Misconfigured: the token is not for a project, so IMS would refuse it.
    """
    secret, token = _token(reply)
    project = as_dict(token.get("project")) or {}
    project_id, project_name = as_str(project.get("id")), as_str(project.get("name"))
    if project_id is None:
        raise Misconfigured("the login gave a token that is not for a project; IMS needs one that is")
    life = _life(reply, token)
    session = TokenSession(
        token=secret,
        expires_at=as_time(token.get("expires_at")) or datetime.now(UTC) + timedelta(seconds=life),
        life_seconds=life,
        project_id=project_id,
        project_name=project_name,
        ims_endpoint=_image_endpoint(token.get("catalog"), region or (project_name or "").partition("_")[0]),
    )
    return Fresh(session, life)


def fresh_bare_token(reply: Reply) -> Fresh[str]:
    """Read a reply with a token of any scope.

    Raises:
        TryLater: it has no usable token.
    """
    secret, token = _token(reply)
    return Fresh(secret, _life(reply, token))


def _token(reply: Reply) -> tuple[str, dict[str, object]]:
    token = as_dict((as_dict(reply.data) or {}).get("token"))
    secret = reply.headers.get("x-subject-token", "")
    if token is None or not secret.isascii() or not secret.isprintable() or not secret:
        raise reply.unusable("the reply has no token")
    return secret, token


def _life(reply: Reply, token: dict[str, object]) -> float:
    return life_seconds(
        token.get("expires_at"),
        reply.headers,
        issued_at=token.get("issued_at"),
        fallback_seconds=_FALLBACK_LIFE_SECONDS,
    )


def _image_endpoint(catalog: object, region: str) -> str | None:
    """Return the public endpoint of the service of type ``image`` in ``region``, else the first that there is."""
    endpoints = list(_image_endpoints(catalog))
    for wanted in (region, "*"):
        for found, url in endpoints:
            if found == wanted:
                return url
    return endpoints[0][1] if endpoints else None


def _image_endpoints(catalog: object) -> Iterator[tuple[str | None, str]]:
    for item in as_list(catalog):
        service = as_dict(item) or {}
        if service.get("type") != "image":
            continue
        for entry in as_list(service.get("endpoints")):
            endpoint = as_dict(entry) or {}
            url = as_str(endpoint.get("url"))
            if url and endpoint.get("interface", "public") == "public":
                yield as_str(endpoint.get("region_id")) or as_str(endpoint.get("region")), url
