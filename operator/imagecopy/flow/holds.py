"""How long each cause of trouble holds a copy, and how it is told."""

from typing import Final, NamedTuple

from imagecopy.api.conditions import Reason
from imagecopy.flow.seen import Cause


class Hold(NamedTuple):
    """How a cause is told, and the shortest and longest pause before the next try, in seconds."""

    reason: Reason
    shortest: float
    longest: float


HOLDS: Final = {
    # Only Kubernetes is asked again, so these can be short: what was missing is picked up within 15 s.
    Cause.PROVIDER_MISSING: Hold(Reason.WAITING_FOR_PROVIDER, 5, 10),
    Cause.PROVIDER_INVALID: Hold(Reason.INVALID_CONFIGURATION, 5, 10),
    Cause.OTHER_PROJECT: Hold(Reason.INVALID_CONFIGURATION, 5, 10),
    # Short, too: the login itself is held back by its breaker in ims.auth, and a Secret that changed passes it.
    Cause.CREDENTIALS: Hold(Reason.CREDENTIALS_INVALID, 10, 15),
    Cause.UNREACHABLE: Hold(Reason.TRANSIENT_ERROR, 10, 120),
    Cause.PERMISSION: Hold(Reason.PERMISSION_DENIED, 30, 600),
    Cause.THROTTLED: Hold(Reason.THROTTLED, 10, 120),
    Cause.QUOTA: Hold(Reason.WAITING_FOR_QUOTA, 30, 300),
    Cause.SOURCE_NOT_READY: Hold(Reason.WAITING_FOR_SOURCE, 5, 60),
    Cause.SOURCE_MISSING: Hold(Reason.WAITING_FOR_SOURCE, 10, 60),
    Cause.REFUSED: Hold(Reason.TRANSIENT_ERROR, 30, 600),
    Cause.TRANSIENT: Hold(Reason.TRANSIENT_ERROR, 5, 120),
}
