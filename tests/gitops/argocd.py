"""Our customizations of Argo CD, run as Argo CD runs them."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from gitops.lua import Json, run

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
CUSTOMIZATIONS: Final = DEPLOY / "argocd" / "resource_customizations"
GROUP: Final = "imagecopy.io"
KINDS: Final = ("ImageCopy", "ImageProvider", "ClusterImageProvider")

Manifest = dict[str, Any]


class Health(StrEnum):
    """Argo CD's words for the health of a resource that is there."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    SUSPENDED = "Suspended"


@dataclass(frozen=True)
class HealthStatus:
    """What a health check says."""

    status: Health
    message: str


def folder(kind: str) -> Path:
    """Return where the customizations of a kind are, in the layout of Argo CD's own."""
    return CUSTOMIZATIONS / GROUP / kind


def check(obj: Mapping[str, Json], kind: str | None = None) -> HealthStatus:
    """Run the health check of the object's kind; raises ScriptError, and ValueError for a word that is none."""
    said = run((folder(kind or obj["kind"]) / "health.lua").read_text(), obj)
    if set(said) != {"status", "message"} or not isinstance(said["message"], str):
        raise ValueError(f"not a health status: {said}")
    return HealthStatus(Health(said["status"]), said["message"])


def health(obj: Mapping[str, Json]) -> Health:
    """Return the health as Argo CD has it: an object that is being deleted is Progressing, whatever a script says."""
    if "deletionTimestamp" in obj["metadata"]:
        return Health.PROGRESSING
    return check(obj).status


def discover(obj: Mapping[str, Json]) -> dict[str, Manifest]:
    """Return the actions of the object, by name."""
    found: dict[str, Manifest] = run((folder(obj["kind"]) / "actions" / "discovery.lua").read_text(), obj)
    return found


def act(name: str, obj: Mapping[str, Json]) -> Manifest:
    """Return the object as an action makes it."""
    script = (folder(obj["kind"]) / "actions" / name / "action.lua").read_text()
    changed: Manifest = _mended(run(script, obj), obj)
    return changed


def patch_of(name: str, obj: Mapping[str, Json]) -> Manifest:
    """Return the merge patch (RFC 7386) that Argo CD sends for an action."""
    return _difference(copy.deepcopy(dict(obj)), act(name, obj))


def _mended(new: Json, old: Json) -> Json:
    """Lua can't tell an empty list from an empty map: what was an empty list is one again, and nulls come back."""
    if isinstance(old, Mapping) and isinstance(new, dict):
        return {key: _mended(value, old.get(key)) for key, value in new.items()}
    if isinstance(old, list):
        if new == {}:
            return []
        return [_mended(item, was) for item, was in zip(new, [*old, *[None] * len(new)], strict=False)]
    return new


def _difference(old: Manifest, new: Manifest) -> Manifest:
    patch: Manifest = {key: None for key in old if key not in new}
    for key, value in new.items():
        was = old.get(key)
        if isinstance(was, dict) and isinstance(value, dict):
            if deeper := _difference(was, value):
                patch[key] = deeper
        elif was != value or type(was) is not type(value):
            patch[key] = value
    return patch
