"""Which true defects are found at an exact threshold, by class and by size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.scores import formulas
from steelcli.scores.counts import apply_threshold
from steelcli.scores.froc import bounding_box, overlap_pixels

SIZES = ("small", "medium", "large")

Ints = NDArray[np.int64]


class Found:
    """What is counted at one threshold, mergeable.

    Attributes:
        classes: int64 [C], found components of each class's own mask.
        components, pixels: of the union's components, by area in pixels: how many are found, and
            how many of their pixels are predicted.
    """

    def __init__(self, classes: int) -> None:
        self.classes = np.zeros(classes, np.int64)
        self.components: Counter[int] = Counter()
        self.pixels: Counter[int] = Counter()


class ComponentScores:
    """Counts of true components over a split, all integers, mergeable.

    The rule for "found" is that of `froc`.

    Args:
        class_titles: titles of the C classes.
        thresholds: the thresholds to count at.
        min_overlap: share of a component's pixels that makes it found, in (0, 1].
    """

    def __init__(
        self, class_titles: Sequence[str], thresholds: Sequence[np.float32], min_overlap: float
    ) -> None:
        self.class_titles, self.min_overlap = tuple(class_titles), min_overlap
        self.classes = np.zeros(len(self.class_titles), np.int64)
        self.areas: Counter[int] = Counter()
        self._found = {threshold: Found(len(self.class_titles)) for threshold in thresholds}

    def add(
        self, levels: NDArray[np.uint16], truth: NDArray[np.bool_], class_masks: NDArray[np.bool_]
    ) -> None:
        """Count one image.

        Args:
            levels: uint16 [H, W].
            truth: bool [H, W].
            class_masks: bool [C, H, W].
        """
        box = bounding_box(truth)
        if box is None:
            return
        levels = levels[box]
        owner, areas = _label(truth[box])
        self.areas.update(areas.tolist())
        inside = levels[truth[box]]
        for threshold, found in self._found.items():
            hits = _hits(owner, areas, inside, threshold)
            is_found = hits >= overlap_pixels(areas, self.min_overlap)
            found.components.update(areas[is_found].tolist())
            for area, pixels in zip(areas.tolist(), hits.tolist(), strict=True):
                found.pixels[area] += pixels
        for channel, mask in enumerate(class_masks[:, box[0], box[1]]):
            self._add_class(channel, levels[mask], mask)

    def _add_class(self, channel: int, inside: NDArray[np.uint16], mask: NDArray[np.bool_]) -> None:
        """Count the components of one class; ``inside`` uint16 [P] are its pixels' levels."""
        if not inside.size:
            return
        owner, areas = _label(mask)
        self.classes[channel] += areas.size
        for threshold, found in self._found.items():
            hits = _hits(owner, areas, inside, threshold)
            is_found = hits >= overlap_pixels(areas, self.min_overlap)
            found.classes[channel] += np.count_nonzero(is_found)

    def merge(self, other: ComponentScores) -> None:
        """Add the images of ``other``, which must be set up alike."""
        self.classes += other.classes
        self.areas.update(other.areas)
        for threshold, found in self._found.items():
            theirs = other._found[threshold]
            found.classes += theirs.classes
            found.components.update(theirs.components)
            found.pixels.update(theirs.pixels)

    def groups(self, threshold: np.float32) -> dict[str, dict[str, float]]:
        """Return the numbers by group at one of the thresholds.

        The groups are ``found_class``, ``found_size``, ``recall_size``, ``size_bounds_px``, and the
        numbers of components: ``defects_class`` and ``defects_size``. What has nothing to divide by
        is left out, and without any component all groups are.
        """
        if not self.areas:
            return {}
        found, bounds = self._found[threshold], self._bounds()
        by_class: dict[str, float] = {}
        defects_class: dict[str, float] = {}
        for channel, title in enumerate(self.class_titles):
            parts, whole = int(found.classes[channel]), int(self.classes[channel])
            by_class |= formulas.share(title, parts, whole)
            defects_class |= {title: whole} if whole else {}
        found_size: dict[str, float] = {}
        recall_size: dict[str, float] = {}
        defects_size: dict[str, float] = {}
        for size in SIZES:
            areas = [area for area in self.areas if _size(area, bounds) == size]
            components = sum(self.areas[area] for area in areas)
            pixels = sum(area * self.areas[area] for area in areas)
            found_components = sum(found.components[area] for area in areas)
            predicted_pixels = sum(found.pixels[area] for area in areas)
            found_size |= formulas.share(size, found_components, components)
            recall_size |= formulas.share(size, predicted_pixels, pixels)
            defects_size |= {size: components} if components else {}
        return {
            "found_class": by_class,
            "found_size": found_size,
            "recall_size": recall_size,
            "size_bounds_px": bounds,
            "defects_class": defects_class,
            "defects_size": defects_size,
        }

    def _bounds(self) -> dict[str, float]:
        """Return the areas that split the components into thirds."""
        areas = np.array(sorted(self.areas), np.int64)
        reached = 3 * np.cumsum([self.areas[area] for area in areas.tolist()])
        ranks = np.searchsorted(reached, [reached[-1] // 3, 2 * reached[-1] // 3])
        small_max, medium_max = areas[ranks].tolist()
        return {"small_max": small_max, "medium_max": medium_max}


def _size(area: int, bounds: dict[str, float]) -> str:
    if area <= bounds["small_max"]:
        return "small"
    return "medium" if area <= bounds["medium_max"] else "large"


def _label(mask: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return the component of each of a mask's pixels, int64 [P], and their areas, int64 [N]."""
    number, labels = cv2.connectedComponents(
        np.ascontiguousarray(mask).view(np.uint8), connectivity=8
    )
    owner = labels[mask].astype(np.int64) - 1
    return owner, np.bincount(owner, minlength=number - 1)


def _hits(owner: Ints, areas: Ints, inside: NDArray[np.uint16], threshold: np.float32) -> Ints:
    """Return the predicted pixels of each component, int64 [N]."""
    hits: Ints = np.bincount(owner[apply_threshold(inside, float(threshold))], minlength=areas.size)
    return hits
