"""The normal path: one ImageCopy, one copy in the cloud, and what a person sees of it."""

import re
from contextlib import closing

import yaml

from e2e.lab import Lab
from e2e.objects import Copy
from e2e.processes import wait_for
from e2e.together import together, together_with_own_operator

_CALLS_PER_COPY = 15


def _kinds_of_writes(copy: Copy) -> list[tuple[str, str]]:
    return [(event.verb, event.subresource) for event in copy.writes()]


@together
def test_copy_takes_one_post_and_three_writes(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=0)  # so quick that there is no progress to write
    first = lab.copy("first")
    seen = first.until_at_rest("Succeeded")
    three = [("patch", "status")] * 3
    wait_for(lambda: len(first.writes()) >= len(three), "the writes in the audit log")
    lab.copy("second").until_at_rest("Succeeded")
    # What the second one took, the first has rested.
    assert _kinds_of_writes(first) == three
    assert len(lab.cloud.posts("first")) == 1
    [image] = lab.cloud.copies("first")
    assert (image["status"], image["id"]) == ("active", seen.status["imageID"])


@together
def test_copy_that_is_deleted_with_its_image_has_a_finalizer_before_anything_is_sent(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=0)
    copy = lab.copy("golden", deletionPolicy="Delete")
    seen = copy.until_phase("Succeeded")
    assert len(seen.finalizers) == 1
    wait_for(lambda: len(copy.writes()) >= 4, "the writes in the audit log")
    assert _kinds_of_writes(copy) == [("patch", ""), *[("patch", "status")] * 3]
    first = copy.writes()[0]
    [post] = lab.cloud.posts()
    assert first.completed.timestamp() < post["time"]


@together
def test_object_tells_everything_about_a_finished_copy(lab: Lab) -> None:
    lab.connect()
    seen = lab.copy("golden").until_at_rest("Succeeded")
    status, [job] = seen.status, lab.cloud.jobs()
    assert "annotations" not in seen.body["metadata"]
    assert (status["observedGeneration"], status["progress"], status["targetName"]) == (1, "100%", "golden")
    assert status["jobID"] == status["attempt"]["jobID"] == job["job_id"]
    assert status["imageID"] == job["_simulator"]["image_id"]
    [post] = lab.cloud.posts()
    assert status["attempt"]["requestID"] == post["request_id"]
    assert seen.outcomes == [("Succeeded", None)]
    assert status["startTime"] <= status["completionTime"]
    assert {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]} == {
        "Ready": ("True", "Succeeded"),
        "SourceReady": ("True", "Succeeded"),
        "ProviderReady": ("True", "Succeeded"),
        "Submitted": ("True", "Copying"),
    }
    assert all(c["observedGeneration"] == 1 for c in status["conditions"])


@together
def test_progress_is_told_in_columns_events_and_few_calls(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=20)
    watch = lab.kubectl_watch("get", "imgcp", "-w")
    with closing(watch):
        copy = lab.copy("golden")
        copy.until_at_rest("Succeeded")
        rows = wait_for(lambda: [row for row in watch.rows() if watch.rows()[-1][1] == "Succeeded"], "last row")
    assert rows[0][:5] == ["NAME", "PHASE", "PROGRESS", "IMAGE-ID", "SOURCE"]
    told = [" ".join(row[1:3]) for row in rows[1:]]
    assert "Copying 0%" in told
    assert "Succeeded 100%" in told
    moved = {words for words in told if re.fullmatch(r"Copying [1-9]\d?%", words)}
    assert moved, told
    copy.until_event("Succeeded")
    reasons = copy.event_reasons()
    assert (reasons[0], reasons[-1]) == ("Submitted", "Succeeded")
    assert set(reasons[1:-1]) == {"Progress"}
    assert len(lab.cloud.calls()) <= _CALLS_PER_COPY
    assert len(copy.writes()) == 3 + len(moved)


@together
def test_kubectl_shows_the_story(lab: Lab) -> None:
    lab.connect()
    manifest = yaml.safe_dump(lab.manifest("golden"))
    assert lab.kubectl("apply", "-f", "-", stdin=manifest) == "imagecopy.imagecopy.io/golden created\n"
    said = lab.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "imgcp/golden")
    assert said == "imagecopy.imagecopy.io/golden condition met\n"
    copy = lab.known("golden")
    image_id = copy.until_at_rest("Succeeded").status["imageID"]
    header, row = (line.split() for line in lab.kubectl("get", "imgcp", "golden", "-o", "wide").splitlines())
    assert header[:5] == ["NAME", "PHASE", "PROGRESS", "IMAGE-ID", "SOURCE"]
    assert row[:5] == ["golden", "Succeeded", "100%", image_id, lab.cloud.source()]
    assert row[6:] == [lab.cloud.jobs()[0]["job_id"], "1", "Succeeded", "cloud"]
    copy.until_event("Succeeded")
    described = lab.kubectl("describe", "imgcp", "golden")
    assert re.search(r"Normal +Submitted .* attempt 1 was accepted as job", described)
    assert re.search(rf"Normal +Succeeded .* image {image_id} is ready", described)


