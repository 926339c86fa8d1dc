"""Backoffs: for each cause of trouble, the reason that reports it and the pauses between tries."""

from typing import Final, NamedTuple

from imagecopy.api.conditions import Reason
from imagecopy.flow.observation import Cause


class Backoff(NamedTuple):
    """The reason that reports a cause, and the shortest and longest pause before the next try, in seconds."""

    reason: Reason
    shortest: float
    longest: float


BACKOFFS: Final = {
    # These only read from Kubernetes, so the pauses can be short: what was missing is used within 15 s.
    Cause.PROVIDER_MISSING: Backoff(Reason.WAITING_FOR_PROVIDER, 5, 10),
    Cause.PROVIDER_INVALID: Backoff(Reason.INVALID_CONFIGURATION, 5, 10),
    Cause.OTHER_PROJECT: Backoff(Reason.INVALID_CONFIGURATION, 5, 10),
    # Short, too: a circuit breaker in ims.auth spaces out the logins themselves, and a changed Secret resets it.
    Cause.CREDENTIALS: Backoff(Reason.CREDENTIALS_INVALID, 10, 15),
    Cause.UNREACHABLE: Backoff(Reason.TRANSIENT_ERROR, 10, 120),
    Cause.PERMISSION: Backoff(Reason.PERMISSION_DENIED, 30, 600),
    Cause.THROTTLED: Backoff(Reason.THROTTLED, 10, 120),
    Cause.QUOTA: Backoff(Reason.WAITING_FOR_QUOTA, 30, 300),
    Cause.SOURCE_NOT_READY: Backoff(Reason.WAITING_FOR_SOURCE, 5, 60),
    Cause.SOURCE_MISSING: Backoff(Reason.WAITING_FOR_SOURCE, 10, 60),
    Cause.REFUSED: Backoff(Reason.TRANSIENT_ERROR, 30, 600),
    Cause.TRANSIENT: Backoff(Reason.TRANSIENT_ERROR, 5, 120),
}
