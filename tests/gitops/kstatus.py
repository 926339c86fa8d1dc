"""The rules by which kstatus (Flux, Helm 4, kpt) and `kubectl wait` read objects of unknown kinds.

Written after sigs.k8s.io/cli-utils (pkg/kstatus/status) and kubectl (pkg/cmd/wait).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

Manifest = Mapping[str, Any]


class Kstatus(StrEnum):
    """The states that kstatus gives to an object that exists."""

    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    CURRENT = "Current"
    TERMINATING = "Terminating"


def kstatus(obj: Manifest) -> Kstatus:
    """Return the status of an object."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    if "deletionTimestamp" in metadata:
        return Kstatus.TERMINATING
    seen = status.get("observedGeneration", metadata.get("generation"))
    if metadata.get("generation", seen) != seen:
        return Kstatus.IN_PROGRESS
    conditions = status.get("conditions") or []
    # The first of these two conditions that is True decides, in the order of the list.
    for condition in conditions:
        if condition["status"] == "True" and condition["type"] == "Reconciling":
            return Kstatus.IN_PROGRESS
        if condition["status"] == "True" and condition["type"] == "Stalled":
            return Kstatus.FAILED
    for condition in conditions:
        if condition["type"] == "Ready":
            return Kstatus.CURRENT if condition["status"] == "True" else Kstatus.IN_PROGRESS
    return Kstatus.CURRENT


def wait_is_over(obj: Manifest, kind: str, status: str = "True") -> bool:
    """Tell whether ``kubectl wait --for=condition=KIND`` ends with this object."""
    generation = obj["metadata"].get("generation", 0)
    whole = obj.get("status") or {}
    for condition in whole.get("conditions") or []:
        if condition["type"].lower() == kind.lower():
            observed = condition.get("observedGeneration", whole.get("observedGeneration"))
            if observed is not None and observed < generation:
                return False
            return bool(condition["status"].lower() == status.lower())
    return False
