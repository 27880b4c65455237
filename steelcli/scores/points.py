"""Counts of a split at every threshold with every area: what a reader may move between."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from steelcli.scores.component_tree import ComponentTree
from steelcli.scores.counts import PROBS, OperatingPoint
from steelcli.scores.curves import GridScores, Row
from steelcli.scores.froc import Froc
from steelcli.scores.matching import Defects, overlap_pixels


class PointCounter:
    """Pixels, images and components at each pair of a threshold and an area, mergeable.

    The thresholds are 0.01, 0.02 ... 0.99 and that of ``point``; the areas those given, 0, and that
    of ``point``. All counts are integers.

    Args:
        point: the point in force, one of the pairs.
        min_areas_px: components of fewer pixels are removed; 0 and 1 remove nothing.
        min_overlap: share of a component's pixels that makes it found or true, in (0, 1].
    """

    def __init__(
        self, point: OperatingPoint, min_areas_px: Iterable[int], min_overlap: float
    ) -> None:
        asked = {np.float32(place / 100): place / 100 for place in range(1, 100)}
        asked.setdefault(np.float32(point.threshold), point.threshold)
        self.thresholds = [asked[threshold] for threshold in sorted(asked)]
        areas = {0, point.min_area_px, *min_areas_px}
        self.areas = np.array(sorted({area if area > 1 else 0 for area in areas}), np.int64)  # [A]
        self.min_overlap = min_overlap
        shape = self.areas.size, len(self.thresholds)
        self.scores = GridScores(shape)
        self.found, self.false = np.zeros((2, *shape), np.int64)
        reached = np.searchsorted(np.array(sorted(asked), np.float32), PROBS, side="right")
        self.defects = 0
        self._reached = reached.astype(np.uint16)

    def add(self, levels: NDArray[np.uint16], defects: Defects) -> None:
        """Count one image: its map uint16 [H, W], and the defects of its truth."""
        tree = ComponentTree.of(levels, self._reached)
        needed = overlap_pixels(defects.areas, self.min_overlap)
        inside = tree.inside(defects.labels > 0)
        is_true = inside >= overlap_pixels(tree.areas, self.min_overlap)
        tp, fp = np.zeros((2, *self.found.shape), np.int64)
        is_large = tree.areas >= self.areas[:, None]
        for row, kept in enumerate(is_large):
            tp[row] = tree.at_steps(inside * kept)
            fp[row] = tree.at_steps(tree.areas * kept) - tp[row]
            self.false[row] += tree.at_steps(kept & ~is_true)
        self.found += tree.found(is_large & is_true, defects.labels, needed)
        self.scores.add(tp, fp, int(defects.areas.sum()))
        self.defects += needed.size

    def merge(self, other: PointCounter) -> None:
        """Add the images of ``other``, which must be set up alike."""
        self.scores.merge(other.scores)
        self.found += other.found
        self.false += other.false
        self.defects += other.defects

    def froc(self) -> Froc:
        """Return the components counted at the hundredths, none removed for its area."""
        froc = Froc()
        places = [self.thresholds.index(place / 100) for place in range(1, 100)]
        froc.found, froc.false = self.found[0, places], self.false[0, places]
        froc.true_components, froc.images = self.defects, self.scores.images
        return froc

    def rows(self) -> list[Row]:
        """Return the rows of POINT_COLUMNS, by area, then by threshold.

        A mean over no image is left out.
        """
        scores = self.scores
        fn = scores.defect_pixels - scores.tp
        tables = {"tp": scores.tp, "fp": scores.fp, "fn": fn} | scores.means()
        tables.pop("clean_false_alarm", None)  # it is counted below
        tables |= {
            "false_alarms": scores.alarms,
            "detected": scores.detected,
            "found": self.found,
            "false_components": self.false,
        }
        rows = []
        for line, area in enumerate(self.areas.tolist()):
            for column, threshold in enumerate(self.thresholds):
                row = {"threshold": threshold, "min_area_px": area}
                row |= {name: table[line, column].item() for name, table in tables.items()}
                rows.append(row)
        return rows
