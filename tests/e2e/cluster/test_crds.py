"""The CRDs on the real API server: what it accepts, what it refuses and in which words, and what kubectl shows."""

import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import pytest
import yaml

from controlplane import ControlPlane
from e2e.manifests import table
from e2e.manifests.table import Case, Manifest, Update
from imagecopy.api.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    ProviderCondition,
    ProviderReason,
    Reason,
)
from imagecopy.api.imagecopy import (
    Attempt,
    AttemptOutcome,
    EndedAttempt,
    Failure,
    ImageCopySpec,
    ImageCopyStatus,
    Phase,
)
from imagecopy.api.provider import ImagesUsed, ProviderStatus

_NAMESPACE: Final = "crds"
_COLLECTIONS: Final = {
    "ImageCopy": f"/apis/imagecopy.io/v1alpha1/namespaces/{_NAMESPACE}/imagecopies",
    "ImageProvider": f"/apis/imagecopy.io/v1alpha1/namespaces/{_NAMESPACE}/imageproviders",
    "ClusterImageProvider": "/apis/imagecopy.io/v1alpha1/clusterimageproviders",
}
_MERGE_PATCH: Final = {"Content-Type": "application/merge-patch+json"}
_NOTHING_STORED: Final = {"dryRun": "All", "fieldValidation": "Strict"}
_ANNEX: Final = "Invalid value: null: some validation rules were not checked"
_NOW: Final = "2026-09-01T12:00:00Z"
_EXPLAIN_SECONDS: Final = 20.0


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=str(control_plane.ca))
    headers = {"Authorization": f"Bearer {control_plane.token}"}
    control_plane.create_namespace(_NAMESPACE)
    with httpx.Client(
        base_url=control_plane.url, verify=context, headers=headers, trust_env=False, timeout=30
    ) as client:
        yield client


def _errors(reply: httpx.Response) -> dict[str, str]:
    """Return what the API server has against it, by field."""
    status = reply.json()
    causes = status.get("details", {}).get("causes")
    if not causes:
        return {"strict decoding": status["message"]}
    return {cause["field"]: cause["message"] for cause in causes if not cause["message"].startswith(_ANNEX)}


def _assert_refused(reply: httpx.Response, expected: Mapping[str, str]) -> None:
    assert reply.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY), reply.text
    errors = _errors(reply)
    assert errors.keys() == expected.keys(), errors
    for field, fragment in expected.items():
        assert fragment in errors[field]


def _assert_holds(stored: Any, expected: Any) -> None:
    if isinstance(expected, dict) and expected:
        for key, value in expected.items():
            _assert_holds(stored[key], value)
    else:
        assert stored == expected


def _create(api: httpx.Client, manifest: Manifest, name: str) -> str:
    """Create the object under ``name``; return its path."""
    collection = _COLLECTIONS[manifest["kind"]]
    named = manifest | {"metadata": manifest["metadata"] | {"name": name}}
    reply = api.post(collection, json=named, params={"fieldValidation": "Strict"})
    assert reply.status_code == httpx.codes.CREATED, reply.text
    return f"{collection}/{name}"


def _patch_status(api: httpx.Client, path: str, status: Mapping[str, Any]) -> httpx.Response:
    return api.patch(
        f"{path}/status",
        json={"status": status},
        params={"fieldValidation": "Strict"},
        headers=_MERGE_PATCH,
    )


def test_there_are_enough_cases() -> None:
    assert len(table.accepted()) + len(table.refused()) >= 40


@pytest.mark.parametrize("case", table.accepted(), ids=str)
def test_good_manifest_is_accepted(case: Case, api: httpx.Client) -> None:
    reply = api.post(_COLLECTIONS[case.kind], json=case.manifest, params=_NOTHING_STORED)
    assert reply.status_code == httpx.codes.CREATED, reply.text
    for part, expected in case.stored.items():
        _assert_holds(reply.json()[part], expected)


