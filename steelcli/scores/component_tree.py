"""The components of a map at every threshold, as a tree: one pass for all of them.

As the threshold falls, components appear, grow and become one; the tree has a node for each set of
pixels that is ever a component (the max-tree: Salembier, Oliveras and Garrido 1998; built by
union-find from the highest pixels down as in Najman and Couprie 2006).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelcli.scores.compiled import compiled

Ints = NDArray[np.int64]


class ComponentTree(NamedTuple):
    """The 8-connected components of a map at the steps 1 to ``top``: N nodes.

    Node n is a component from its own step down to above that of its parent, which has a higher
    number. Where two components meet at the step at which they begin, one of them is a node of
    its parent's step: at no step a component.

    Attributes:
        top: the highest step there may be.
        owners: the first node that each pixel is in, of the pixel's own step: int32 [H, W]; -1
            where that is 0.
        steps, parents: int64 [N]; the parent of a root is -1.
        ends: the step of its parent, 0 of a root, int64 [N].
        areas: its pixels, those of its descendants among them, int64 [N].
    """

    top: int
    owners: NDArray[np.int32]
    steps: Ints
    parents: Ints
    ends: Ints
    areas: Ints

    @classmethod
    def of(cls, levels: NDArray[np.uint16], reached: NDArray[np.uint16]) -> ComponentTree:
        """Return the tree of a map.

        Args:
            levels: uint16 [H, W].
            reached: the step that each level reaches, rising: uint16 [65536]. Pixels that
                reach step 0 alone are in no component.
        """
        owners, steps, parents, areas = _build(levels, reached)
        ends = np.where(parents < 0, 0, steps[parents])
        return cls(int(reached[-1]), owners, steps, parents, ends, areas)

    def inside(self, pixels: NDArray[np.bool_]) -> Ints:
        """Return how many of some pixels each node has, int64 [N].

        Args:
            pixels: of the map, bool [H, W].
        """
        return _count(self.owners, self.parents, pixels)

    def at_steps(self, values: NDArray[np.integer] | NDArray[np.bool_]) -> Ints:
        """Return the sum over the components of each step of 1 to ``top``, int64 [top].

        Args:
            values: whole numbers [N], whose sum is under 2^53.
        """
        sums = np.bincount(self.steps, values, self.top + 1)
        sums -= np.bincount(self.ends, values, self.top + 1)
        return sums[:0:-1].cumsum()[::-1].astype(np.int64)

    def found(self, chosen: NDArray[np.bool_], defects: NDArray[np.int32], needed: Ints) -> Ints:
        """Return how many defects have enough pixels in the chosen components of a step.

        Args:
            chosen: of the nodes, each row a choice of its own: bool [R, N].
            defects: the label of each pixel of the map, 0 outside the D defects: int32 [H, W].
            needed: pixels of each defect that are enough, at least 1: int64 [D].

        Returns:
            int64 [R, top], of the steps from 1 on.
        """
        return _find_defects(self, chosen, defects, needed)[:, 1:]


@compiled
def _build(
    levels: NDArray[np.uint16], reached: NDArray[np.uint16]
) -> tuple[NDArray[np.int32], Ints, Ints, Ints]:
    """Return `ComponentTree.owners`, `steps`, `parents` and `areas`."""
    steps, order = _sort(levels, reached)
    height, width = levels.shape[0] + 2, levels.shape[1] + 2
    around = np.array([-width - 1, -width, 1 - width, -1, 1, width - 1, width, width + 1])
    owners = np.full(steps.size, -1, np.int32)
    root = np.full(steps.size, -1, np.int32)  # of the union-find; -1 is not predicted yet
    node = np.full(steps.size, -1, np.int32)  # of each root: its component's
    node_steps, parents = np.empty(order.size, np.int64), np.empty(order.size, np.int64)
    areas = np.zeros(order.size, np.int64)
    nodes = 0
    beside = np.empty(8, np.int64)
    for pixel in order:
        step = steps[pixel]
        neighbours, last = 0, -1
        for offset in around:
            neighbour = pixel + offset
            above = root[neighbour]
            if above >= 0 and above != last:  # most of them hang below the same pixel
                beside[neighbours], last = neighbour, above
                neighbours += 1
        first = _find_root(root, beside[0]) if neighbours else pixel
        root[pixel] = first
        own = node[first]
        if own < 0 or node_steps[own] > step:
            if own >= 0:
                parents[own] = nodes
            own = nodes
            node_steps[own], parents[own] = step, -1
            nodes += 1
        for place in range(1, neighbours):
            second = _find_root(root, beside[place])
            if second != first:
                root[second] = first
                child, own = min(own, node[second]), max(own, node[second])
                parents[child] = own
        node[first] = owners[pixel] = own
        areas[own] += 1
    for child in range(nodes - 1, -1, -1):  # no chain of nodes of one step is longer than one
        above = parents[parents[child]] if parents[child] >= 0 else -1
        if above >= 0 and node_steps[above] == node_steps[parents[child]]:
            parents[child] = above
    owners = owners.reshape(height, width)[1:-1, 1:-1].copy()
    parents, areas = parents[:nodes].copy(), areas[:nodes].copy()
    _add_to_parents(parents, areas)
    return owners, node_steps[:nodes].copy(), parents, areas


@compiled
def _sort(
    levels: NDArray[np.uint16], reached: NDArray[np.uint16]
) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Return the step of each pixel of the flat map, and the predicted pixels in order.

    The map has a border of step 0, so that each pixel has eight neighbours. The highest step comes
    first; within a step the order is that of the map.
    """
    height, width = levels.shape
    steps = np.zeros((height + 2, width + 2), reached.dtype)
    top = int(reached[-1])
    counts = np.zeros(top + 1, np.int64)
    for row in range(height):
        for column in range(width):
            step = reached[levels[row, column]]
            steps[row + 1, column + 1] = step
            counts[step] += 1
    number = 0
    start = np.zeros(top + 1, np.int64)
    for step in range(top, 0, -1):
        start[step] = number
        number += counts[step]
    order = np.empty(number, np.int32)
    flat = steps.reshape(-1)
    for pixel in range(flat.size):
        step = flat[pixel]
        if step:
            order[start[step]] = pixel
            start[step] += 1
    return flat, order


