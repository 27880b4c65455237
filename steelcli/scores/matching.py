"""Which predicted components are true, and which defects are found by those.

The rules are those of docs/metrics-defects.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelcli.scores.components import label

Ints = NDArray[np.int64]


def overlap_pixels(areas: NDArray[np.integer], min_overlap: float) -> Ints:
    """Return how many pixels of each component make up ``min_overlap`` of its area, at least 1.

    The factor undoes the rounding of products such as 0.07 * 100, which would ask for 8 pixels.
    """
    pixels: Ints = np.ceil(areas * (min_overlap * (1 - 1e-12))).astype(np.int64)
    return pixels.clip(min=1)


def true_components(
    owners: NDArray[np.int32], areas: Ints, min_overlap: float
) -> NDArray[np.bool_]:
    """Return of each label whether ``min_overlap`` of its pixels are defect, bool [N].

    Args:
        owners: label of the prediction at each defect pixel, int32 [P].
        areas: of each label, int64 [N]; label 0 is what is not predicted, and never true.
        min_overlap: share of a component's pixels, in (0, 1].
    """
    hits = np.bincount(owners, minlength=areas.size)
    is_true = hits >= overlap_pixels(areas, min_overlap)
    is_true[0] = False
    return is_true


class Defects(NamedTuple):
    """The true components of a mask [H, W] with P pixels.

    Attributes:
        labels: of each pixel, 0 outside the mask, else from 1 on: int32 [H, W].
        areas: int64 [N].
        owner: the component of each pixel of the mask, in the order of the mask, int64 [P].
    """

    labels: NDArray[np.int32]
    areas: Ints
    owner: Ints

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Defects:
        """Return the components of a mask [H, W]."""
        labels, areas = label(mask)
        return cls(labels, areas[1:], labels[mask].astype(np.int64) - 1)

    def hits(self, chosen: NDArray[np.bool_]) -> Ints:
        """Return how many pixels of each component are chosen, int64 [N].

        Args:
            chosen: of each pixel of the mask, bool [P].
        """
        hits: Ints = np.bincount(self.owner[chosen], minlength=self.areas.size)
        return hits

    def found(self, is_true: NDArray[np.bool_], min_overlap: float) -> NDArray[np.bool_]:
        """Return which components have ``min_overlap`` of their pixels among those, bool [N].

        Args:
            is_true: of each pixel of the mask whether it lies in a true predicted component.
            min_overlap: share of a component's pixels, in (0, 1].
        """
        found: NDArray[np.bool_] = self.hits(is_true) >= overlap_pixels(self.areas, min_overlap)
        return found
