"""ImageCopies as the API server stores them at each stage of their life, made by the operator's own decisions."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Final

from gitops.argocd import Manifest
from imagecopy.api.base import GROUP, VERSION
from imagecopy.api.crd import crds
from imagecopy.api.imagecopy import RETRY_ANNOTATION, ImageCopyStatus
from imagecopy.flow.deletion import decide_deletion
from imagecopy.flow.inventory import check_finished
from imagecopy.flow.observation import Cause, NothingObserved, SlotsBusy, TagsRefused, TargetObserved
from imagecopy.flow.view import View
from imagecopy.kube.objects import merge_patch
from unit.flow.builders import (
    TAGS,
    TARGET,
    at,
    backing_off,
    copying,
    done,
    edited,
    failed,
    image,
    intended,
    new,
    preflight,
    running,
    spec,
    then,
    trouble,
    unknown,
)

NEVER: Final = "0001-01-01T00:00:00Z"
"""Placeholder for any time in the expected result of an action."""
FINALIZER: Final = f"{GROUP}/finalizer"
_TRACKING: Final = "argocd.argoproj.io/tracking-id"


@cache
def _status_default() -> Manifest:
    """Return the status that the CRD gives to a new ImageCopy."""
    [definition] = [crd for crd in crds().values() if crd["spec"]["names"]["kind"] == "ImageCopy"]
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    default: Manifest = schema["properties"]["status"]["default"]
    return default


def body(view: View, **metadata: object) -> Manifest:
    """Return an object with the view's status in its stored form: a field that was never written is absent."""
    written = merge_patch(ImageCopyStatus().to_wire(), view.status.to_wire())
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ImageCopy",
        "metadata": {
            "annotations": {_TRACKING: f"images:{GROUP}/ImageCopy:{view.namespace}/{view.name}"},
            "creationTimestamp": "2026-09-01T11:59:58Z",
            "generation": view.generation,
            "name": view.name,
            "namespace": view.namespace,
            "resourceVersion": "4711",
            "uid": view.uid,
        }
        | metadata,
        "spec": view.spec.to_wire(),
        "status": _status_default() | written,
    }


def _with_finalizer(view: View) -> Manifest:
    return body(view, finalizers=[FINALIZER])


def _deleting(view: View, observed: TargetObserved, cause: Cause | None = None) -> Manifest:
    wanted = edited(view, spec(deletionPolicy="Delete"))
    decided = replace(wanted, status=decide_deletion(wanted, trouble(cause) if cause else observed, at(700)).status)
    return body(decided, finalizers=[FINALIZER], deletionTimestamp="2026-09-01T12:11:40Z", deletionGracePeriodSeconds=0)


@cache
def image_copies() -> Mapping[str, Manifest]:
    """Return an ImageCopy at each stage, by the stage's name."""
    suspending = spec(suspend=True)
    retagging = edited(done(), spec(target={"tags": TAGS}))
    half = running(0.42)
    lost = intended()
    tags_refused = TagsRefused(TARGET, trouble(Cause.PERMISSION))
    overdue = then(copying(spec(activeDeadlineSeconds=60)), half, 61)
    missing = check_finished(done(), None, (), at(900)).status
    return {
        "new": body(new()),
        "waiting_for_provider": _with_finalizer(then(new(), trouble(Cause.PROVIDER_MISSING))),
        "waiting_for_slot": _with_finalizer(then(new(), SlotsBusy(5))),
        "credentials_invalid": _with_finalizer(then(new(), trouble(Cause.CREDENTIALS))),
        "submitting": _with_finalizer(lost),
        "resolving_outcome": _with_finalizer(then(lost, unknown(lost))),
        "copying": _with_finalizer(then(copying(), half, 300)),
        "backing_off": _with_finalizer(backing_off()),
        "suspended": body(then(new(suspending), NothingObserved())),
        "resumed": body(edited(then(new(suspending), NothingObserved()), spec())),
        "suspended_while_copying": _with_finalizer(edited(then(copying(), half, 300), suspending)),
        "followed_while_suspended": _with_finalizer(then(edited(copying(), suspending), half, 300)),
        "succeeded": body(done()),
        "succeeded_and_suspended": body(then(edited(done(), suspending), NothingObserved(), 700)),
        "adopted": body(then(new(), preflight(image(), found=None))),
        "tags_edited": body(retagging),
        "tags_refused": _with_finalizer(then(retagging, tags_refused, 700)),
        "copy_failed": body(failed()),
        "copy_failed_and_suspended": body(then(edited(failed(), suspending), NothingObserved(), 700)),
        "copy_failed_and_edited": body(edited(failed(), spec(backoffLimit=5))),
        "deadline_exceeded": body(overdue),
        "image_missing": body(replace(done(), status=missing)),
        "deleting": _deleting(done(), TargetObserved(image())),
        "deletion_blocked": _deleting(done(), TargetObserved(image()), Cause.UNREACHABLE),
    }


def acted_on() -> Mapping[str, Manifest]:
    """Return objects for tests of actions: what an action gets and what it must return, beyond the stages."""
    stages = image_copies()
    failed_copy, plain = stages["copy_failed"], dict(stages["copy_failed"])
    plain["metadata"] = {key: value for key, value in plain["metadata"].items() if key != "annotations"}
    return {
        "without_annotations": plain,
        "retried": _annotated(failed_copy, {RETRY_ANNOTATION: NEVER}),
        "retried_without_annotations": _annotated(plain, {RETRY_ANNOTATION: NEVER}),
        "suspended": _suspended(stages["copying"], suspend=True),
        "resumed": _suspended(stages["suspended"], suspend=False),
    }


def _annotated(obj: Manifest, annotations: Mapping[str, str]) -> Manifest:
    metadata = obj["metadata"]
    return obj | {"metadata": metadata | {"annotations": metadata.get("annotations", {}) | annotations}}


def _suspended(obj: Manifest, *, suspend: bool) -> Manifest:
    return obj | {"spec": obj["spec"] | {"suspend": suspend}}
