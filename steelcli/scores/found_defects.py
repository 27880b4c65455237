"""Which true defects are found at an exact threshold, by class and by size; the rule is that of
`froc`."""

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
        components, pixels: found components and predicted pixels of the union's components, by area
            in pixels.
    """

    def __init__(self, classes: int) -> None:
        self.classes = np.zeros(classes, np.int64)
        self.components: Counter[int] = Counter()
        self.pixels: Counter[int] = Counter()


class ComponentScores:
    """Counts of true components over a split, all integers, mergeable.

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
        """Count one image: ``levels`` uint16 [H, W], ``truth`` bool [H, W], ``class_masks`` bool
        [C, H, W]."""
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
        """Count the components of one class: ``inside`` uint16 [P], the levels of its
        mask's pixels."""
        if not inside.size:
            return
        owner, areas = _label(mask)
        self.classes[channel] += areas.size
        for threshold, found in self._found.items():
            hits = _hits(owner, areas, inside, threshold)
            found.classes[channel] += np.count_nonzero(
                hits >= overlap_pixels(areas, self.min_overlap)
            )

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
        """Return ``found_class``, ``found_size``, ``recall_size`` and ``size_bounds_px`` at one of
        the thresholds.

        What has nothing to divide by is left out, and so is a group of which nothing is left.
        """
        found = self._found[threshold]
        by_class: dict[str, float] = {}
        for title, part, whole in zip(
            self.class_titles, found.classes.tolist(), self.classes.tolist(), strict=True
        ):
            by_class |= formulas.share(title, part, whole)
        groups = {
            "found_class": by_class,
            "found_size": {},
            "recall_size": {},
            "size_bounds_px": self._bounds(),
        }
        if self.areas:
            small, medium = groups["size_bounds_px"].values()
            for size in SIZES:
                areas = [area for area in self.areas if _size(area, small, medium) == size]
                components, pixels = (
                    sum(self.areas[a] for a in areas),
                    sum(a * self.areas[a] for a in areas),
                )
                groups["found_size"] |= formulas.share(
                    size, sum(found.components[a] for a in areas), components
                )
                groups["recall_size"] |= formulas.share(
                    size, sum(found.pixels[a] for a in areas), pixels
                )
        return {name: group for name, group in groups.items() if group}

    def _bounds(self) -> dict[str, float]:
        """Return the areas up to which at least a third and two thirds of all components reach."""
        if not self.areas:
            return {}
        areas = np.array(sorted(self.areas), np.int64)
        reached = 3 * np.cumsum([self.areas[area] for area in areas.tolist()])
        ranks = np.searchsorted(reached, [reached[-1] // 3, 2 * reached[-1] // 3])
        return dict(zip(("small_max", "medium_max"), areas[ranks].tolist(), strict=True))


def _size(area: int, small_max: float, medium_max: float) -> str:
    return SIZES[(area > small_max) + (area > medium_max)]


def _label(mask: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return the component of each pixel of the mask, int64 [P], and the pixels of each component,
    int64 [N]."""
    number, labels = cv2.connectedComponents(
        np.ascontiguousarray(mask).view(np.uint8), connectivity=8
    )
    owner = labels[mask].astype(np.int64) - 1
    return owner, np.bincount(owner, minlength=number - 1)


def _hits(owner: Ints, areas: Ints, inside: NDArray[np.uint16], threshold: np.float32) -> Ints:
    """Return the predicted pixels of each component, int64 [N]."""
    hits: Ints = np.bincount(owner[apply_threshold(inside, float(threshold))], minlength=areas.size)
    return hits
