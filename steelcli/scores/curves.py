"""From the pixel histogram of a split to average precision, the precision-recall curve and the
threshold curve."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import RunError
from steelcli.scores import formulas
from steelcli.scores.histogram import GRID, MIXED, PixelHistogram, lower_edges

Objective = Literal["dice", "dice_defect", "f1"]
Row = dict[str, float]
"""One row of a csv by column; a value that would be 0 / 0 is left out."""

PR_POINTS = 500
"""Most rows of the precision-recall curve."""
TIE = 1e-12
"""Scores this near to the best are as good."""
FLAT = 1e-3
"""A curve is flat when scores this near to the best fill half of the grid around it."""
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


class Choice(NamedTuple):
    """The best threshold of a curve and whether to distrust it.

    ``is_flat``: half of the grid scores about as well. ``at_edge``: the best thresholds reach an
        end of the grid.
    """

    threshold: float
    score: float
    is_flat: bool
    at_edge: bool


def choose_threshold(curve: list[Row], objective: Objective) -> Choice:
    """Return the middle of the plateau of best thresholds, the first one where several plateaus are
    as high.

    Args:
        curve: rows of `threshold_curve`.
        objective: the column to maximise.

    Raises:
        RunError: the objective has nothing to divide by at any threshold: no image has a defect.
    """
    known = [row for row in curve if objective in row]
    if not known:
        remedy = "choose another objective or a validation split with defects"
        raise RunError(
            "no image of the split gives the objective a value",
            f"threshold.objective {objective}",
            remedy,
        )
    scores = np.array([row[objective] for row in known])
    best = float(scores.max())
    first, last = _plateau(scores, best - TIE)
    wide_first, wide_last = _plateau(scores, best - FLAT)
    middle = (first + last) // 2
    return Choice(
        threshold=known[middle]["threshold"],
        score=known[middle][objective],
        is_flat=2 * (wide_last - wide_first + 1) >= len(known),
        at_edge=first == 0 or last == len(known) - 1,
    )


def _plateau(scores: NDArray[np.float64], floor: float) -> tuple[int, int]:
    """Return the first and last index of the run of scores >= ``floor`` that contains the first
    maximum."""
    peak = int(np.argmax(scores))
    below = np.flatnonzero(scores < floor)
    after = int(np.searchsorted(below, peak))
    first = int(below[after - 1]) + 1 if after else 0
    last = int(below[after]) - 1 if after < below.size else len(scores) - 1
    return first, last
