"""COCO's run-length code: lengths of runs down the columns, clean and defect in turn.

Compressed, each length, from the fourth on its difference to the one two before, is written in
groups of five bits, lowest first, as printable ASCII from ``0`` on; the sixth bit says that more
groups follow, the fifth of the last is the sign (``rleToString`` in COCO's maskApi.c).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError

MAX_PIXELS = 2**28
"""A mask never has more pixels (256 Mi)."""
_FIRST, _MORE, _SIGN = 48, 32, 16
_MAX_GROUPS = 7  # 35 bits: more than any length up to MAX_PIXELS and its difference need
_REMEDY = "write the file again, such as with pycocotools.mask.encode"


def decode_coco(counts: Any, height: int, width: int, where: object) -> NDArray[np.bool_]:
    """Return the mask of one COCO segmentation, bool [H, W].

    Args:
        counts: the compressed text, or the list of lengths.
        height, width: the segmentation's ``size`` in pixels.
        where: what the errors name, such as the file and the image.

    Raises:
        DataError: counts of another type, text that is no such code, lengths that are negative or
            do not add up to the pixels of the mask, or a mask of no or too many pixels.
    """
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise DataError(f"a mask of {width}x{height} pixels", where, _REMEDY)
    if isinstance(counts, str):
        lengths = _decompress(counts, where)
    else:
        lengths = _check_lengths(counts, where)
    # every length is first known to be small, so the sum cannot wrap around
    if lengths.size and (lengths.min() < 0 or lengths.max() > height * width):
        raise DataError(f"a run is {lengths[_extreme(lengths)]} pixels long", where, _REMEDY)
    if lengths.sum() != height * width:
        mask = f"a mask of {width}x{height} has {height * width}"
        what = f"the runs cover {lengths.sum()} pixels, but {mask}"
        raise DataError(what, where, _REMEDY)
    values = np.arange(lengths.size) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, lengths).reshape(width, height).T)


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Return COCO's uncompressed ``counts`` of a mask bool [H, W]."""
    flat = np.zeros(mask.size + 2, np.int8)
    flat[1:-1] = mask.T.reshape(-1)
    flat[-1] = 1 - flat[-2]  # an edge at the end, whatever the last pixel is
    edges = np.flatnonzero(np.diff(flat))
    return [int(length) for length in np.diff(edges, prepend=0)]


def run_lengths_at(points: NDArray[np.int64], height: int, width: int) -> list[int]:
    """Return the `run_lengths` of a mask of height × width that is true at some points alone.

    Args:
        points: column and row of each, int64 [N, 2], N at least 1, no two the same.
    """
    flat = np.sort(points[:, 0] * height + points[:, 1])
    is_first = np.diff(flat, prepend=-2) > 1
    is_last = np.append(is_first[1:], True)
    edges = np.column_stack([flat[is_first], flat[is_last] + 1]).reshape(-1)
    lengths = np.diff(edges, prepend=0, append=height * width)
    return [int(length) for length in (lengths if lengths[-1] else lengths[:-1])]


def encode_coco(mask: NDArray[np.bool_]) -> str:
    """Return COCO's compressed ``counts`` of a mask bool [H, W]."""
    return compress(run_lengths(mask))


def compress(lengths: Sequence[int]) -> str:
    """Return COCO's compressed form of run lengths."""
    text = bytearray()
    for index, length in enumerate(lengths):
        rest = length - lengths[index - 2] if index > 2 else length
        more = True
        while more:
            group, rest = rest & 31, rest >> 5
            more = rest != (-1 if group & _SIGN else 0)
            text.append(_FIRST + (group | _MORE if more else group))
    return text.decode("ascii")


def _decompress(text: str, where: object) -> NDArray[np.int64]:
    """Return the lengths that compressed counts stand for, int64 [R]."""
    codes = np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64) - _FIRST
    if codes.size == 0:
        return np.zeros(0, np.int64)
    if codes.min() < 0 or codes.max() >= 2 * _MORE:
        what = "the counts hold a character that COCO's code does not have"
        raise DataError(what, where, _REMEDY)
    last = (codes & _MORE) == 0
    if not last[-1]:
        raise DataError("the counts are cut off", where, _REMEDY)
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    groups = ends - starts + 1
    if groups.max() > _MAX_GROUPS:
        raise DataError("the counts hold a number that is too large", where, _REMEDY)
    shifts = 5 * (np.arange(codes.size) - np.repeat(starts, groups))
    numbers = np.add.reduceat((codes & 31) << shifts, starts)
    numbers -= np.where(codes[ends] & _SIGN, np.int64(1) << (5 * groups), 0)
    # undo the differences: odd runs from the second on, even ones from the third on
    for first in (1, 2):
        numbers[first::2] = np.cumsum(numbers[first::2])
    return numbers


def _check_lengths(counts: Any, where: object) -> NDArray[np.int64]:
    """Return a list of lengths as an array, int64 [R]."""
    if not isinstance(counts, Sequence) or not all(type(length) is int for length in counts):
        raise DataError("'counts' is neither text nor a list of whole numbers", where, _REMEDY)
    try:
        return np.array(counts, np.int64)
    except OverflowError as error:
        raise DataError("the counts hold a number that is too large", where, _REMEDY) from error


def _extreme(lengths: NDArray[np.int64]) -> int:
    """Return the index of a negative length, else of the longest one."""
    return int(lengths.argmin() if lengths.min() < 0 else lengths.argmax())
