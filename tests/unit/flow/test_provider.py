"""How the state of a provider is told, as a table."""

from datetime import datetime

import pytest

from imagecopy.api.conditions import ConditionStatus, ConditionType, ProviderReason
from imagecopy.api.provider import ImagesUsed, ProviderStatus
from imagecopy.flow.observation import Cause, Trouble
from imagecopy.flow.provider import LoginWorks, after_check, call_pause, counted, is_ready, pause, reason_of
from unit.flow.builders import ELSEWHERE, PROJECT, at

WORKS = LoginWorks(PROJECT, "eu-de_images", ImagesUsed(used=12, quota=50))
NEW = ProviderStatus()
READY = counted(after_check(NEW, 1, WORKS, at(0), again=False), 2)
_PASSING = (Cause.TRANSIENT, Cause.UNREACHABLE, Cause.THROTTLED)

REASONS = {
    Cause.PROVIDER_MISSING: ProviderReason.WAITING_FOR_SECRET,
    Cause.PROVIDER_INVALID: ProviderReason.INVALID_CONFIGURATION,
    Cause.CREDENTIALS: ProviderReason.CREDENTIALS_INVALID,
    Cause.PERMISSION: ProviderReason.PERMISSION_DENIED,
    Cause.THROTTLED: ProviderReason.THROTTLED,
    Cause.UNREACHABLE: ProviderReason.TRANSIENT_ERROR,
    Cause.TRANSIENT: ProviderReason.TRANSIENT_ERROR,
}


def trouble(cause: Cause, retry_after: float | None = None) -> Trouble:
    return Trouble(cause, "the cloud's words", "IMG.0042", retry_after=retry_after)


def told(status: ProviderStatus) -> dict[ConditionType, tuple[ConditionStatus, ProviderReason]]:
    return {c.type: (c.status, c.reason) for c in status.conditions}


def since(status: ProviderStatus, kind: ConditionType) -> datetime:
    return next(c.last_transition_time for c in status.conditions if c.type is kind)


def test_a_login_that_works_is_ready_and_nothing_else() -> None:
    assert told(READY) == {ConditionType.READY: (ConditionStatus.TRUE, ProviderReason.AVAILABLE)}
    assert READY.conditions[0].message == f"the login works, in project eu-de_images ({PROJECT})"
    assert (READY.project_id, READY.project_name, READY.images, READY.running_copies, READY.observed_generation) == (
        PROJECT, "eu-de_images", ImagesUsed(used=12, quota=50), 2, 1,
    )  # fmt: skip
    assert is_ready(READY, 1)
    assert not is_ready(READY, 2)


def test_without_the_right_to_see_the_quota_it_is_ready_and_says_so() -> None:
    status = after_check(NEW, 1, LoginWorks(PROJECT, None, None, "no right"), at(0), again=False)
    assert is_ready(status, 1)
    assert status.images is None
    assert status.conditions[0].message == f"the login works, in project {PROJECT}; no right"


@pytest.mark.parametrize(("cause", "reason"), REASONS.items())
def test_a_new_provider_in_trouble_says_why_at_once_and_is_looked_at_again(
    cause: Cause, reason: ProviderReason
) -> None:
    assert reason_of(trouble(cause)) is reason
    status = after_check(NEW, 1, trouble(cause), at(0), again=False)
    assert told(status) == {
        ConditionType.READY: (ConditionStatus.FALSE, reason),
        ConditionType.RECONCILING: (ConditionStatus.TRUE, reason),
    }
    assert status.conditions[0].message == "IMG.0042: the cloud's words"
    assert status.observed_generation == 1


@pytest.mark.parametrize("cause", _PASSING)
def test_what_may_pass_is_told_of_a_ready_one_when_it_is_found_twice(cause: Cause) -> None:
    assert after_check(READY, 1, trouble(cause), at(60), again=False) == READY
    status = after_check(READY, 1, trouble(cause), at(70), again=True)
    assert told(status)[ConditionType.READY] == (ConditionStatus.FALSE, REASONS[cause])
    assert (status.project_id, status.images, status.running_copies) == (PROJECT, READY.images, 2), "as it was known"


@pytest.mark.parametrize("cause", _PASSING)
def test_what_may_pass_is_told_at_once_of_a_new_spec(cause: Cause) -> None:
    status = after_check(READY, 2, trouble(cause), at(60), again=False)
    assert told(status)[ConditionType.READY][0] is ConditionStatus.FALSE
    assert status.project_id is None


@pytest.mark.parametrize("cause", sorted(set(REASONS) - set(_PASSING)))
def test_what_does_not_pass_is_told_at_once_and_the_project_is_not_known_any_more(cause: Cause) -> None:
    status = after_check(READY, 1, trouble(cause), at(60), again=False)
    assert told(status)[ConditionType.READY][0] is ConditionStatus.FALSE
    assert (status.project_id, status.project_name, status.images, status.running_copies) == (None,) * 4


def test_the_same_found_again_is_the_same_status() -> None:
    assert counted(after_check(READY, 1, WORKS, at(600), again=False), 2) == READY
    broken = after_check(READY, 1, trouble(Cause.CREDENTIALS), at(60), again=False)
    assert after_check(broken, 1, trouble(Cause.CREDENTIALS), at(600), again=True) == broken


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    broken = after_check(READY, 1, trouble(Cause.CREDENTIALS), at(60), again=False)
    other = after_check(broken, 1, trouble(Cause.PROVIDER_INVALID), at(90), again=True)
    assert since(other, ConditionType.READY) == since(other, ConditionType.RECONCILING) == at(60)
    assert since(after_check(other, 1, WORKS, at(120), again=True), ConditionType.READY) == at(120)


def test_copies_are_counted_where_the_project_is_known() -> None:
    assert counted(READY, 0).running_copies == 0
    assert counted(NEW, 3) == NEW
    moved = after_check(READY, 1, LoginWorks(ELSEWHERE), at(1), again=False)
    assert (moved.project_id, moved.project_name) == (ELSEWHERE, None)


def test_pauses_grow_and_the_login_keeps_its_own() -> None:
    assert [pause(lasted) for lasted in (0, 40, 1000)] == [5, 20, 60]
    assert [call_pause(trouble(Cause.UNREACHABLE), lasted) for lasted in (0, 100, 1000)] == [5, 50, 300]
    assert call_pause(trouble(Cause.THROTTLED, 700), 0) == 700
    assert call_pause(trouble(Cause.CREDENTIALS, 60), 1000) == 60


def test_long_names_of_a_cloud_can_be_stored() -> None:
    status = after_check(NEW, 1, LoginWorks("p" * 1000, "n" * 1000, note="x" * 5000), at(0), again=False)
    assert ProviderStatus.model_validate(status.to_wire()) == status
    assert (len(status.project_id or ""), len(status.project_name or "")) == (256, 256)
