"""Compare two scored models image by image: two ``metrics/NAME_images.csv``, DVC experiments or git
revisions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from steelcli.common.errors import RunError
from steelcli.common.paths import METRICS_DIR
from steelcli.params.report import ReportParams
from steelcli.reporting.comparison import (
    Comparison,
    load_images,
    plot_dice,
    refuse_other_images,
)
from steelcli.scores.bootstrap import compare_counts

PICTURES = (".png", ".svg")


def compare(
    a: str,
    b: str,
    params: ReportParams,
    metrics_dir: Path = METRICS_DIR,
    plot_path: Path | None = None,
) -> Comparison:
    """Return the difference b - a of every metric; draw Dice against Dice to ``plot_path``.

    Raises:
        RunError: a name that is nothing, a file that is no table of images, or images that differ.
    """
    if plot_path and plot_path.suffix.lower() not in PICTURES:
        raise RunError(
            "a plot is a png or svg file", plot_path, "name it so, as in --plot dice.png"
        )
    first, second = (load_images(name, metrics_dir) for name in (a, b))
    refuse_other_images(first, second)
    differences = compare_counts(
        first.counts, second.counts, params.bootstrap_resamples, params.bootstrap_seed
    )
    if plot_path:
        plot_dice(first, second, plot_path)
    return Comparison(
        a=first,
        b=second,
        defect_images=int(np.count_nonzero(first.counts.tp + first.counts.fn)),
        resamples=params.bootstrap_resamples,
        seed=params.bootstrap_seed,
        differences=tuple(differences),
    )
