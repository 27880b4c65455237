"""What an image file says of itself, read and checked before a pixel is decoded; the content
decides, not the name."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from steelcli.common.errors import DataError
from steelcli.data.images.jpeg import JPEG_START, read_jpeg_header
from steelcli.data.images.png import PNG_SIGNATURE, read_png_header

_REMEDY = "restore the original or remove it together with its annotation"
_CONVERT = "convert it to an 8-bit PNG, grey or RGB"
_FOREIGN = (
    (0, b"GIF8", "GIF"),
    (0, b"8BPS", "PSD"),
    (0, b"%PDF", "PDF"),
    (0, b"<svg", "SVG"),
    (0, b"\x00\x00\x00\x0cjP", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"v/1\x01", "EXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"II+\x00", "BigTIFF"),
    (0, b"MM\x00+", "BigTIFF"),
    (4, b"ftyp", "HEIF, AVIF or video"),
)
_TIFF_SEPARATED = 5  # photometric interpretation of inks
_TIFF_FORMATS = {1: "B", 3: "H", 4: "I"}  # BYTE, SHORT, LONG
_MAX_TAGS = 4096


@dataclass(frozen=True)
class ImageHeader:
    """Size in pixels and what decides whether the image is read.

    Attributes:
        kind: format, such as PNG.
        bits: a channel, the most of all channels.
        inks: CMYK instead of grey or RGB.
        turned: rows and columns of a TIFF stand in another order than from the top left.
        frames: whether there is more than one picture.
        block: pixels a decoder must hold at once, if more than the picture's own.
    """

    kind: str
    height: int
    width: int
    bits: int = 8
    inks: bool = False
    turned: bool = False
    frames: bool = False
    block: int = 0


def check_header(raw: bytes, where: object, max_pixels: int | None) -> ImageHeader:
    """Return the header of an image that may be decoded.

    Args:
        raw: the whole file.
        where: what the errors name.
        max_pixels: the most pixels to decode; None for files that were checked before.

    Raises:
        DataError: an unknown or foreign format, a broken header, no or too many pixels, more than 8
            bits a channel, CMYK, or several pictures in one file.
    """
    header = read_image_header(raw, where)
    size = f"{header.width}x{header.height}"
    if header.height < 1 or header.width < 1:
        raise DataError(f"the image states {size} pixels", where, _REMEDY)
    if max_pixels is not None and max(header.height * header.width, header.block) > max_pixels:
        what = f"the image has {size} pixels, more than data.max_image_pixels ({max_pixels})"
        raise DataError(what, where, "shrink it, or raise data.max_image_pixels if you trust it")
    if header.bits > 8:
        raise DataError(f"the image has {header.bits} bits a channel, 8 are read", where, _CONVERT)
    if header.inks:
        raise DataError(f"the {header.kind} is CMYK", where, _CONVERT)
    if header.turned:
        raise DataError(f"the {header.kind} is stored turned or mirrored", where, _CONVERT)
    if header.frames:
        raise DataError(
            f"the {header.kind} holds several pictures", where, "keep one picture a file"
        )
    return header


def read_image_header(raw: bytes, where: object) -> ImageHeader:
    """Return what an image file says of itself.

    Raises:
        DataError: an unknown or foreign format, or a broken or cut-off header.
    """
    if not raw:
        raise DataError("the image file is empty", where, _REMEDY)
    try:
        if raw.startswith(PNG_SIGNATURE):
            png = read_png_header(raw, where)
            return ImageHeader("PNG", png.height, png.width, png.bits, frames=png.animated)
        if raw.startswith(JPEG_START):
            jpeg = read_jpeg_header(raw, where)
            return ImageHeader("JPEG", jpeg.height, jpeg.width, jpeg.bits, inks=jpeg.channels == 4)
        if raw.startswith(b"BM"):
            return _read_bmp(raw)
        if raw.startswith((b"II*\x00", b"MM\x00*")):
            return _read_tiff(raw)
        if raw.startswith(b"RIFF") and raw[8:12] == b"WEBP":
            return _read_webp(raw)
    except (struct.error, KeyError, IndexError) as error:
        raise DataError("the header of the image is broken", where, _REMEDY) from error
    for offset, mark, kind in _FOREIGN:
        if raw[offset:].startswith(mark):
            raise DataError(
                f"the content is {kind}, whatever the name says, and not read", where, _CONVERT
            )
    raise DataError("not an image that can be decoded", where, _REMEDY)


def _read_bmp(raw: bytes) -> ImageHeader:
    if struct.unpack_from("<I", raw, 14)[0] == 12:  # the header of OS/2
        width, height = struct.unpack_from("<HH", raw, 18)
    else:
        width, height = struct.unpack_from("<ii", raw, 18)
    return ImageHeader(
        "BMP", abs(height), abs(width)
    )  # a negative height stands for rows from the top


def _read_webp(raw: bytes) -> ImageHeader:
    kind = raw[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(raw[place : place + 3], "little") for place in (24, 27))
        return ImageHeader("WebP", height, width, frames=bool(raw[20] & 2))
    if kind == b"VP8L":
        packed = struct.unpack_from("<I", raw, 21)[0]
        return ImageHeader("WebP", 1 + (packed >> 14 & 0x3FFF), 1 + (packed & 0x3FFF))
    width, height = struct.unpack_from("<HH", raw, {b"VP8 ": 26}[kind])
    return ImageHeader("WebP", height & 0x3FFF, width & 0x3FFF)


def _read_tiff(raw: bytes) -> ImageHeader:
    order = "<" if raw.startswith(b"II") else ">"
    tags, following = _read_tags(raw, order, struct.unpack_from(f"{order}I", raw, 4)[0])
    # a second picture that is a smaller copy of the first says so in the lowest bit of tag 254
    frames = bool(following) and not _read_tags(raw, order, following)[0].get(254, 0) & 1
    tile = tags.get(322, 0) * tags.get(323, 0)
    inks, turned = tags.get(262) == _TIFF_SEPARATED, tags.get(274, 1) != 1
    return ImageHeader("TIFF", tags[257], tags[256], tags.get(258, 1), inks, turned, frames, tile)


def _read_tags(raw: bytes, order: str, offset: int) -> tuple[dict[int, int], int]:
    """Return one directory's tags, the largest where a tag has several values, and the place of the
    next directory."""
    (count,) = struct.unpack_from(f"{order}H", raw, offset)
    tags: dict[int, int] = {}
    for index in range(min(count, _MAX_TAGS)):
        entry = offset + 2 + 12 * index
        tag, kind, length = struct.unpack_from(f"{order}HHI", raw, entry)
        form = _TIFF_FORMATS.get(kind)
        if form is None or not 0 < length <= 16:
            continue
        inline = struct.calcsize(form) * length <= 4
        place = entry + 8 if inline else struct.unpack_from(f"{order}I", raw, entry + 8)[0]
        tags.setdefault(
            tag, max(struct.unpack_from(f"{order}{length}{form}", raw, place))
        )  # libtiff takes the first
    return tags, struct.unpack_from(f"{order}I", raw, offset + 2 + 12 * count)[0]
