"""Label Studio's run-length code of a brush, written bit by bit, the highest bit first.

32 bits with the number of values, four a pixel (R, G, B, A); 5 bits with the size of a value less
one; four times 4 bits, the sizes of lengths less one. Then for each run: a bit 1, 2 bits that
choose the size of its length, the length less one, the value (`decode` in
github.com/thi-ng/umbrella/blob/develop/packages/rle-pack/src/index.ts). Runs are cut and the end
is filled with zeros as in `label_studio_converter.brush.encode_rle`: the bytes are the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CHANNELS, _VALUE_BITS = 4, 8
_LENGTH_BITS = np.array([3, 4, 8, 16])
_MAX_RUN = 2**16
_TOKEN_BITS = 3 + 16 + _VALUE_BITS
"""The most bits of a run."""


def encode_brush(flat: NDArray[np.int64], height: int, width: int) -> list[int]:
    """Return the code, in bytes, of a mask that is 255 at some pixels and else 0.

    Args:
        flat: row * width + column of each of them, int64 [N], ascending, N at least 1.
    """
    is_first = np.diff(flat, prepend=-2) > 1
    is_last = np.append(is_first[1:], True)
    edges = np.column_stack([flat[is_first], flat[is_last] + 1]).reshape(-1)
    lengths = _CHANNELS * np.diff(edges, prepend=0, append=height * width)
    values = np.arange(lengths.size) % 2 * 255
    is_there = lengths > 0  # not so the first or the last
    lengths, values = lengths[is_there], values[is_there]

    counts = -(-lengths // _MAX_RUN)
    pieces = np.full(counts.sum(), _MAX_RUN)
    pieces[np.cumsum(counts) - 1] = lengths - (counts - 1) * _MAX_RUN
    sizes = np.repeat(np.searchsorted(2**_LENGTH_BITS, lengths.clip(max=_MAX_RUN)), counts)
    length_bits = _LENGTH_BITS[sizes]
    tokens = (4 + sizes) << length_bits | pieces - 1
    tokens = tokens << _VALUE_BITS | np.repeat(values, counts)
    bits = _to_bits(tokens, _TOKEN_BITS)
    is_used = np.arange(_TOKEN_BITS) >= _TOKEN_BITS - (3 + length_bits + _VALUE_BITS)[:, None]

    header = [
        _to_bits(np.array([_CHANNELS * height * width]), 32),
        _to_bits(np.array([_VALUE_BITS - 1]), 5),
        _to_bits(_LENGTH_BITS - 1, 4),
    ]
    parts = [*(part.reshape(-1) for part in header), bits[is_used]]
    written = sum(part.size for part in parts)
    parts.append(np.zeros(8 - written % 8, np.uint8))
    packed: list[int] = np.packbits(np.concatenate(parts)).tolist()
    return packed


def _to_bits(numbers: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """Return the lowest bits of whole numbers [N], the highest first, uint8 [N, size]."""
    return (numbers[:, None] >> np.arange(size)[::-1] & 1).astype(np.uint8)
