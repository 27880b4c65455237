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


class Basins(NamedTuple):
    """The pixels that are ever predicted.

    Attributes:
        pixels: where they lie in the flat map, int64 [P].
        steps: of each of them, [P].
        number: the basin of each of them, int64 [P].
    """

    pixels: Ints
    steps: NDArray[np.unsignedinteger]
    number: Ints


class Borders(NamedTuple):
    """Pairs of basins that meet, int64 [N] each, and the step from which on they do, [N]."""

    first: Ints
    second: Ints
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
        pixels: where the others lie in the flat map, the highest step first: int64 [P].
        steps: the step of each of them, [P].
        basin: the basin of each of them, int64 [P].
        merges: of all steps.
        area: pixels of each component at the current step, int64 [B].
        components: their number at the current step.
    """

    def __init__(self, levels: NDArray[np.uint16], reached: NDArray[np.unsignedinteger]) -> None:
        basins, self._peaks, forest = _find_basins(levels, reached)
        self.merges = _merge(forest, int(self._peaks.sum()))
        self.area = np.zeros(self._peaks.sum(), np.int64)
        self.components = 0
        self._parent = np.arange(self.area.size)
        order = np.argsort(~basins.steps, kind="stable")
        self.pixels, self.steps, self.basin = (part[order] for part in basins)

    def __iter__(self) -> Iterator[Step]:
        """Yield the steps that occur, the highest first; `area` and `components` follow."""
        counts = np.bincount(self.steps)
        start = merged = 0
        for step in np.flatnonzero(counts)[::-1].tolist():
            end = start + int(counts[step])
            self.components += int(self._peaks[step])
            while merged < len(self.merges.steps) and self.merges.steps[merged] == step:
                child, parent = self.merges.child[merged], self.merges.parent[merged]
                self._parent[child] = parent
                self.area[parent] += self.area[child]
                self.components -= 1
                merged += 1
            new = slice(start, end)
            owners = self.owners(self.basin[new])
            self.area += np.bincount(owners, minlength=self.area.size)
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


def count_components(levels: NDArray[np.uint16], reached: NDArray[np.unsignedinteger]) -> Ints:
    """Return the number of components at each step from 1 to the highest there is, int64 [steps].

    Each peak begins one, and each border of the forest makes two into one.

    Args:
        levels: uint16 [H, W].
        reached: the step that each level reaches, as `Growth` takes it.
    """
    _, peaks, forest = _find_basins(levels, reached)
    new = peaks - np.bincount(forest.steps, minlength=peaks.size)
    return new[:0:-1].cumsum()[::-1]


def _find_basins(
    levels: NDArray[np.uint16], reached: NDArray[np.unsignedinteger]
) -> tuple[Basins, Ints, Borders]:
    """Return the basins of a map, the number of peaks at each step, and the spanning forest."""
    # a column and a row of 0, so that no neighbour in the flat map lies across an edge
    steps = np.pad(reached.take(levels), ((0, 1), (0, 1)))
    width = steps.shape[1]
    peak = _climb(steps)
    steps = steps.reshape(-1)
    is_active = steps > 0
    is_peak = (peak == np.arange(peak.size)) & is_active
    number = (np.cumsum(is_peak) - 1)[peak]
    peaks = np.bincount(steps[is_peak], minlength=1)
    forest = _spanning_forest(_borders(steps, width, number), int(peaks.sum()))
    active = np.flatnonzero(is_active)
    return Basins(active - active // width, steps[active], number[active]), peaks, forest


def _climb(steps: NDArray[np.unsignedinteger]) -> Ints:
    """Return the peak above each pixel of a map [H, W], as a position in it: int64 [H * W].

    Of neighbours at the same step the last one in the flat map counts as the highest.
    """
    height, width = steps.shape
    peaks = np.empty(steps.shape, np.int64)
    window = np.ones((3, 3), np.uint8)
    for top in range(0, height, _ROWS):
        rows = steps[top : top + _ROWS]
        key = np.arange(rows.size) + rows.reshape(-1) * np.int64(rows.size)
        # whole numbers under 2^53, hence exact
        best = cv2.dilate(key.astype(np.float64).reshape(rows.shape), window).astype(np.int64)
        best -= cv2.dilate(rows, window).astype(np.int64) * rows.size
        up = best.reshape(-1)
        while not np.array_equal(up, higher := up[up]):
            up = higher
        peaks[top : top + _ROWS] = up.reshape(rows.shape) + top * width
    return peaks.reshape(-1)


def _borders(steps: NDArray[np.unsignedinteger], width: int, basin: Ints) -> Borders:
    """Return pairs of neighbours in two basins, the highest step first.

    Left out are pairs that others of the same square of four pixels make good for at any step.

    Args:
        steps: of the flat map.
        width: of the map.
        basin: of each of its pixels that reaches a step above 0.
    """
    here, below = steps[:-width], steps[width:]
    across = np.minimum(steps[:-1], steps[1:])
    down = np.minimum(here, below)
    # of pairs side by side across the same border the highest is enough, of equal ones the last
    is_down = down > 0
    is_down[:-1] &= down[:-1] > down[1:]
    is_down[1:] &= down[1:] >= down[:-1]
    # diagonal pairs matter only where both other pixels of the square are lower
    falling = np.minimum(here[:-1], below[1:]), np.maximum(here[1:], below[:-1])
    rising = np.minimum(here[1:], below[:-1]), np.maximum(here[:-1], below[1:])
    ones, others = [], []
    for start, offset, is_pair in (
        (0, 1, across > 0),
        (0, width, is_down),
        (0, width + 1, falling[0] > falling[1]),
        (1, width - 1, rising[0] > rising[1]),
    ):
        end = start + is_pair.size
        is_border = basin[start:end] != basin[start + offset : end + offset]
        one = np.flatnonzero(is_pair & is_border) + start
        ones.append(one)
        others.append(one + offset)
    one, other = np.concatenate(ones), np.concatenate(others)
    joined = np.minimum(steps[one], steps[other])
    order = np.argsort(~joined, kind="stable")
    return Borders(basin[one[order]], basin[other[order]], joined[order])


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
