"""The 8-connected components of all threshold masks of one map, in one pass instead of one
labelling a threshold.

Each pixel belongs to the basin of the peak it climbs to. Basins join where they touch, at the level
of the saddle, the highest first, as in Kruskal's algorithm; the joins form a forest. A component at
level k is the set of basins joined at levels >= k, for a pixel of level >= k reaches its peak
through pixels of level >= k. (The max-tree of Salembier et al. 1998, over basins.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Pixels(NamedTuple):
    """The N pixels of level >= 1, sorted by level, then by position.

    Attributes:
        level: int64 [N], 1 or more, rising.
        basin: int64 [N], 0-based.
        truth: bool [N].
        edges: int64 [E, 3], pairs of touching basins and their saddle level, each pair once, the
            highest saddle first.
        basins: number of basins.
    """

    level: Ints
    basin: Ints
    truth: NDArray[np.bool_]
    edges: Ints
    basins: int


class Forest(NamedTuple):
    """Where each basin's component goes: int64 [B] each. A root's ``joined_at`` is 0."""

    parent: Ints
    joined_at: Ints

    def climb(self, nodes: Ints, levels: Ints) -> Ints:
        """Return the basin, int64 [N], that stands for the component of ``nodes`` at ``levels``,
        both [N]."""
        found = nodes.copy()
        moving = np.flatnonzero(self.joined_at[found] >= levels)
        while moving.size:
            found[moving] = self.parent[found[moving]]
            moving = moving[self.joined_at[found[moving]] >= levels[moving]]
        return found


def iter_components(
    levels: NDArray[np.uint8], truth: NDArray[np.bool_]
) -> Iterator[tuple[int, Ints, Ints]]:
    """Yield, for each level from the highest down to 1 that some pixel has, its components' pixels
    and true pixels.

    The mask of level k is ``levels >= k``; levels that no pixel has share the mask of the next one
    above.

    Args:
        levels: uint8 [H, W], 0 for pixels in no mask.
        truth: bool [H, W].

    Yields:
        The level, and int64 [components] pixels and true pixels of each component.
    """
    if not levels.any():
        return
    pixels = find_basins(levels, truth)
    forest = join_basins(pixels)
    owner = forest.climb(pixels.basin, pixels.level)
    joined = np.flatnonzero(forest.joined_at)
    heir = forest.climb(joined, forest.joined_at[joined])
    bounds = np.append(0, np.cumsum(np.bincount(pixels.level, minlength=256)))
    areas, hits = np.zeros(pixels.basins, np.int64), np.zeros(pixels.basins, np.int64)
    for level in np.flatnonzero(np.diff(bounds))[::-1].tolist():
        new = slice(bounds[level], bounds[level + 1])
        areas += np.bincount(owner[new], minlength=pixels.basins)
        hits += np.bincount(owner[new][pixels.truth[new]], minlength=pixels.basins)
        ends = forest.joined_at[joined] == level
        for counts in (areas, hits):
            np.add.at(counts, heir[ends], counts[joined[ends]])
            counts[joined[ends]] = 0
        alive = np.flatnonzero(areas)
        yield level, areas[alive], hits[alive]


def find_basins(levels: NDArray[np.uint8], truth: NDArray[np.bool_]) -> Pixels:
    """Assign each pixel of level >= 1 to the peak reached by stepping to the highest of the eight
    neighbours."""
    padded = np.pad(levels, 1)
    width = padded.shape[1]
    flat = padded.reshape(-1)
    active = np.flatnonzero(flat)
    active = active[
        np.argsort(flat[active], kind="stable")
    ]  # no two ranks are equal, so the steps make no circle
    level = flat[active].astype(np.int64)
    rank_at = np.full(
        flat.size, -1, np.int32
    )  # half the memory traffic of int64 in the hottest lines
    rank_at[active] = np.arange(active.size, dtype=np.int32)
    up = np.arange(active.size, dtype=np.int32)
    offsets = (
        1,
        width - 1,
        width,
        width + 1,
    )  # to the right and below; the other four are their negatives
    half = [rank_at[active + offset] for offset in offsets]
    for neighbours in (*half, *(rank_at[active - offset] for offset in offsets)):
        np.maximum(up, neighbours, out=up)
    peaks = np.flatnonzero(up == np.arange(active.size, dtype=np.int32))
    while not np.array_equal(further := up[up], up):
        up = further
    number = np.zeros(active.size, np.int64)
    number[peaks] = np.arange(peaks.size)
    basin = number[up]
    inside = np.pad(truth, 1).reshape(-1)[active]
    return Pixels(level, basin, inside, _edges(level, basin, half, len(peaks)), len(peaks))


def _edges(level: Ints, basin: Ints, half: list[NDArray[np.int32]], basins: int) -> Ints:
    """Return the edges of `Pixels`: two neighbours in two basins join them at the lower of the two
    levels.

    Args:
        level, basin: int64 [N].
        half: for four of the eight directions the neighbour of each pixel, int32 [N], -1 for none.
        basins: number of basins.
    """
    codes = []
    for neighbours in half:
        here = np.flatnonzero((neighbours >= 0) & (basin[neighbours] != basin))
        there = neighbours[here]
        saddle = level[np.minimum(here, there)]  # the pixels are sorted by level
        low, high = np.minimum(basin[here], basin[there]), np.maximum(basin[here], basin[there])
        codes.append((low * basins + high) * 256 + (255 - saddle))
    code = np.sort(np.concatenate(codes))
    pair, saddle = code >> 8, 255 - (code & 255)
    first = np.flatnonzero(np.diff(pair, prepend=-1))  # the highest saddle of each pair
    first = first[np.argsort(-saddle[first], kind="stable")]
    return np.stack([pair[first] // basins, pair[first] % basins, saddle[first]], axis=1)


def join_basins(pixels: Pixels) -> Forest:
    """Join the basins along their edges, the smaller group into the larger, so that no path is
    longer than log2(B)."""
    parent, joined_at, size = list(range(pixels.basins)), [0] * pixels.basins, [1] * pixels.basins
    leader = list(range(pixels.basins))
    for left, right, saddle in pixels.edges.tolist():
        small, large = sorted((_leader(leader, left), _leader(leader, right)), key=size.__getitem__)
        if small != large:
            leader[small] = parent[small] = large
            joined_at[small] = saddle
            size[large] += size[small]
    return Forest(np.array(parent, np.int64), np.array(joined_at, np.int64))


def _leader(leader: list[int], node: int) -> int:
    """Return the root of ``node``, halving the path."""
    while leader[node] != node:
        leader[node] = node = leader[leader[node]]
    return node
