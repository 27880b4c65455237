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

from steelcli.common.small_splits import MIN_IMAGES
from steelcli.scores import formulas
from steelcli.scores.wilson import LEVEL

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
    "clean_false_alarm",
    "image_recall",
    "image_precision",
)
POOLED = ("iou_pooled", "precision", "recall", "f1")
CELLS = 2**20
"""Draws times images held in memory at once."""
_ONE = 2**32
"""A score of 1 in the sums: two million images fit, the error of a score is under 2e-10."""

Floats = NDArray[np.float64]


class ImageCounts(NamedTuple):
    """What is counted in each image.

    Attributes:
        tp, fp, fn: pixels, int64 [N] each.
        detected: whether a predicted component is left, bool [N]; None where nobody noted it.
    """

    tp: formulas.Ints
    fp: formulas.Ints
    fn: formulas.Ints
    detected: NDArray[np.bool_] | None = None

    def metrics(self) -> dict[str, float]:
        """Return those of METRICS that have something to divide by."""
        tp, fp, fn, detected = self
        group = formulas.overlap(tp, fp, fn)
        return group if detected is None else group | formulas.image_decisions(tp, fn, detected)


class Difference(NamedTuple):
    """One number of two models.

    Attributes:
        images: how many it rests on.
        a, b: its values; None where it has nothing to divide by.
        difference: b - a.
        low, high: bounds of the difference; None where it rests on under `MIN_IMAGES`.
        p_value: two-sided, None there too.
    """

    metric: str
    images: int
    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None


def compare_counts(a: ImageCounts, b: ImageCounts, resamples: int, seed: int) -> list[Difference]:
    """Return a row for each of METRICS.

    A few images drawn again and again look surer than they are: two defect images that both became
    better never give a difference of 0. So under `MIN_IMAGES` the difference stands alone.

    Args:
        a, b: counts of the same N images with the same truth.
        resamples: how often N images are drawn.
        seed: of the draws.
    """
    values = a.metrics(), b.metrics()
    top_a, bottom_a = quotients(a)
    top_b, bottom_b = quotients(b)
    columns = np.concatenate([top_a, bottom_a, top_b, bottom_b], axis=1)  # [N, 4 * metrics]
    sums = draw_sums(columns, resamples, seed).reshape(resamples, 4, len(METRICS))
    with np.errstate(invalid="ignore"):
        # [resamples, metrics], NaN for 0 / 0
        drawn = sums[:, 2] / sums[:, 3] - sums[:, 0] / sums[:, 1]
    images = _count_used(a, bottom_a + bottom_b)
    rows = []
    for index, (metric, used) in enumerate(zip(METRICS, images, strict=True)):
        one, other = values[0].get(metric), values[1].get(metric)
        if one is None or other is None:
            rows.append(Difference(metric, used, one, other, None, None, None, None))
            continue
        bounds = bound_difference(drawn[:, index]) if used >= MIN_IMAGES else (None, None, None)
        rows.append(Difference(metric, used, one, other, other - one, *bounds))
    return rows


def _count_used(counts: ImageCounts, bottoms: Floats) -> list[int]:
    """Return how many images each of METRICS rests on.

    They are those that add to what it is divided by; of pooled numbers those of them with a defect,
    from which alone their true pixels come.

    Args:
        counts: tells which images have a defect.
        bottoms: what each image adds below the line, float64 [N, 14].
    """
    is_used = bottoms > 0
    pooled = [METRICS.index(name) for name in POOLED]
    is_used[:, pooled] &= (counts.tp + counts.fn > 0)[:, None]
    return [int(np.count_nonzero(column)) for column in is_used.T]


def quotients(counts: ImageCounts) -> tuple[Floats, Floats]:
    """Return what each image adds above and below the line of each of METRICS.

    Both are whole numbers as float64 [N, 14].
    """
    tp, fp, fn, detected = counts
    every = np.full(tp.size, _ONE, np.int64)
    defect = (tp + fn > 0).astype(np.int64)
    # without the note no image is divided by
    noted = np.zeros_like(defect) if detected is None else np.ones_like(defect)
    yes = noted if detected is None else detected.astype(np.int64)
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
        (yes * (1 - defect), noted * (1 - defect)),
        (yes * defect, noted * defect),
        (yes * defect, yes),
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


def bound_difference(drawn: Floats) -> tuple[float | None, float | None, float | None]:
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
