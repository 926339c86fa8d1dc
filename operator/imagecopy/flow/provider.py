"""Builds the status of a provider: Ready says whether its login works, Reconciling that it will be checked again.

A provider is never Stalled: a Secret that another tool creates later repairs it, and nobody has to request a check.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from imagecopy.api.base import as_utc
from imagecopy.api.conditions import ConditionStatus, ConditionType, ProviderCondition, ProviderReason
from imagecopy.api.provider import ImagesUsed, ProviderStatus
from imagecopy.flow.conditions import clip
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.flow.pacing import growing

_REASONS: Final = {
    Cause.PROVIDER_MISSING: ProviderReason.WAITING_FOR_SECRET,
    Cause.PROVIDER_INVALID: ProviderReason.INVALID_CONFIGURATION,
    Cause.CREDENTIALS: ProviderReason.CREDENTIALS_INVALID,
    Cause.PERMISSION: ProviderReason.PERMISSION_DENIED,
    Cause.THROTTLED: ProviderReason.THROTTLED,
}
_MAY_PASS: Final = (ProviderReason.THROTTLED, ProviderReason.TRANSIENT_ERROR)
_LOOK_SECONDS: Final = (5.0, 60.0)
_CALL_SECONDS: Final = (5.0, 300.0)
_TEXT_LIMIT: Final = 256


@dataclass(frozen=True, slots=True)
class LoginWorks:
    """The result of a check that worked: the project, and the quota of images or why it can't be read."""

    project_id: str
    project_name: str | None = None
    images: ImagesUsed | None = None
    note: str | None = None

    @property
    def words(self) -> str:
        """The same as a sentence."""
        project = f"{self.project_name} ({self.project_id})" if self.project_name else self.project_id
        return f"the login works, in project {project}{f'; {self.note}' if self.note else ''}"


Finding = LoginWorks | Trouble
"""The result of a check of a provider."""


def reason_of(trouble: Trouble) -> ProviderReason:
    """Return the reason that reports a trouble."""
    return _REASONS.get(trouble.cause, ProviderReason.TRANSIENT_ERROR)


def is_ready(status: ProviderStatus, generation: int) -> bool:
    """Tell whether a check found that this spec of the provider works."""
    ready = _condition(status, ConditionType.READY)
    return status.observed_generation == generation and ready is not None and ready.status is ConditionStatus.TRUE


def after_check(
    status: ProviderStatus, generation: int, finding: Finding, now: datetime, *, again: bool
) -> ProviderStatus:
    """Return the status after a check. It differs from ``status`` only where there is something new to report.

    ``again``: whether the check before failed as well. A trouble that may pass is reported when two checks found it.
    """
    if isinstance(finding, LoginWorks):
        return _with_ready(
            status,
            generation,
            now,
            (ConditionStatus.TRUE, ProviderReason.AVAILABLE, finding.words),
            project_id=finding.project_id[:_TEXT_LIMIT],
            project_name=finding.project_name[:_TEXT_LIMIT] if finding.project_name else None,
            images=finding.images,
        )
    reason = reason_of(finding)
    may_pass = reason in _MAY_PASS
    if may_pass and not again and is_ready(status, generation):
        return status
    known = may_pass and status.observed_generation == generation
    gone = {} if known else dict.fromkeys(("project_id", "project_name", "images", "running_copies"))
    return _with_ready(status, generation, now, (ConditionStatus.FALSE, reason, finding.words), **gone)


def counted(status: ProviderStatus, running: int) -> ProviderStatus:
    """Return the status with the number of copies that run in its project."""
    return status if status.project_id is None else status.model_copy(update={"running_copies": running})


def pause(lasted: float) -> float:
    """Return the pause until a broken provider and its Secret are read again; ``lasted``: for how long it is broken."""
    return growing(lasted, *_LOOK_SECONDS)


def call_pause(trouble: Trouble, lasted: float) -> float:
    """Return the pause until the cloud may be called again for a broken provider that has not changed."""
    if trouble.cause is Cause.CREDENTIALS and trouble.retry_after is not None:
        return trouble.retry_after
    return max(growing(lasted, *_CALL_SECONDS), trouble.retry_after or 0.0)


def _condition(status: ProviderStatus, kind: ConditionType) -> ProviderCondition | None:
    return next((c for c in status.conditions if c.type is kind), None)


def _with_ready(
    status: ProviderStatus,
    generation: int,
    now: datetime,
    ready: tuple[ConditionStatus, ProviderReason, str],
    **fields: object,
) -> ProviderStatus:
    word, reason, message = ready
    updates = [(ConditionType.READY, word)]
    if word is not ConditionStatus.TRUE:
        updates.append((ConditionType.RECONCILING, ConditionStatus.TRUE))
    conditions = []
    for kind, value in updates:
        before = _condition(status, kind)
        kept = before is not None and before.status is value
        conditions.append(
            ProviderCondition(
                type=kind,
                status=value,
                reason=reason,
                message=clip(message),
                last_transition_time=before.last_transition_time if before is not None and kept else as_utc(now),
                observed_generation=generation,
            )
        )
    return status.model_copy(
        update={"observed_generation": generation, "conditions": tuple(conditions), **fields},
    )
