"""The columns of every csv, once."""

from __future__ import annotations

IMAGE_COLUMNS = ("image", "defect_pixels", "tp", "fp", "fn", "iou", "dice")


PR_COLUMNS = ("threshold", "precision", "recall")


RELIABILITY_COLUMNS = (
    "probability_low",
    "probability_high",
    "mean_probability",
    "defect_share",
    "pixels",
)


FROC_COLUMNS = ("max_fp_per_image", "recall", "threshold", "fp_per_image")


CURVE_COLUMNS = (
    "threshold",
    "dice",
    "dice_defect",
    "f1",
    "iou",
    "iou_defect",
    "precision",
    "recall",
)
