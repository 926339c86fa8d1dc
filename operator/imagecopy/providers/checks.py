"""One check of a provider: its login if that is needed, and its quota, through the same limiter as all other calls."""

from dataclasses import dataclass
from typing import Final

from imagecopy import ims
from imagecopy.api.provider import ImagesUsed
from imagecopy.flow.provider import Finding, LoginWorks
from imagecopy.providers.limiter import CallsPaused
from imagecopy.providers.objects import ProviderKey, Unusable
from imagecopy.providers.registry import Inspection, Providers
from imagecopy.providers.trouble import trouble_of

_ABOUT_THE_QUOTA: Final = (ims.PermissionDenied, ims.NotFound, ims.Refused)
"""What may keep the quota from being told where all else works."""

Version = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check brought; ``finding`` is None where nothing changed and the cloud was not to be called."""

    finding: Finding | None
    version: Version | None = None
    """What provider and Secret were like; None where they could not be used."""
    secret_version: str = ""
    warnings: tuple[str, ...] = ()
    """What is odd about the Secret."""


class ProviderChecks:
    """Checks providers."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    async def check(self, key: ProviderKey, *, unless: Version | None = None) -> CheckResult:
        """Look at provider and Secret, and call the cloud, but not for the version ``unless`` of them.

        Never raises for a fault of cloud or provider: that is found, too.
        """
        found: Inspection | None = None
        finding: Finding | None = None
        try:
            async with self._providers.inspect(key) as found:
                if found.made_from != unless:
                    finding = await self._call(found)
        except (Unusable, ims.ImsError) as exc:
            finding = trouble_of(exc)
        if found is None:
            return CheckResult(finding)
        return CheckResult(finding, found.made_from, found.secret_version, found.warnings)

    async def _call(self, found: Inspection) -> Finding:
        try:
            async with found.limiter.call():
                session = await found.client.session()
                images, note = await _quota(found.client)
        except CallsPaused as exc:
            return trouble_of(exc)
        return LoginWorks(session.project_id, session.project_name, images, note)


async def _quota(client: ims.ImsClient) -> tuple[ImagesUsed | None, str | None]:
    """Return the quota, or why it can't be told."""
    try:
        quota = await client.get_quota()
    except _ABOUT_THE_QUOTA as exc:
        return None, f"the quota of images can't be told: {exc}"
    except ims.OutcomeUnknown as exc:
        if exc.http_status is None or exc.http_status >= 300:
            raise
        return None, f"the quota of images can't be told: {exc}"
    return ImagesUsed(used=quota.used, quota=quota.limit), None
