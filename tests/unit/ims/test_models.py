import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagecopy.ims import CopyAccepted, CopyRequest, Image, Job, JobState, Quota
from imagecopy.ims.models import Malformed

RUNNING: dict[str, Any] = {
    "status": "RUNNING",
    "job_id": "edc89b490d7d4392898e19b2deb34797",
    "job_type": "imsCopyImageInRegionJob",
    "begin_time": "2024-11-06T06:14:27.168Z",
    "end_time": "",
    "error_code": None,
    "fail_reason": None,
    "entities": {
        "image_name": "copy",
        "process_percent": 0.40,
        "current_task": "CopyImageInRegionTask:",
        "subJobId": "x",
        "image_id": "9b23ca2f-7ea5-4c21-8c3c-b1d1b1ff3d9d",
    },
}

IMAGE: dict[str, Any] = {
    "id": "9b23ca2f-7ea5-4c21-8c3c-b1d1b1ff3d9d",
    "name": "golden",
    "status": "active",
    "visibility": "private",
    "owner": "ac234de25c6741d2b1273da49eea1b9e",
    "protected": False,
    "tags": ["env=prod", "team.core", "bare", {"key": "k", "value": "v"}, 7, None],
    "created_at": "2018-09-06T14:03:27Z",
    "min_disk": 40,
    "size": 2,
    "virtual_env_type": "FusionCompute",
    "__imagetype": "private",
    "__image_size": "449261568",
    "__description": "imgcp1 words",
    "__system__cmkid": "bd66288c-9081-460a-8227-4cbd0c814cb4",
    "__data_origin": "image,eu-de,465076de-dc36-4aec-80f5-ef9d8009428f",
    "__originalimagename": "465076de-dc36-4aec-80f5-ef9d8009428f",
    "enterprise_project_id": "0",
}


def test_a_running_job_tells_progress_and_image() -> None:
    job = Job.parse(RUNNING)
    assert (job.state, job.progress, job.image_id) == (
        JobState.RUNNING,
        0.4,
        RUNNING["entities"]["image_id"],
    )
    assert (job.begin_time, job.end_time) == (datetime(2024, 11, 6, 6, 14, 27, 168000, UTC), None)
    assert (job.error_code, job.fail_reason) == (None, None)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("INIT", JobState.INIT),
        ("running", JobState.RUNNING),
        ("SUCCESS", JobState.SUCCESS),
        (" success ", JobState.SUCCESS),
        ("Succeeded", JobState.SUCCESS),
        ("FAIL", JobState.FAIL),
        ("failed", JobState.FAIL),
        ("Error", JobState.FAIL),
        ("PAUSED", JobState.UNKNOWN),
        ("", JobState.UNKNOWN),
        (None, JobState.UNKNOWN),
        (7, JobState.UNKNOWN),
    ],
)
def test_states_are_read_in_any_spelling(word: object, state: JobState) -> None:
    assert Job.parse({"status": word}).state is state


@pytest.mark.parametrize("entities", [None, {}, [], "", 0])
def test_a_job_without_entities_is_a_job(entities: object) -> None:
    job = Job.parse({"status": "INIT", "entities": entities})
    assert (job.state, job.progress, job.image_id) == (JobState.INIT, None, None)


@pytest.mark.parametrize(
    ("value", "progress"),
    [
        (0, 0.0),
        (0.4, 0.4),
        (1, 1.0),
        ("0.40", 0.4),
        (40, 0.4),
        (100, 1.0),
        (250, 1.0),
        (-1, 0.0),
        (True, None),
        ("half", None),
        (None, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
    ],
)
def test_progress_is_a_fraction(value: object, progress: float | None) -> None:
    assert Job.parse({"entities": {"process_percent": value}}).progress == progress


@pytest.mark.parametrize(
    ("failed", "code", "reason"),
    [
        ({"error_code": "IMG.0095", "fail_reason": "no key"}, "IMG.0095", "no key"),
        ({"entities": {"error_code": "IMG.0097", "error": "off"}}, "IMG.0097", "off"),
        (
            {"entities": {"addition_error_code": "IMG.1", "addition_error_msg": "more"}, "fail_reason": "top"},
            "IMG.1",
            "top; more",
        ),
        (
            {"entities": {"results": [{"status": "fail", "error_code": "E", "error_msg": "inner"}, None]}},
            "E",
            "inner",
        ),
        (
            {"entities": {"sub_jobs_result": [{"fail_reason": "same", "entities": {"error": "same"}}]}},
            None,
            "same",
        ),
        ({"error_code": "", "fail_reason": ""}, None, None),
    ],
)
def test_the_reason_of_a_failure_is_found_wherever_it_is(
    failed: dict[str, Any], code: str | None, reason: str | None
) -> None:
    job = Job.parse({"status": "FAIL", **failed})
    assert (job.state, job.error_code, job.fail_reason) == (JobState.FAIL, code, reason)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-11-06T06:14:27.168Z", datetime(2024, 11, 6, 6, 14, 27, 168000, UTC)),
        ("2018-09-06T14:03:27Z", datetime(2018, 9, 6, 14, 3, 27, tzinfo=UTC)),
        ("2018-09-06T14:03:27", datetime(2018, 9, 6, 14, 3, 27, tzinfo=UTC)),
        ("2018-09-06T16:03:27+02:00", datetime(2018, 9, 6, 14, 3, 27, tzinfo=UTC)),
        ("2015-11-09T01:42:57.527363Z", datetime(2015, 11, 9, 1, 42, 57, 527363, UTC)),
        ("04-Jun-2015 18:11:06:586", datetime(2015, 6, 4, 18, 11, 6, 586000, UTC)),
        ("04-Jun-2015 18:11:06", datetime(2015, 6, 4, 18, 11, 6, tzinfo=UTC)),
        ("99-Jun-2015 18:11:06", None),
        ("04-Foo-2015 18:11:06", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
        (1730873667, None),
    ],
)
def test_times_are_read_leniently(text: object, time: datetime | None) -> None:
    assert Job.parse({"begin_time": text}).begin_time == time


