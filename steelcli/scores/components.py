"""The 8-connected components of masks, and of maps at every threshold."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def label(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], Ints]:
    """Return the label of each pixel of a mask [H, W], and the area of each label, 0 among them.

    Label 0 is what lies outside the mask.
    """
    pixels = np.ascontiguousarray(mask).view(np.uint8)
    number, labels = cv2.connectedComponents(pixels, connectivity=8)
    areas = np.bincount(labels[mask], minlength=number)
    areas[0] = mask.size - areas.sum()
    return np.asarray(labels, np.int32), areas


def remove_small(mask: NDArray[np.bool_], min_area_px: int) -> NDArray[np.bool_]:
    """Return a mask [H, W] without its components of fewer pixels; 0 and 1 remove nothing."""
    box = bounding_box(mask)  # labelling takes as long as it has pixels
    if min_area_px <= 1 or not mask[box].size:
        return mask
    labels, areas = label(mask[box])
    is_kept = areas >= min_area_px
    is_kept[0] = False
    kept = np.zeros_like(mask)
    kept[box] = is_kept[labels]
    return kept


def highest_component(levels: NDArray[np.uint16], min_area_px: int) -> int:
    """Return the highest level at which a map [H, W] has a component of ``min_area_px`` pixels.

    0 where there is none above 0.
    """
    top = int(levels.max())
    if min_area_px <= 1:
        return top
    # First where the map is highest: all pixels from a level on lie in their bounding box, so a
    # component that is found there above that level is the map's.
    for share in (16, 4):
        floor = np.uint16(top - top // share)
        searched = np.maximum(levels[bounding_box(levels >= floor)], floor) - floor
        found = _search(searched, min_area_px)
        if found > 0:
            return found + int(floor)
    return _search(levels, min_area_px)


def _search(levels: NDArray[np.uint16], min_area_px: int) -> int:
    low, high = 0, int(levels.max())  # the answer is at least low and at most high
    while low < high:
        middle = (low + high + 1) // 2
        mask = levels >= middle
        # labelling takes ten times as long as counting
        if np.count_nonzero(mask) >= min_area_px and label(mask)[1][1:].max() >= min_area_px:
            low, levels = middle, levels[bounding_box(mask)]
        else:
            high = middle - 1
    return low


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the rows and columns that hold all pixels of a mask [H, W]; none for none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return slice(0), slice(0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
