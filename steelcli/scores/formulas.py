"""Pure formulas over tp, fp and fn. What would be 0 / 0 is left out, never NaN."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

HITS = (0.5, 0.75, 0.9)
"""The IoU from which on an image counts for ``iou_50, _75, _90``."""


def dice(tp: Ints, fp: Ints, fn: Ints, *, empty: float) -> Floats:
    """Return 2 tp / (2 tp + fp + fn), float64, and ``empty`` where all three are 0."""
    return _divide(2 * tp, 2 * tp + fp + fn, empty)


def iou(tp: Ints, fp: Ints, fn: Ints, *, empty: float) -> Floats:
    """Return tp / (tp + fp + fn), float64, and ``empty`` where all three are 0."""
    return _divide(tp, tp + fp + fn, empty)


def pooled(tp: int, fp: int, fn: int) -> dict[str, float]:
    """Return ``iou_pooled, precision, recall, f1`` of counts summed over a split."""
    return {
        **share("iou_pooled", tp, tp + fp + fn),
        **share("precision", tp, tp + fp),
        **share("recall", tp, tp + fn),
        **share("f1", 2 * tp, 2 * tp + fp + fn),
    }


def overlap(tp: Ints, fp: Ints, fn: Ints) -> dict[str, float]:
    """Return all numbers of the images' counts, int64 [N] each.

    ``iou, dice, iou_defect, dice_defect, iou_pooled, precision, recall, f1, iou_50, iou_75`` and
    ``iou_90``.
    """
    dices, ious, defect = dice(tp, fp, fn, empty=1.0), iou(tp, fp, fn, empty=1.0), tp + fn > 0
    group = {
        **mean("iou", ious.tolist()),
        **mean("dice", dices.tolist()),
        **mean("iou_defect", ious[defect].tolist()),
        **mean("dice_defect", dices[defect].tolist()),
        **pooled(int(tp.sum()), int(fp.sum()), int(fn.sum())),
    }
    for hit in HITS:
        hits = int(np.count_nonzero(ious[defect] >= hit))
        group |= share(f"iou_{100 * hit:.0f}", hits, int(np.count_nonzero(defect)))
    return group


def image_decisions(tp: Ints, fn: Ints, detected: NDArray[np.bool_]) -> dict[str, float]:
    """Return how well it is told which images have a defect: those with something detected.

    ``clean_false_alarm, image_recall`` and ``image_precision``.

    Args:
        tp, fn: int64 [N].
        detected: bool [N].
    """
    defect = tp + fn > 0
    hits, images = int(np.count_nonzero(detected & defect)), int(np.count_nonzero(defect))
    alarms = int(np.count_nonzero(detected & ~defect))
    return {
        **share("clean_false_alarm", alarms, defect.size - images),
        **share("image_recall", hits, images),
        **share("image_precision", hits, hits + alarms),
    }


def share(key: str, part: int, whole: int) -> dict[str, float]:
    """Return ``{key: part / whole}``, or nothing where ``whole`` is 0."""
    return {key: part / whole} if whole else {}


def mean(key: str, values: Iterable[float]) -> dict[str, float]:
    """Return ``{key: mean}``, the same in any order of the values, or nothing for no values."""
    kept = list(values)
    return {key: math.fsum(kept) / len(kept)} if kept else {}


def _divide(part: Ints, whole: Ints, empty: float) -> Floats:
    return np.where(whole == 0, empty, part / np.maximum(whole, 1))
