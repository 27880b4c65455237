"""The columns of every csv of numbers, once."""

from __future__ import annotations

EPOCH_COLUMNS = (
    "epoch",
    "train_loss",
    "val_loss",
    "val_iou_fixed",
    "val_dice_fixed",
    "val_iou_opt",
    "val_dice_opt",
    "opt_threshold_f1",
    "opt_threshold_dice",
    "iou_50",
    "iou_75",
    "iou_90",
    "auprc",
    "recall_fp_image",
    "learning_rate",
    "epoch_time",
    "val_dice_defect_opt",
    "val_f1_opt",
    "grad_norm",
    "train_images_per_second",
)
"""``metrics_seed<seed>.csv``."""
COUNT_COLUMNS = ("defect_pixels", "tp", "fp", "fn")
NUMBER_COLUMNS = (*COUNT_COLUMNS, "iou", "dice")
DETECTED_COLUMN = "detected"
IMAGE_COLUMNS = ("image", *NUMBER_COLUMNS, DETECTED_COLUMN)
"""``*_images.csv``; its counts and its numbers above."""
CURVE_COLUMNS = (
    "threshold",
    "min_area_px",
    "dice",
    "dice_defect",
    "f1",
    "iou",
    "iou_defect",
    "precision",
    "recall",
    "clean_false_alarm",
    "front",
)
"""``threshold_curve.csv``."""
POINT_COLUMNS = (
    "threshold",
    "min_area_px",
    "tp",
    "fp",
    "fn",
    "dice",
    "iou",
    "dice_defect",
    "iou_defect",
    "false_alarms",
    "detected",
    "found",
    "false_components",
)
"""``test_points.csv``: every threshold with every area."""
DEFECT_COLUMNS = ("image", "class", "area_px", "found")
"""``test_defects.csv``: a row per true component of each class's own mask."""
PR_COLUMNS = ("threshold", "precision", "recall")
FROC_COLUMNS = ("max_fp_per_image", "recall", "threshold", "fp_per_image")
RELIABILITY_COLUMNS = (
    "probability_low",
    "probability_high",
    "mean_probability",
    "defect_share",
    "pixels",
)