@pytest.mark.parametrize("case", table.refused(), ids=str)
def test_bad_manifest_is_refused_with_advice(case: Case, api: httpx.Client) -> None:
    reply = api.post(_COLLECTIONS[case.kind], json=case.manifest, params=_NOTHING_STORED)
    _assert_refused(reply, case.refused)


@pytest.mark.parametrize("update", table.updates(), ids=str)
def test_update(update: Update, api: httpx.Client) -> None:
    path = _create(api, update.before, f"update-{update.name}")
    reply = api.patch(path, json=update.patch, params=_NOTHING_STORED, headers=_MERGE_PATCH)
    if update.refused:
        _assert_refused(reply, update.refused)
    else:
        assert reply.status_code == httpx.codes.OK, reply.text


def test_new_object_is_what_the_model_expects(api: httpx.Client) -> None:
    manifest = table.base("ImageCopy")
    stored = api.get(_create(api, manifest, "defaults")).json()
    assert stored["spec"] == ImageCopySpec.model_validate(manifest["spec"]).to_wire()
    assert stored["status"] == {"observedGeneration": -1, "phase": "Pending"}


def _longest_status() -> ImageCopyStatus:
    number, long = 2**31, "x" * 5000
    ended = EndedAttempt(
        number=number,
        outcome=AttemptOutcome.FAILED,
        job_id="x" * 256,
        code=long,
        message=long,
        posted_at=_NOW,
        ended_at=_NOW,
    )
    conditions = tuple(
        Condition(
            type=kind,
            status=ConditionStatus.UNKNOWN,
            reason=reason,
            message=long,
            last_transition_time=_NOW,
            observed_generation=number,
        )
        for kind, reason in zip(ConditionType, Reason, strict=False)
    )
    return ImageCopyStatus(
        observed_generation=1,
        phase=Phase.COPYING,
        progress="100%",
        job_id="x" * 256,
        image_id="x" * 64,
        project_id="x" * 256,
        target_name="x" * 256,
        target_tags={f"{key}": "x" * 43 for key in range(10)},
        start_time=_NOW,
        completion_time=_NOW,
        next_attempt_time=_NOW,
        failed_jobs=10,
        attempt=Attempt(
            number=number, token="f" * 16, posted_at=_NOW, writer="x" * 64, job_id="x" * 256, request_id=long
        ),
        attempts=(ended,) * 6,
        failure=Failure(code=long, message=long, request_id=long),
        last_handled_retry_at="x" * 256,
        conditions=conditions,
    )


def test_longest_status_the_model_makes_is_stored_and_read_back(api: httpx.Client) -> None:
    path = _create(api, table.base("ImageCopy"), "longest-status")
    status = _longest_status()
    reply = _patch_status(api, path, status.to_wire())
    assert reply.status_code == httpx.codes.OK, reply.text
    assert ImageCopyStatus.model_validate(reply.json()["status"]) == status


def test_words_of_a_newer_operator_do_not_keep_a_status_from_being_stored(api: httpx.Client) -> None:
    path = _create(api, table.base("ImageCopy"), "newer-operator")
    condition = {"type": "Paused", "status": "True", "reason": "Why", "lastTransitionTime": _NOW}
    reply = _patch_status(api, path, {"phase": "Paused", "conditions": [condition]})
    assert reply.status_code == httpx.codes.OK, reply.text
    assert ImageCopyStatus.model_validate(reply.json()["status"]) == ImageCopyStatus(phase=None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"attempt": {"number": 1}}, {"status.attempt.token": "Required", "status.attempt.postedAt": "Required"}),
        ({"failedJobs": -1}, {"status.failedJobs": "should be greater than or equal to 0"}),
        ({"startTime": "yesterday"}, {"status.startTime": "must be of type date-time"}),
        ({"jobId": "x"}, {"patch": 'strict decoding error: unknown field "status.jobId"'}),
    ],
)
def test_bad_status_is_refused(status: Manifest, expected: Mapping[str, str], api: httpx.Client) -> None:
    path = f"{_COLLECTIONS['ImageCopy']}/bad-status"
    if api.get(path).status_code == httpx.codes.NOT_FOUND:
        _create(api, table.base("ImageCopy"), "bad-status")
    _assert_refused(_patch_status(api, path, status), expected)


