"""Objects as the API server has them at each stage of a copy's life, made by deciding, as the operator does."""

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
"""Stands for any time in what an action is expected to return."""
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
    """Return the object whose status is the view's, in its stored form: what was never written is absent."""
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


def _in_flight(view: View) -> Manifest:
    return body(view, finalizers=[FINALIZER])


def _leaving(view: View, seen: TargetObserved, cause: Cause | None = None) -> Manifest:
    wanted = edited(view, spec(deletionPolicy="Delete"))
    told = replace(wanted, status=decide_deletion(wanted, trouble(cause) if cause else seen, at(700)).status)
    return body(told, finalizers=[FINALIZER], deletionTimestamp="2026-09-01T12:11:40Z", deletionGracePeriodSeconds=0)


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
        "waiting_for_provider": _in_flight(then(new(), trouble(Cause.PROVIDER_MISSING))),
        "waiting_for_slot": _in_flight(then(new(), SlotsBusy(5))),
        "credentials_invalid": _in_flight(then(new(), trouble(Cause.CREDENTIALS))),
        "submitting": _in_flight(lost),
        "resolving_outcome": _in_flight(then(lost, unknown(lost))),
        "copying": _in_flight(then(copying(), half, 300)),
        "backing_off": _in_flight(backing_off()),
        "suspended": body(then(new(suspending), NothingObserved())),
        "resumed": body(edited(then(new(suspending), NothingObserved()), spec())),
        "suspended_while_copying": _in_flight(edited(then(copying(), half, 300), suspending)),
        "followed_while_suspended": _in_flight(then(edited(copying(), suspending), half, 300)),
        "succeeded": body(done()),
        "succeeded_and_suspended": body(then(edited(done(), suspending), NothingObserved(), 700)),
        "adopted": body(then(new(), preflight(image(), found=None))),
        "tags_edited": body(retagging),
        "tags_refused": _in_flight(then(retagging, tags_refused, 700)),
        "copy_failed": body(failed()),
        "copy_failed_and_suspended": body(then(edited(failed(), suspending), NothingObserved(), 700)),
        "copy_failed_and_edited": body(edited(failed(), spec(backoffLimit=5))),
        "deadline_exceeded": body(overdue),
        "image_missing": body(replace(done(), status=missing)),
        "deleting": _leaving(done(), TargetObserved(image())),
        "deletion_blocked": _leaving(done(), TargetObserved(image()), Cause.UNREACHABLE),
    }


def acted_on() -> Mapping[str, Manifest]:
    """Return what actions are given and expected to return, beyond the stages."""
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
