"""What every format of foreign predictions gives: the images it speaks of, and the map of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Kind = Literal["masks", "probs"]
"""Masks hold 0 and 1 alone; probabilities hold anything from 0 to 1."""


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
    """Whether a folder in a name is the image's, not where the prediction lies, and may be left out to find it."""

    def survey(self, names: Sequence[str]) -> PredictionReader:
        """Find out what the named predictions are.

        Raises:
            DataError: a broken prediction, or predictions that do not go together.
        """
        ...
