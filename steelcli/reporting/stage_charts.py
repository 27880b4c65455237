"""The charts of the page, from the csv files of the stages."""

from __future__ import annotations

import math

from steelcli.reporting.charts import DIAGONAL, Chart, Line
from steelcli.reporting.metric_tables import pick_group
from steelcli.reporting.operating import Points, compute_numbers
from steelcli.reporting.stage_files import Columns, Results

CURVES = {
    "dice": "Dice",
    "dice_defect": "Dice of defect images",
    "f1": "F1 of all pixels",
    "iou": "IoU",
}
"""The scores drawn of the validation split."""
STYLES = ("-", "--", "-.", ":")
"""Of these curves: colour alone does not tell them apart for everyone."""
STEADY = (
    ("learning_rate", "Learning rate", "learning rate", "At the first step of the epoch."),
    (
        "grad_norm",
        "Gradient norm",
        "L2 norm",
        "Mean over the epoch's steps, before it is clipped.",
    ),
    ("train_images_per_second", "Speed of training", "images per second", "Training alone."),
)
"""What else is drawn by epoch: column, title, axis and note."""


def build_training_charts(results: Results) -> list[Chart]:
    """Return loss, validation scores, learning rate, gradient norm and speed by epoch."""
    epochs = results.epochs
    best = ("best epoch", float(results.training.get("best_epoch", math.nan)))
    losses = (
        _line(epochs, "train_loss", "training", 1),
        _line(epochs, "val_loss", "validation", 2),
    )
    monitors = {
        "dice_defect": _line(epochs, "val_dice_defect_opt", "Dice of defect images", 3),
        "f1": _line(epochs, "val_f1_opt", "F1 of all pixels", 3),
    }
    watched = monitors.get(results.settings["train.monitor"])
    scores = (
        _line(epochs, "val_dice_opt", "Dice, best threshold", 1),
        _line(epochs, "val_iou_opt", "IoU, best threshold", 2),
        _line(epochs, "val_dice_fixed", "Dice at 0.5", 1, "--"),
        _line(epochs, "val_iou_fixed", "IoU at 0.5", 2, "--"),
        *([watched] if watched else []),
    )
    note = "Over the validation images, each at its best threshold or at 0.5."
    steady = [
        Chart(title, said, "epoch", label, (_line(epochs, name, label, 1),), best, "whole", False)
        for name, title, label, said in STEADY
    ]
    return [
        Chart(
            "Loss", "Mean over the epoch.", "epoch", "loss", losses, best, "whole", y_is_share=False
        ),
        Chart("Validation scores", note, "epoch", "score", scores, best, "whole"),
        *steady,
    ]


def _line(epochs: Columns, name: str, label: str, color: int, style: str = "-") -> Line:
    return Line(label, epochs["epoch"], epochs[name], color, style)


def build_threshold_chart(results: Results) -> Chart:
    """Return the validation scores by threshold."""
    curve = results.thresholds
    learned = ("learned threshold", float(results.threshold.get("threshold", math.nan)))
    note = "Validation split at every threshold, with the objective's best area there."
    lines = tuple(
        Line(label, *_take_best(curve["threshold"], curve[name]), color, STYLES[color - 1])
        for color, (name, label) in enumerate(CURVES.items(), start=1)
    )
    x_label = "threshold (probability)"
    title = "Scores by threshold"
    return Chart(title, note, x_label, "score", lines, learned, follows="threshold")


def build_alarms_chart(results: Results) -> Chart:
    """Return the validation scores on the front by false alarms."""
    curve = results.thresholds
    front = [place for place, is_on in enumerate(curve["front"]) if is_on == 1]
    alarms = [curve["clean_false_alarm"][place] for place in front]
    lines = tuple(
        Line(label, alarms, [curve[name][place] for place in front], color, STYLES[color - 1])
        for color, (name, label) in enumerate(CURVES.items(), start=1)
    )
    learned = ("learned", float(results.threshold.get("clean_false_alarm", math.nan)))
    note = "Where the objective is highest for so many false alarms, validation split."
    title, x_label = "Scores by false alarms", "share of clean images with a detection"
    return Chart(title, note, x_label, "score", lines, learned)


def _take_best(x: list[float], y: list[float]) -> tuple[list[float], list[float]]:
    """Return each x once, with the highest of its y: a pair on the front may share a threshold."""
    best: dict[float, float] = {}
    for place, value in zip(x, y, strict=True):
        best[place] = max(value, best.get(place, value))
    return list(best), list(best.values())


def build_precision_chart(results: Results) -> Chart:
    """Return precision by recall over all thresholds, with a point for each of the two in use."""
    curve = results.pr_curve
    lines = [Line("all thresholds", curve["recall"], curve["precision"], 1)]
    points = (("optimal", "learned threshold", 2, "o"), ("fixed", "threshold 0.5", 3, "s"))
    for group, label, color, style in points:
        values = pick_group(results.test, group)
        if "precision" in values and "recall" in values:
            lines.append(Line(label, [values["recall"]], [values["precision"]], color, style))
    note = "All pixels of the test split."
    title, x_label = "Precision and recall", "recall"
    return Chart(title, note, x_label, "precision", tuple(lines), steps=True, follows="precision")


def build_froc_chart(froc: Columns, points: Points) -> Chart:
    """Return the share of defects found by the false components allowed, and that at two pairs.

    A pair whose false components lie beyond an end of the axis stands at that end.
    """
    allowed = froc["max_fp_per_image"]
    low, high = min(allowed, default=0), max(allowed, default=0)
    lines = [Line("defects found", allowed, froc["recall"], 1)]
    pairs = (("learned threshold", points.learned, 2, "o"), ("threshold 0.5", points.fixed, 3, "s"))
    for label, row, color, style in pairs:
        numbers = compute_numbers(points, row)
        found, false = numbers["found"], numbers["false_per_image"]
        if found is not None and false is not None:
            lines.append(Line(label, [min(max(false, low), high)], [found], color, style))
    note = "Share of the test split's defects found by the false components allowed."
    x_label = "false components per image, at most"
    return Chart("FROC", note, x_label, "recall", tuple(lines), x_scale="doubling", follows="froc")


def build_reliability_chart(results: Results) -> Chart:
    """Return the share of defect pixels by the probability given to them."""
    curve = results.reliability
    learned = ("learned threshold", float(results.threshold.get("threshold", math.nan)))
    lines = (
        Line("test pixels", curve["mean_probability"], curve["defect_share"], 1),
        Line("perfect", DIAGONAL, DIAGONAL, 2, "--"),
    )
    note = "Share of defect pixels by the probability given to them, in 15 equal bins."
    x_label, y_label = "mean probability", "share of defect pixels"
    return Chart("Reliability", note, x_label, y_label, lines, learned, follows="threshold")
