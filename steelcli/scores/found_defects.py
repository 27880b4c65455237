"""Which true defects are found at an operating point, by class and by size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from steelcli.scores import formulas
from steelcli.scores.components import label
from steelcli.scores.counts import OperatingPoint
from steelcli.scores.matching import Defects, true_components

SIZES = ("small", "medium", "large")

DefectRow = dict[str, str | int]
"""A row of DEFECT_COLUMNS."""

Ints = NDArray[np.int64]


class Found:
    """What is counted at one operating point, mergeable.

    Attributes:
        classes: int64 [C], found components of each class's own mask.
        components, pixels: of the union's components, by area in pixels: how many are found, and
            how many of their pixels are predicted.
        rows: of each class's components, those of DEFECT_COLUMNS.
    """

    def __init__(self, classes: int) -> None:
        self.classes = np.zeros(classes, np.int64)
        self.components: Counter[int] = Counter()
        self.pixels: Counter[int] = Counter()
        self.rows: list[DefectRow] = []


class ComponentScores:
    """Counts of true components over a split, all integers, mergeable.

    Args:
        class_titles: titles of the C classes.
        points: the operating points to count at.
        min_overlap: share of a component's pixels that makes it found or true, in (0, 1].
    """

    def __init__(
        self, class_titles: Sequence[str], points: Iterable[OperatingPoint], min_overlap: float
    ) -> None:
        self.class_titles, self.min_overlap = tuple(class_titles), min_overlap
        self.classes = np.zeros(len(self.class_titles), np.int64)
        self.areas: Counter[int] = Counter()
        self._found = {point: Found(len(self.class_titles)) for point in points}

    def add(
        self,
        image: str,
        preds: Mapping[OperatingPoint, NDArray[np.bool_]],
        union: Defects,
        class_masks: NDArray[np.bool_],
    ) -> None:
        """Count one image.

        Args:
            image: its name.
            preds: bool [H, W] by operating point.
            union: the defects of all classes together.
            class_masks: bool [C, H, W].
        """
        if not union.areas.size:
            return
        truth = union.labels > 0
        self.areas.update(union.areas.tolist())
        # each class's defects, and which of the true pixels are theirs
        classes: dict[int, tuple[Defects, NDArray[np.bool_]]] = {}
        for channel, mask in enumerate(class_masks):
            members = mask[truth]
            if members.any():
                defects = union if members.all() else Defects.of(mask)
                classes[channel] = defects, members
                self.classes[channel] += defects.areas.size
        for point, found in self._found.items():
            labels, areas = label(preds[point])
            component = labels[truth]
            is_true = true_components(component, areas, self.min_overlap)[component]
            is_found = union.found(is_true, self.min_overlap)
            found.components.update(union.areas[is_found].tolist())
            hits = union.hits(component > 0)
            for area, pixels in zip(union.areas.tolist(), hits.tolist(), strict=True):
                found.pixels[area] += pixels
            for channel, (defects, members) in classes.items():
                is_found = defects.found(is_true[members], self.min_overlap)
                found.classes[channel] += np.count_nonzero(is_found)
                row = {"image": image, "class": self.class_titles[channel]}
                for area, is_one in zip(defects.areas.tolist(), is_found.tolist(), strict=True):
                    found.rows.append(row | {"area_px": area, "found": int(is_one)})

    def merge(self, other: ComponentScores) -> None:
        """Add the images of ``other``, which must be set up alike."""
        self.classes += other.classes
        self.areas.update(other.areas)
        for point, found in self._found.items():
            theirs = other._found[point]
            found.classes += theirs.classes
            found.components.update(theirs.components)
            found.pixels.update(theirs.pixels)
            found.rows += theirs.rows

    def rows(self, point: OperatingPoint) -> list[DefectRow]:
        """Return a row for each component of each class's own mask, image by image."""
        return self._found[point].rows

    def groups(self, point: OperatingPoint) -> dict[str, dict[str, float]]:
        """Return the numbers by group at one of the points.

        The groups are ``found_class``, ``found_size``, ``recall_size``, ``size_bounds_px``, and the
        numbers of components: ``defects_class`` and ``defects_size``. What has nothing to divide by
        is left out, and without any component all groups are.
        """
        if not self.areas:
            return {}
        found, bounds = self._found[point], self._bounds()
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
