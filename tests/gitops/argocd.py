"""Runs our customizations of Argo CD in the way Argo CD does."""

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
    """Argo CD's states of health for a resource that exists."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    SUSPENDED = "Suspended"


@dataclass(frozen=True)
class HealthStatus:
    """The result of a health check."""

    status: Health
    message: str


def folder(kind: str) -> Path:
    """Return the folder of the customizations of a kind. The layout is that of Argo CD's repository."""
    return CUSTOMIZATIONS / GROUP / kind


def check(obj: Mapping[str, Json], kind: str | None = None) -> HealthStatus:
    """Run the health check of the object's kind; raise ScriptError, or ValueError if the result is no health status."""
    result = run((folder(kind or obj["kind"]) / "health.lua").read_text(), obj)
    if set(result) != {"status", "message"} or not isinstance(result["message"], str):
        raise ValueError(f"not a health status: {result}")
    return HealthStatus(Health(result["status"]), result["message"])


def health(obj: Mapping[str, Json]) -> Health:
    """Return the health that Argo CD shows. An object that is being deleted is Progressing without a script."""
    if "deletionTimestamp" in obj["metadata"]:
        return Health.PROGRESSING
    return check(obj).status


def discover(obj: Mapping[str, Json]) -> dict[str, Manifest]:
    """Return the actions that the object offers, by name."""
    found: dict[str, Manifest] = run((folder(obj["kind"]) / "actions" / "discovery.lua").read_text(), obj)
    return found


def act(name: str, obj: Mapping[str, Json]) -> Manifest:
    """Return the object as an action changes it."""
    script = (folder(obj["kind"]) / "actions" / name / "action.lua").read_text()
    changed: Manifest = _restored(run(script, obj), obj)
    return changed


def patch_of(name: str, obj: Mapping[str, Json]) -> Manifest:
    """Return the merge patch (RFC 7386) that Argo CD sends for an action."""
    return _difference(copy.deepcopy(dict(obj)), act(name, obj))


def _restored(new: Json, old: Json) -> Json:
    """Restore empty lists and nulls, as Lua does not distinguish an empty list from an empty map."""
    if isinstance(old, Mapping) and isinstance(new, dict):
        return {key: _restored(value, old.get(key)) for key, value in new.items()}
    if isinstance(old, list):
        if new == {}:
            return []
        return [_restored(item, was) for item, was in zip(new, [*old, *[None] * len(new)], strict=False)]
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
