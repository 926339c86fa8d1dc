"""Results of scenarios as lines of JSON, see docs/performance.md."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of a duration over the objects, in seconds."""

    count: int
    p50: float
    p95: float
    max: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> "Spread | None":
        """Return the distribution of these durations; None if there are none."""
        ordered = sorted(seconds)
        if not ordered:
            return None
        return cls(len(ordered), quantile(ordered, 0.5), quantile(ordered, 0.95), round(ordered[-1], 3))


def quantile(ordered: list[float], share: float) -> float:
    """Return the quantile: the smallest duration that at least this share of all durations does not exceed."""
    return round(ordered[max(math.ceil(share * len(ordered)) - 1, 0)], 3)


@dataclass(slots=True)
class Result:
    """The result of one scenario. A field that does not apply is empty or None."""

    scenario: str
    objects: int
    at: str = ""
    reference_seconds: float = 0.0
    """Duration of a fixed piece of work just before, see :mod:`bench.usage`."""
    copy_seconds: float | None = None
    operator: dict[str, float] = field(default_factory=dict)
    kubernetes: dict[str, Any] = field(default_factory=dict)
    cloud: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float | Spread | None] = field(default_factory=dict)
    loop_lag: dict[str, float] = field(default_factory=dict)
    others: dict[str, float] = field(default_factory=dict)
    """Cores that the other processes kept busy, by process."""
    notes: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """Return the result as one line of JSON."""
        return json.dumps(_rounded({key: value for key, value in asdict(self).items() if value not in ({}, None)}))


def write(result: Result, folder: Path) -> None:
    """Append a result to the file of its scenario, and print it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{result.scenario}.jsonl").open("a") as file:
        file.write(result.line() + "\n")
    print(result.line(), flush=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4 if value < 1 else 2)
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    return value
