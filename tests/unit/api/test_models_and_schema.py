"""The models read whatever the API server accepts, and the API server accepts whatever the models write."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from e2e.manifests import table
from e2e.manifests.table import Case
from imagecopy.api.base import ApiModel
from imagecopy.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from imagecopy.api.imagecopy import (
    KEPT_ATTEMPTS,
    Attempt,
    AttemptOutcome,
    EndedAttempt,
    Failure,
    ImageCopySpec,
    ImageCopyStatus,
    Phase,
)
from imagecopy.api.provider import ClusterImageProviderSpec, ImageProviderSpec
from unit.api.schemas import Schema, schemas

_SPECS: dict[str, type[ApiModel]] = {
    "ImageCopy": ImageCopySpec,
    "ImageProvider": ImageProviderSpec,
    "ClusterImageProvider": ClusterImageProviderSpec,
}
_STATUS = Draft202012Validator(schemas()["ImageCopy"]["properties"]["status"])
_NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
_SPEC = Draft202012Validator(schemas()["ImageCopy"]["properties"]["spec"])
_SOURCE = table.base("ImageCopy")["spec"]["source"]
_NAME_CHARACTERS = "abcXYZ019-._镜像"


def _without_nulls(value: Any) -> Any:
    """Drop null fields, as the API server does."""
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(field) for key, field in value.items() if field is not None}


def _with_defaults(schema: Schema, value: Any) -> Any:
    """Fill in defaults as the API server does: outside in, only where a field is missing."""
    if not isinstance(value, dict):
        return value
    fields = schema.get("properties", {})
    filled = {name: field["default"] for name, field in fields.items() if "default" in field} | value
    return {name: _with_defaults(fields.get(name, {}), field) for name, field in filled.items()}


def _as_stored(case: Case) -> Any:
    return _with_defaults(schemas()[case.kind], _without_nulls(case.manifest))


@pytest.mark.parametrize("case", table.accepted(), ids=str)
def test_good_manifest_fits_the_schema(case: Case) -> None:
    Draft202012Validator(schemas()[case.kind]).validate(_as_stored(case))


@pytest.mark.parametrize("case", table.accepted(), ids=str)
def test_model_reads_a_good_manifest_and_gives_it_back(case: Case) -> None:
    stored = _as_stored(case)["spec"]
    assert _SPECS[case.kind].model_validate(stored).to_wire() == stored


@pytest.mark.parametrize("case", table.accepted(), ids=str)
def test_model_has_the_defaults_of_the_schema(case: Case) -> None:
    as_applied = _without_nulls(case.manifest)["spec"]
    assert _SPECS[case.kind].model_validate(as_applied).to_wire() == _as_stored(case)["spec"]


@settings(deadline=None)
@given(
    name=st.text(_NAME_CHARACTERS, min_size=1, max_size=128),
    tags=st.dictionaries(
        st.text(_NAME_CHARACTERS, min_size=1, max_size=36), st.text(_NAME_CHARACTERS, max_size=43), max_size=10
    ),
)
def test_model_reads_any_name_and_tags_that_fit(name: str, tags: dict[str, str]) -> None:
    spec = {"source": _SOURCE, "target": {"name": name, "tags": tags}}
    _SPEC.validate(spec)
    target = ImageCopySpec.model_validate(spec).target
    assert (target.name, target.tags) == (name, tags)


def _status(text: str) -> ImageCopyStatus:
    ended = EndedAttempt(
        number=1, outcome=AttemptOutcome.FAILED, job_id="j", code=text, message=text, posted_at=_NOW, ended_at=_NOW
    )
    condition = Condition(
        type=ConditionType.READY,
        status=ConditionStatus.FALSE,
        reason=Reason.COPY_FAILED,
        message=text,
        last_transition_time=_NOW,
        observed_generation=1,
    )
    return ImageCopyStatus(
        observed_generation=1,
        phase=Phase.FAILED,
        progress="42%",
        job_id="j",
        image_id="i",
        target_name="golden",
        target_tags={"team": "web"},
        start_time=_NOW,
        completion_time=_NOW,
        next_attempt_time=_NOW,
        failed_jobs=1,
        attempt=Attempt(number=2, token="t", posted_at=_NOW, job_id="j", request_id=text),
        attempts=(ended,) * (KEPT_ATTEMPTS + 1),
        failure=Failure(code=text, message=text, request_id=text),
        last_handled_retry_at="now",
        conditions=(condition,),
    )


@settings(deadline=None)
@given(text=st.text(max_size=3000) | st.just("x" * 5000))
def test_any_words_of_the_cloud_can_be_stored(text: str) -> None:
    status = _status(text)
    wire = status.to_wire()
    _STATUS.validate(wire)
    assert ImageCopyStatus.model_validate(wire) == status


def test_words_put_in_by_a_copy_of_a_model_are_cut_when_written() -> None:
    failure = Failure().model_copy(update={"message": "x" * 5000, "code": "y" * 500})
    wire = ImageCopyStatus().model_copy(update={"failure": failure}).to_wire()
    _STATUS.validate(wire)


def test_the_last_attempts_are_kept() -> None:
    ended = _status("x").attempts[0]
    numbers = range(1, 8)
    status = ImageCopyStatus(attempts=tuple(ended.model_copy(update={"number": number}) for number in numbers))
    assert [attempt.number for attempt in status.attempts] == [3, 4, 5, 6, 7]


def test_words_of_a_newer_operator_are_read_as_absent() -> None:
    known = _status("x").conditions[0].to_wire()
    status = ImageCopyStatus.model_validate(
        {
            "phase": "Dreaming",
            "conditions": [known, known | {"type": "Paused"}, known | {"type": "Stalled", "reason": "Paused"}],
        }
    )
    assert status.phase is None
    assert [condition.type for condition in status.conditions] == [ConditionType.READY]


def test_new_object_has_the_status_of_an_empty_model() -> None:
    default = schemas()["ImageCopy"]["properties"]["status"]["default"]
    assert ImageCopyStatus.model_validate(default) == ImageCopyStatus()
