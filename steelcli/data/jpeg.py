"""What must be known of a JPEG before decoding it: size, channels, whole or cut off."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from steelcli.errors import DataError

JPEG_START = b"\xff\xd8"
_END, _SCAN = b"\xff\xd9", 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the others of the range are tables
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))  # marks without a segment
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
        DataError: the end is missing, or no segment states a size.
    """
    header = None
    offset = 2
    while offset + 4 <= len(raw):
        if raw[offset] != 0xFF:  # stray bytes between segments, which decoders pass over
            offset = raw.find(b"\xff", offset)
            if offset < 0:
                break
            continue
        marker = raw[offset + 1]
        if marker in (0xFF, 0x00):  # a fill byte, or no mark at all
            offset += 1
            continue
        if marker in _BARE:
            offset += 2
            continue
        if marker == _SCAN:
            # inside a scan 0xFF is always followed by 0x00 or a restart mark, so the pair is unmistakable; before it
            # a thumbnail in the head may have an end mark of its own
            if raw.find(_END, offset + 2) < 0:
                break
            if header is None or header.height * header.width == 0:
                raise DataError("the JPEG states no size", where, _REMEDY)
            return header
        if marker in _FRAMES and header is None and offset + 10 <= len(raw):
            bits, height, width, channels = struct.unpack_from(">BHHB", raw, offset + 4)
            header = JpegHeader(height, width, channels, bits)
        offset += 2 + int.from_bytes(raw[offset + 2 : offset + 4], "big")
    raise DataError("the JPEG is cut off", where, _REMEDY)
