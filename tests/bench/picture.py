"""What a picture of panels consists of, and how its figures are written: all that needs no plotting library."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Whose(StrEnum):
    """Whose figures these are, as the legend says it."""

    OURS = "imagecopy-operator"
    PEER = "a peer in Go, without exactly-once"


@dataclass(frozen=True)
class Point:
    """A figure at a number of objects."""

    objects: int
    value: float


@dataclass(frozen=True)
class Line:
    """One line of a panel, by growing number of objects; `name` tells lines of one side apart."""

    whose: Whose
    points: tuple[Point, ...]
    name: str = ""


@dataclass(frozen=True)
class Panel:
    """One small picture; `note` says what of it is not as the title has it."""

    title: str
    lines: tuple[Line, ...]
    logarithmic: bool = False
    note: str = ""


def value_label(value: float) -> str:
    """Return the figure with as many digits as say something: 0.17, 9.8, 82, 1,234."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def objects_label(objects: int) -> str:
    """Return the number of objects as an axis has room for: 100, 1k, 2.5k, 10k."""
    return f"{objects / 1000:g}k" if objects >= 1000 else str(objects)


def spread(heights: Sequence[float], gap: float) -> tuple[float, ...]:
    """Move heights of labels up, lowest first, until none is nearer to the next than the gap; keep their order."""
    moved = list(heights)
    floor = float("-inf")
    for index in sorted(range(len(moved)), key=moved.__getitem__):
        moved[index] = max(moved[index], floor)
        floor = moved[index] + gap
    return tuple(moved)
