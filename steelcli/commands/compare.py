"""Compare two scored models image by image: files, DVC experiments or git revisions."""

from __future__ import annotations

from pathlib import Path

from steelcli.common.paths import METRICS_DIR, MODELS_DIR
from steelcli.params.report import ReportParams
from steelcli.reporting.comparison import Comparison, compare_images, load_images


def compare(
    a: str,
    b: str,
    params: ReportParams,
    metrics_dir: Path = METRICS_DIR,
    models_dir: Path = MODELS_DIR,
    plot_path: Path | None = None,
) -> Comparison:
    """Return the difference b - a of every metric; draw Dice against Dice to ``plot_path``.

    Raises:
        RunError: a name that is nothing, a file that is no table of images or belongs to another
            run, or images that differ.
    """
    if plot_path:
        from steelcli.reporting.dice_plot import plot_dice, refuse_other_formats

        refuse_other_formats(plot_path)
    first, second = (load_images(name, metrics_dir, models_dir) for name in (a, b))
    resamples, seed = params.bootstrap_resamples, params.bootstrap_seed
    comparison = compare_images(first, second, resamples, seed)
    if plot_path:
        plot_dice(first, second, plot_path)
    return comparison
