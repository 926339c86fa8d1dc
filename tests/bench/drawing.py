"""Draws panels as one SVG file. The same panels always give the same file.

Text is stored as text, so the file is small and can be searched. The background is white, for GitHub's dark mode.
"""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from bench.picture import Line, Panel, Product, objects_label, spread, value_label

# From the palette of Okabe and Ito, which colour-blind people can distinguish.
_COLOURS: Final = {Product.OURS: "#0072B2", Product.PEER: "#D55E00"}
_STYLES: Final = ("solid", "dashed")
_PIXEL: Final = 1 / 96  # inches
_SIZE: Final = (800 * _PIXEL, 520 * _PIXEL)
_COLUMNS: Final = 3
_LABEL_GAP: Final = 0.085  # of a panel's height

_OVER_THE_GRID: Final = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
_SETTINGS: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "imagecopy",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # of one width, as the browser may lack the first
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#767676",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
}


def draw(panels: Sequence[Panel], target: Path) -> None:
    """Draw the panels row by row into an SVG file."""
    with matplotlib.rc_context(_SETTINGS):
        layout = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.08)
        figure = Figure(figsize=_SIZE, facecolor="white", layout=layout)
        axes = figure.subplots(-(-len(panels) // _COLUMNS), _COLUMNS, squeeze=False)
        for panel, place in zip(panels, chain.from_iterable(axes), strict=True):
            _draw_panel(panel, place)
        figure.supxlabel("number of objects", fontsize=8)
        products = [Line2D([], [], color=_COLOURS[product], marker="o", label=str(product)) for product in Product]
        figure.legend(handles=products, loc="outside upper center", ncols=len(products), frameon=False, fontsize=9)
        target.parent.mkdir(parents=True, exist_ok=True)
        # A date or the version of the library would change the file with each drawing.
        about = {"Title": "Performance by number of objects", "Creator": None, "Date": None}
        figure.savefig(target, format="svg", metadata=about)


def _draw_panel(panel: Panel, axes: Axes) -> None:
    axes.set_title(panel.title, loc="left")
    names = list(dict.fromkeys(line.name for line in panel.lines))
    for line in reversed(panel.lines):  # ours on top
        axes.plot(
            [point.objects for point in line.points],
            [point.value for point in line.points],
            color=_COLOURS[line.product],
            linestyle=_STYLES[names.index(line.name)],
            marker="o",
        )
    sizes = sorted({point.objects for line in panel.lines for point in line.points})
    axes.set_xscale("log")
    axes.set_xlim(sizes[0] / 1.3, sizes[-1] * 2.4)  # room for the labels
    axes.set_xticks(sizes, [objects_label(size) for size in sizes])
    axes.set_xticks([], minor=True)
    if panel.logarithmic:
        axes.set_yscale("log")
        axes.margins(y=0.15)
        axes.set_yticks([], minor=True)
        axes.autoscale_view()  # now, because the labels are placed by its result
        axes.yaxis.set_major_formatter(lambda value, _: value_label(value))
    else:
        axes.set_ylim(0, 1.25 * max(point.value for line in panel.lines for point in line.points))
    _label_ends(panel.lines, axes)
    if len(names) > 1:
        keys = [Line2D([], [], color="#444444", linestyle=_STYLES[names.index(name)], label=name) for name in names]
        axes.legend(handles=keys, loc="upper left", ncols=len(keys), frameon=False, borderpad=0)
    if panel.note:
        axes.text(0.03, 0.97, panel.note, transform=axes.transAxes, va="top", color="#444444", bbox=_OVER_THE_GRID)


def _label_ends(lines: Sequence[Line], axes: Axes) -> None:
    """Write the last value of each line beside its end, without covering other labels."""
    to_panel = axes.transData + axes.transAxes.inverted()
    ends = [to_panel.transform((line.points[-1].objects, line.points[-1].value)) for line in lines]
    heights = spread([float(height) for _, height in ends], _LABEL_GAP)
    for line, (right, _), height in zip(lines, ends, heights, strict=True):
        axes.annotate(
            value_label(line.points[-1].value),
            (float(right), height),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=_COLOURS[line.product],
            fontweight="bold",
            bbox=_OVER_THE_GRID,
        )
