"""Line charts as SVG for a web page: no request, no date, the page's own colours and font."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

INK = "#000009"
COLORS = {f"#00000{number}": f"var(--line-{number})" for number in range(1, 5)} | {
    INK: "currentColor"
}
"""What matplotlib draws with, and the page's colour, light or dark, that replaces it."""
STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.h_pad": 0.06,
    "font.size": 10.5,
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
POINTS_PER_INCH = 72
"""Of matplotlib's SVG files, whose unit is the point."""
MAX_POINTS = 2000
"""Of one curve: more would swell the page, and no screen shows them."""
MAX_MARKED = 30
"""Up to this many points, each is marked: a curve of one point would not show."""

MANY = {".": "o", ",": "s"}
"""The styles of many points, and matplotlib's markers for them."""
POINT_SIZE = 3.2
"""Of many points, in matplotlib's points."""
DIAGONAL = [0.0, 1.0]
"""x and y of a line that is there to compare with: it is never marked."""


class Line(NamedTuple):
    """One curve; NaN leaves a gap.

    ``color`` is 1 to 4, ``style`` matplotlib's line style, or a marker: "o" and "s" for single
    points, "." and "," for many, round and square.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    color: int
    style: str = "-"


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
        follows: what page.js marks in it as the sliders move; empty: nothing.
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
    follows: Literal["", "precision", "froc", "threshold"] = ""


@contextmanager
def fixed_style(salt: str, style: Mapping[Any, Any]) -> Iterator[None]:
    """Draw with matplotlib's defaults and ``style``, not the user's matplotlibrc.

    The ids in an SVG follow from ``salt``, so that the same drawing gives the same bytes.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**style, "svg.hashsalt": salt})
        yield


def draw_chart(chart: Chart) -> Markup:
    """Return the chart as an ``svg`` element, the same bytes for the same numbers.

    It takes its colours from the page's ``--line-1`` to ``--line-4`` and the text's colour.
    ``data-frame`` holds where its axes lie, in units of the viewBox, then their limits: left, top,
    right, bottom, lowest and highest x, lowest and highest y. ``data-scale`` is that of x.
    """
    svg = io.StringIO()
    with fixed_style(chart.title, STYLE):
        figure = Figure(figsize=(5.2, 3.6), dpi=POINTS_PER_INCH)
        FigureCanvasSVG(figure)  # measures the text as it will be drawn
        axes = figure.subplots()
        for line in chart.lines:
            _plot(axes, line, chart)
        label, x = chart.mark
        if math.isfinite(x):
            axes.axvline(x, color=INK, linestyle=":", linewidth=1.2, label=label)
        _scale(axes, chart)
        axes.set_xlabel(chart.x_label)
        axes.set_ylabel(chart.y_label)
        handles, _ = axes.get_legend_handles_labels()
        if handles:
            figure.legend(loc="outside lower center", ncols=2)
        else:
            axes.text(0.5, 0.5, "no value", transform=axes.transAxes, ha="center")
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        with warnings.catch_warnings():
            # matplotlib lacks a letter of a user's name; the reader's browser may have it
            warnings.filterwarnings("ignore", "Glyph")
            warnings.filterwarnings("ignore", "Matplotlib currently does not support")
            ConstrainedLayoutEngine().execute(figure)  # savefig's own would draw twice
            figure.savefig(svg, format="svg", transparent=True, metadata=no_metadata)
    described = f"{chart.title}: {chart.y_label} by {chart.x_label}"
    attributes = Markup('role="img" aria-label="{}"').format(described)
    if chart.follows:
        attributes += Markup(' data-follows="{}" data-frame="{}" data-scale="{}"').format(
            chart.follows, _measure(figure, axes), axes.get_xscale()
        )
    return Markup(_adopt(svg.getvalue(), attributes))


def _measure(figure: Figure, axes: Axes) -> str:
    """Return ``data-frame`` of axes that were drawn."""
    box, (width, height) = axes.get_position(), POINTS_PER_INCH * figure.get_size_inches()
    sides = (box.x0 * width, (1 - box.y1) * height, box.x1 * width, (1 - box.y0) * height)
    return " ".join(f"{number:.6g}" for number in (*sides, *axes.get_xlim(), *axes.get_ylim()))