@compiled
def _find_root(root: NDArray[np.int32], pixel: int) -> int:
    """Return the root of a pixel's set, and shorten the way to it."""
    above = root[pixel]
    while above != pixel:
        root[pixel] = root[above]
        pixel, above = above, root[above]
    return pixel


@compiled
def _count(owners: NDArray[np.int32], parents: Ints, pixels: NDArray[np.bool_]) -> Ints:
    """Return `ComponentTree.inside`."""
    counts = np.zeros(parents.size, np.int64)
    height, width = pixels.shape
    for row in range(height):
        for column in range(width):
            owner = owners[row, column]
            if owner >= 0 and pixels[row, column]:
                counts[owner] += 1
    _add_to_parents(parents, counts)
    return counts


@compiled
def _add_to_parents(parents: Ints, counts: Ints) -> None:
    """Add the counts of each node to those of its ancestors."""
    for node in range(parents.size):
        if parents[node] >= 0:
            counts[parents[node]] += counts[node]


@compiled
def _find_defects(
    tree: ComponentTree, chosen: NDArray[np.bool_], defects: NDArray[np.int32], needed: Ints
) -> Ints:
    """Return the defects found at each step from 0 on; see `ComponentTree.found`."""
    found = np.zeros((len(chosen), tree.top + 1), np.int64)
    covered, stops = _group(tree.owners, defects, needed.size)
    counts = np.zeros(tree.steps.size, np.int64)  # pixels of the defect by node
    nodes = np.empty(tree.steps.size, np.int64)
    start = 0
    for defect in range(needed.size):
        number = 0
        for place in range(start, stops[defect]):
            node = covered[place]
            if counts[node] == 0:
                nodes[number] = node
                number += 1
            counts[node] += 1
        start = stops[defect]
        new = np.zeros_like(found)  # pixels in chosen components, by step
        for place in range(number):
            node = nodes[place]
            pixels, counts[node] = counts[node], 0
            while node >= 0:
                for row in range(len(chosen)):
                    if chosen[row, node]:
                        new[row, tree.steps[node]] += pixels
                        new[row, tree.ends[node]] -= pixels
                node = tree.parents[node]
        for row in range(len(chosen)):
            inside = 0
            for step in range(tree.top, 0, -1):
                inside += new[row, step]
                found[row, step] += inside >= needed[defect]
    return found


@compiled
def _group(
    owners: NDArray[np.int32], defects: NDArray[np.int32], number: int
) -> tuple[NDArray[np.int32], Ints]:
    """Return the nodes of each defect's pixels, one defect after the other, and where each ends."""
    height, width = owners.shape
    stops = np.zeros(number + 1, np.int64)
    for row in range(height):
        for column in range(width):
            if owners[row, column] >= 0 and defects[row, column]:
                stops[defects[row, column]] += 1
    for defect in range(number):
        stops[defect + 1] += stops[defect]
    covered = np.empty(stops[number], np.int32)
    free = stops.copy()
    for row in range(height):
        for column in range(width):
            owner, defect = owners[row, column], defects[row, column]
            if owner >= 0 and defect:
                covered[free[defect - 1]] = owner
                free[defect - 1] += 1
    return covered, stops[1:]
