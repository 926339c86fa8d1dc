"""Repeated syncs of GitOps tools find no difference, and cause no write, no call and no second copy."""

import json
from collections.abc import Iterable
from functools import partial
from typing import Final

from e2e.environment import Environment
from e2e.objects import Copy, CopyState
from e2e.parallel import parallel, parallel_with_own_operator
from gitops.argocd import DEPLOY, Health, discover, health, patch_of
from gitops.generate import PATCH, argocd_cm
from support.objects import Manifest

_TIMES: Final = 10
_SERVER_SIDE: Final = ("--server-side", "--force-conflicts", "--field-manager=argocd-controller")
_WAYS: Final[dict[str, tuple[str, ...]]] = {"client": (), "server": _SERVER_SIDE}
_TRACKING: Final = "argocd.argoproj.io/tracking-id"
_REFUSAL: Final = {"status": 400, "shape": "ims", "code": "IMG.0130", "message": "Whole image."}


def _apply(env: Environment, way: str, *manifests: Manifest) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    env.kubectl("apply", *_WAYS[way], "-f", "-", stdin=text)


def _difference(env: Environment, way: str, *manifests: Manifest) -> str:
    """Return the changes that a sync would make."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    done = env.api.plane.kubectl("-n", env.namespace, "diff", *_WAYS[way], "-f", "-", input=text, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert (done.returncode == 1) == bool(done.stdout)
    return done.stdout


def _stages(env: Environment, way: str) -> dict[str, Manifest]:
    """Return manifests, by the stage that their copies reach and keep."""
    absent = {"kind": "ImageProvider", "name": "absent"}
    return {
        "WaitingForProvider": env.manifest(f"{way}-waiting", providerRef=absent),
        "Copying": env.manifest(f"{way}-copying"),
        "Succeeded": env.manifest(f"{way}-succeeded", target={"tags": {"team": "web"}}),
        "CopyFailed": env.manifest(f"{way}-failed", "full-ecs"),
        "Suspended": env.manifest(f"{way}-suspended", suspend=True),
    }


def _is_settled(reason: str, state: CopyState) -> bool:
    submitted = reason != "Copying" or bool(state.status.get("jobID"))
    return state.reason == reason and submitted and not state.finalizers


def _versions(copies: Iterable[Copy]) -> list[tuple[str, int]]:
    found = [copy.get().body["metadata"] for copy in copies]
    return [(meta["resourceVersion"], meta["generation"]) for meta in found]


@parallel_with_own_operator
def test_no_sync_finds_a_difference_and_syncing_again_does_nothing(env: Environment) -> None:
    env.connect()
    env.cloud.fault(match={"body": "-copying"}, job={"stuck": True, "at": 0.05}, count=2)
    manifests = {way: _stages(env, way) for way in _WAYS}
    copies = [env.existing(one["metadata"]["name"]) for stages in manifests.values() for one in stages.values()]

    def sync(times: int) -> None:
        """Sync in all ways, without changing any object."""
        before = _versions(copies)
        for way, stages in manifests.items():
            for _ in range(times):
                _apply(env, way, *stages.values())
            assert _difference(env, way, *stages.values()) == ""
        assert _versions(copies) == before

    for way, stages in manifests.items():
        for _ in range(2):  # an API server stores the defaults of a new object when it is applied a second time
            _apply(env, way, *stages.values())
    sync(1)  # before the operator has seen the objects
    env.operator(IMAGECOPY_MIN_POLL_SECONDS="1")
    for stages in manifests.values():
        for reason, manifest in stages.items():
            copy = env.existing(manifest["metadata"]["name"])
            copy.until(partial(_is_settled, reason), f"at {reason} to stay")
    begin, writes = env.cloud.calls()[-1]["sequence"], [len(copy.writes()) for copy in copies]

    def calls_since() -> list[Manifest]:
        return env.cloud.calls(since=begin)

    sync(_TIMES)
    env.kubectl("annotate", "imgcp", "--all", f"{_TRACKING}=renamed:imagecopy.io/ImageCopy:x/y")
    assert {call["kind"] for call in calls_since()} <= {"job"}  # of the copies that run
    env.copy("one-more").until_finished("Succeeded")  # by then, the operator has handled the others
    assert [len(copy.writes()) for copy in copies] == writes
    assert [call["body"]["name"] for call in calls_since() if call["kind"] == "copy"] == ["one-more"]
    assert {call["kind"] for call in calls_since()} <= {"job", "list", "image", "copy"}


@parallel
def test_replacing_a_copy_under_way_and_done_makes_no_second_one_and_leaves_nothing_behind(env: Environment) -> None:
    env.connect()
    env.cloud.knobs(copy_seconds=5)
    manifest = env.manifest("golden", deletionPolicy="Delete")
    _apply(env, "client", manifest)
    copy = env.existing("golden")
    copy.until(lambda state: state.status.get("jobID"), "job id")
    # This removes everything that the manifest does not have, except the status; so the finalizer is removed.
    env.replace(manifest)
    copy.until(lambda state: state.finalizers, "finalizer put back")
    copy.until_phase("Succeeded")
    env.replace(manifest)
    state = copy.until(lambda state: state.finalizers, "finalizer put back")
    assert state.phase == "Succeeded"
    assert len(env.cloud.posts()) == 1
    copy.delete()
    assert env.cloud.copies() == []


def _patch(env: Environment, action: str, copy: Copy) -> Manifest:
    """Run an action as Argo CD does; return the patch."""
    live = copy.get().body
    assert not discover(live)[action]["disabled"]
    patch = patch_of(action, live)
    env.kubectl("patch", f"imgcp/{copy.name}", "--type=merge", "--patch", json.dumps(patch))
    return patch


@parallel
def test_action_retry_starts_a_failed_copy_again_once(env: Environment) -> None:
    env.connect()
    env.cloud.fault("copy", reply=_REFUSAL)
    manifest = env.manifest("golden")
    _apply(env, "client", manifest)
    copy = env.existing("golden")
    failed = copy.until_finished("Failed")
    assert health(failed.body) is Health.DEGRADED
    patch = _patch(env, "retry", copy)
    copy.until_released("Succeeded")
    done = copy.get()
    assert health(done.body) is Health.HEALTHY
    assert discover(done.body)["retry"]["disabled"]
    assert _difference(env, "client", manifest) == ""
    env.kubectl("patch", "imgcp/golden", "--type=merge", "--patch", json.dumps(patch))
    env.copy("one-more").until_finished("Succeeded")
    assert copy.get().body == done.body
    assert len(env.cloud.posts("golden")) == 2


@parallel
def test_actions_suspend_and_resume_are_no_difference_to_a_manifest_without_the_field(env: Environment) -> None:
    env.connect()
    manifest = env.manifest("golden", providerRef={"kind": "ImageProvider", "name": "absent"})
    _apply(env, "client", manifest)
    copy = env.existing("golden")
    copy.until_reason("WaitingForProvider")
    for action, reason, word in (
        ("suspend", "Suspended", Health.SUSPENDED),
        ("resume", "WaitingForProvider", Health.PROGRESSING),
    ):
        _patch(env, action, copy)
        state = copy.until_reason(reason)
        assert health(state.body) is word
        for way in _WAYS:
            assert _difference(env, way, manifest) == ""
        _apply(env, "client", manifest)
        assert copy.get().body["spec"] == state.body["spec"]
    _patch(env, "suspend", copy)
    stating = manifest | {"spec": manifest["spec"] | {"suspend": False}}
    assert "suspend" in _difference(env, "client", stating), "so docs/gitops.md says"


@parallel
def test_api_server_takes_the_examples_and_the_patch_of_argocd_cm(env: Environment) -> None:
    folders = [DEPLOY / "argocd" / "images", DEPLOY / "flux" / "images"]
    options = [option for folder in folders for option in ("-f", str(folder))]
    env.kubectl("create", "--dry-run=server", "--validate=strict", *options)
    plane, place = env.api.plane, ("-n", "argocd", "configmap", "argocd-cm")
    plane.create_namespace("argocd")
    plane.kubectl("-n", "argocd", "create", "configmap", "argocd-cm", "--from-literal=url=https://argocd.example.com")
    plane.kubectl("patch", *place, "--patch-file", PATCH)
    data = json.loads(plane.kubectl("get", *place, "-o", "json").stdout)["data"]
    assert data.pop("url") == "https://argocd.example.com"
    assert data == argocd_cm()["data"]
