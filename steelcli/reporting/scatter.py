"""A chart of two models: the Dice of every image by one and by the other."""

from __future__ import annotations

import numpy as np

from steelcli.reporting.charts import DIAGONAL, MAX_POINTS, Chart, Line
from steelcli.reporting.comparison import Comparison
from steelcli.reporting.other_models import THIS_RUN
from steelcli.scores import formulas

MAX_NAME = 24
"""Letters of a model's name on an axis."""


def build_scatter(comparison: Comparison) -> Chart:
    """Return each image's Dice by A and by B, this run, at most MAX_POINTS of the images."""
    counts = [scored.counts for scored in (comparison.a, comparison.b)]
    x, y = (formulas.dice(one.tp, one.fp, one.fn, empty=1.0) for one in counts)
    defect = counts[0].tp + counts[0].fn > 0
    images = defect.size
    shown = np.unique(np.linspace(0, images - 1, min(images, MAX_POINTS)).round().astype(int))
    groups = (("with a defect", 1, ".", defect[shown]), ("clean", 2, ",", ~defect[shown]))
    lines = [Line("equal", DIAGONAL, DIAGONAL, 3, ":")]
    for label, color, style, chosen in groups:
        places = shown[chosen]
        lines.append(Line(label, x[places].tolist(), y[places].tolist(), color, style))
    note = f"A point per image, above the line where {THIS_RUN} is better."
    if shown.size < images:
        note += f" {shown.size:,} of {images:,} images are drawn, evenly picked."
    names = (_name_axis(comparison.a.name), _name_axis(THIS_RUN))
    title = f"Dice of every image: {comparison.a.name}"
    return Chart(title, note, *names, tuple(lines))


def _name_axis(name: str) -> str:
    """Return a label, short, and with no dollar sign that would begin a formula."""
    short = name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…"
    return "Dice of " + short.replace("$", r"\$")
