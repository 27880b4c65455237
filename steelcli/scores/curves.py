"""From the pixel histogram of a split to average precision, the precision-recall curve and the
threshold curve."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelcli.scores import formulas
from steelcli.scores.histogram import GRID, MIXED, PixelHistogram, lower_edges

Row = dict[str, float]
"""One row of a csv by column; a value that would be 0 / 0 is left out."""

PR_POINTS = 500
"""Most rows of the precision-recall curve."""
_ONE = 2**42
"""A score of 1 in the integer sums of `GridScores`: two million images fit, the error is under
2e-13."""


class AveragePrecision(NamedTuple):
    """The streaming estimate and the certified bracket ``low <= exact <= high`` (up to rounding of
    float64)."""

    value: float
    low: float
    high: float


def average_precision(histogram: PixelHistogram) -> AveragePrecision | None:
    """Return the step-wise average precision over all pixels, sum of (R_n - R_n-1) P_n, or None
    without defect pixels.

    A bin with P defect and N clean pixels lies below TP and FP pixels of higher bins. Whatever the
    order and the ties inside, the i-th defect pixel from its top meets a precision of at least (TP
    + i) / (TP + FP + N + i), all clean pixels of the bin before it, and at most (TP + P) / (TP + FP
    + P), all defect pixels of the bin tied above the clean ones. A bin of one single probability is
    one step, exact: its precision is (TP + P) / (TP + P + FP + N). That is also the estimate for
    the others, since it lies between the bounds.

    The lower bounds add up to P - (FP + N) * sum 1 / (T + i), T = TP + FP + N; by convexity
    sum 1 / (T + i) <= log((T + P + 1/2) / (T + 1/2)), the midpoint rule.
    """
    counted = histogram.bins()
    bins = np.flatnonzero(counted.pos + counted.neg)[::-1]
    pos, neg = counted.pos[bins], counted.neg[bins]
    tp, fp = np.cumsum(pos), np.cumsum(neg)  # including the bin itself
    if not pos.any():
        return None
    with_pos = np.flatnonzero(pos)
    bins, pos, neg, tp, fp = (values[with_pos] for values in (bins, pos, neg, tp, fp))
    tie = pos * (tp / (tp + fp))
    low, high = tie.copy(), tie.copy()
    mixed = np.flatnonzero(counted.level[bins] == MIXED)
    pos, neg, tp, fp = (values[mixed] for values in (pos, neg, tp, fp))
    low[mixed] = np.minimum(pos - fp * np.log1p(pos / (tp - pos + fp + 0.5)), tie[mixed])
    high[mixed] = pos * (tp / (tp + fp - neg))
    total = int(counted.pos.sum())
    return AveragePrecision(*(min(float(part.sum()) / total, 1.0) for part in (tie, low, high)))


def pr_curve(histogram: PixelHistogram) -> list[Row]:
    """Return rows ``threshold, precision, recall``, the threshold falling; none without defect
    pixels.

    Each row is exact for ``probability >= threshold``. At most PR_POINTS rows, about even in
    recall, from the highest bin to the lowest.
    """
    counted = histogram.bins()
    bins = np.flatnonzero(counted.pos + counted.neg)[::-1]
    tp, fp = np.cumsum(counted.pos[bins]), np.cumsum(counted.neg[bins])
    if not tp.size or not tp[-1]:
        return []
    steps = np.linspace(0, tp[-1], PR_POINTS - 1)
    chosen = np.unique(np.append(np.searchsorted(tp, steps), len(tp) - 1))
    columns = lower_edges(bins[chosen]), tp[chosen] / (tp[chosen] + fp[chosen]), tp[chosen] / tp[-1]
    return [
        {"threshold": float(threshold), "precision": float(precision), "recall": float(recall)}
        for threshold, precision, recall in zip(*columns, strict=True)
    ]


class GridScores:
    """Sums over images of Dice and IoU at every threshold of GRID, as integers, so that merging is
    exact.

    Attributes:
        sums: int64 [4, 1023], the rows being dice, iou, and both over the defect images alone.
        images, defect_images: images counted.
    """

    def __init__(self) -> None:
        self.sums = np.zeros((4, GRID.size), np.int64)
        self.images = 0
        self.defect_images = 0

    def add(self, tp: NDArray[np.int64], fp: NDArray[np.int64], defect_pixels: int) -> None:
        """Add one image: ``tp`` and ``fp`` int64 [1023] at the thresholds of GRID."""
        fn = defect_pixels - tp
        scores = np.stack(
            [formulas.dice(tp, fp, fn, empty=1.0), formulas.iou(tp, fp, fn, empty=1.0)]
        )  # [2, 1023]
        units = np.rint(scores * _ONE).astype(np.int64)
        self.sums[:2] += units
        self.images += 1
        if defect_pixels:
            self.sums[2:] += units
            self.defect_images += 1

    def merge(self, other: GridScores) -> None:
        """Add the images of ``other``."""
        self.sums += other.sums
        self.images += other.images
        self.defect_images += other.defect_images

    def means(self) -> dict[str, NDArray[np.float64]]:
        """Return ``dice, iou, dice_defect, iou_defect``, float64 [1023] each, without those that no
        image has."""
        names = ("dice", "iou", "dice_defect", "iou_defect")
        images = (self.images, self.images, self.defect_images, self.defect_images)
        columns = zip(names, self.sums, images, strict=True)
        return {name: sums / _ONE / number for name, sums, number in columns if number}


def threshold_curve(histogram: PixelHistogram, scores: GridScores) -> list[Row]:
    """Return 1023 rows, the threshold rising, without the values that have nothing to divide by.

    The columns are ``threshold, dice, dice_defect, f1, iou, iou_defect, precision, recall``.
    """
    defect_pixels = int(histogram.bins().pos.sum())
    means = scores.means()
    rows = []
    for index, (tp, fp) in enumerate(zip(*histogram.grid_counts(), strict=True)):
        row = {"threshold": float(GRID[index])}
        row.update({name: float(values[index]) for name, values in means.items()})
        row.update(formulas.pooled(int(tp), int(fp), defect_pixels - int(tp)))
        row.pop("iou_pooled", None)
        rows.append(row)
    return rows
