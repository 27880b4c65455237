"""A picture of two models: the Dice of every image, one model against the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from steelcli.common.errors import RunError
from steelcli.common.outputs import staged_file
from steelcli.reporting.charts import fixed_style
from steelcli.reporting.comparison import ScoredImages
from steelcli.scores import formulas


def refuse_other_formats(path: Path) -> None:
    """Refuse a path that ends in neither ``.png`` nor ``.svg``.

    Raises:
        RunError: it does.
    """
    if path.suffix.lower() not in (".png", ".svg"):
        raise RunError("a plot is a png or svg file", path, "name it so, as in --plot dice.png")


def plot_dice(a: ScoredImages, b: ScoredImages, path: Path) -> None:
    """Draw each image's Dice by both models; above the diagonal ``b`` is better."""
    kind = path.suffix.lower().removeprefix(".")
    metadata = {"Date": None} if kind == "svg" else None
    with fixed_style("steelcli", {}):
        figure = Figure(figsize=(5.5, 5.5), layout="constrained")
        axes = figure.subplots()
        _plot_images(axes, a, b)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel=_label(a), ylabel=_label(b))
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
        with staged_file(path) as partial_path:
            figure.savefig(partial_path, format=kind, dpi=150, metadata=metadata)


def _plot_images(axes: Axes, a: ScoredImages, b: ScoredImages) -> None:
    defect = a.counts.tp + a.counts.fn > 0
    x, y = (
        formulas.dice(counts.tp, counts.fp, counts.fn, empty=1.0) for counts in (a.counts, b.counts)
    )
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, zorder=1)
    groups = (("with a defect", "C0", "o", defect), ("clean", "C1", "x", ~defect))
    for name, color, marker, chosen in groups:
        axes.scatter(
            x[chosen],
            y[chosen],
            s=18,
            c=color,
            marker=marker,
            alpha=0.6,
            label=f"{name} ({np.count_nonzero(chosen)})",
            clip_on=False,
        )


def _label(scored: ScoredImages) -> str:
    name = scored.name.replace("$", r"\$")  # a dollar sign would begin a formula
    return f"Dice of {name}"
