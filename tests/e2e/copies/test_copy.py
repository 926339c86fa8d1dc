"""The normal case: one ImageCopy, one copy in the cloud, and what a user sees of it."""

import re
from contextlib import closing

import yaml

from e2e.environment import Environment
from e2e.objects import Copy
from e2e.parallel import parallel, parallel_with_own_operator
from support.waiting import wait_for

_CALLS_PER_COPY = 15


def _kinds_of_writes(copy: Copy) -> list[tuple[str, str]]:
    return [(event.verb, event.subresource) for event in copy.writes()]


@parallel
def test_copy_takes_one_post_and_three_writes(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=0)  # so fast that there is no progress to write
    first = env.copy("first")
    state = first.until_finished("Succeeded")
    three = [("patch", "status")] * 3
    wait_for(lambda: len(first.writes()) >= len(three), "the writes in the audit log")
    env.copy("second").until_finished("Succeeded")
    # While the second copy ran, the first one was idle.
    assert _kinds_of_writes(first) == three
    assert len(env.cloud.posts("first")) == 1
    [image] = env.cloud.copies("first")
    assert (image["status"], image["id"]) == ("active", state.status["imageID"])


@parallel
def test_copy_that_is_deleted_with_its_image_has_a_finalizer_before_anything_is_sent(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=0)
    copy = env.copy("golden", deletionPolicy="Delete")
    state = copy.until_phase("Succeeded")
    assert len(state.finalizers) == 1
    wait_for(lambda: len(copy.writes()) >= 4, "the writes in the audit log")
    assert _kinds_of_writes(copy) == [("patch", ""), *[("patch", "status")] * 3]
    first = copy.writes()[0]
    [post] = env.cloud.posts()
    assert first.completed.timestamp() < post["time"]


@parallel
def test_object_tells_everything_about_a_finished_copy(env: Environment) -> None:
    env.connect()
    state = env.copy("golden").until_finished("Succeeded")
    status, [job] = state.status, env.cloud.jobs()
    assert "annotations" not in state.body["metadata"]
    assert (status["observedGeneration"], status["progress"], status["targetName"]) == (1, "100%", "golden")
    assert status["jobID"] == status["attempt"]["jobID"] == job["job_id"]
    assert status["imageID"] == job["_simulator"]["image_id"]
    [post] = env.cloud.posts()
    assert status["attempt"]["requestID"] == post["request_id"]
    assert state.outcomes == [("Succeeded", None)]
    assert status["startTime"] <= status["completionTime"]
    assert {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]} == {
        "Ready": ("True", "Succeeded"),
        "SourceReady": ("True", "Succeeded"),
        "ProviderReady": ("True", "Succeeded"),
        "Submitted": ("True", "Copying"),
    }
    assert all(c["observedGeneration"] == 1 for c in status["conditions"])


@parallel
def test_progress_is_told_in_columns_events_and_few_calls(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=20)
    watch = env.kubectl_watch("get", "imgcp", "-w")
    with closing(watch):
        copy = env.copy("golden")
        copy.until_finished("Succeeded")
        rows = wait_for(lambda: [row for row in watch.rows() if watch.rows()[-1][1] == "Succeeded"], "last row")
    assert rows[0][:5] == ["NAME", "PHASE", "PROGRESS", "IMAGE-ID", "SOURCE"]
    reported = [" ".join(row[1:3]) for row in rows[1:]]
    assert "Copying 0%" in reported
    assert "Succeeded 100%" in reported
    moved = {words for words in reported if re.fullmatch(r"Copying [1-9]\d?%", words)}
    assert moved, reported
    copy.until_event("Succeeded")
    reasons = copy.event_reasons()
    assert (reasons[0], reasons[-1]) == ("Submitted", "Succeeded")
    assert set(reasons[1:-1]) == {"Progress"}
    assert len(env.cloud.calls()) <= _CALLS_PER_COPY
    assert len(copy.writes()) == 3 + len(moved)


@parallel
def test_kubectl_shows_the_story(env: Environment) -> None:
    env.connect()
    manifest = yaml.safe_dump(env.manifest("golden"))
    assert env.kubectl("apply", "-f", "-", stdin=manifest) == "imagecopy.imagecopy.io/golden created\n"
    said = env.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "imgcp/golden")
    assert said == "imagecopy.imagecopy.io/golden condition met\n"
    copy = env.existing("golden")
    image_id = copy.until_finished("Succeeded").status["imageID"]
    header, row = (line.split() for line in env.kubectl("get", "imgcp", "golden", "-o", "wide").splitlines())
    assert header[:5] == ["NAME", "PHASE", "PROGRESS", "IMAGE-ID", "SOURCE"]
    assert row[:5] == ["golden", "Succeeded", "100%", image_id, env.cloud.source()]
    assert row[6:] == [env.cloud.jobs()[0]["job_id"], "1", "Succeeded", "cloud"]
    copy.until_event("Succeeded")
    described = env.kubectl("describe", "imgcp", "golden")
    assert re.search(r"Normal +Submitted .* attempt 1 was accepted as job", described)
    assert re.search(rf"Normal +Succeeded .* image {image_id} is ready", described)


