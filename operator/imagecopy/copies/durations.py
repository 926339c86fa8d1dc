"""How long copies take, learnt from those that ended, so that the next ones are polled when they should be done.

This is only kept in memory, and only used while copies of one source take about the same time. It affects pacing alone.
"""

from collections import OrderedDict, deque
from typing import Final

Kind = tuple[str | None, str, bool]
"""What copies have in common that take the same time: project, source image, and whether the copy is encrypted."""

_REMEMBERED: Final = 5
_KINDS: Final = 500
_ALIKE: Final = 0.02
_ALIKE_SECONDS: Final = 4.0


class Durations:
    """The last durations of each kind, in seconds."""

    def __init__(self) -> None:
        self._known: OrderedDict[Kind, deque[float]] = OrderedDict()

    def note(self, kind: Kind, seconds: float) -> None:
        """Record how long one copy took, from its POST to the end of its job."""
        self._known.setdefault(kind, deque(maxlen=_REMEMBERED)).append(seconds)
        self._known.move_to_end(kind)
        if len(self._known) > _KINDS:
            self._known.popitem(last=False)

    def expected(self, kind: Kind) -> float | None:
        """Return how long the next one should take at least; None if too few have ended, or they differ too much."""
        known = self._known.get(kind)
        if known is None or len(known) < 2:
            return None
        shortest = min(known)
        return shortest if max(known) - shortest <= max(_ALIKE * shortest, _ALIKE_SECONDS) else None
