"""What must hold of every status of an ImageCopy at every moment, by each of the tools that read it."""

from typing import Final

from gitops.argocd import Health, Manifest, health
from gitops.kstatus import Kstatus, kstatus, wait_is_over

_WORDS: Final = {
    Kstatus.CURRENT: {Health.HEALTHY},
    Kstatus.FAILED: {Health.DEGRADED},
    Kstatus.TERMINATING: {Health.PROGRESSING},
    # kstatus has no word for a suspended object.
    Kstatus.IN_PROGRESS: {Health.PROGRESSING, Health.SUSPENDED},
}
_PHASES: Final = {
    Kstatus.CURRENT: {"Succeeded"},
    Kstatus.FAILED: {"Failed"},
    # A finished copy whose edited spec is not looked at yet, or whose new tags are being set, keeps its phase.
    Kstatus.IN_PROGRESS: {"Pending", "Copying", "Suspended", "Succeeded", "Failed"},
}


def disagreements(obj: Manifest) -> list[str]:
    """Return what is wrong with how the status of an ImageCopy is read, in words; nothing, if all tools agree."""
    status, generation = obj.get("status") or {}, obj["metadata"]["generation"]
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
    true = {kind for kind, condition in conditions.items() if condition["status"] == "True"}
    observed = status.get("observedGeneration")
    current = observed == generation
    word, said, deleting = kstatus(obj), health(obj), "deletionTimestamp" in obj["metadata"]
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
        f"kstatus {word}, Argo CD {said}": said not in _WORDS[word],
        f"kstatus {word}, but Ready={ready}": not deleting and (word is Kstatus.CURRENT) != (ready and current),
        f"kstatus {word}, but Stalled={stalled}": not deleting and (word is Kstatus.FAILED) != (stalled and current),
        f"kstatus {word}, phase {status.get('phase')}": not deleting and status.get("phase") not in _PHASES[word],
        f"Argo CD {said}, phase {status.get('phase')}": not deleting
        and current
        and (said is Health.SUSPENDED) != (status.get("phase") == "Suspended"),
        f"Ready={ready} without an image": ready and not status.get("imageID"),
    }
    return [words for words, holds in wrong.items() if holds]
