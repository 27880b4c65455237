"""What must be known of a JPEG before decoding it: size, channels, whole or cut off."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from steelcli.common.errors import DataError

JPEG_START = b"\xff\xd8"
_END, _SCAN = b"\xff\xd9", 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the others of the range are tables
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))  # marks without a segment
_FILL = re.compile(rb"\xff+")
MAX_SEGMENTS = 2**16
"""The most segments before the first scan: a photograph has a dozen, its colour profile some
hundreds."""
MAX_SCANS = 500
"""The most scans of a progressive JPEG: each is gone through in full; ten are usual."""
_REMEDY = "restore the original or remove it together with its annotation"


@dataclass(frozen=True)
class JpegHeader:
    """Size in pixels, number of channels, bits a channel."""

    height: int
    width: int
    channels: int
    bits: int


def read_jpeg_header(raw: bytes, where: object) -> JpegHeader:
    """Walk the segments of a JPEG up to its first scan without decoding a pixel.

    Raises:
        DataError: the end is missing, no segment states a size, or there are more than
            `MAX_SEGMENTS` or `MAX_SCANS`.
    """
    header = None
    offset = 2
    for _ in range(MAX_SEGMENTS):
        fill = _FILL.search(
            raw, offset
        )  # decoders pass over stray bytes and repeated 0xFF, so this does
        offset = fill.end() - 1 if fill else len(raw)
        if offset + 4 > len(raw):
            raise DataError("the JPEG is cut off", where, _REMEDY)
        marker = raw[offset + 1]
        if marker == 0x00 or marker in _BARE:  # no mark at all, or one without a segment
            offset += 2
            continue
        if marker == _SCAN:
            # inside a scan 0xFF is always followed by 0x00 or a restart mark, so the pair is
            # unmistakable; before it a thumbnail in the head may have an end mark of its own
            if raw.find(_END, offset + 2) < 0:
                raise DataError("the JPEG is cut off", where, _REMEDY)
            if raw.count(b"\xff\xda", offset) > MAX_SCANS:
                raise DataError(f"the JPEG has more than {MAX_SCANS} scans", where, _REMEDY)
            if header is None or header.height * header.width == 0:
                raise DataError("the JPEG states no size", where, _REMEDY)
            return header
        if marker in _FRAMES and header is None and offset + 10 <= len(raw):
            bits, height, width, channels = struct.unpack_from(">BHHB", raw, offset + 4)
            header = JpegHeader(height, width, channels, bits)
        offset += 2 + int.from_bytes(raw[offset + 2 : offset + 4], "big")
    raise DataError(f"the JPEG has more than {MAX_SEGMENTS} segments", where, _REMEDY)
