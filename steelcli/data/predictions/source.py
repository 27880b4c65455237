"""What every format of foreign predictions gives: the images it speaks of, and the map of one of
them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError, quote

MOST_PIXELS, MOST_TIMES = 2**24, 16
"""A prediction that is stretched has at most so many pixels, or so many times those of its image if
that is more."""
Kind = Literal["masks", "probs"]
"""Masks hold 0 and 1 alone; probabilities hold anything from 0 to 1."""


def check_size(size: tuple[int, int], native: tuple[int, int], where: object) -> None:
    """Refuse a map, before memory is taken for it, whose height and width are no size for its
    image.

    Raises:
        DataError: no pixels, or far too many.
    """
    (height, width), pixels = size, native[0] * native[1]
    if height < 1 or width < 1 or height * width > max(MOST_PIXELS, MOST_TIMES * pixels):
        what = f"a map of {quote(width)}x{quote(height)} pixels for an image of {native[1]}x{native[0]}"
        raise DataError(what, where, "write it again at the size of the image")


class PredictionReader(Protocol):
    """Predictions whose kind is known."""

    @property
    def kind(self) -> Kind | None:
        """What the predictions are; None where all are 0, so that either fits."""

    def read(self, name: str, height: int, width: int) -> NDArray[np.float32]:
        """Return one prediction at its own size, float32 [H, W] in [0, 1].

        Args:
            name: one of `PredictionSource.names`.
            height, width: native size of the image, for predictions that state none.

        Raises:
            DataError: a broken prediction, by file and image.
        """
        ...


class PredictionSource(Protocol):
    """Predictions of one format, listed but not yet read."""

    names: tuple[str, ...]
    """Every image spoken of: a POSIX path, with or without its suffix."""
    states_folders: bool
    """Whether a folder in a name is the image's, not where the prediction lies, and may be left out
    to find it."""

    def survey(self, names: Sequence[str]) -> PredictionReader:
        """Find out what the named predictions are.

        Raises:
            DataError: a broken prediction, or predictions that do not go together.
        """
        ...