def test_crds_are_structural_and_established(control_plane: ControlPlane) -> None:
    found = yaml.safe_load(control_plane.kubectl("get", "crd", "-o", "yaml").stdout)["items"]
    conditions = {
        crd["spec"]["names"]["kind"]: {
            condition["type"] for condition in crd["status"]["conditions"] if condition["status"] == "True"
        }
        for crd in found
    }
    assert conditions == {kind: {"NamesAccepted", "Established"} for kind in _COLLECTIONS}


def _apply(plane: ControlPlane, manifest: Manifest, name: str) -> tuple[int, str]:
    named = manifest | {"metadata": {"name": name}}
    done = plane.kubectl("apply", "-n", _NAMESPACE, "-f", "-", input=yaml.safe_dump(named), check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("image-id-is-a-name", 'spec.source.imageID: Invalid value: "debian-13": must be an image id: a UUID'),
        ("unknown-field", 'unknown field "spec.target.kmsKeyId"'),
        ("name-ends-with-blank", "must not begin or end with a space: remove the space"),
        ("no-source", "spec.source: Required value"),
    ],
)
def test_kubectl_apply_shows_the_advice(
    name: str, fragment: str, control_plane: ControlPlane, api: httpx.Client
) -> None:
    manifest = next(case.manifest for case in table.refused() if case.name == name)
    code, output = _apply(control_plane, manifest, "bad")
    assert code == 1
    assert fragment in output


def test_kubectl_apply_again_changes_nothing_until_a_fixed_field_changes(
    control_plane: ControlPlane, api: httpx.Client
) -> None:
    manifest = next(case.manifest for case in table.accepted() if case.name == "full")
    assert _apply(control_plane, manifest, "again") == (0, "imagecopy.imagecopy.io/again created\n")
    assert _apply(control_plane, manifest, "again") == (0, "imagecopy.imagecopy.io/again unchanged\n")
    spec = manifest["spec"]
    tagged = manifest | {"spec": spec | {"target": spec["target"] | {"tags": {"team": "db"}}}}
    assert _apply(control_plane, tagged, "again") == (0, "imagecopy.imagecopy.io/again configured\n")
    renamed = manifest | {"spec": spec | {"target": {}}}
    code, output = _apply(control_plane, renamed, "again")
    assert code == 1
    assert "spec.target.kmsKeyID: Forbidden: target.kmsKeyID can't be changed: create a new ImageCopy instead" in output


def test_kubectl_explain_shows_description_unit_default_and_example(control_plane: ControlPlane) -> None:
    deadline = time.monotonic() + _EXPLAIN_SECONDS
    # The API server publishes the OpenAPI document of a new CRD some seconds after it serves the resource.
    while control_plane.kubectl("explain", "imagecopy", check=False).returncode and time.monotonic() < deadline:
        time.sleep(0.2)
    key = " ".join(control_plane.kubectl("explain", "imagecopy.spec.target.kmsKeyID").stdout.split())
    assert "Id of the KMS key to encrypt the copy with" in key
    assert "WARNING: without it the copy is NOT encrypted, even if the source is." in key
    assert "Example: 0d0466b0-e727-4d9c-b35d-f84bb474a37f" in key
    limit = " ".join(control_plane.kubectl("explain", "imgcp.spec.activeDeadlineSeconds").stdout.split())
    assert "Time limit in seconds, 1 to 604800 (7 days), counted from the first copy request" in limit
    assert "Default: 7200. Example: 3600" in limit


