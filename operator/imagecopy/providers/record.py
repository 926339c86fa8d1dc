"""What this process knows of one provider, beside what is stored."""

import asyncio
from dataclasses import dataclass, field

from imagecopy.flow.provider import Finding
from imagecopy.kube.objects import ProviderSnapshot
from imagecopy.providers.checks import Version
from imagecopy.providers.objects import ProviderKey


@dataclass(slots=True, eq=False)
class ProviderRecord:
    """What this process knows of one provider. All of it may be lost at any time."""

    key: ProviderKey
    seen: ProviderSnapshot | None = None
    task: asyncio.Task[None] | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    watched: bool = False
    """The watch brings it."""
    checking: bool = False
    missed: bool = False
    """Something about it changed while it was checked."""
    reported: bool = False
    """Metrics know of it."""
    checked_at: float | None = None
    used_at: float | None = None
    finding: Finding | None = None
    unsaved: bool = False
    """What was found could not be written yet."""
    version: Version | None = None
    warned: str | None = None
    """The version of the Secret that was found unusual."""
    broken_since: float | None = None
    again: bool = False
    """The check before the last one found trouble, too."""
    call_at: float = 0.0
    """While it is broken: when the cloud may be called again though nothing changed."""
