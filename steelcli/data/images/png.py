"""Read what a PNG says of itself, and write a mask as a 1-bit PNG.

Pillow does neither: it refuses a sound PNG with a large comment, and packs the pixels into other
bytes than those that data/synthetic/dvc.lock pins.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 2**17
"""The most chunks of a PNG: of 8 KiB each, as libpng writes them, a GiB."""
_TELLING = (b"IHDR", b"PLTE", b"tRNS", b"acTL")
"""Chunks that are read; of two alike the first holds, as it does for libpng."""
_BLACK_AND_WHITE = b"\x00\x00\x00\xff\xff\xff"


@dataclass(frozen=True)
class PngHeader:
    """Size in pixels; the palette uint8 [P, 3] of an indexed PNG without transparency, else None.

    Attributes:
        bits: a channel.
        grey: whether grey is the only channel.
        animated: whether there is more than one picture.
    """

    height: int
    width: int
    bits: int
    grey: bool
    animated: bool
    opaque_palette: NDArray[np.uint8] | None


def read_png_header(raw: bytes, where: object) -> PngHeader:
    """Walk the chunks of a PNG up to its end mark without decoding a pixel.

    Raises:
        DataError: bytes that are no PNG, end before IEND, lack a proper IHDR, or come in more than
            `MAX_CHUNKS`.
    """
    if not raw.startswith(PNG_SIGNATURE):
        raise DataError("not a PNG", where, "restore the original")
    chunks: dict[bytes, bytes] = {}
    offset = len(PNG_SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if offset + 12 > len(raw):
            raise DataError("the PNG is cut off", where, "restore the original")
        length, kind = struct.unpack_from(">I4s", raw, offset)
        if kind in _TELLING:
            chunks.setdefault(kind, raw[offset + 8 : offset + 8 + length])
        if kind == b"IEND":
            break
        offset += 12 + length
    else:
        raise DataError(f"the PNG has more than {MAX_CHUNKS} chunks", where, "restore the original")
    header = chunks.get(b"IHDR", b"")
    if len(header) != 13:
        raise DataError("the PNG has no header", where, "restore the original")
    width, height, bits, color_type = struct.unpack_from(">IIBB", header)
    palette = None
    if color_type == 3 and b"tRNS" not in chunks:
        colors = np.frombuffer(chunks.get(b"PLTE", b""), np.uint8)
        palette = colors[: colors.size // 3 * 3].reshape(-1, 3)
    return PngHeader(height, width, bits, color_type == 0, b"acTL" in chunks, palette)


def write_bilevel_png(mask: NDArray[np.bool_], has_palette: bool = False) -> bytes:
    """Return a mask bool [H, W], H and W at least 1, as a PNG of one bit a pixel, black and white.

    Args:
        has_palette: as Supervisely's SDK writes it: a palette whose black is transparent, so that
            readers of the alpha channel and readers of the value get the mask; else grey.
    """
    height, width = mask.shape
    # each row begins with its filter type, 0
    rows = np.zeros((height, 1 + (width + 7) // 8), np.uint8)
    rows[:, 1:] = np.packbits(mask, axis=1)
    color_type, level = (3, 6) if has_palette else (0, 3)  # level 3: over twice as fast
    palette = [_chunk(b"PLTE", _BLACK_AND_WHITE), _chunk(b"tRNS", b"\x00")] if has_palette else []
    return b"".join(
        [
            PNG_SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, color_type, 0, 0, 0)),
            *palette,
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), level)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
