"""Translates errors of :mod:`imagecopy.ims` and of the call limiter into the state machine's :class:`Trouble`."""

from dataclasses import replace
from typing import Final

from imagecopy import ims
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.providers.limiter import CallsPaused
from imagecopy.providers.objects import Unusable

_CAUSES: Final[tuple[tuple[type[ims.ImsError], Cause], ...]] = (
    (ims.Unreachable, Cause.UNREACHABLE),
    (ims.EndpointNotAllowed, Cause.PROVIDER_INVALID),
    (ims.Misconfigured, Cause.PROVIDER_INVALID),
    (ims.CredentialsInvalid, Cause.CREDENTIALS),
    (ims.PermissionDenied, Cause.PERMISSION),
    (ims.Throttled, Cause.THROTTLED),
    (ims.QuotaExceeded, Cause.QUOTA),
    (ims.NotFound, Cause.SOURCE_MISSING),
    (ims.NotReady, Cause.SOURCE_NOT_READY),
    (ims.Refused, Cause.REFUSED),
    (ims.ImsError, Cause.TRANSIENT),
)


def cause_of(kind: type[ims.ImsError]) -> Cause:
    """Return the cause that a class of errors is translated to."""
    return next(cause for base, cause in _CAUSES if issubclass(kind, base))


def trouble_of(error: ims.ImsError | CallsPaused | Unusable, *, about_source: bool = False) -> Trouble:
    """Translate an error. The message keeps the cloud's own words.

    ``about_source``: whether the call was about the source image. Only then does "no such image" mean that the source
    is missing.
    """
    if isinstance(error, Unusable):
        return error.trouble
    if isinstance(error, CallsPaused):
        return replace(trouble_of(error.why), retry_after=error.seconds)
    cause = cause_of(type(error))
    if not about_source and cause in (Cause.SOURCE_MISSING, Cause.SOURCE_NOT_READY):
        cause = Cause.TRANSIENT
    return Trouble(
        cause=cause,
        message=error.message,
        code=error.code,
        request_id=error.request_id,
        retry_after=error.retry_after,
    )