def test_kubectl_get_shows_the_columns(control_plane: ControlPlane, api: httpx.Client) -> None:
    path = _create(api, table.base("ImageCopy"), "columns")
    ready = Condition(
        type=ConditionType.READY,
        status=ConditionStatus.FALSE,
        reason=Reason.COPYING,
        last_transition_time=_NOW,
    )
    status = ImageCopyStatus(
        phase=Phase.COPYING,
        progress="42%",
        job_id="edc89b490d7d4392898e19b2deb34797",
        image_id="3f1c8e52-90ab-4c1d-8a7e-5b6c7d8e9f01",
        attempt=Attempt(number=2, token="f" * 16, posted_at=_NOW),
        conditions=(
            ready.model_copy(update={"type": ConditionType.RECONCILING, "status": ConditionStatus.TRUE}),
            ready,
        ),
    )
    assert _patch_status(api, path, status.to_wire()).is_success

    def rows(*arguments: str) -> list[list[str]]:
        done = control_plane.kubectl("get", *arguments, "columns", "-n", _NAMESPACE)
        return [line.split() for line in done.stdout.splitlines()]

    header, row = rows("imgcp")
    source = "7c9a2b1e-4f60-4d6b-9c0f-2f1d3b5a8e47"
    assert header == ["NAME", "PHASE", "PROGRESS", "IMAGE-ID", "SOURCE", "AGE"]
    assert row[:5] == ["columns", "Copying", "42%", status.image_id, source]
    assert rows("imagecopy")[0] == header

    header, row = rows("imgcp", "-o", "wide")
    assert header[6:] == ["JOB-ID", "ATTEMPT", "REASON", "PROVIDER"]
    assert row[6:] == [status.job_id, "2", "Copying", "default"]


def test_kubectl_get_category_shows_the_copies(control_plane: ControlPlane, api: httpx.Client) -> None:
    _create(api, table.base("ImageCopy"), "category")
    shown = control_plane.kubectl("get", "imagecopy", "-n", _NAMESPACE, "-o", "name").stdout.split()
    assert "imagecopy.imagecopy.io/category" in shown


def test_kubectl_get_shows_the_columns_of_providers(control_plane: ControlPlane, api: httpx.Client) -> None:
    ready = ProviderCondition(
        type=ConditionType.READY,
        status=ConditionStatus.TRUE,
        reason=ProviderReason.AVAILABLE,
        message="works",
        last_transition_time=_NOW,
    )
    project = "5dd3c0b24cdc4d31952c49589182a89d"
    status = ProviderStatus(
        observed_generation=1,
        project_id=project,
        project_name="eu-de_images",
        images=ImagesUsed(used=12, quota=50),
        running_copies=2,
        conditions=(ready,),
    )
    for kind, short_name in (("ImageProvider", "imgprov"), ("ClusterImageProvider", "cimgp")):
        path = _create(api, table.base(kind), "columns")
        assert api.get(path).json()["status"] == {"observedGeneration": -1}
        reply = _patch_status(api, path, status.to_wire())
        assert reply.is_success, reply.text
        assert ProviderStatus.model_validate(reply.json()["status"]) == status
        done = control_plane.kubectl("get", short_name, "columns", "-n", _NAMESPACE)
        header, row = (line.split() for line in done.stdout.splitlines())
        assert header == ["NAME", "READY", "REASON", "PROJECT", "USED", "QUOTA", "RUNNING", "AGE"]
        assert row[:7] == ["columns", "True", "Available", "eu-de_images", "12", "50", "2"]
        done = control_plane.kubectl("get", short_name, "columns", "-n", _NAMESPACE, "-o", "wide")
        header, row = (line.split() for line in done.stdout.splitlines())
        assert header[8:12] == ["CLOUD", "REGION", "PROJECT-ID", "SECRET"]
        assert row[8:12] == ["OpenTelekomCloud", "eu-de", project, "otc-credentials"]
        assert (header[-1], row[-1]) == ("MESSAGE", "works")
