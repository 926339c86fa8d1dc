"""The data of a picture of panels and the format of its numbers: the part that needs no plotting library."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Product(StrEnum):
    """The product that was measured, as the legend names it."""

    OURS = "imagecopy-operator"
    PEER = "a peer in Go, without exactly-once"


@dataclass(frozen=True)
class Point:
    """A measured value at a number of objects."""

    objects: int
    value: float


@dataclass(frozen=True)
class Line:
    """One line of a panel. Its points are sorted by number of objects; `name` distinguishes lines of one product."""

    product: Product
    points: tuple[Point, ...]
    name: str = ""


@dataclass(frozen=True)
class Panel:
    """One diagram. `note` says how a line differs from what the title promises."""

    title: str
    lines: tuple[Line, ...]
    logarithmic: bool = False
    note: str = ""


def value_label(value: float) -> str:
    """Return a value with its significant digits: 0.17, 9.8, 82, 1,234."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def objects_label(objects: int) -> str:
    """Return a number of objects in short form for an axis: 100, 1k, 2.5k, 10k."""
    return f"{objects / 1000:g}k" if objects >= 1000 else str(objects)


def spread(heights: Sequence[float], gap: float) -> tuple[float, ...]:
    """Move labels up until each is at least a gap above the one below it. Return the new heights in the given order."""
    moved = list(heights)
    floor = float("-inf")
    for index in sorted(range(len(moved)), key=moved.__getitem__):
        moved[index] = max(moved[index], floor)
        floor = moved[index] + gap
    return tuple(moved)
