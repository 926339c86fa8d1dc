"""How many ImageCopies there are, by phase, as the watch told it: for metrics alone, nothing rests on it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from imagecopy.api.imagecopy import Phase

_KNOWN = {phase.value: phase for phase in Phase}


class PhaseCounts:
    """All ImageCopies that this process knows of, finished ones, too: some 150 bytes each."""

    def __init__(self) -> None:
        self._phases: dict[str, Phase] = {}
        self._counts: Counter[Phase] = Counter()

    def note(self, body: Mapping[str, Any]) -> None:
        """An object is there, or became another one."""
        phase = _KNOWN.get((body.get("status") or {}).get("phase") or "", Phase.PENDING)
        uid = body["metadata"]["uid"]
        self.forget(uid)
        self._phases[uid] = phase
        self._counts[phase] += 1

    def forget(self, uid: str) -> None:
        """An object is gone."""
        before = self._phases.pop(uid, None)
        if before is not None:
            self._counts[before] -= 1

    def uids(self) -> frozenset[str]:
        """Return all that are known, to say later which of these are left."""
        return frozenset(self._phases)

    def retain(self, known: frozenset[str], listed: Iterable[str]) -> None:
        """Forget those of ``known`` that a list taken since does not have.

        Objects that vanish in a gap of the watch are told by nobody.
        """
        for uid in known.difference(listed):
            self.forget(uid)

    def counts(self) -> Mapping[Phase, int]:
        """Return how many there are of each phase."""
        return {phase: self._counts[phase] for phase in Phase}
