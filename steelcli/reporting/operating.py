"""The numbers of the test split at every pair of threshold and area, and at the two in use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from steelcli.reporting.stage_files import Columns
from steelcli.reporting.table import format_number

NAMES = {
    "dice": "Dice",
    "dice_defect": "Dice of defect images",
    "iou": "IoU",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "image_recall": "defective sheets recognised",
    "clean_false_alarm": "clean sheets called defective",
    "found": "defects found",
    "false_per_image": "false components per image",
}
"""The numbers that follow the sliders: each key, and what the page calls it."""


@dataclass(frozen=True)
class Points:
    """The counts of the test split at every pair of threshold and area.

    Attributes:
        columns: ``metrics/test_points.csv``, a row per pair: all thresholds of an area, then those
            of the next.
        thresholds, areas: rising.
        learned, fixed: the rows of the learned pair and of 0.5 with nothing removed.
        images, defect_images, defects: of the split.
    """

    columns: Columns
    thresholds: list[float]
    areas: list[int]
    learned: int
    fixed: int
    images: int
    defect_images: int
    defects: int

    def split_row(self, row: int) -> tuple[int, int]:
        """Return the places of a row's threshold and area."""
        area, threshold = divmod(row, len(self.thresholds))
        return threshold, area


class Shown(NamedTuple):
    """One number as the page shows it; ``counted`` says "2 of 40", or nothing."""

    value: str
    counted: str


def arrange_points(columns: Columns, test: Mapping[str, Any]) -> Points:
    """Take the counts of ``metrics/test_points.csv``, with ``metrics/test.json`` beside them."""
    thresholds = sorted(set(columns["threshold"]))
    areas = sorted(map(int, set(columns["min_area_px"])))

    def find_row(threshold: float, area: float) -> int:
        # the file has one of the thresholds that are the same as float32, and no area of 1
        column = min(range(len(thresholds)), key=lambda place: abs(thresholds[place] - threshold))
        line = min(range(len(areas)), key=lambda place: abs(areas[place] - area))
        return line * len(thresholds) + column

    return Points(
        columns,
        thresholds,
        areas,
        learned=find_row(test["threshold"], test.get("min_area_px", 0)),
        fixed=find_row(0.5, 0),
        images=test.get("images", 0),
        defect_images=test.get("defect_images", 0),
        defects=test.get("defects", 0),
    )


def count_parts(points: Points, row: int) -> dict[str, tuple[int, int]]:
    """Return part and whole of the numbers that are a share of images or defects, at a pair."""
    counts = {key: int(points.columns[key][row]) for key in ("detected", "false_alarms", "found")}
    return {
        "image_recall": (counts["detected"], points.defect_images),
        "clean_false_alarm": (counts["false_alarms"], points.images - points.defect_images),
        "found": (counts["found"], points.defects),
    }


def compute_numbers(points: Points, row: int) -> dict[str, float | None]:
    """Return the numbers of NAMES at a pair, None where there is nothing to divide by.

    The function `numbersAt` of points.js does the same.
    """
    at = {key: column[row] for key, column in points.columns.items()}
    tp, fp, fn = at["tp"], at["fp"], at["fn"]
    means = {key: at[key] for key in ("dice", "dice_defect", "iou")}
    shares = {
        "precision": (tp, tp + fp),
        "recall": (tp, tp + fn),
        "f1": (2 * tp, 2 * tp + fp + fn),
        **count_parts(points, row),
        "false_per_image": (at["false_components"], points.images),
    }
    numbers: dict[str, float | None] = {}
    for key, value in means.items():
        numbers[key] = None if math.isnan(value) else value
    for key, (part, whole) in shares.items():
        numbers[key] = part / whole if whole else None
    return numbers


def show_numbers(points: Points, row: int, decimals: int) -> dict[str, Shown]:
    """Return the numbers of NAMES at a pair as text."""
    parts = count_parts(points, row)
    shown = {}
    for key, value in compute_numbers(points, row).items():
        counted = ""
        if key in parts and parts[key][1]:
            part, whole = parts[key]
            counted = f"{part:,} of {whole:,}"
        shown[key] = Shown(format_number(value, decimals), counted)
    return shown
