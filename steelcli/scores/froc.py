"""Free-response ROC: defects found against false alarms per image, over components.

After Bunch et al. 1978 (free-response ROC); the overlap rule and the thresholds are those of
docs/metrics.md.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.scores.counts import PROBS

FROC_THRESHOLDS: NDArray[np.float32] = (np.arange(1, 100) / 100).astype(np.float32)
"""0.01, 0.02 ... 0.99 as float32 [99]."""
_REACHED = np.searchsorted(FROC_THRESHOLDS, PROBS, side="right").astype(np.uint8)
"""How many of the thresholds each level reaches: uint8 [65536], 0 ... 99."""
FP_LIMITS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False components per image at which ``froc.csv`` states the recall."""

Ints = NDArray[np.int64]


class ImageFroc(NamedTuple):
    """Components of one image.

    Attributes:
        found, false: int64 [99], by threshold.
        true_components: number of defects.
    """

    found: Ints
    false: Ints
    true_components: int


def overlap_pixels(areas: NDArray[np.integer], min_overlap: float) -> Ints:
    """Return how many pixels of each component make up ``min_overlap`` of its area, at least 1.

    The factor undoes the rounding of products such as 0.07 * 100, which would ask for 8 pixels.
    """
    pixels: Ints = np.ceil(areas * (min_overlap * (1 - 1e-12))).astype(np.int64)
    return pixels.clip(min=1)


def image_froc(
    levels: NDArray[np.uint16], truth: NDArray[np.bool_], min_overlap: float, min_area_px: int
) -> ImageFroc:
    """Count components of one image at the 99 thresholds.

    Args:
        levels: uint16 [H, W].
        truth: bool [H, W].
        min_overlap: share of a component's pixels, in (0, 1].
        min_area_px: predicted components of fewer pixels are ignored.
    """
    reached = _REACHED[levels]  # uint8 [H, W]
    found, true_components = _count_found(reached, truth, min_overlap)
    false = _count_false(reached, truth, min_overlap, min_area_px)
    return ImageFroc(found, false, true_components)


def _count_found(
    reached: NDArray[np.uint8], truth: NDArray[np.bool_], min_overlap: float
) -> tuple[Ints, int]:
    """Return the true components found at each threshold, int64 [99], and their total number.

    A component that needs n pixels is found up to the n-th highest threshold its pixels reach.
    """
    box = bounding_box(truth)
    if box is None:
        return np.zeros(99, np.int64), 0
    truth, reached = truth[box], reached[box]
    number, labels = cv2.connectedComponents(_mask(truth), connectivity=8)
    # sorted by component, then by threshold, the highest first
    ranked = np.sort(labels[truth] * np.int32(128) + (np.int32(99) - reached[truth]))
    areas = np.bincount(ranked >> 7, minlength=number)[1:]
    starts = np.cumsum(areas) - areas
    last = 99 - (ranked[starts + overlap_pixels(areas, min_overlap) - 1] & 127)
    by_threshold = np.bincount(last, minlength=100)
    found: Ints = np.cumsum(by_threshold[::-1])[::-1][1:]
    return found, number - 1


def _count_false(
    reached: NDArray[np.uint8], truth: NDArray[np.bool_], min_overlap: float, min_area_px: int
) -> Ints:
    """Return the false predicted components at each threshold, int64 [99]."""
    false = np.zeros(99, np.int64)
    steps = np.flatnonzero(np.bincount(reached.reshape(-1)))
    previous = 0
    for step in steps[steps > 0].tolist():  # no pixel lies between two of these masks
        box = bounding_box(reached >= step)  # higher masks lie within this one
        if box is None:
            break
        reached, truth = reached[box], truth[box]
        number, labels = cv2.connectedComponents(_mask(reached >= step), connectivity=8)
        areas = np.bincount(labels.reshape(-1), minlength=number)[1:]
        hits = np.bincount(labels[truth], minlength=number)[1:]
        is_false = (hits < overlap_pixels(areas, min_overlap)) & (areas >= min_area_px)
        false[previous:step] = np.count_nonzero(is_false)
        previous = step
    return false


def _mask(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(mask).view(np.uint8)


def bounding_box(mask: NDArray[np.generic]) -> tuple[slice, slice] | None:
    """Return the rows and columns that hold all non-zero pixels of [H, W], or None for none."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


class Froc:
    """Component counts of a split, mergeable.

    Attributes:
        found, false: int64 [99], sums over images by threshold.
        true_components, images: totals; clean images count too.
    """

    def __init__(self) -> None:
        self.found = np.zeros(99, np.int64)
        self.false = np.zeros(99, np.int64)
        self.true_components = 0
        self.images = 0

    def add(self, image: ImageFroc) -> None:
        """Add one image."""
        self.found += image.found
        self.false += image.false
        self.true_components += image.true_components
        self.images += 1

    def merge(self, other: Froc) -> None:
        """Add the images of ``other``."""
        self.found += other.found
        self.false += other.false
        self.true_components += other.true_components
        self.images += other.images

    def rows(self) -> list[dict[str, float]]:
        """Return rows ``max_fp_per_image, recall, threshold, fp_per_image`` for FP_LIMITS.

        None without true components. Where no threshold keeps the limit, the recall is 0 and the
        threshold is left out.
        """
        return [self._row(limit) for limit in FP_LIMITS] if self.true_components else []

    def recall_at(self, max_fp_per_image: float) -> float | None:
        """Return the highest recall with at most that many false components per image, None without
        true components.

        Predicting nothing is always possible: where no threshold keeps the limit, the recall is 0.
        """
        return self._row(max_fp_per_image)["recall"] if self.true_components else None

    def _row(self, limit: float) -> dict[str, float]:
        """Take the highest recall, then the fewest false components, then the highest threshold."""
        allowed = np.flatnonzero(self.false <= limit * self.images)
        if not allowed.size:
            return {"max_fp_per_image": limit, "recall": 0.0, "fp_per_image": 0.0}
        best = max(allowed, key=lambda index: (self.found[index], -self.false[index], index))
        return {
            "max_fp_per_image": limit,
            "recall": int(self.found[best]) / self.true_components,
            "threshold": round(float(FROC_THRESHOLDS[best]), 2),
            "fp_per_image": int(self.false[best]) / self.images,
        }
