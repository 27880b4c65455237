"""How the components of a map grow and merge as the threshold falls: one pass for every threshold.

From each pixel go to the highest of its neighbours, again and again: the pixels that end at the
same peak are its basin. At any threshold the predicted pixels of a basin hang together, for each is
joined to the peak by higher ones; two basins hang together where a pair of neighbours, one of each,
is predicted. So a component is a set of basins, and the pairs that matter are those of the maximum
spanning forest of the basins (Gower and Ross 1969; Najman and Couprie 2006 for images).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ints = NDArray[np.int64]
Numbers = NDArray[np.int32]
"""Of pixels and basins: half the memory, and enough for 2^31 pixels."""
_ROWS = 32
"""Of a map climbed together, few enough for the processor's cache; no pixel climbs out of them."""


class Step(NamedTuple):
    """What is new at a step.

    Attributes:
        step: its number.
        new: which of the pixels reach this step and no higher one.
        owners: the component that each of them is in, int64 [new].
    """

    step: int
    new: slice
    owners: Ints


class Borders(NamedTuple):
    """Pairs of basins that meet, int32 [N] each, and the step from which on they do, [N]."""

    first: Numbers
    second: Numbers
    steps: NDArray[np.unsignedinteger]


class Merges(NamedTuple):
    """Components that become part of others, the highest step first: M each.

    Attributes:
        child, parent: the basins that stood for both components; the parent stands for the new one.
        steps: the step from which on they are one.
    """

    child: list[int]
    parent: list[int]
    steps: list[int]


class Growth:
    """The 8-connected components of a map, from the highest step down to 1.

    A component is known by the number of one of its basins.

    Args:
        levels: uint16 [H, W].
        reached: the step that each level reaches, rising: uint8 or uint16 [65536]. Pixels that
            reach step 0 alone are never predicted.

    Attributes:
        pixels: where the others lie in the flat map, the highest step first: int32 [P].
        steps: the step of each of them, [P].
        basin: the basin of each of them, int32 [P].
        merges: of all steps.
        area: pixels of each component at the current step, int64 [B].
        components: their number at the current step.
    """

    def __init__(self, levels: NDArray[np.uint16], reached: NDArray[np.unsignedinteger]) -> None:
        # a column and a row of 0, so that no neighbour in the flat map lies across an edge
        padded = np.pad(levels, ((0, 1), (0, 1)))
        width = padded.shape[1]
        steps = reached[padded].reshape(-1)
        active = np.flatnonzero(steps).astype(np.int32)
        up = _climb(padded, active)
        is_peak = up == np.arange(active.size)
        basin = (np.cumsum(is_peak, dtype=np.int32) - 1)[up]
        self._peaks = np.bincount(steps[active[is_peak]])
        basins = int(self._peaks.sum())
        self.merges = _merge(
            _spanning_forest(_borders(steps, width, active, basin), basins), basins
        )
        self.area = np.zeros(basins, np.int64)
        self.components = 0
        self._parent = np.arange(basins)
        order = np.argsort(~steps[active], kind="stable")
        active, self.basin = active[order], basin[order]
        self.steps = steps[active]
        self.pixels = active - active // width

    def __iter__(self) -> Iterator[Step]:
        """Yield the steps that occur, the highest first; `area` and `components` follow."""
        ends = np.flatnonzero(np.diff(self.steps.astype(np.int64), append=0)) + 1
        start = merged = 0
        for end in ends.tolist():
            step = int(self.steps[start])
            self.components += int(self._peaks[step])
            while merged < len(self.merges.steps) and self.merges.steps[merged] == step:
                child, parent = self.merges.child[merged], self.merges.parent[merged]
                self._parent[child] = parent
                self.area[parent] += self.area[child]
                self.components -= 1
                merged += 1
            new = slice(start, end)
            owners = self.owners(self.basin[new])
            np.add.at(self.area, owners, 1)
            yield Step(step, new, owners)
            start = end

    def roots(self) -> Ints:
        """Return the numbers of the components at the current step, rising."""
        is_root = self._parent == np.arange(self._parent.size)
        return np.flatnonzero(is_root & (self.area > 0))

    def owners(self, basins: NDArray[np.integer]) -> Ints:
        """Return the component that each of some basins is in at the current step."""
        owners: Ints = self._parent[basins]
        while True:
            higher: Ints = self._parent[owners]
            if np.array_equal(higher, owners):
                self._parent[basins] = owners  # a shorter way for the next steps
                return owners
            owners = higher


