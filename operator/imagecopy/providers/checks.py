"""Checks a provider once: its login, if there is none yet, and its quota, through the limiter of all its calls."""

from dataclasses import dataclass
from typing import Final

from imagecopy import ims
from imagecopy.api.provider import ImagesUsed
from imagecopy.flow.provider import Finding, LoginWorks
from imagecopy.providers.client_cache import Version
from imagecopy.providers.limiter import CallsPaused
from imagecopy.providers.objects import ProviderKey, Unusable
from imagecopy.providers.registry import Inspection, ProviderRegistry
from imagecopy.providers.trouble import trouble_of

_ABOUT_THE_QUOTA: Final = (ims.PermissionDenied, ims.NotFound, ims.Refused)
"""Errors that may keep the quota from being read while copies work."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found; ``finding`` is None if the cloud was not called, because nothing changed."""

    finding: Finding | None
    version: Version | None = None
    """What the client was made from; None: provider and Secret could not be used."""
    secret_version: str = ""
    warnings: tuple[str, ...] = ()
    """Problems of the Secret that do not keep it from working."""


class ProviderChecks:
    """Checks providers."""

    def __init__(self, registry: ProviderRegistry) -> None:
        self._registry = registry

    async def check(self, key: ProviderKey, *, unless: Version | None = None) -> CheckResult:
        """Read provider and Secret, and call the cloud, unless they still have the version ``unless``.

        An error of the cloud or the provider is not raised, but part of the result.
        """
        inspection: Inspection | None = None
        finding: Finding | None = None
        try:
            async with self._registry.inspect(key) as inspection:
                if inspection.version != unless:
                    finding = await _call(inspection)
        except (Unusable, ims.ImsError) as exc:
            finding = trouble_of(exc)
        if inspection is None:
            return CheckResult(finding)
        return CheckResult(finding, inspection.version, inspection.secret_version, inspection.warnings)


async def _call(inspection: Inspection) -> Finding:
    try:
        async with inspection.limiter.call():
            session = await inspection.client.session()
            images, note = await _quota(inspection.client)
    except CallsPaused as exc:
        return trouble_of(exc)
    return LoginWorks(session.project_id, session.project_name, images, note)


async def _quota(client: ims.ImsClient) -> tuple[ImagesUsed | None, str | None]:
    """Return the quota of images, or why it can't be read."""
    try:
        quota = await client.get_quota()
    except _ABOUT_THE_QUOTA as exc:
        return None, f"the quota of images can't be read: {exc}"
    except ims.OutcomeUnknown as exc:
        if exc.http_status is None or exc.http_status >= 300:
            raise
        return None, f"the quota of images can't be read: {exc}"
    return ImagesUsed(used=quota.used, quota=quota.limit), None
