"""What every format of another model's predictions gives: its images, and the map of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from steelcli.common.errors import DataError, quote

MAX_PIXELS, MAX_TIMES = 2**24, 16
"""A map of another size than its image has at most so many pixels, or so many times the image's."""
Kind = Literal["masks", "probs"]
"""Masks hold 0 and 1 alone; probabilities hold anything from 0 to 1."""
Map = NDArray[Any]
"""[H, W]: levels uint16, exact, where the file holds a mask, 8-bit or 16-bit values; else
probabilities float32 in [0, 1], which are still to be rounded to levels."""


def check_size(size: tuple[int, int], native: tuple[int, int], where: object) -> None:
    """Refuse a map whose height and width are no size for its image, before it is made.

    Raises:
        DataError: no pixels, or far too many.
    """
    height, width = size
    native_height, native_width = native
    max_pixels = max(MAX_PIXELS, MAX_TIMES * native_height * native_width)
    if height < 1 or width < 1 or height * width > max_pixels:
        shown = f"{quote(width)}x{quote(height)}"
        what = f"a map of {shown} pixels for an image of {native_width}x{native_height}"
        raise DataError(what, where, "write it again at the size of the image")


class PredictionSource(Protocol):
    """Predictions of one format, listed but not yet read."""

    names: tuple[str, ...]
    """Every image named: a POSIX path, with or without its suffix."""
    states_folders: bool
    """Whether a folder in a name is the image's own, so that it may be left out to find the image;
    else it says where the prediction lies."""

    def find_kind(self, names: Sequence[str]) -> Kind | None:
        """Find out what the named predictions are; to be called before `read`.

        Returns:
            None where all are 0, so that either kind fits.

        Raises:
            DataError: a broken prediction, or predictions that do not go together.
        """
        ...

    def read(self, name: str, height: int, width: int) -> Map:
        """Return one prediction at its own size.

        Args:
            name: one of ``names``.
            height, width: native size of the image, for predictions that state none.

        Raises:
            DataError: a broken prediction, by file and image.
        """
        ...
