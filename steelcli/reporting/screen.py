"""What `steelcli report` shows first: one screen of 80 columns and 40 lines."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from steelcli.common.errors import quote
from steelcli.common.progress import say
from steelcli.reporting.headline import Headline, build_headline
from steelcli.reporting.lowest import find_lowest
from steelcli.reporting.metric_tables import pick_group
from steelcli.reporting.stage_files import Results
from steelcli.reporting.table import (
    Table,
    format_number,
    format_numbers,
    measure_terminal,
    show_tables,
    wrap,
)

WORST_IMAGES = 4
"""How many are listed; half of them where their names need lines of their own."""
NUMBERS_WIDTH = 44
"""Columns that the numbers of `build_worst` take."""
POINT_LABELS = {
    "dice_defect": "Dice of defect images",
    "precision": "precision, all pixels",
    "recall": "recall, all pixels",
    "clean_false_alarm": "clean sheets called defective",
    "image_recall": "defective sheets recognised",
}
"""Metrics shown at both operating points."""
MONITORS = {
    "dice": ("val_dice_opt", "Dice"),
    "iou": ("val_iou_opt", "IoU"),
    "dice_defect": ("val_dice_defect_opt", "Dice of defect images"),
    "f1": ("val_f1_opt", "F1 of all pixels"),
}
"""For each ``train.monitor`` its column in the csv of the epochs, and what it is called."""
BLOCKS, DIGITS = "▁▂▃▄▅▆▇█", "0123456789"
"""Heights of a sparkline, on a terminal and elsewhere."""


def show_screen(results: Results, title: str, decimals: int) -> None:
    """Print headline, operating point, worst images and the curve of the training.

    Args:
        results: of the stages.
        title: of the report.
        decimals: digits after the point.
    """
    width, _ = measure_terminal()
    for text in (title, _describe_run(results), ""):
        say(text)
    for line in _list_headline(build_headline(results.test, decimals), width):
        say(line)
    say("")
    show_tables([build_point(results.test, decimals), build_worst(results, decimals, width)])
    for line in _draw_training(results, decimals, width):
        say(line)


def format_json(results: Results, decimals: int) -> str:
    """Return one JSON object: `Headline`s by key under ``headline``, and all of test.json."""
    headline = {}
    for row in build_headline(results.test, decimals):
        headline[row.key] = {"label": row.label, "value": row.value, "sentence": row.sentence}
    return json.dumps({"headline": headline, **results.test}, indent=2)


def _describe_run(results: Results) -> str:
    test, training, settings = results.test, results.training, results.settings
    names = [quote(settings.get(f"model.{key}", "?")) for key in ("architecture", "encoder_name")]
    images, defect_images = format_numbers((test.get("images"), test.get("defect_images")), 0)
    best, epochs = format_numbers((training.get("best_epoch"), training.get("epochs")), 0)
    return (
        f"{images} test images, {defect_images} with a defect; "
        f"{' '.join(names)}, epoch {best} of {epochs}"
    )


def _list_headline(headline: Sequence[Headline], width: int) -> list[str]:
    """Return for each number a line with its name and lines with its sentence."""
    indent = max(len(row.text) for row in headline) + 2
    lines = []
    for row in headline:
        interval = f", 95 % interval {row.interval}" if row.interval else ""
        lines.append(f"{row.text.rjust(indent - 2)}  {row.label}{interval}")
        lines += [" " * indent + line for line in wrap(row.sentence, max(width - indent, 1))]
    return lines


def build_point(test: dict[str, Any], decimals: int) -> Table:
    """Return the learned threshold and area beside 0.5, and what each leads to."""
    optimal, fixed = pick_group(test, "optimal"), pick_group(test, "fixed")
    pairs: dict[str, tuple[Any, Any]] = {
        "threshold": (test.get("threshold"), 0.5),
        "smallest area, px": (test.get("min_area_px"), 0),
    }
    pairs |= {label: (optimal.get(key), fixed.get(key)) for key, label in POINT_LABELS.items()}
    rows = [(label, *format_numbers(pair, decimals)) for label, pair in pairs.items()]
    return Table("Operating point", ("", "learned", "0.5"), tuple(rows))


def build_worst(results: Results, decimals: int, width: int) -> Table:
    """Return the test images with the lowest Dice at the learned pair; ``width`` in characters."""
    images = results.images
    worst = find_lowest(images["dice"], images["fp"], images["fn"])[:WORST_IMAGES]
    if max((len(results.image_names[index]) for index in worst), default=0) > width - NUMBERS_WIDTH:
        worst = worst[: WORST_IMAGES // 2]
    rows = []
    for index in worst:
        counts = (f"{images[name][index]:,.0f}" for name in ("defect_pixels", "fn", "fp"))
        dice = format_number(images["dice"][index], decimals)
        rows.append((results.image_names[index], dice, *counts))
    columns = ("image", "Dice", "defect px", "missed px", "false px")
    return Table("Worst test images", columns, tuple(rows))


def _draw_training(results: Results, decimals: int, width: int) -> list[str]:
    column, label = MONITORS.get(results.settings.get("train.monitor", ""), MONITORS["dice"])
    values = results.epochs[column]
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return []
    low, high = format_numbers((min(known), max(known)), decimals)
    heights = BLOCKS if _has_blocks() else DIGITS
    return [
        f"Validation, {label} by epoch: {low} to {high}",
        draw_sparkline(values, heights, min(width, 80)),
    ]


def _has_blocks() -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or ""
    return measure_terminal()[1] and encoding.lower().startswith("utf")


def draw_sparkline(values: Sequence[float], heights: str, width: int) -> str:
    """Return a character per value, lowest to highest of ``heights``; a space for NaN.

    Where there are more values than ``width``, each character is the mean of several.
    """
    columns = min(len(values), width)
    means = []
    for column in range(columns):
        start, stop = (edge * len(values) // columns for edge in (column, column + 1))
        part = [value for value in values[start:stop] if not math.isnan(value)]
        means.append(sum(part) / len(part) if part else math.nan)
    known = [mean for mean in means if not math.isnan(mean)]
    low, span = min(known, default=0), max(known, default=0) - min(known, default=0)
    drawn = ""
    for mean in means:
        step = (mean - low) / span * (len(heights) - 1) if span else 0
        drawn += " " if math.isnan(mean) else heights[round(step)]
    return drawn
