"""From the pixel histogram of a split to average precision and the curves."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelcli.data.levels import TOP_LEVEL
from steelcli.scores import formulas
from steelcli.scores.counts import PROBS
from steelcli.scores.histogram import GRID, PixelHistogram

Row = dict[str, float]
"""One row of a csv by column; a value that would be 0 / 0 is left out."""

PR_POINTS = 500
"""The precision-recall curve has at most so many rows."""
_ONE = 2**42
"""A score of 1 in the sums of `GridScores`: room for two million images, error under 2e-13."""


class AveragePrecision(NamedTuple):
    """The value over the levels, and bounds of the value over the probabilities before rounding.

    ``low <= exact <= high``, up to rounding of float64; all three are equal without rounding.
    """

    value: float
    low: float
    high: float


def average_precision(histogram: PixelHistogram) -> AveragePrecision | None:
    """Return the step-wise average precision over all pixels, or None without defect pixels.

    It is the sum of (R_n - R_n-1) P_n over the levels from the highest down. A level with P defect
    and N clean pixels is one step of precision TP / (TP + FP), its own pixels included in TP and
    FP.

    If levels were rounded, the pixels of a level may come in any order and with any ties. The i-th
    defect pixel then has at least the precision (TP - P + i) / (TP - P + FP + i), with all clean
    pixels of the level before it, and at most TP / (TP + FP - N), with all defect pixels tied above
    the clean ones. With T = TP - P + FP the lower bounds add up to P - FP * sum 1 / (T + i), and by
    convexity sum 1 / (T + i) <= log((T + P + 1/2) / (T + 1/2)), the midpoint rule.
    """
    pos, neg = histogram.defect[::-1], histogram.clean[::-1]  # the highest level first
    tp, fp = np.cumsum(pos), np.cumsum(neg)
    steps = np.flatnonzero(pos)
    if not steps.size:
        return None
    pos, neg, tp, fp = pos[steps], neg[steps], tp[steps], fp[steps]
    value = pos * (tp / (tp + fp))
    low = high = value
    if histogram.rounded:
        low = np.minimum(pos - fp * np.log1p(pos / (tp - pos + fp + 0.5)), value)
        high = pos * (tp / (tp + fp - neg))
    total = int(tp[-1])
    return AveragePrecision(*(min(float(part.sum()) / total, 1.0) for part in (value, low, high)))


def pr_curve(histogram: PixelHistogram) -> list[Row]:
    """Return rows ``threshold, precision, recall``, the threshold falling.

    Each row is exact for ``probability >= threshold``. There are at most PR_POINTS rows, about even
    in recall, from the highest level to the lowest, and none without defect pixels.
    """
    levels = np.flatnonzero(histogram.defect + histogram.clean)[::-1]
    tp, fp = np.cumsum(histogram.defect[levels]), np.cumsum(histogram.clean[levels])
    if not tp.size or not tp[-1]:
        return []
    recalled = np.linspace(0, tp[-1], PR_POINTS - 1)
    rows = []
    for index in np.unique(np.append(np.searchsorted(tp, recalled), len(tp) - 1)):
        threshold = _threshold_of(int(levels[index]))
        precision, recall = tp[index] / (tp[index] + fp[index]), tp[index] / tp[-1]
        rows.append(
            {"threshold": threshold, "precision": float(precision), "recall": float(recall)}
        )
    return rows


def _threshold_of(level: int) -> float:
    """Return a threshold that this level reaches and the next lower one does not.

    It is the level's probability rounded down to 16 binary places; close to 0 or 1 the distance to
    that end is kept to 11 significant binary digits, where this is nearer.
    """
    prob = float(PROBS[level])
    if prob < 0.5:
        mantissa, exponent = math.frexp(prob)
        near = math.ldexp(math.floor(mantissa * 2048), exponent - 11)
    else:
        mantissa, exponent = math.frexp(1 - prob)
        near = 1 - math.ldexp(math.ceil(mantissa * 2048), exponent - 11)
    return float(np.float32(max(level / (TOP_LEVEL + 1), near)))


class GridScores:
    """Sums over images at every threshold of a grid, mergeable.

    The sums are integers, so that the order of merging leaves no trace.

    Args:
        shape: of the grid, that of GRID where none is given.

    Attributes:
        sums: of Dice and IoU, int64 [4, *shape]; the rows are dice, iou, and both over the defect
            images alone.
        tp, fp: pixels, int64 [*shape].
        alarms, detected: clean images and defect images with a predicted pixel, int64 [*shape].
        defect_pixels: true pixels.
        images, defect_images: images counted.
    """

    def __init__(self, shape: tuple[int, ...] = GRID.shape) -> None:
        self.sums = np.zeros((4, *shape), np.int64)
        self.tp, self.fp, self.alarms, self.detected = np.zeros((4, *shape), np.int64)
        self.defect_pixels = self.images = self.defect_images = 0

    def add(self, tp: NDArray[np.int64], fp: NDArray[np.int64], defect_pixels: int) -> None:
        """Add one image: ``tp`` and ``fp`` int64 [*shape]."""
        fn = defect_pixels - tp
        dice, iou = formulas.dice(tp, fp, fn, empty=1.0), formulas.iou(tp, fp, fn, empty=1.0)
        units = np.rint(np.stack([dice, iou]) * _ONE).astype(np.int64)  # [2, *shape]
        self.sums[:2] += units
        self.tp += tp
        self.fp += fp
        self.images += 1
        if defect_pixels:
            self.sums[2:] += units
            self.detected += tp + fp > 0
            self.defect_pixels += defect_pixels
            self.defect_images += 1
        else:
            self.alarms += fp > 0

    def merge(self, other: GridScores) -> None:
        """Add the images of ``other``."""
        self.sums += other.sums
        self.tp += other.tp
        self.fp += other.fp
        self.alarms += other.alarms
        self.detected += other.detected
        self.defect_pixels += other.defect_pixels
        self.images += other.images
        self.defect_images += other.defect_images

    def means(self) -> dict[str, NDArray[np.float64]]:
        """Return what is a mean over images, float64 [*shape] each, by name.

        ``dice, iou, dice_defect, iou_defect`` and ``clean_false_alarm``. Those over no image are
        left out.
        """
        dice, iou, dice_defect, iou_defect = self.sums / _ONE
        means: dict[str, NDArray[np.float64]] = {}
        if self.images:
            means |= {"dice": dice / self.images, "iou": iou / self.images}
        if self.defect_images:
            means["dice_defect"] = dice_defect / self.defect_images
            means["iou_defect"] = iou_defect / self.defect_images
        if clean_images := self.images - self.defect_images:
            means["clean_false_alarm"] = self.alarms / clean_images
        return means


def threshold_curve(scores: GridScores) -> list[Row]:
    """Return 1023 rows, the threshold rising, without the values that have nothing to divide by.

    The grid has the shape of GRID.
    The columns are ``threshold, dice, dice_defect, f1, iou, iou_defect, precision, recall`` and
    ``clean_false_alarm``.
    """
    means = scores.means()
    rows = []
    for index, threshold in enumerate(GRID.tolist()):
        row = {"threshold": threshold}
        for name, values in means.items():
            row[name] = float(values[index])
        tp, fp = int(scores.tp[index]), int(scores.fp[index])
        row |= formulas.pooled(tp, fp, scores.defect_pixels - tp)
        row.pop("iou_pooled", None)
        rows.append(row)
    return rows