@parallel
def test_applying_the_same_manifest_again_changes_nothing(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=0)
    manifest = yaml.safe_dump(env.manifest("golden"))
    env.kubectl("apply", "-f", "-", stdin=manifest)
    copy = env.existing("golden")
    copy.until_finished("Succeeded")
    assert env.kubectl("apply", "-f", "-", stdin=manifest) == "imagecopy.imagecopy.io/golden unchanged\n"
    env.copy("other").until_finished("Succeeded")
    assert len(copy.writes()) == 3
    assert len(env.cloud.posts("golden")) == 1


@parallel
def test_encrypted_copy_carries_key_description_marker_and_enterprise_project(env: Environment) -> None:
    env.connect()
    project = env.cloud.config["enterprise_project_ids"][1]
    target = {
        "name": "golden 2026",
        "description": "Golden image, September",
        "kmsKeyID": env.cloud.key(),
        "enterpriseProjectID": project,
    }
    state = env.copy("golden", target=target).until_finished("Succeeded")
    [image] = env.cloud.copies()
    assert image["name"] == "golden 2026"
    assert image["__system__cmkid"] == env.cloud.key()
    assert image["enterprise_project_id"] == project
    token = state.status["attempt"]["token"]
    assert re.fullmatch(rf"Golden image, September imgcp1[0-9a-f]{{16}}{token}", image["__description"])


@parallel
def test_tags_are_set_and_kept_in_step_after_success(env: Environment) -> None:
    def tags() -> dict[str, str]:
        [image] = env.cloud.copies()
        return dict(tag.split("=", 1) for tag in image["tags"])

    env.connect()
    before = {"team": "web", "stage": "test", "owner": "kim"}
    copy = env.copy("golden", target={"tags": before})
    first = copy.until_finished("Succeeded")
    assert tags() == before
    copy.edit(target={"tags": {"stage": "live", "owner": None, "os": "debian"}})
    copy.until(lambda state: state.status["observedGeneration"] == 2 and not state.finalizers, "new tags are set")
    assert tags() == {"team": "web", "stage": "live", "os": "debian"}
    copy.edit(target={"tags": None})
    last = copy.until(lambda state: state.status["observedGeneration"] == 3 and not state.finalizers, "tags are gone")
    assert tags() == {}
    assert last.status_and_reason("Ready") == first.status_and_reason("Ready") == ("True", "Succeeded")
    assert last.condition("Ready")["lastTransitionTime"] == first.condition("Ready")["lastTransitionTime"]
    assert len(env.cloud.posts()) == 1


@parallel
def test_objects_with_the_same_target_name_get_a_copy_each(env: Environment) -> None:
    env.connect()
    copies = [env.copy(name, target={"name": "same"}) for name in ("one", "two")]
    images = {copy.until_finished("Succeeded").status["imageID"] for copy in copies}
    late = env.copy("three", target={"name": "same"}).until_finished("Succeeded")
    assert late.status_and_reason("Ready") == ("True", "Succeeded")
    images.add(late.status["imageID"])
    assert images == {image["id"] for image in env.cloud.copies("same")}
    assert len(images) == len(env.cloud.posts("same")) == 3


@parallel
def test_edit_that_changes_nothing_about_a_finished_copy_is_only_acknowledged(env: Environment) -> None:
    env.connect()
    copy = env.copy("golden")
    copy.until_finished("Succeeded")
    calls = len(env.cloud.calls())
    copy.edit(backoffLimit=1, suspend=True)
    state = copy.until(lambda state: state.status["observedGeneration"] == 2 and not state.finalizers, "acknowledged")
    assert state.phase == "Succeeded"
    assert len(env.cloud.calls()) == calls


@parallel_with_own_operator
def test_restart_with_finished_copies_is_quiet(env: Environment) -> None:
    env.connect()
    operator = env.operator()
    copies = [env.copy(f"done-{number}") for number in range(3)]
    copies.append(env.copy("failed", "full-ecs"))
    for copy in copies:
        copy.until_finished("Failed" if copy.name == "failed" else "Succeeded")
    operator.stop()
    calls, begin = len(env.cloud.calls()), env.api.plane.audit_position()
    env.operator()
    env.copy("new").until_finished("Succeeded")
    assert {call["body"]["name"] for call in env.cloud.calls()[calls:] if call["kind"] == "copy"} == {"new"}
    written = {event.name for event in env.api.plane.audit_events(begin) if event.resource == "imagecopies"}
    assert not written & {copy.name for copy in copies}


@parallel
def test_cluster_provider_is_used_by_its_name(env: Environment) -> None:
    env.secret(env.cloud.login())
    env.cluster_provider("central")
    env.copy("golden", providerRef={"kind": "ClusterImageProvider", "name": "central"}).until_finished("Succeeded")
