"""Shares of images and of defects, shown with what they were counted from and their interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelcli.reporting.metric_meanings import SHARE_MEANINGS
from steelcli.reporting.table import ABSENT, format_number
from steelcli.scores.wilson import wilson_interval

INTERVAL = "95 % interval"
"""Heading of the column of intervals."""
INTERVAL_NOTE = (
    "95 % intervals: Wilson 1927, as if images and defects were independent of each other."
)


def count_whole(key: str, metrics: Mapping[str, Any]) -> Any:
    """Return of how many images or defects a metric of ``test.json`` is a share; None: of none."""
    images, defect_images = metrics.get("images"), metrics.get("defect_images")
    if key == "recall_at_1_fp":
        return metrics.get("defects")
    if key != "clean_false_alarm":
        return defect_images if key in SHARE_MEANINGS else None
    if isinstance(images, int) and isinstance(defect_images, int):
        return images - defect_images
    return None


def format_share(share: Any, whole: Any, decimals: int) -> tuple[str, str]:
    """Return the cells ``26 of 40`` and ``0.4951 to 0.7787``; dashes where there are no counts.

    Args:
        share: part of the whole, 0..1.
        whole: number of images or defects. Files written before it was counted lack it.
        decimals: digits after the point.
    """
    is_share = isinstance(share, (int, float)) and 0 <= share <= 1
    if not is_share or not isinstance(whole, int) or whole < 1:
        return ABSENT, ABSENT
    part = round(share * whole)
    low, high = (format_number(bound, decimals) for bound in wilson_interval(part, whole))
    return f"{part:,} of {whole:,}", f"{low} to {high}"


def explain_share(key: str, share: Any, metrics: Mapping[str, Any], decimals: int) -> str:
    """Return ``: 26 of 40, interval 0.4951 to 0.7787`` for a meaning; empty without counts."""
    counts, interval = format_share(share, count_whole(key, metrics), decimals)
    return "" if counts == ABSENT else f": {counts}, interval {interval}"
