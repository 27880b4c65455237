"""Free-response ROC: defects found against false alarms per image, over components.

After Bunch et al. 1978 (free-response ROC); the overlap rule and the thresholds are those of
docs/metrics-defects.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelcli.scores.component_tree import ComponentTree
from steelcli.scores.counts import PROBS
from steelcli.scores.matching import Defects, overlap_pixels

FROC_THRESHOLDS: NDArray[np.float32] = (np.arange(1, 100) / 100).astype(np.float32)
"""0.01, 0.02 ... 0.99 as float32 [99]."""
_REACHED = np.searchsorted(FROC_THRESHOLDS, PROBS, side="right").astype(np.uint16)
"""How many of the thresholds each level reaches: uint16 [65536], 0 ... 99."""
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


def image_froc(levels: NDArray[np.uint16], defects: Defects, min_overlap: float) -> ImageFroc:
    """Count components of one image at the 99 thresholds; no component is removed for its area.

    Args:
        levels: uint16 [H, W].
        defects: those of its truth.
        min_overlap: share of a component's pixels, in (0, 1].
    """
    tree = ComponentTree.of(levels, _REACHED)
    is_true = tree.inside(defects.labels > 0) >= overlap_pixels(tree.areas, min_overlap)
    needed = overlap_pixels(defects.areas, min_overlap)
    (found,) = tree.found(is_true[None], defects.labels, needed)
    return ImageFroc(found, tree.at_steps(~is_true), defects.areas.size)


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
        """Return the highest recall with at most that many false components per image.

        It is None without true components.

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
