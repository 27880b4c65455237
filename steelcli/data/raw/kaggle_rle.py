"""Kaggle's run-length code, both ways: ``start length ...``, 1-based, down the columns first."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError

_NUMBERS = re.compile(r"[0-9\s-]*", re.ASCII)


def decode_rle(runs: str, height: int, width: int, where: object) -> NDArray[np.bool_]:
    """Return the mask of one row of runs, bool [H, W].

    Args:
        runs: ``start length start length ...``; empty is an empty mask.
        height, width: size of the image in pixels.
        where: what the errors name, such as the csv and the image.

    Raises:
        DataError: text that is no whole numbers, an odd count, a start or length below 1, a run
            past the last pixel, or runs that overlap or do not ascend.
    """
    numbers = _parse(runs, where)
    if numbers.size % 2:
        raise _refuse(f"run lengths are pairs, but there are {numbers.size} numbers", where)
    starts, lengths = numbers[0::2], numbers[1::2]
    if numbers.size and numbers.min() < 1:
        raise _refuse(
            f"a run starts at, or is as long as, {numbers.min()}, which is less than 1", where
        )
    pixels = height * width
    # start + length is formed only after both are known to be small, so it cannot wrap around
    if numbers.size and (numbers.max() > pixels or (starts + lengths - 1).max() > pixels):
        raise _refuse(f"a run ends past the last pixel of a {width}x{height} image", where)
    ends = starts + lengths
    if (starts[1:] < ends[:-1]).any():
        raise _refuse("runs overlap or do not ascend", where)
    # starts differ from each other and so do ends: plain fancy indexing counts every one of them
    steps = np.zeros(pixels + 1, np.int8)
    steps[starts - 1] += 1
    steps[ends - 1] -= 1
    flat = np.cumsum(steps[:-1], dtype=np.int8).astype(np.bool_)
    return np.ascontiguousarray(flat.reshape(width, height).T)


def encode_rle(mask: NDArray[np.bool_]) -> str:
    """Return the runs of a mask bool [H, W], empty for an empty mask; runs never touch."""
    padded = np.zeros(mask.size + 2, np.int8)
    padded[1:-1] = mask.T.reshape(-1)
    edges = np.flatnonzero(np.diff(padded)) + 1
    edges[1::2] -= edges[0::2]
    return " ".join(map(str, edges.tolist()))


def _parse(text: str, where: object) -> NDArray[np.int64]:
    """Return the numbers of a text of runs, int64 [2 * R]."""
    # the pattern keeps out what int() takes beyond digits: 1_000, +1, digits of other scripts
    if _NUMBERS.fullmatch(text):
        try:
            return np.array([int(token) for token in text.split()], dtype=np.int64)
        except (ValueError, OverflowError):
            pass
    shown = text if len(text) <= 40 else text[:37] + "..."
    raise _refuse(f"run lengths are no whole numbers ({shown!r})", where)


def _refuse(what: str, where: object) -> DataError:
    return DataError(what, where, "restore the row from the original annotation")
