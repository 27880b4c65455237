"""The few numbers that `evaluate` prints; the report has all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelcli.reporting.metric_meanings import (
    GROUP_MEANINGS,
    SHARE_MEANINGS,
    SPEED_MEANINGS,
    TEST_MEANINGS,
)
from steelcli.reporting.metric_tables import describe_point, pick_group
from steelcli.reporting.shares import explain_share
from steelcli.reporting.table import DECIMALS, MEANING, Table, format_number

SUMMARY_KEYS = (
    "dice",
    "dice_defect",
    "iou_defect",
    "f1",
    "precision",
    "recall",
    "clean_false_alarm",
    "image_recall",
    "image_auroc",
    "recall_at_1_fp",
    "auprc",
    "ms_per_image",
)


def build_summary(metrics: Mapping[str, Any], path: Path, decimals: int = DECIMALS) -> Table:
    """Return the numbers to read first, at the learned threshold where there is one, else at 0.5.

    Args:
        metrics: ``metrics/test.json`` or that of another model.
        path: of that file.
        decimals: digits after the point.
    """
    group, title = "fixed", "Test split at threshold 0.5"
    if "optimal" in metrics:
        group = "optimal"
        title = f"Test split at the learned threshold {describe_point(metrics, decimals)}"
    values = {**metrics, **pick_group(metrics, group)}
    meanings = GROUP_MEANINGS | SHARE_MEANINGS | TEST_MEANINGS | SPEED_MEANINGS
    rows = []
    for key in SUMMARY_KEYS:
        value = values.get(key)
        meaning = meanings[key] + explain_share(key, metrics, values, decimals)
        rows.append((key, format_number(value, decimals), meaning))
    images, defect_images = metrics.get("images"), metrics.get("defect_images")
    note = (
        f"{images} test images, {defect_images} with a defect. "
        f"Every number: {path}; tables, curves and intervals: `steelcli report`."
    )
    return Table(title, ("metric", "value", MEANING), tuple(rows), note)
