"""The ImageCopy resource: one wanted copy. Its spec and its status are in a module each; import them from here."""

from typing import Final

from imagecopy.api.imagecopy_spec import (
    DeletionPolicy,
    ImageCopySpec,
    ProviderRef,
    Source,
    Target,
    UnknownOutcomePolicy,
)
from imagecopy.api.imagecopy_status import (
    KEPT_ATTEMPTS,
    RETRY_MAX_LENGTH,
    Attempt,
    AttemptOutcome,
    EndedAttempt,
    Failure,
    ImageCopyStatus,
    Phase,
)

RETRY_ANNOTATION: Final = "imagecopy.io/retry-requested-at"
"""Any new value starts a Failed copy again; ``status.lastHandledRetryAt`` is the value that was handled last."""

__all__ = [
    "KEPT_ATTEMPTS",
    "RETRY_ANNOTATION",
    "RETRY_MAX_LENGTH",
    "Attempt",
    "AttemptOutcome",
    "DeletionPolicy",
    "EndedAttempt",
    "Failure",
    "ImageCopySpec",
    "ImageCopyStatus",
    "Phase",
    "ProviderRef",
    "Source",
    "Target",
    "UnknownOutcomePolicy",
]
