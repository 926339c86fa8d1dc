"""What can go wrong between us and the cloud, sorted by what the caller may conclude from it.

::

    ImsError
    ├── SurelyNotDone          the cloud did nothing for this call; a copy may be posted again
    │   ├── Unreachable        nothing was sent: DNS, connect, TLS, proxy, no free connection
    │   ├── EndpointNotAllowed the operator's allowlist forbids the host, or its address is none to call
    │   ├── Misconfigured      endpoint, project or CA can't work as given
    │   ├── CredentialsInvalid the login is refused, or was just now and is not tried yet
    │   ├── PermissionDenied   the login lacks a permission, or the account may not do this now
    │   ├── Throttled          too many calls or jobs; slow down
    │   ├── QuotaExceeded      no room for another image
    │   ├── NotFound           no such image
    │   │   └── JobNotFound    no such job
    │   ├── NotReady           the image is being created, copied or exported
    │   ├── TryLater           refused for a passing reason
    │   └── Refused            will never work as asked
    └── OutcomeUnknown         the call may have been carried out; never post a copy again on it

For calls that only read, and for those that can be repeated (tags, delete), OutcomeUnknown means "try later".
"""

from typing import Self


class ImsError(Exception):
    """A call of the cloud that did not work.

    ``message`` has the cloud's own words where it spoke, without control characters and at most about 1000
    characters long. ``code`` is the cloud's code, such as ``IMG.0130`` or ``APIGW.0301``. ``request_id`` is
    what the cloud's support asks for. ``retry_after`` is in seconds from now.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        request_id: str | None = None,
        http_status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.request_id = request_id
        self.http_status = http_status
        self.retry_after = retry_after

    def __str__(self) -> str:
        known = (
            self.code,
            None if self.http_status is None else f"HTTP {self.http_status}",
            None if self.request_id is None else f"request {self.request_id}",
        )
        details = ", ".join(part for part in known if part)
        return f"{self.message} ({details})" if details else self.message

    @classmethod
    def like(cls, other: "ImsError", message: str | None = None, retry_after: float | None = None) -> Self:
        """Return an error of this class that tells what ``other`` tells."""
        return cls(
            other.message if message is None else message,
            code=other.code,
            request_id=other.request_id,
            http_status=other.http_status,
            retry_after=other.retry_after if retry_after is None else retry_after,
        )


class SurelyNotDone(ImsError):
    """The cloud did nothing for this call. Posting a copy again can't make a second one."""


class Unreachable(SurelyNotDone):
    """Nothing was sent: the name does not resolve, the connection or TLS failed, or none was free. Try later."""


class EndpointNotAllowed(SurelyNotDone):
    """The operator's allowlist forbids the host, or it resolves to an address that is not called. Nothing was sent."""


class Misconfigured(SurelyNotDone):
    """Endpoint, region, project or CA can't work as given. Try again when they have changed."""


class CredentialsInvalid(SurelyNotDone):
    """The login is refused. ``retry_after`` says when the next login will be tried; a new Secret counts at once."""


class PermissionDenied(SurelyNotDone):
    """The login is good but may not do this, or the account may not do it now. Try again slowly."""


class Throttled(SurelyNotDone):
    """Too many calls, or too many jobs at a time. Wait ``retry_after`` seconds, or longer each time if None."""


class QuotaExceeded(SurelyNotDone):
    """The quota of private images is used up. Wait for someone to delete one or to raise the quota."""


class NotFound(SurelyNotDone):
    """There is no such image, or it is not ours to see."""


class JobNotFound(NotFound):
    """There is no such job. What became of the copy shows only in the list of images.

    No edition of the API documents the answer for an unknown job. ``may_pass`` is True for IMG.0023 ("exception
    during task query"), which a passing fault of the cloud might give as well: believe it when it repeats.
    """

    may_pass: bool = False


class NotReady(SurelyNotDone):
    """The image is in a state that does not allow this yet: being created, or exported. Try later."""


class TryLater(SurelyNotDone):
    """Refused for a passing reason. Try later."""


class Refused(SurelyNotDone):
    """The cloud says no, and will say so again to the same request."""


class OutcomeUnknown(ImsError):
    """The call may have been carried out: no reply, a broken one, or a server error.

    After a copy call only the list of images can tell; posting it again might make a second copy. After any other
    call it means "try later".
    """
