"""The results of a run: kills by point and fault, and the violations that were found."""

import json
from collections import Counter
from pathlib import Path

from chaos.faults import FAULTS, Fault
from chaos.invariants import Kind, Violation
from chaos.points import POINTS, Point


class Results:
    """Counts and violations of one run."""

    def __init__(self) -> None:
        self.hits: Counter[tuple[str, str]] = Counter()
        self.misses: Counter[tuple[str, str]] = Counter()
        self.kills = 0
        self.rounds = 0
        self.objects = 0
        self.restarts = 0
        self.violations: list[Violation] = []

    def killed(self, point: Point, fault: Fault, operators: int) -> None:
        """Count a point that was reached, and the operators killed there."""
        self.hits[point.name, fault.name] += 1
        self.kills += operators

    def missed(self, point: Point, fault: Fault) -> None:
        """Count a point that was not reached."""
        self.misses[point.name, fault.name] += 1

    def count(self, kind: Kind) -> int:
        """Return how many objects have violations of this kind."""
        return len({violation.name for violation in self.violations if violation.kind is kind})

    def table(self) -> str:
        """Return the matrix as text: rows are points, columns are faults, cells count the kills."""
        widths = [max(len(fault.short), 3) + 1 for fault in FAULTS]
        left = max(len(point.name) for point in POINTS) + 1
        head = " " * left + "".join(f"{f.short:>{w}}" for f, w in zip(FAULTS, widths, strict=True)) + "   all missed"
        lines = [head]
        for point in POINTS:
            cells = [self.hits[point.name, fault.name] for fault in FAULTS]
            row = "".join(f"{cell or '.':>{w}}" for cell, w in zip(cells, widths, strict=True))
            missed = sum(self.misses[point.name, fault.name] for fault in FAULTS)
            lines.append(f"{point.name:{left}}{row}{sum(cells):>6}{missed or '.':>7}")
        totals = [sum(self.hits[point.name, fault.name] for point in POINTS) for fault in FAULTS]
        row = "".join(f"{total:>{w}}" for total, w in zip(totals, widths, strict=True))
        lines.append(f"{'all':{left}}{row}{sum(totals):>6}{sum(self.misses.values()):>7}")
        return "\n".join(lines)

    def summary(self) -> str:
        """Return the totals in one line."""
        found = ", ".join(f"{self.count(kind)} {kind}" for kind in Kind)
        cells = len([cell for cell in self.hits if self.hits[cell]])
        return (
            f"{self.kills} kills, {self.rounds} rounds, {self.objects} objects, {cells} cells of the matrix, "
            f"{self.restarts} restarts of the API server: {found}"
        )

    def write(self, path: Path, **about: object) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        report = {
            **about,
            "kills": self.kills,
            "rounds": self.rounds,
            "objects": self.objects,
            "apiserver_restarts": self.restarts,
            **{kind.name.lower(): self.count(kind) for kind in Kind},
            "hits": _nested(self.hits),
            "missed": _nested(self.misses),
            "violations": [str(violation) for violation in self.violations],
        }
        path.write_text(json.dumps(report, indent=1) + "\n")


def _nested(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    points = dict.fromkeys(point for point, _ in counts)
    return {point: {fault: n for (name, fault), n in counts.items() if name == point} for point in points}
