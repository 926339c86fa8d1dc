from collections.abc import Iterator

import pytest

from imagecopy import ims
from imagecopy.cloud import translate
from imagecopy.flow.marker import Marker
from imagecopy.flow.observation import Cause, ImageState, JobObserved, JobState, ObservedImage, Trouble
from imagecopy.providers.trouble import trouble_of

CAUSES: dict[type[ims.ImsError], Cause] = {
    ims.Unreachable: Cause.UNREACHABLE,
    ims.EndpointNotAllowed: Cause.PROVIDER_INVALID,
    ims.Misconfigured: Cause.PROVIDER_INVALID,
    ims.CredentialsInvalid: Cause.CREDENTIALS,
    ims.PermissionDenied: Cause.PERMISSION,
    ims.Throttled: Cause.THROTTLED,
    ims.QuotaExceeded: Cause.QUOTA,
    ims.NotFound: Cause.SOURCE_MISSING,
    ims.JobNotFound: Cause.SOURCE_MISSING,
    ims.NotReady: Cause.SOURCE_NOT_READY,
    ims.TryLater: Cause.TRANSIENT,
    ims.Refused: Cause.REFUSED,
    ims.OutcomeUnknown: Cause.TRANSIENT,
    ims.SurelyNotDone: Cause.TRANSIENT,
}


def _tree(kind: type[ims.ImsError]) -> Iterator[type[ims.ImsError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _tree(child)


def test_each_class_of_error_has_a_row() -> None:
    assert set(_tree(ims.ImsError)) == set(CAUSES)


@pytest.mark.parametrize(("kind", "cause"), CAUSES.items(), ids=lambda value: getattr(value, "__name__", None))
def test_an_error_keeps_the_clouds_words(kind: type[ims.ImsError], cause: Cause) -> None:
    error = kind("No.", code="IMG.1", request_id="r-1", http_status=400, retry_after=3.0)
    assert trouble_of(error, about_source=True) == Trouble(cause, "No.", "IMG.1", "r-1", 3.0)


@pytest.mark.parametrize("kind", [ims.NotFound, ims.JobNotFound, ims.NotReady])
def test_what_is_not_about_the_source_never_speaks_of_it(kind: type[ims.ImsError]) -> None:
    assert trouble_of(kind("No."), about_source=False).cause is Cause.TRANSIENT


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("active", ImageState.ACTIVE),
        ("queued", ImageState.PENDING),
        ("saving", ImageState.PENDING),
        ("", ImageState.PENDING),
        ("deactivated", ImageState.PENDING),
        ("killed", ImageState.DEAD),
        ("deleted", ImageState.DEAD),
    ],
)
def test_an_image_is_active_pending_or_dead(word: str, state: ImageState) -> None:
    seen = translate.image(ims.Image(id="i", status=word, tags={}))
    assert seen == ObservedImage("i", state, word or "without a status", None)


def test_an_images_marker_is_read_from_its_description() -> None:
    marker = Marker("0" * 16, "1" * 16)
    assert translate.image(ims.Image(id="i", description=f"words {marker}", tags={})).marker == marker


@pytest.mark.parametrize("state", [ims.JobState.INIT, ims.JobState.RUNNING, ims.JobState.UNKNOWN])
def test_a_job_in_any_other_state_is_running(state: ims.JobState) -> None:
    job = ims.Job(state=state, progress=0.25, image_id="i", error_code="IMG.0130")
    assert translate.job(job) == JobObserved(JobState.RUNNING, 0.25, "i", None)


def test_a_job_that_succeeded_names_its_image() -> None:
    seen = translate.job(ims.Job(state=ims.JobState.SUCCESS, progress=1.0, image_id="i"))
    assert seen == JobObserved(JobState.SUCCEEDED, 1.0, "i", None)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (None, Cause.TRANSIENT),
        ("", Cause.TRANSIENT),
        ("IMG.9999", Cause.TRANSIENT),
        ("nonsense", Cause.TRANSIENT),
        ("IMG.0130", Cause.REFUSED),
        ("IMG.0060", Cause.THROTTLED),
        ("IMG.0015", Cause.QUOTA),
    ],
)
def test_a_failed_job_has_the_cause_that_its_code_stands_for(code: str | None, cause: Cause) -> None:
    seen = translate.job(ims.Job(state=ims.JobState.FAIL, error_code=code, fail_reason="It broke."))
    assert seen.state is JobState.FAILED
    assert seen.trouble == Trouble(cause, "It broke.", code)


def test_a_job_that_failed_without_a_word_says_so() -> None:
    seen = translate.job(ims.Job(state=ims.JobState.FAIL))
    assert seen.trouble == Trouble(Cause.TRANSIENT, "the cloud gave no reason")
