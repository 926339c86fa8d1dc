"""One check of a provider: what is called, through which limiter, and what is found."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from imagecopy import ims
from imagecopy.api.provider import ImagesUsed, ProviderKind
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.flow.provider import LoginWorks
from imagecopy.providers.checks import CheckResult, ProviderChecks
from imagecopy.providers.limiter import CallLimiter
from imagecopy.providers.objects import ProviderKey, Unusable
from imagecopy.providers.registry import Inspection

KEY = ProviderKey(ProviderKind.CLUSTER, "", "default")
VERSION = ("u", 1, "s", "7")


class _Client(ims.ImsClient):
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.login: ims.Session | ims.ImsError = ims.Session(project_id="p-1", project_name="eu-de")
        self.quota: ims.Quota | ims.ImsError = ims.Quota(3, 50)

    async def session(self) -> Any:
        self.calls.append("login")
        if isinstance(self.login, ims.ImsError):
            raise self.login
        return self.login

    async def get_quota(self) -> Any:
        self.calls.append("quota")
        if isinstance(self.quota, ims.ImsError):
            raise self.quota
        return self.quota


class _Registry:
    def __init__(self) -> None:
        self.client = _Client()
        self.limiter = CallLimiter(time.monotonic, 1000.0)
        self.trouble: Trouble | None = None

    @asynccontextmanager
    async def inspect(self, key: ProviderKey) -> AsyncIterator[Inspection]:
        if self.trouble:
            raise Unusable(self.trouble)
        yield Inspection(self.client, self.limiter, 5, VERSION, "s/7", ("a warning",))


@pytest.fixture
def registry() -> _Registry:
    return _Registry()


@pytest.fixture
def checks(registry: _Registry) -> ProviderChecks:
    return ProviderChecks(registry)  # type: ignore[arg-type]


async def test_a_check_is_a_login_and_one_call(checks: ProviderChecks, registry: _Registry) -> None:
    found = LoginWorks("p-1", "eu-de", ImagesUsed(used=3, quota=50))
    assert await checks.check(KEY) == CheckResult(found, VERSION, "s/7", ("a warning",))
    assert registry.client.calls == ["login", "quota"]


async def test_without_a_change_the_cloud_is_not_called(checks: ProviderChecks, registry: _Registry) -> None:
    assert await checks.check(KEY, unless=VERSION) == CheckResult(None, VERSION, "s/7", ("a warning",))
    assert registry.client.calls == []
    await checks.check(KEY, unless=("u", 1, "s", "6"))
    assert registry.client.calls == ["login", "quota"]


@pytest.mark.parametrize(
    "error",
    [
        ims.PermissionDenied("no right", code="IMG.0026", http_status=403),
        ims.NotFound("no such API", http_status=404),
        ims.Refused("no", http_status=400),
        ims.OutcomeUnknown("the reply has no quota of images", http_status=200),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_provider_works_without_a_quota_that_can_be_read(
    checks: ProviderChecks, registry: _Registry, error: ims.ImsError
) -> None:
    registry.client.quota = error
    found = (await checks.check(KEY)).finding
    assert isinstance(found, LoginWorks)
    assert found.images is None
    assert found.note == f"the quota of images can't be read: {error}"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ims.CredentialsInvalid("wrong password", retry_after=60), Cause.CREDENTIALS),
        (ims.PermissionDenied("may not log in"), Cause.PERMISSION),
        (ims.Unreachable("no route"), Cause.UNREACHABLE),
        (ims.Misconfigured("not trusted: spec.caBundle"), Cause.PROVIDER_INVALID),
        (ims.Throttled("slow down", retry_after=7), Cause.THROTTLED),
    ],
    ids=lambda value: getattr(value, "name", type(value).__name__),
)
async def test_a_login_that_does_not_work_is_the_finding(
    checks: ProviderChecks, registry: _Registry, error: ims.ImsError, cause: Cause
) -> None:
    registry.client.login = error
    checked = await checks.check(KEY)
    assert checked.finding == Trouble(cause, error.message, retry_after=error.retry_after)
    assert checked.version == VERSION


async def test_the_image_service_has_to_answer_as_well(checks: ProviderChecks, registry: _Registry) -> None:
    registry.client.quota = ims.OutcomeUnknown("broken", http_status=503)
    assert (await checks.check(KEY)).finding == Trouble(Cause.TRANSIENT, "broken")


async def test_a_check_keeps_to_the_limiter_of_the_copies(checks: ProviderChecks, registry: _Registry) -> None:
    registry.limiter.failed(ims.Throttled("slow down", retry_after=30))
    found = (await checks.check(KEY)).finding
    assert isinstance(found, Trouble)
    assert (found.cause, found.message) == (Cause.THROTTLED, "slow down")
    assert 29 < (found.retry_after or 0) <= 30
    assert registry.client.calls == []


async def test_an_error_of_a_check_pauses_the_calls_of_the_copies(checks: ProviderChecks, registry: _Registry) -> None:
    registry.client.quota = ims.Throttled("slow down", retry_after=30)
    await checks.check(KEY)
    with pytest.raises(Exception, match="slow down"):
        registry.limiter.check(copying=False)


async def test_a_provider_that_can_not_be_used_has_no_version(checks: ProviderChecks, registry: _Registry) -> None:
    registry.trouble = Trouble(Cause.PROVIDER_MISSING, "Secret ops/s does not exist")
    assert await checks.check(KEY) == CheckResult(registry.trouble)
