"""Which defects of the test split are missed, by class and size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steelcli.reporting.metric_tables import pick_group
from steelcli.reporting.stage_files import Results
from steelcli.reporting.table import ABSENT, format_number

SIZES = ("small", "medium", "large")
ALL = ""
MAX_NAMES = 200
"""Of the images that the page lists under one cell."""


@dataclass(frozen=True)
class Cell:
    """The defects of one class and size; an empty one stands for all.

    Attributes:
        found, defects: how many.
        recall: their quotient as text.
        images: names of the images with a missed one, each once.
    """

    class_title: str
    size: str
    found: int
    defects: int
    recall: str
    images: tuple[str, ...]

    @property
    def missed(self) -> int:
        return self.defects - self.found

    @property
    def listed(self) -> tuple[str, ...]:
        return self.images[:MAX_NAMES]

    @property
    def left_out(self) -> int:
        """How many names the list lacks."""
        return len(self.images) - len(self.listed)


def count_misses(results: Results, decimals: int) -> list[list[Cell]]:
    """Return a row of cells for each class, and one for all: small, medium, large, all."""
    bounds = pick_group(results.test, "size_bounds_px")
    groups: dict[tuple[str, str], list[tuple[str, bool]]] = defaultdict(list)
    texts = zip(results.defect_images, results.defect_classes, strict=True)
    numbers = zip(results.defects["area_px"], results.defects["found"], strict=True)
    for (image, title), (area, found) in zip(texts, numbers, strict=True):
        size = name_size(area, bounds)
        for key in ((title, size), (title, ALL), (ALL, size), (ALL, ALL)):
            groups[key].append((image, found == 1))
    titles = sorted(set(results.defect_classes))
    if len(titles) > 1:
        titles.append(ALL)
    rows = []
    for title in titles:
        cells = [_build_cell(title, size, groups[title, size], decimals) for size in SIZES]
        rows.append([*cells, _build_cell(title, ALL, groups[title, ALL], decimals)])
    return rows


def name_size(area_px: float, bounds: Mapping[str, Any]) -> str:
    """Return ``small``, ``medium`` or ``large`` by the bounds of ``metrics/test.json``."""
    if area_px <= bounds.get("small_max", 0):
        return "small"
    return "medium" if area_px <= bounds.get("medium_max", 0) else "large"


def _build_cell(title: str, size: str, defects: Sequence[tuple[str, bool]], decimals: int) -> Cell:
    found = sum(is_found for _, is_found in defects)
    missed = tuple(dict.fromkeys(image for image, is_found in defects if not is_found))
    recall = format_number(found / len(defects), decimals) if defects else ABSENT
    return Cell(title, size, found, len(defects), recall, missed)
