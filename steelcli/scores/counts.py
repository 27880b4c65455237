"""Where levels become predictions, and predictions become tp, fp and fn."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.data.levels import TOP_LEVEL, from_levels

PROBS = from_levels(np.arange(TOP_LEVEL + 1, dtype=np.uint16))
"""The probability of every level: float32 [65536], rising from 0 to 1."""


class Counts(NamedTuple):
    """Pixels of one image at one threshold."""

    tp: int
    fp: int
    fn: int


def lowest_level(threshold: float) -> int:
    """Return the lowest level that is predicted: its probability reaches the threshold.

    Args:
        threshold: probability in [0, 1]; it is rounded to float32, as the probabilities are.
    """
    return int(np.searchsorted(PROBS, np.float32(threshold)))


def apply_threshold(levels: NDArray[np.uint16], threshold: float) -> NDArray[np.bool_]:
    """Return which pixels are predicted, bool, in the shape of ``levels``.

    Every mask in the program is cut here.
    """
    return levels >= lowest_level(threshold)


def count(preds: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Counts:
    """Count the pixels of two bool masks [H, W]."""
    tp = int(np.count_nonzero(preds & truth))
    return Counts(tp, int(np.count_nonzero(preds)) - tp, int(np.count_nonzero(truth)) - tp)


def has_component(preds: NDArray[np.bool_], min_area_px: int) -> bool:
    """Tell whether the bool mask [H, W] has an 8-connected component of ``min_area_px`` pixels."""
    pixels = int(np.count_nonzero(preds))
    if min_area_px <= 1 or pixels < min_area_px:
        return pixels >= max(min_area_px, 1)
    mask = np.ascontiguousarray(preds).view(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return bool((stats[1:, cv2.CC_STAT_AREA] >= min_area_px).any())