def _climb(levels: NDArray[np.uint16], active: Numbers) -> Numbers:
    """Return the peak above each active pixel, both as positions in ``active``: int32 [P].

    Of neighbours at the same level the last one in the flat map counts as the highest.
    """
    (height, width), size = levels.shape, float(levels.size)
    highest = np.empty(levels.shape, np.int32)
    window = np.ones((3, 3), np.uint8)
    for top in range(0, height, _ROWS):
        rows = levels[top : top + _ROWS]
        key = np.arange(float(rows.size)).reshape(rows.shape)
        key += np.multiply(rows, size)  # whole numbers under 2^53, hence exact
        best = cv2.dilate(key, window)
        best -= np.multiply(cv2.dilate(rows, window), size, out=key)
        highest[top : top + _ROWS] = best + top * width
    number = np.zeros(levels.size, np.int32)
    number[active] = np.arange(active.size)
    up = number.take(highest.reshape(-1).take(active))
    while True:
        higher = up.take(up)
        if np.array_equal(higher, up):
            return up
        up = higher


def _borders(
    steps: NDArray[np.unsignedinteger], width: int, active: Numbers, basin: Numbers
) -> Borders:
    """Return every pair of neighbours in two basins, the highest step first.

    Args:
        steps: of the flat map.
        width: of the map.
        active: where the pixels of the basins lie.
        basin: of each of these.
    """
    numbers = np.full(steps.size, -1, np.int32)
    numbers[active] = basin
    first, second = [], []
    for offset in (1, width - 1, width, width + 1):
        at = np.flatnonzero(numbers[:-offset] != numbers[offset:])
        at = at[(numbers[at] >= 0) & (numbers[at + offset] >= 0)]
        first.append(at)
        second.append(at + offset)
    one, other = np.concatenate(first), np.concatenate(second)
    joined = np.minimum(steps[one], steps[other])
    order = np.argsort(~joined, kind="stable")
    return Borders(numbers[one[order]], numbers[other[order]], joined[order])


def _spanning_forest(borders: Borders, basins: int) -> Borders:
    """Return the borders at which two components become one, if the first of equal ones counts.

    Borůvka 1926: each component takes the first border it has, all at once; what these join is one
    component in the next round.
    """
    taken = [np.zeros(0, np.int64)]
    first, second = borders.first, borders.second
    left = np.arange(first.size)
    while left.size:
        best = np.full(basins, left.size)
        np.minimum.at(best, first, np.arange(left.size))
        np.minimum.at(best, second, np.arange(left.size))
        best = np.unique(best[best < left.size])
        taken.append(left[best])
        edges = coo_array((np.ones(best.size), (first[best], second[best])), (basins, basins))
        _, component = connected_components(edges, directed=False)
        first, second = component[first], component[second]
        is_left = first != second
        first, second, left = first[is_left], second[is_left], left[is_left]
    forest = np.sort(np.concatenate(taken))
    return Borders(borders.first[forest], borders.second[forest], borders.steps[forest])


def _merge(forest: Borders, basins: int) -> Merges:
    """Return which component becomes part of which: the one of fewer basins."""
    parent, size = list(range(basins)), [1] * basins

    def find(member: int) -> int:
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    merges = Merges([], [], forest.steps.tolist())
    for first, second in zip(forest.first.tolist(), forest.second.tolist(), strict=True):
        child, other = sorted((find(first), find(second)), key=size.__getitem__)
        parent[child] = other
        size[other] += size[child]
        merges.child.append(child)
        merges.parent.append(other)
    return merges


def highest_steps(growth: Growth, min_areas_px: Sequence[int]) -> NDArray[np.unsignedinteger]:
    """Return the highest step at which each pixel is predicted after removal, [areas, P].

    0 where there is none. It is the area opening of the map (Vincent 1992) for each area at once.

    Args:
        growth: of the map, at its start; it is gone through.
        min_areas_px: components of fewer pixels are removed.
    """
    # the highest step at which the component of each basin is large enough
    large = np.zeros((len(min_areas_px), growth.area.size), np.int64)
    for step, _, owners in growth:
        areas = growth.area[owners]
        for row, min_area_px in zip(large, min_areas_px, strict=True):
            grown = owners[areas >= min_area_px]
            row[grown] = np.maximum(row[grown], step)
    child, parent, steps = growth.merges
    table = []
    for reaches in large.tolist():
        for lost, kept, step in zip(child[::-1], parent[::-1], steps[::-1], strict=True):
            reaches[lost] = max(reaches[lost], min(reaches[kept], step))
        table.append(reaches)
    of_basins: NDArray[np.unsignedinteger] = np.array(table, growth.steps.dtype)
    highest: NDArray[np.unsignedinteger] = of_basins[:, growth.basin]
    np.minimum(highest, growth.steps, out=highest)
    return highest
