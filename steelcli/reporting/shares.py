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


def count_whole(key: str, metrics: Mapping[str, Any], group: Mapping[str, Any]) -> Any:
    """Return of how many images or defects a share is one; None where nobody counted them.

    Args:
        key: of the share.
        metrics: ``test.json`` or that of another model.
        group: its numbers at the operating point of the share.
    """
    images, defect_images = metrics.get("images"), metrics.get("defect_images")
    if key == "recall_at_1_fp":
        return metrics.get("defects")
    if key not in ("clean_false_alarm", "image_precision"):
        return defect_images if key in SHARE_MEANINGS else None
    if not isinstance(images, int) or not isinstance(defect_images, int):
        return None
    clean_images = images - defect_images
    if key == "clean_false_alarm":
        return clean_images
    # the images with a detection; a share of no images is left out
    found = round(group.get("image_recall", 0) * defect_images)
    return found + round(group.get("clean_false_alarm", 0) * clean_images)


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


def explain_share(
    key: str, metrics: Mapping[str, Any], group: Mapping[str, Any], decimals: int
) -> str:
    """Return ``: 26 of 40, interval 0.4951 to 0.7787`` for a meaning; empty without counts.

    The arguments are those of `count_whole`; ``group`` holds the share.
    """
    counts, interval = format_share(group.get(key), count_whole(key, metrics, group), decimals)
    return "" if counts == ABSENT else f": {counts}, interval {interval}"
