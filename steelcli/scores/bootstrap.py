"""Two models on the same images: each number's difference, bootstrap interval and p-value.

Efron and Tibshirani 1993, chapters 13 and 16: images are drawn with replacement, the same ones for
both models (paired), and every number is computed anew from what was drawn. Every number is a
quotient of two sums over images, so that a draw is one row of a matrix product. The sums are
integers within 2^53, hence exact: equal models differ by exactly 0, and the order of summation
leaves no trace.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelcli.scores import formulas

METRICS = (
    "iou",
    "dice",
    "iou_defect",
    "dice_defect",
    "iou_pooled",
    "precision",
    "recall",
    "f1",
    "iou_50",
    "iou_75",
    "iou_90",
)
LEVEL = 0.95
"""Share of the draws' differences inside the interval."""
CELLS = 2**20
"""Draws times images held in memory at once."""
_ONE = 2**32
"""A score of 1 in the sums: two million images fit, the error of a score is under 2e-10."""

Floats = NDArray[np.float64]


class ImageCounts(NamedTuple):
    """Pixels of each image, int64 [N] each."""

    tp: formulas.Ints
    fp: formulas.Ints
    fn: formulas.Ints


class Difference(NamedTuple):
    """One number of two models.

    Attributes:
        a, b: its values; None where it has nothing to divide by.
        difference: b - a.
        low, high: bounds of the difference; None where too few images can be drawn from.
        p_value: two-sided.
    """

    metric: str
    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None


def compare_counts(a: ImageCounts, b: ImageCounts, resamples: int, seed: int) -> list[Difference]:
    """Return a row for each of METRICS.

    Args:
        a, b: counts of the same N images with the same truth.
        resamples: how often N images are drawn.
        seed: of the draws.
    """
    images = a.tp.size
    values = formulas.overlap(*a), formulas.overlap(*b)
    top_a, bottom_a = quotients(a)
    top_b, bottom_b = quotients(b)
    columns = np.concatenate([top_a, bottom_a, top_b, bottom_b], axis=1)  # [N, 4 * metrics]
    sums = draw_sums(columns, resamples, seed).reshape(resamples, 4, len(METRICS))
    with np.errstate(invalid="ignore"):
        # [resamples, metrics], NaN for 0 / 0
        drawn = sums[:, 2] / sums[:, 3] - sums[:, 0] / sums[:, 1]
    rows = []
    for index, metric in enumerate(METRICS):
        one, other = values[0].get(metric), values[1].get(metric)
        if one is None or other is None:
            rows.append(Difference(metric, one, other, None, None, None, None))
            continue
        used = int(np.count_nonzero(bottom_a[:, index] + bottom_b[:, index])) if images else 0
        bounds = summarise(drawn[:, index]) if used > 1 else (None, None, None)
        rows.append(Difference(metric, one, other, other - one, *bounds))
    return rows


def quotients(counts: ImageCounts) -> tuple[Floats, Floats]:
    """Return what each image adds above and below the line of each of METRICS.

    Both are whole numbers as float64 [N, 11].
    """
    tp, fp, fn = counts
    every = np.full(tp.size, _ONE, np.int64)
    defect = (tp + fn > 0).astype(np.int64)
    iou, dice = formulas.iou(tp, fp, fn, empty=1.0), formulas.dice(tp, fp, fn, empty=1.0)
    iou_units, dice_units = np.rint(iou * _ONE), np.rint(dice * _ONE)
    columns = [
        (iou_units, every),
        (dice_units, every),
        (iou_units * defect, every * defect),
        (dice_units * defect, every * defect),
        (tp, tp + fp + fn),
        (tp, tp + fp),
        (tp, tp + fn),
        (2 * tp, 2 * tp + fp + fn),
        *(((iou >= hit) * defect, defect) for hit in formulas.HITS),
    ]
    above = np.stack([top for top, _ in columns], axis=1)
    below = np.stack([bottom for _, bottom in columns], axis=1)
    return above.astype(np.float64), below.astype(np.float64)


def draw_sums(columns: Floats, resamples: int, seed: int, cells: int = CELLS) -> Floats:
    """Return the sums of the columns over N images drawn with replacement, float64 [resamples, K].

    Args:
        columns: float64 [N, K].
        resamples: number of draws.
        seed: the draws depend on it, on N and on nothing else.
        cells: draws times images held at once.
    """
    images = len(columns)
    random = np.random.default_rng(seed)
    sums = np.zeros((resamples, columns.shape[1]))
    step = max(1, cells // max(images, 1))
    for start in range(0, resamples if images else 0, step):
        draws = min(step, resamples - start)
        drawn = random.integers(images, size=(draws, images)) + images * np.arange(draws)[:, None]
        times = np.bincount(drawn.ravel(), minlength=draws * images).reshape(draws, images)
        sums[start : start + draws] = times.astype(np.float64) @ columns
    return sums


def summarise(drawn: Floats) -> tuple[float | None, float | None, float | None]:
    """Return the bounds of the percentile interval and the two-sided p-value of drawn differences.

    Draws that had nothing to divide by are left out. p is twice the smaller share of draws at or
    beyond 0, each side counted with one draw more (Davison and Hinkley 1997, equation 4.11), and at
    most 1.
    """
    known = drawn[np.isfinite(drawn)]
    if not known.size:
        return None, None, None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    beyond = min(np.count_nonzero(known <= 0), np.count_nonzero(known >= 0))
    return low, high, min(1.0, 2 * (1 + int(beyond)) / (1 + known.size))
