"""Line charts as SVG for a web page: no request, no date, the page's own colours and font."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

INK = "#000009"
COLORS = {f"#00000{number}": f"var(--line-{number})" for number in range(1, 5)} | {
    INK: "currentColor"
}
"""Placeholders that matplotlib draws with, and the page's colours, light or dark, that take their
place."""
STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.h_pad": 0.06,
    "font.size": 10,
    "grid.alpha": 0.18,
    "grid.color": INK,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "lines.linewidth": 1.7,
    "lines.markersize": 4,
    "svg.fonttype": "none",
    "xtick.color": INK,
    "ytick.color": INK,
}
FEW = 30
"""Up to this many points each is marked: a curve of one point would not show."""


class Line(NamedTuple):
    """One curve; NaN leaves a gap. ``color`` is 1 to 4, ``look`` matplotlib's line style, or a
    marker for points."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    color: int
    look: str = "-"


@dataclass(frozen=True)
class Chart:
    """What to draw.

    Attributes:
        title, note: the caption.
        x_label, y_label: of the axes.
        lines: curves and points.
        mark: label and x of a vertical line; NaN draws none.
        x_scale: shares from 0 to 1, whole numbers, or powers of 2.
        y_is_share: whether y runs from 0 to 1.
        steps: whether a point's y holds back to the point before it.
    """

    title: str
    note: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    mark: tuple[str, float] = ("", math.nan)
    x_scale: Literal["share", "whole", "doubling"] = "share"
    y_is_share: bool = True
    steps: bool = False


def draw(chart: Chart) -> Markup:
    """Return the chart as an ``svg`` element, the same bytes for the same numbers.

    It takes its colours from the page's ``--line-1`` to ``--line-4`` and the text's colour.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # not the user's matplotlibrc
        matplotlib.rcParams.update(STYLE | {"svg.hashsalt": chart.title})
        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.subplots()
        for line in chart.lines:
            _plot(axes, line, chart.steps)
        label, x = chart.mark
        if math.isfinite(x):
            axes.axvline(x, color=INK, linestyle=":", linewidth=1.2, label=label)
        _scale(axes, chart)
        axes.set_xlabel(chart.x_label)
        axes.set_ylabel(chart.y_label)
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower center", ncols=2)
        else:
            axes.text(0.5, 0.5, "no value", transform=axes.transAxes, ha="center")
        svg = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(svg, format="svg", transparent=True, metadata=nothing)
    return Markup(_adopt(svg.getvalue(), f"{chart.title}: {chart.y_label} by {chart.x_label}"))


def _plot(axes: Axes, line: Line, steps: bool) -> None:
    if not any(math.isfinite(x) and math.isfinite(y) for x, y in zip(line.x, line.y, strict=True)):
        return
    color = f"#00000{line.color}"
    if line.look in {"o", "s"}:
        axes.plot(line.x, line.y, line.look, color=color, markersize=7, label=line.label, zorder=3)
        return
    marker = "o" if len(line.x) <= FEW else ""
    drawstyle = "steps-pre" if steps else "default"
    axes.plot(
        line.x, line.y, line.look, color=color, marker=marker, drawstyle=drawstyle, label=line.label
    )


def _scale(axes: Axes, chart: Chart) -> None:
    if chart.y_is_share:
        axes.set_ylim(-0.02, 1.02)
    else:
        axes.set_ylim(bottom=0)
    if chart.x_scale == "share":
        axes.set_xlim(-0.02, 1.02)
    elif chart.x_scale == "whole":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    else:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(
            FixedLocator(sorted({x for line in chart.lines for x in line.x if x > 0}))
        )
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _adopt(svg: str, description: str) -> str:
    """Fit matplotlib's document into a page: no prolog, namespaces, size, style sheet or repeated
    ids; its colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", r"<svg \1>", svg, count=1)
    svg = re.sub(r"<style.*?</style>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    for placeholder, color in COLORS.items():
        svg = svg.replace(placeholder, color)
    label = Markup('<svg role="img" aria-label="{}" ').format(description)
    return svg.replace("<svg ", label, 1)
