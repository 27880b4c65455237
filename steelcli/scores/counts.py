"""Where probabilities become predictions and predictions become tp, fp and fn; every number starts
here."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


class Counts(NamedTuple):
    """Pixels of one image at one threshold."""

    tp: int
    fp: int
    fn: int


def apply_threshold(probs: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Return the predicted mask, bool, of the shape of ``probs``: the one place where a threshold
    is applied.

    Args:
        probs: float32, any shape, in [0, 1].
        threshold: probability; it is rounded to float32 first, as the probabilities are.
    """
    return probs >= np.float32(threshold)


def count(preds: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Counts:
    """Count the pixels of two bool masks [H, W]."""
    tp = int(np.count_nonzero(preds & truth))
    return Counts(tp, int(np.count_nonzero(preds)) - tp, int(np.count_nonzero(truth)) - tp)


def has_component(preds: NDArray[np.bool_], min_area_px: int) -> bool:
    """Tell whether the bool mask [H, W] has an 8-connected component of at least ``min_area_px``
    pixels (0 as 1)."""
    pixels = int(np.count_nonzero(preds))
    if min_area_px <= 1 or pixels < min_area_px:
        return pixels >= max(min_area_px, 1)
    mask = np.ascontiguousarray(preds).view(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return bool((stats[1:, cv2.CC_STAT_AREA] >= min_area_px).any())
