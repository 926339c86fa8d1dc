"""Values that expire, such as tokens: obtained once for all callers that wait, and renewed before they end."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

from imagecopy.ims.auth.base import Clock
from imagecopy.ims.auth.breaker import Breaker
from imagecopy.ims.errors import CredentialsInvalid, ImsError
from imagecopy.ims.lenient import as_http_date, as_time

_RENEW_SECONDS: Final = 300.0
_RENEW_SHARE: Final = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fresh(Generic[T]):
    """A value just obtained. ``life_seconds`` count from when it was requested; None: it does not expire."""

    value: T
    life_seconds: float | None


def life_seconds(
    expires_at: object, headers: Mapping[str, str], *, issued_at: object = None, fallback_seconds: float
) -> float:
    """Return how long something lives, by the server's own two times: a wrong clock on our side does not matter.

    ``headers`` are the reply's, whose date stands in for ``issued_at``.
    """
    expires = as_time(expires_at)
    if expires is None:
        return fallback_seconds
    issued = as_time(issued_at) or as_http_date(headers.get("date")) or datetime.now(UTC)
    return max((expires - issued).total_seconds(), 1.0)


@dataclass(slots=True)
class _Held(Generic[T]):
    value: T
    renew_at: float
    ends_at: float
    proven: bool = False
    """Whether the cloud has accepted it, so that earlier refusals no longer count."""


class Renewed(Generic[T]):
    """A value that expires, such as a token.

    However many callers wait, it is obtained once, and all of them get it. It is renewed when less than five minutes
    or a tenth of its life is left, whichever is less; when that fails, the old one serves to its end. A value is
    known by identity, so equal ones are not the same.
    """

    def __init__(self, obtain: Callable[[], Awaitable[Fresh[T]]], breaker: Breaker, clock: Clock) -> None:
        """``obtain`` raises CredentialsInvalid for a refusal, and another ImsError for any other trouble."""
        self._obtain = obtain
        self._breaker = breaker
        self._clock = clock
        self._held: _Held[T] | None = None

    async def get(self) -> T:
        """Return the value, obtaining it when there is none or it is about to end.

        Raises:
            CredentialsInvalid: it is refused, or was and is not asked for yet.
            ImsError: it could not be obtained for another reason.
        """
        held = self._held
        if held is not None:
            # While one caller renews it, perhaps slowly, the others go on with the old one.
            renewing = self._breaker.lock.locked()
            if self._clock() < (held.ends_at if renewing else held.renew_at):
                return held.value
        return await self._renew(held)

    async def replace(self, refused: T) -> T:
        """Return another value than ``refused``, which the cloud did not accept."""
        if self._held is not None and self._held.value is refused:
            self._held = None
        return await self.get()

    def refused(self, value: T, why: ImsError) -> CredentialsInvalid:
        """Record that the cloud refuses ``value`` although it is fresh; return the error for the caller."""
        error = CredentialsInvalid.like(why)
        if self._held is not None and self._held.value is value:
            self._held = None
            self._breaker.refused(error)
        return CredentialsInvalid.like(error, retry_after=self._breaker.left)

    def taken(self, value: T) -> None:
        """Record that the cloud accepted ``value``."""
        held = self._held
        if held is not None and held.value is value and not held.proven:
            held.proven = True
            self._breaker.taken()

    async def _renew(self, seen: _Held[T] | None) -> T:
        async with self._breaker.lock:
            held = self._held
            if held is not None and held is not seen:
                return held.value
            try:
                self._breaker.check()
                self._held = await self._fresh()
            except ImsError:
                if held is not None and self._clock() < held.ends_at:
                    return held.value
                raise
            return self._held.value

    async def _fresh(self) -> _Held[T]:
        asked = self._clock()
        try:
            fresh = await self._obtain()
        except CredentialsInvalid as exc:
            self._breaker.refused(exc)
            raise CredentialsInvalid.like(exc, retry_after=self._breaker.left) from None
        except ImsError as exc:
            self._breaker.trouble(exc)
            raise
        life = fresh.life_seconds
        if life is None:
            return _Held(fresh.value, float("inf"), float("inf"))
        return _Held(fresh.value, asked + life - min(_RENEW_SECONDS, life * _RENEW_SHARE), asked + life)


def is_taken(status: int) -> bool:
    """Tell whether a reply with this status says that the cloud knows who called."""
    return status < 500 and status not in (401, 407, 408, 429)
