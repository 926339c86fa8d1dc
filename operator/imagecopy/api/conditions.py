"""The conditions of ImageCopies and providers: types, statuses and reasons, as docs/reference.md describes them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from imagecopy.api.base import ApiModel, Timestamp
from imagecopy.api.text import Message, known_words


class ConditionType(StrEnum):
    """The types of an ImageCopy's conditions; the first three are those that kstatus reads."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    SOURCE_READY = "SourceReady"
    PROVIDER_READY = "ProviderReady"
    SUBMITTED = "Submitted"
    DUPLICATED = "Duplicated"


class ConditionStatus(StrEnum):
    """The status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(StrEnum):
    """The reasons of an ImageCopy's conditions. They are API: scripts may rely on them."""

    WAITING_FOR_SOURCE = "WaitingForSource"
    WAITING_FOR_PROVIDER = "WaitingForProvider"
    WAITING_FOR_SLOT = "WaitingForSlot"
    WAITING_FOR_QUOTA = "WaitingForQuota"
    THROTTLED = "Throttled"
    COPYING = "Copying"
    TRANSIENT_ERROR = "TransientError"
    RESOLVING_OUTCOME = "ResolvingOutcome"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    ADOPTED = "Adopted"
    INVALID_CONFIGURATION = "InvalidConfiguration"
    CREDENTIALS_INVALID = "CredentialsInvalid"
    PERMISSION_DENIED = "PermissionDenied"
    COPY_FAILED = "CopyFailed"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    IMAGE_MISSING = "ImageMissing"
    SECOND_IMAGE = "SecondImage"
    DELETING = "Deleting"
    DELETION_BLOCKED = "DeletionBlocked"


class ProviderReason(StrEnum):
    """The reasons of a provider's conditions. They are API: scripts may rely on them."""

    AVAILABLE = "Available"
    WAITING_FOR_SECRET = "WaitingForSecret"  # noqa: S105
    INVALID_CONFIGURATION = "InvalidConfiguration"
    CREDENTIALS_INVALID = "CredentialsInvalid"
    PERMISSION_DENIED = "PermissionDenied"
    THROTTLED = "Throttled"
    TRANSIENT_ERROR = "TransientError"


class Condition(ApiModel):
    """One aspect of the ImageCopy's state, as in metav1.Condition."""

    type: Annotated[ConditionType, known_words(*ConditionType)] = Field(examples=["Ready"])
    """Aspect of the ImageCopy that the condition describes; unique in the list."""

    status: ConditionStatus = Field(examples=["False"])
    """Whether the condition holds: True, False, or Unknown while the operator can't tell."""

    reason: Annotated[Reason, known_words(*Reason)] = Field(examples=["Copying"])
    """Reason of the status in one word, for scripts. docs/reference.md explains each word."""

    message: Message = Field(default="", examples=["the source image is not active yet (saving)"])
    """Explanation of the reason for people, with the cloud's own words if there are any; cut at 1024 characters."""

    last_transition_time: Timestamp = Field(examples=["2026-09-01T12:00:00Z"])
    """When the status of the condition last changed (UTC, whole seconds)."""

    observed_generation: int | None = Field(default=None, ge=0, examples=[1])
    """The metadata.generation of the spec that this condition describes."""


_PROVIDER_TYPES = (ConditionType.READY, ConditionType.RECONCILING)


class ProviderCondition(Condition):
    """One aspect of a provider's state."""

    type: Annotated[ConditionType, known_words(*_PROVIDER_TYPES)] = Field(examples=["Ready"])
    """Aspect of the provider that the condition describes; unique in the list."""

    reason: Annotated[ProviderReason, known_words(*ProviderReason)] = Field(  # type: ignore[assignment]
        examples=["Available"]
    )
    """Reason of the status in one word, for scripts. docs/reference.md explains each word."""

    message: Message = Field(default="", examples=["the login works"])
    """Explanation of the reason for people, with the cloud's own words if there are any; cut at 1024 characters."""


def _known(reasons: type[StrEnum]) -> BeforeValidator:
    types, words = frozenset(ConditionType), frozenset(reasons)

    def known(entries: object) -> object:
        if not isinstance(entries, list | tuple):
            return entries
        return tuple(
            entry
            for entry in entries
            if not isinstance(entry, Mapping) or (entry.get("type") in types and entry.get("reason") in words)
        )

    return BeforeValidator(known)


Conditions = Annotated[tuple[Condition, ...], _known(Reason)]
"""The conditions of an ImageCopy. Entries with words that only a newer operator knows are ignored."""

ProviderConditions = Annotated[tuple[ProviderCondition, ...], _known(ProviderReason)]
"""The conditions of a provider. Entries with words that only a newer operator knows are ignored."""
