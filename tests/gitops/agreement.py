"""Checks that all tools read the status of an ImageCopy in the same way, at every moment."""

from typing import Final

from gitops.argocd import Health, Manifest, health
from gitops.kstatus import Kstatus, kstatus, wait_is_over

_HEALTHS: Final = {
    Kstatus.CURRENT: {Health.HEALTHY},
    Kstatus.FAILED: {Health.DEGRADED},
    Kstatus.TERMINATING: {Health.PROGRESSING},
    # kstatus has no state for a suspended object.
    Kstatus.IN_PROGRESS: {Health.PROGRESSING, Health.SUSPENDED},
}
_PHASES: Final = {
    Kstatus.CURRENT: {"Succeeded"},
    Kstatus.FAILED: {"Failed"},
    # A finished copy keeps its phase until its edited spec is reconciled, and while its new tags are set.
    Kstatus.IN_PROGRESS: {"Pending", "Copying", "Suspended", "Succeeded", "Failed"},
}


def disagreements(obj: Manifest) -> list[str]:
    """Return the contradictions in a status in words; none if all tools agree."""
    status, generation = obj.get("status") or {}, obj["metadata"]["generation"]
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
    true = {kind for kind, condition in conditions.items() if condition["status"] == "True"}
    observed = status.get("observedGeneration")
    current = observed == generation
    state, shown, deleting = kstatus(obj), health(obj), "deletionTimestamp" in obj["metadata"]
    ready, stalled = wait_is_over(obj, "Ready"), wait_is_over(obj, "Stalled")
    wrong = {
        "observedGeneration is absent": observed is None,
        "observedGeneration is ahead": observed is not None and observed > generation,
        "a condition is ahead": any(c.get("observedGeneration", 0) > generation for c in conditions.values()),
        "Reconciling and Stalled": {"Reconciling", "Stalled"} <= true,
        "Ready and Stalled": {"Ready", "Stalled"} <= true,
        "Reconciling, and Ready for this spec": ready and current and "Reconciling" in true,
        "neither Reconciling nor Stalled nor Ready nor Suspended": current
        and not deleting
        and not {"Reconciling", "Stalled", "Ready"} & true
        and status.get("phase") != "Suspended",
        f"kstatus {state}, Argo CD {shown}": shown not in _HEALTHS[state],
        f"kstatus {state}, but Ready={ready}": not deleting and (state is Kstatus.CURRENT) != (ready and current),
        f"kstatus {state}, but Stalled={stalled}": not deleting and (state is Kstatus.FAILED) != (stalled and current),
        f"kstatus {state}, phase {status.get('phase')}": not deleting and status.get("phase") not in _PHASES[state],
        f"Argo CD {shown}, phase {status.get('phase')}": not deleting
        and current
        and (shown is Health.SUSPENDED) != (status.get("phase") == "Suspended"),
        f"Ready={ready} without an image": ready and not status.get("imageID"),
    }
    return [words for words, holds in wrong.items() if holds]