@together
def test_applying_the_same_manifest_again_changes_nothing(lab: Lab) -> None:
    lab.connect()
    lab.cloud.knobs(copy_seconds=0)
    manifest = yaml.safe_dump(lab.manifest("golden"))
    lab.kubectl("apply", "-f", "-", stdin=manifest)
    copy = lab.known("golden")
    copy.until_at_rest("Succeeded")
    assert lab.kubectl("apply", "-f", "-", stdin=manifest) == "imagecopy.imagecopy.io/golden unchanged\n"
    lab.copy("other").until_at_rest("Succeeded")
    assert len(copy.writes()) == 3
    assert len(lab.cloud.posts("golden")) == 1


@together
def test_encrypted_copy_carries_key_description_marker_and_enterprise_project(lab: Lab) -> None:
    lab.connect()
    project = lab.cloud.config["enterprise_project_ids"][1]
    target = {
        "name": "golden 2026",
        "description": "Golden image, September",
        "kmsKeyID": lab.cloud.key(),
        "enterpriseProjectID": project,
    }
    seen = lab.copy("golden", target=target).until_at_rest("Succeeded")
    [image] = lab.cloud.copies()
    assert image["name"] == "golden 2026"
    assert image["__system__cmkid"] == lab.cloud.key()
    assert image["enterprise_project_id"] == project
    token = seen.status["attempt"]["token"]
    assert re.fullmatch(rf"Golden image, September imgcp1[0-9a-f]{{16}}{token}", image["__description"])


@together
def test_tags_are_set_and_kept_in_step_after_success(lab: Lab) -> None:
    def tags() -> dict[str, str]:
        [image] = lab.cloud.copies()
        return dict(tag.split("=", 1) for tag in image["tags"])

    lab.connect()
    before = {"team": "web", "stage": "test", "owner": "kim"}
    copy = lab.copy("golden", target={"tags": before})
    first = copy.until_at_rest("Succeeded")
    assert tags() == before
    copy.edit(target={"tags": {"stage": "live", "owner": None, "os": "debian"}})
    copy.until(lambda seen: seen.status["observedGeneration"] == 2 and not seen.finalizers, "new tags are set")
    assert tags() == {"team": "web", "stage": "live", "os": "debian"}
    copy.edit(target={"tags": None})
    last = copy.until(lambda seen: seen.status["observedGeneration"] == 3 and not seen.finalizers, "tags are gone")
    assert tags() == {}
    assert last.told("Ready") == first.told("Ready") == ("True", "Succeeded")
    assert last.condition("Ready")["lastTransitionTime"] == first.condition("Ready")["lastTransitionTime"]
    assert len(lab.cloud.posts()) == 1


@together
def test_objects_with_the_same_target_name_get_a_copy_each(lab: Lab) -> None:
    lab.connect()
    copies = [lab.copy(name, target={"name": "same"}) for name in ("one", "two")]
    images = {copy.until_at_rest("Succeeded").status["imageID"] for copy in copies}
    late = lab.copy("three", target={"name": "same"}).until_at_rest("Succeeded")
    assert late.told("Ready") == ("True", "Succeeded")
    images.add(late.status["imageID"])
    assert images == {image["id"] for image in lab.cloud.copies("same")}
    assert len(images) == len(lab.cloud.posts("same")) == 3


@together
def test_edit_that_changes_nothing_about_a_finished_copy_is_only_acknowledged(lab: Lab) -> None:
    lab.connect()
    copy = lab.copy("golden")
    copy.until_at_rest("Succeeded")
    calls = len(lab.cloud.calls())
    copy.edit(backoffLimit=1, suspend=True)
    seen = copy.until(lambda seen: seen.status["observedGeneration"] == 2 and not seen.finalizers, "acknowledged")
    assert seen.phase == "Succeeded"
    assert len(lab.cloud.calls()) == calls


@together_with_own_operator
def test_restart_with_finished_copies_is_quiet(lab: Lab) -> None:
    lab.connect()
    operator = lab.operator()
    copies = [lab.copy(f"done-{number}") for number in range(3)]
    copies.append(lab.copy("failed", "full-ecs"))
    for copy in copies:
        copy.until_at_rest("Failed" if copy.name == "failed" else "Succeeded")
    operator.stop()
    calls, begin = len(lab.cloud.calls()), lab.api.plane.audit_position()
    lab.operator()
    lab.copy("new").until_at_rest("Succeeded")
    assert {call["body"]["name"] for call in lab.cloud.calls()[calls:] if call["kind"] == "copy"} == {"new"}
    written = {event.name for event in lab.api.plane.audit_events(begin) if event.resource == "imagecopies"}
    assert not written & {copy.name for copy in copies}


@together
def test_cluster_provider_is_used_by_its_name(lab: Lab) -> None:
    lab.secret(lab.cloud.login())
    lab.cluster_provider("central")
    lab.copy("golden", providerRef={"kind": "ClusterImageProvider", "name": "central"}).until_at_rest("Succeeded")
