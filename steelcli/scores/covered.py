"""Which pixels of the true defects the components of a map cover, as the threshold falls."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from steelcli.scores.components import bounding_box, label
from steelcli.scores.growth import Growth

Ints = NDArray[np.int64]


class CoveredDefects:
    """The growing components of a map, and how they lie over the defects of its truth.

    Args:
        levels: uint16 [H, W].
        truth: bool [H, W].
        reached: the threshold that each level reaches, as `Growth` takes it.

    Attributes:
        areas: pixels of each defect, int64 [D].
        growth: the components at the step that was last yielded.
    """

    def __init__(
        self,
        levels: NDArray[np.uint16],
        truth: NDArray[np.bool_],
        reached: NDArray[np.unsignedinteger],
    ) -> None:
        labels, areas = label(truth)
        self.areas = areas[1:]
        box = bounding_box(levels >= np.uint16(np.flatnonzero(reached)[0]))
        self.growth = Growth(levels[box], reached)
        number = labels[box].reshape(-1).take(self.growth.pixels)
        self._inside = np.flatnonzero(number > 0)
        # the pixels of one defect in one basin are counted together
        keys = self.growth.basin[self._inside] * areas.size
        pairs, self._member = np.unique(keys + number.take(self._inside), return_inverse=True)
        self._basin, self._defect = np.divmod(pairs, areas.size)
        self._count = np.zeros(pairs.size, np.int64)

    def __iter__(self) -> Iterator[tuple[int, Ints]]:
        """Yield each step that occurs, the highest first, with each component's defect pixels.

        They are int64 [B], by the number that the growth knows a component by.
        """
        pairs = self._count.size
        for step, new, _ in self.growth:
            first, last = np.searchsorted(self._inside, [new.start, new.stop])
            self._count += np.bincount(self._member[first:last], minlength=pairs)
            self._component = self.growth.owners(self._basin)
            hits = np.bincount(self._component, self._count, self.growth.area.size)
            yield step, hits.astype(np.int64)

    def pixels(self, chosen: NDArray[np.bool_]) -> Ints:
        """Return how many pixels of each defect lie in the components chosen, int64 [D].

        Args:
            chosen: bool [B].
        """
        weights = self._count * chosen[self._component]
        covered = np.bincount(self._defect, weights, self.areas.size + 1)[1:]
        return covered.astype(np.int64)
