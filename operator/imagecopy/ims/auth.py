"""How our requests say who we are.

:class:`ImsAuth` is the seam: an httpx auth flow, plus what a login tells about the project. The client knows no
more about credentials than this.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass

import httpx

from imagecopy.ims.classify import Call, classify
from imagecopy.ims.errors import CredentialsInvalid, ImsError, OutcomeUnknown, TryLater
from imagecopy.ims.login import PasswordCredentials, Session, TokenSession, login_body, parse_login
from imagecopy.ims.wire import Wire, exchange, json_of, recorded, request_id

Clock = Callable[[], float]
"""Seconds that only go forward."""

_REFUSED_PAUSE_SECONDS = (60.0, 120.0, 240.0, 480.0, 900.0)
_TROUBLE_PAUSE_SECONDS = 5.0
_RENEW_SECONDS = 300.0
_RENEW_SHARE = 0.1
_LOGIN_PATH = "/v3/auth/tokens"


class ImsAuth(httpx.Auth, ABC):
    """Signs requests, and knows the project they are for.

    An implementation answers a 401 with at most one more request, under fresh credentials.
    """

    @abstractmethod
    async def session(self) -> Session:
        """Return what is known about the project, logging in if that takes a login.

        Raises:
            SurelyNotDone: no login was possible.
        """

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Refuse: there is no synchronous client."""
        raise RuntimeError("the cloud's clients are asynchronous")


class PasswordTokenAuth(ImsAuth):
    """Logs in with user name and password, and sends the token that it gets (``X-Auth-Token``).

    Source: OTC API reference, Identity and Access Management, "Obtaining a User Token". A token is scoped to one
    project, is good for 24 hours, and is not ended by the next one.

    However many callers wait, one login is under way, and all of them get its result. It is renewed when less than
    five minutes or a tenth of its life is left, whichever is less; when that fails, the old one serves to its end.
    The life is counted from the server's own two times, so that a wrong clock on our side does not matter.

    Five wrong logins lock an account at these clouds, for people as well as for us. So after a refused login, the
    next one is sent only after a pause, which grows from one minute to fifteen; the fifth can't come before a
    quarter of an hour has passed. Meanwhile callers get the cloud's refusal at once, with the time until the next
    try as ``retry_after``. The same holds when a fresh token is refused with 401. A login that fails for any other
    reason is not repeated for five seconds, so that a thousand objects don't make a thousand logins. A changed
    Secret makes a new PasswordTokenAuth, which starts with no pause.
    """

    def __init__(
        self,
        iam_endpoint: str,
        credentials: PasswordCredentials,
        wire: Wire,
        *,
        region: str | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """Prepare; nothing is sent before the first call.

        ``region`` picks the endpoint of a catalogue that has several, and names the project when the credentials
        don't.

        Raises:
            EndpointNotAllowed: the allowlist forbids ``iam_endpoint``.
        """
        self._endpoint = wire.allowlist.endpoint(iam_endpoint, "the provider's spec.endpoints.iam")
        self._credentials = credentials
        self._wire = wire
        self._region = region
        self._clock = clock
        self._lock = asyncio.Lock()
        self._held: _Held | None = None
        self._pause = _Pause()

    def __repr__(self) -> str:
        return f"PasswordTokenAuth({self._endpoint!r}, {self._credentials!r})"

    async def session(self) -> TokenSession:
        """Return the session, logging in when there is none or it is about to end.

        Raises:
            CredentialsInvalid: the login is refused, or was and is not tried yet.
            SurelyNotDone: the login was not possible for another reason.
        """
        held = self._held
        if held is not None and self._clock() < held.renew_at:
            return held.session
        return await self._renew(held)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send ``request`` with a token; after a 401, once more with a fresh one."""
        session = await self.session()
        request.headers["X-Auth-Token"] = session.token
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            session = await self._replace(session)
            request.headers["X-Auth-Token"] = session.token
            response = yield request
        held = self._held
        if held is None or held.session is not session:
            return
        if response.status_code == httpx.codes.UNAUTHORIZED:
            await response.aread()
            error = classify(Call.GET_IMAGE, response.status_code, response.headers, response.content)
            self._held = None
            self._pause.refused(CredentialsInvalid.like(error), self._clock())
        elif not held.proven:
            held.proven = True
            self._pause.times = 0

    async def _replace(self, refused: TokenSession) -> TokenSession:
        if self._held is not None and self._held.session is refused:
            self._held = None
        return await self.session()

    async def _renew(self, seen: "_Held | None") -> TokenSession:
        async with self._lock:
            held = self._held
            if held is not None and held is not seen:
                return held.session
            try:
                self._pause.check(self._clock())
                self._held = await self._login()
            except ImsError:
                if held is not None and self._clock() < held.ends_at:
                    return held.session
                raise
            return self._held.session

    async def _login(self) -> "_Held":
        sent = self._clock()
        try:
            session = await self._ask()
        except CredentialsInvalid as exc:
            failed = self._clock()
            self._pause.refused(exc, failed)
            raise type(exc).like(exc, retry_after=self._pause.left(failed)) from None
        except ImsError as exc:
            self._pause.trouble(exc, self._clock())
            raise
        life = session.life_seconds
        return _Held(session, sent + life - min(_RENEW_SECONDS, life * _RENEW_SHARE), sent + life)

    async def _ask(self) -> TokenSession:
        body = login_body(self._credentials, self._region)
        with recorded(Call.LOGIN, "POST", _LOGIN_PATH, self._wire.on_call) as recording:
            try:
                # A client of its own for each login: there is one a day, and so nothing is left to close.
                async with self._wire.one_shot_client() as http:
                    request = http.build_request("POST", self._endpoint + _LOGIN_PATH, json=body)
                    response = await exchange(http, request, timeouts=self._wire.timeouts)
            except OutcomeUnknown as exc:
                raise TryLater.like(exc, f"login: {exc.message}") from exc
            recording.response = response
            if not response.is_success:
                error = classify(Call.LOGIN, response.status_code, response.headers, response.content)
                raise type(error).like(error, self._credentials.hide(error.message))
            try:
                return parse_login(json_of(Call.LOGIN, response), response.headers, self._region)
            except ValueError as exc:
                raise TryLater(
                    f"login: {exc}", request_id=request_id(response), http_status=response.status_code
                ) from None


@dataclass(slots=True)
class _Held:
    session: TokenSession
    renew_at: float
    ends_at: float
    proven: bool = False
    """The API has taken the token, so earlier refusals say nothing any more."""


@dataclass(slots=True)
class _Pause:
    """Until when no login is sent, and why.

    Refusals add up until a token that came after them has been taken: an older token that still works says
    nothing about the password of today.
    """

    until: float = 0.0
    times: int = 0
    why: ImsError | None = None

    def check(self, now: float) -> None:
        """Raise what was said at the last login, if it is too early for the next."""
        if self.why is not None and now < self.until:
            raise type(self.why).like(self.why, retry_after=self.left(now))

    def left(self, now: float) -> float:
        return max(self.until - now, 0.0)

    def refused(self, why: ImsError, now: float) -> None:
        pause = _REFUSED_PAUSE_SECONDS[min(self.times, len(_REFUSED_PAUSE_SECONDS) - 1)]
        self.times += 1
        self.until, self.why = now + pause, why

    def trouble(self, why: ImsError, now: float) -> None:
        self.until, self.why = now + max(why.retry_after or 0.0, _TROUBLE_PAUSE_SECONDS), why
