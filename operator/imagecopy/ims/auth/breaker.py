"""Circuit breakers for logins: a refused login is not tried again too soon.

Five wrong passwords in a row lock an account at these clouds, for people as well as for us; more than five wrong
signatures in a row lock an access key for five minutes. So after a refusal nothing is tried for a pause that grows
from one minute to fifteen: the fifth try can't come before a quarter of an hour has passed.

Sources: Huawei Cloud and OTC, IAM user guide, "Account Lockout"; Huawei Cloud, API Gateway FAQ, "AK access failed to
reach the limit".
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from imagecopy.ims.auth.base import Clock
from imagecopy.ims.errors import CredentialsInvalid, ImsError, Unreachable

_REFUSED_PAUSE_SECONDS: Final = (60.0, 120.0, 240.0, 480.0, 900.0)
_TROUBLE_PAUSE_SECONDS: Final = 5.0
_KEPT_SECONDS: Final = 3600.0
_MANY: Final = 1000
_UNDER_WAY: Final = 5


class Breaker:
    """The circuit breaker of one login: until when it is not tried, and why.

    Refusals add up until something that came after them has been taken: an older token that still works says nothing
    about the password of today. A login that fails for any other reason is not repeated for five seconds, so that a
    thousand objects don't make a thousand logins.
    """

    def __init__(self, clock: Clock) -> None:
        self.lock = asyncio.Lock()
        """One login at a time."""
        self._clock = clock
        self._until = 0.0
        self._times = 0
        self._why: ImsError | None = None
        self._proven = False
        self._first = asyncio.Lock()
        self._few = asyncio.Semaphore(_UNDER_WAY)

    def check(self) -> None:
        """Raise the error of the last try, if it is too early for the next."""
        if self._why is not None and self._clock() < self._until:
            raise type(self._why).like(self._why, retry_after=self.left)

    @property
    def left(self) -> float:
        """Seconds until the next try."""
        return max(self._until - self._clock(), 0.0)

    @property
    def is_old(self) -> bool:
        """Whether the last refusal was so long ago that it does not matter any more."""
        return self._clock() > self._until + _KEPT_SECONDS

    def refused(self, why: CredentialsInvalid) -> None:
        """Record that the login was refused. Of tries that were under way together, only the first counts."""
        if isinstance(self._why, CredentialsInvalid) and self.left:
            return
        pause = _REFUSED_PAUSE_SECONDS[min(self._times, len(_REFUSED_PAUSE_SECONDS) - 1)]
        self._times += 1
        self._proven = False
        self._until, self._why = self._clock() + pause, why

    def trouble(self, why: ImsError) -> None:
        """Record that the login failed for a reason that says nothing about the credentials."""
        self._until, self._why = self._clock() + max(why.retry_after or 0.0, _TROUBLE_PAUSE_SECONDS), why

    def taken(self) -> None:
        """Record that the cloud accepted the result of the last try."""
        self._times = 0
        self._proven = True

    @asynccontextmanager
    async def turn(self, wait_seconds: float) -> AsyncIterator[None]:
        """Wait for a request's turn, where each request is a try.

        The first one goes alone, and only its success lets the others go; then five at a time, so that a sixth
        never follows when the cloud stops taking the login.

        Raises:
            Unreachable: it did not come within ``wait_seconds``; nothing was sent.
        """
        try:
            async with asyncio.timeout(wait_seconds):
                alone = await self._enter()
        except TimeoutError:
            raise Unreachable(
                f"waited {wait_seconds:g} s for other requests under the same login, which have not been answered yet"
            ) from None
        try:
            yield
        finally:
            self._few.release()
            if alone:
                self._first.release()

    async def _enter(self) -> bool:
        alone = False
        if not self._proven:
            await self._first.acquire()
            alone = not self._proven
            if not alone:
                self._first.release()
        try:
            await self._few.acquire()
        except BaseException:
            if alone:
                self._first.release()
            raise
        return alone


class Breakers:
    """One breaker for each login, however many providers use it, and longer than a provider's client lives.

    So neither an edit of a provider nor a second provider with the same Secret is a further try. Another password is
    another login, and starts without a pause.
    """

    def __init__(self) -> None:
        self._known: dict[str, Breaker] = {}

    def of(self, login: str, clock: Clock) -> Breaker:
        """Return the breaker of ``login``, which tells logins apart."""
        if login not in self._known and len(self._known) >= _MANY:
            self._known = {name: breaker for name, breaker in self._known.items() if not breaker.is_old}
        return self._known.setdefault(login, Breaker(clock))