def _plot(axes: Axes, line: Line, chart: Chart) -> None:
    """Draw one line, or nothing where it has no finite point."""
    finite = [math.isfinite(x) and math.isfinite(y) for x, y in zip(line.x, line.y, strict=True)]
    if not any(finite):
        return
    look: dict[str, Any] = {"color": f"#00000{line.color}", "label": line.label}
    # whole where they lie on an end of the axes
    look["clip_on"] = chart.x_scale != "doubling" and line.style not in MANY
    if line.style in {"o", "s"}:
        look |= {"markersize": 7, "zorder": 3}
    elif line.style in MANY:
        look["markersize"] = POINT_SIZE
    else:
        is_marked = len(line.x) <= MAX_MARKED and line.x != DIAGONAL
        look["marker"] = "o" if is_marked else ""
        look["drawstyle"] = "steps-pre" if chart.steps else "default"
    step = -(-len(line.x) // MAX_POINTS)
    axes.plot(line.x[::step], line.y[::step], MANY.get(line.style, line.style), **look)


def _scale(axes: Axes, chart: Chart) -> None:
    if chart.y_is_share:
        axes.set_ylim(-0.02, 1.02)
    else:
        axes.set_ylim(0, 1.04 * axes.get_ylim()[1])
    if chart.x_scale == "share":
        axes.set_xlim(-0.02, 1.02)
    elif chart.x_scale == "whole":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    else:
        axes.set_xscale("log", base=2)
        ticks = sorted(set(chart.lines[0].x))  # other lines are points between them
        if len(ticks) > 1:
            axes.set_xlim(ticks[0], ticks[-1])
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _adopt(svg: str, attributes: Markup) -> str:
    """Fit matplotlib's SVG file into a page, in the colours of the page.

    Its prolog, namespaces, size, style sheet, fonts and the ids of its groups go. Styles become
    attributes, which a strict content security policy allows; numbers keep two decimals.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", r"<svg \1>", svg, count=1)
    svg = re.sub(r"<style.*?</style>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r' style="([^"]*)"', _unfold_style, svg)
    svg = re.sub(r'"[^"]*"', _shorten_numbers, svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg).replace(" xlink:href=", " href=")
    svg = re.sub(r"<g([^>]*)>\n((?:<use [^>]*>\n)+)</g>", _share_look, svg)
    for placeholder, color in COLORS.items():
        svg = svg.replace(placeholder, color)
    return svg.replace("<svg ", f"<svg {attributes} ", 1)


def _unfold_style(match: re.Match[str]) -> str:
    """Return ``style="fill: none; font: 10px 'A'"`` as ``fill="none" font-size="10px"``."""
    attributes = ""
    for declaration in match[1].split(";"):
        name, _, value = declaration.strip().partition(": ")
        if name == "font":
            name, value = "font-size", value.split(" ")[0]
        if name and name != "font-family":
            attributes += f' {name}="{value}"'
    return attributes


def _shorten_numbers(match: re.Match[str]) -> str:
    return re.sub(r"(\.\d\d)\d+", r"\1", match[0])


def _share_look(match: re.Match[str]) -> str:
    """Say once, in their group, how its points look; many become one path, which opens faster.

    Each is a line of no length, of which a round or a square end is seen.
    """
    look = re.search(r' fill="[^>]*(?=/>)', match[2])
    if look is None:
        return match[0]
    places = re.findall(r'x="([^"]*)" y="([^"]*)"', match[2])
    if len(places) <= MAX_MARKED:
        return f"<g{match[1]}{look[0]}>\n{match[2].replace(look[0], '')}</g>"
    end = "square" if "miter" in look[0] else "round"
    path = "".join(f"M{x} {y}h0" for x, y in places)
    ends = f'stroke-linecap="{end}" stroke-width="{POINT_SIZE}"'
    return f'<g{match[1]}{look[0]}>\n<path {ends} d="{path}"/>\n</g>'
