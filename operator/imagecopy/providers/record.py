"""The record of one provider: all that this process holds of it. It can be lost at any time without harm."""

import asyncio
from dataclasses import dataclass, field

from imagecopy.flow.provider import Finding
from imagecopy.kube.objects import ProviderSnapshot
from imagecopy.providers.client_cache import ClientCache, Version
from imagecopy.providers.limiter import CallLimiter
from imagecopy.providers.objects import ProviderKey


@dataclass(slots=True, eq=False)
class CheckState:
    """The checks of a provider and its status. Times are monotonic, in seconds."""

    snapshot: ProviderSnapshot | None = None
    """The provider as the watch brought it, or as it was read or written last."""
    is_watched: bool = False
    """Whether the watch brings the provider, so that the snapshot is fresh."""
    used_at: float | None = None
    """When a copy used it last."""

    task: asyncio.Task[None] | None = None
    """The task that checks it, while checks go on."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to have the task make its next check at once."""
    checking: bool = False
    """Whether a check is in progress."""
    changed_meanwhile: bool = False
    """Whether the state of the client changed during the check in progress."""

    checked_at: float | None = None
    finding: Finding | None = None
    """What the last check found."""
    version: Version | None = None
    """What the client of the last check was made from."""
    unsaved: bool = False
    """Whether the finding could not be written to the status yet."""
    broken_since: float | None = None
    """When a check first found that it does not work; None: the last check found that it works."""
    failed_before: bool = False
    """Whether the check before the last one failed, too."""
    call_at: float = 0.0
    """While it does not work: when the cloud may be called again although neither provider nor Secret changed."""
    warned: str | None = None
    """The version of the Secret whose warnings were reported by Events."""
    in_metrics: bool = False
    """Whether the metrics have the provider."""

    def spec_changed(self) -> None:
        """Drop what the checks of another spec found."""
        self.finding = self.version = self.broken_since = None
        self.unsaved = False
        self.call_at = 0.0


@dataclass(slots=True, eq=False)
class ProviderRecord:
    """All that this process holds of one provider."""

    key: ProviderKey
    limiter: CallLimiter
    client: ClientCache
    checks: CheckState = field(default_factory=CheckState)

    def cancel_checks(self) -> None:
        """Stop checking, and forget what the checks found."""
        if self.checks.task is not None:
            self.checks.task.cancel()
        self.checks = CheckState()
