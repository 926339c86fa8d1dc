"""Sends signed requests: waits for their turn, corrects the clock, and handles a 401."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx

from imagecopy.ims.auth.breaker import Breaker
from imagecopy.ims.auth.credentials import Hidden
from imagecopy.ims.auth.iam import with_advice
from imagecopy.ims.auth.renewal import Renewed, is_taken
from imagecopy.ims.auth.signer import MAX_SKEW_SECONDS, AccessKey, sign
from imagecopy.ims.classify import Call, classify
from imagecopy.ims.errors import ImsError
from imagecopy.ims.lenient import as_http_date

WallClock = Callable[[], datetime]

_OFF_SECONDS: Final = 300.0
"""If a reply's date differs from the signed time by this much, it is not latency: one of the clocks is wrong."""

_log = logging.getLogger(__name__)


def now_in_utc() -> datetime:
    """Return the time by this machine's clock."""
    return datetime.now(UTC)


class Signing:
    """Signs requests with one access key, and handles their replies.

    - A 401 to a key that is renewed (``renewable``) is followed by one more request, under a fresh key.
    - A 401 to a key from the user is final: the same key again would only be one more wrong try in a row, of which
      more than five lock it. Therefore such a key's requests wait for their turn, too (:meth:`Breaker.turn`).
    - The cloud refuses a request whose time is more than 15 minutes from its own. When the date of a 401 shows that
      our clock is off, the request is signed once more with the cloud's time, and from then on all are.
    """

    def __init__(
        self,
        keys: Renewed[AccessKey],
        breaker: Breaker,
        *,
        renewable: bool,
        advice: str,
        turn_seconds: float = 10.0,
        wall: WallClock = now_in_utc,
    ) -> None:
        self._keys = keys
        self._breaker = breaker
        self._renewable = renewable
        self._advice = advice
        self._turn_seconds = turn_seconds
        self._wall = wall
        self._offset = timedelta()

    async def ready(self) -> None:
        """Do nothing if there is a key.

        Raises:
            CredentialsInvalid: it is refused, or was and is not tried yet.
            SurelyNotDone: none could be obtained for another reason.
        """
        await self._keys.get()

    async def flow(
        self, request: httpx.Request, find_project_id: Callable[[], Awaitable[str]] | None
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send ``request`` signed; after a 401, once more if that can help. An auth flow of httpx.

        Raises:
            CredentialsInvalid: the key is refused.
            SurelyNotDone: there is no key or no project, or the request's turn did not come.
        """
        project_id = await find_project_id() if find_project_id else None
        async with nullcontext() if self._renewable else self._breaker.turn(self._turn_seconds):
            if not self._renewable:
                self._breaker.check()  # it may have been refused to somebody else while this one waited
            key = await self._keys.get()
            signed_at = self._sign(request, key, project_id)
            response = yield request
            if response.status_code == httpx.codes.UNAUTHORIZED:
                off = self._set_clock(response, signed_at)
                if not off and self._renewable:
                    key = await self._keys.replace(key)
                if off or self._renewable:
                    self._sign(request, key, project_id)
                    response = yield request
            if response.status_code == httpx.codes.UNAUTHORIZED:
                await response.aread()
                raise self._keys.refused(key, self._words(response, key))
            if is_taken(response.status_code):
                self._keys.taken(key)

    def _sign(self, request: httpx.Request, key: AccessKey, project_id: str | None) -> datetime:
        at = self._wall() + self._offset
        sign(request, key, at, project_id=project_id)
        return at

    def _set_clock(self, response: httpx.Response, signed_at: datetime) -> bool:
        """Use the cloud's time from now on if ours is wrong; return whether it was."""
        theirs = as_http_date(response.headers.get("date"))
        if theirs is None or abs((theirs - signed_at).total_seconds()) < _OFF_SECONDS:
            return False
        self._offset = theirs - self._wall()
        _log.warning(
            "the clock of this machine is %s: set it right; until then requests are signed with the cloud's time",
            self._clock_words(),
        )
        return True

    def _clock_words(self) -> str:
        seconds = self._offset.total_seconds()
        return f"{abs(seconds) / 60:.0f} minutes {'behind' if seconds > 0 else 'ahead of'} the cloud's"

    def _words(self, response: httpx.Response, key: AccessKey) -> ImsError:
        body = Hidden.of(key.secret_access_key, key.security_token).body(response.content)
        error = classify(Call.GET_IMAGE, response.status_code, response.headers, body)
        advice = self._advice
        if abs(self._offset.total_seconds()) >= _OFF_SECONDS:
            advice += f"; the clock of the operator's machine is {self._clock_words()}, which may be the reason, too"
        elif as_http_date(response.headers.get("date")) is None:
            advice += f", and the clock of the operator's machine (it may be {MAX_SKEW_SECONDS / 60:.0f} minutes off)"
        return type(error).like(error, with_advice(error.message, advice))


class BareSigning(httpx.Auth):
    """Signs requests that are for no project, such as those to IAM."""

    def __init__(self, signing: Signing) -> None:
        self._signing = signing

    def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send ``request`` signed; called by httpx."""
        return self._signing.flow(request, None)