def test_an_image_is_read() -> None:
    image = Image.parse(IMAGE)
    assert (image.status, image.size_bytes, image.description) == ("active", 449261568, "imgcp1 words")
    assert image.kms_key_id == "bd66288c-9081-460a-8227-4cbd0c814cb4"
    assert dict(image.tags) == {"env": "prod", "team": "core", "bare": "", "k": "v", "7": ""}
    assert image.created_at == datetime(2018, 9, 6, 14, 3, 27, tzinfo=UTC)
    assert (image.whole_image, image.is_iso, image.is_bms, image.protected) == (False, False, False, False)


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ({"__whole_image": True}, "whole_image"),
        ({"__whole_image": "true"}, "whole_image"),
        ({"__whole_image": "True"}, "whole_image"),
        ({"__backup_id": "b"}, "whole_image"),
        ({"virtual_env_type": "IsoImage"}, "is_iso"),
        ({"disk_format": "ISO"}, "is_iso"),
        ({"virtual_env_type": "Ironic"}, "is_bms"),
        ({"protected": "true"}, "protected"),
    ],
)
def test_what_forbids_a_copy_is_seen_in_each_spelling(attributes: dict[str, Any], field: str) -> None:
    assert getattr(Image.parse({**IMAGE, **attributes}), field) is True


@pytest.mark.parametrize("value", ["0", "", None, "many", -1, True, "9" * 30, "٣", 1.5])
def test_a_size_that_says_nothing_is_unknown(value: object) -> None:
    assert Image.parse({"id": "i", "__image_size": value}).size_bytes is None


@pytest.mark.parametrize(
    ("origin", "parent", "derived"),
    [
        ("image,eu-de,SRC", None, True),
        ("image, eu-de , src", None, True),
        (None, "src", True),
        ("file,bucket:object", "src", True),
        ("instance,eu-de,src", None, False),
        ("image,src", None, False),
        ("image,eu-de,other", "", False),
        (None, None, False),
    ],
)
def test_lineage(origin: str | None, parent: str | None, derived: bool) -> None:
    image = Image.parse({"id": "i", "__data_origin": origin, "__originalimagename": parent})
    assert image.derived_from("src") is derived


def test_an_empty_parent_is_not_the_parent_of_everything() -> None:
    assert Image.parse({"id": "i"}).derived_from("") is False


@pytest.mark.parametrize("data", [None, [], {}, "x", {"id": ""}, {"id": None}, {"id": True}])
def test_an_image_needs_an_id(data: object) -> None:
    with pytest.raises(Malformed):
        Image.parse(data)


def test_quota_of_private_images() -> None:
    resources = [
        None,
        {"type": "image_shared", "used": 5, "quota": 6},
        {"type": "image", "used": "1", "quota": 20, "min": 1, "max": 1000},
    ]
    assert Quota.parse({"quotas": {"resources": resources}}) == Quota(used=1, limit=20)


@pytest.mark.parametrize("data", [None, {}, {"quotas": {"resources": [{"type": "image", "used": 1}]}}])
def test_a_quota_that_does_not_say_is_malformed(data: object) -> None:
    with pytest.raises(Malformed):
        Quota.parse(data)


def test_nothing_empty_is_sent() -> None:
    assert CopyRequest(name="n", description="", cmk_id="", enterprise_project_id=None).body() == {"name": "n"}
    full = CopyRequest(name="n", description="d", cmk_id="k", enterprise_project_id="0").body()
    assert full == {"name": "n", "description": "d", "cmk_id": "k", "enterprise_project_id": "0"}


@pytest.mark.parametrize(
    "data", [None, [], {}, {"job_id": ""}, {"job_id": None}, {"job_id": "a\nb"}, {"job_id": "x" * 129}]
)
def test_accepted_needs_a_job_id(data: object) -> None:
    with pytest.raises(Malformed):
        CopyAccepted.parse(data, None)


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    values,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(sorted({*RUNNING, *RUNNING["entities"], *IMAGE, "quotas", "resources", "results"}))
            | st.text(),
            inner,
            max_size=8,
        )
    ),
    max_leaves=25,
)


@given(anything)
def test_no_json_makes_a_model_fail_in_another_way(data: object) -> None:
    again = json.loads(json.dumps(data))
    for parse in (Job.parse, Image.parse, Quota.parse, lambda value: CopyAccepted.parse(value, None)):
        with contextlib.suppress(Malformed):
            str(parse(again)).encode()
