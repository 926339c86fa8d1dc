"""What can go wrong between us and the API server, sorted by what the caller may conclude.

::

    KubeError
    ├── Conflict      the object is not as we knew it; nothing was written: read it again
    ├── Missing       there is no such object; nothing was written
    ├── Refused       forbidden or invalid; nothing was written, and nothing will be until somebody changes something
    └── Unavailable   no answer, a server error or throttling; a write may or may not have been made: try again
"""


class KubeError(Exception):
    """A call of the Kubernetes API that did not work; ``status`` is the HTTP status, None if no reply came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Conflict(KubeError):
    """The object is not as we knew it. Nothing was written."""


class Missing(KubeError):
    """There is no such object. Nothing was written."""


class Refused(KubeError):
    """Forbidden or invalid. Nothing was written."""


class Unavailable(KubeError):
    """No answer, a server error or throttling. A write may or may not have been made."""
