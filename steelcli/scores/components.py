"""The 8-connected components of masks, and of maps at every threshold."""

from __future__ import annotations

from math import isqrt

import cv2
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def label(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], Ints]:
    """Return the label of each pixel of a mask [H, W], and the area of each label, 0 among them.

    Label 0 is what lies outside the mask.
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32), np.array([mask.size])
    pixels = np.ascontiguousarray(mask).view(np.uint8)
    number, labels = cv2.connectedComponents(pixels, connectivity=8)
    areas = np.bincount(labels[mask], minlength=number)
    areas[0] = mask.size - areas.sum()
    return np.asarray(labels, np.int32), areas


def remove_small(mask: NDArray[np.bool_], min_area_px: int) -> NDArray[np.bool_]:
    """Return a mask [H, W] without its components of fewer pixels; 0 and 1 remove nothing."""
    if min_area_px <= 1:
        return mask
    kept = np.zeros_like(mask)
    if np.count_nonzero(mask) >= min_area_px:  # counting takes a tenth of labelling
        box = bounding_box(mask)  # which takes as long as it has pixels
        labels, areas = label(mask[box])
        is_kept = areas >= min_area_px
        is_kept[0] = False
        kept[box] = is_kept[labels]
    return kept


def highest_component(levels: NDArray[np.uint16], min_area_px: int) -> int:
    """Return the highest level at which a map [H, W] has a component of ``min_area_px`` pixels.

    0 where there is none above 0.
    """
    if min_area_px <= 1:
        return int(levels.max())
    # A square of so many pixels is part of a component as large: the answer is no lower.
    square = np.ones(2 * [isqrt(min_area_px - 1) + 1], np.uint8)
    inside = cv2.erode(levels, square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    low = int(inside.max())
    levels = levels[bounding_box(levels > low)]
    high = int(levels.max(initial=low))  # the answer is at least low and at most high
    while low < high:
        middle = (low + high + 1) // 2
        mask = remove_small(levels >= middle, min_area_px)
        if mask.any():
            box = bounding_box(mask)
            low, levels = middle, levels[box] * mask[box]
        else:
            high = middle - 1
    return low


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the rows and columns that hold all pixels of a mask [H, W]; none for none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return slice(0), slice(0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
