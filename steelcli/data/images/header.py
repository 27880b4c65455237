"""What an image file says of itself, checked before its pixels are decoded.

The content decides on the format, not the name of the file.
"""

from __future__ import annotations

import io
import logging
import struct
import warnings
from dataclasses import dataclass
from typing import Any

from PIL import Image

from steelcli.common.errors import DataError
from steelcli.data.images.png import PNG_SIGNATURE, read_png_header

MAX_JPEG_HEAD = 2**22
"""The size and colours of a JPEG stand in its first 4 MiB: Pillow goes through them in Python."""
MAX_SCANS = 500
"""The most scans of a progressive JPEG: each is gone through in full; ten are usual."""
_JPEG_START, _JPEG_SCAN = b"\xff\xd8", b"\xff\xda"
_BIG_TIFF = (b"II+\0", b"MM\0+")
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
"""Starts of a TIFF, and the byte order that each stands for."""
_FORMATS = ("BMP", "JPEG", "TIFF", "WEBP")
_KINDS = {"BMP": "BMP", "JPEG": "JPEG", "MPO": "JPEG", "TIFF": "TIFF", "WEBP": "WebP"}
"""Names of the formats by those of Pillow, which calls a JPEG with previews behind it MPO."""
RESTORE = "restore the original or remove it together with its annotation"
CONVERT = "convert it to an 8-bit PNG, grey or RGB"
_SEVERAL = "holds several pictures", "keep one picture a file"
_SUBFILE, _BITS, _PHOTOMETRIC, _ORIENTATION = 254, 258, 262, 274  # tags of a TIFF
_TILE_WIDTH, _TILE_HEIGHT = 322, 323

Image.MAX_IMAGE_PIXELS = None  # data.max_image_pixels takes its place
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else its errors go to stderr


@dataclass(frozen=True)
class ImageHeader:
    """Format and size of an image.

    Attributes:
        kind: format, such as PNG.
        height, width: pixels.
        fault: why the image is not read, and what to do; None where it is read.
        bits: a channel, at most 8 or 16.
        block: pixels that a decoder holds at once, if more than the image has.
    """

    kind: str
    height: int
    width: int
    fault: tuple[str, str] | None
    bits: int
    block: int = 0


def read_header(raw: bytes, where: object, max_pixels: int | None = None) -> ImageHeader:
    """Return the header of an image that may be decoded.

    Args:
        raw: the whole file.
        where: what the errors name.
        max_pixels: the most pixels to decode; None for files that were checked before.

    Raises:
        DataError: an unknown format, a broken header, no or too many pixels, more than 8 bits a
            channel (16 in a picture of grey alone are let through), CMYK, a turned TIFF, or several
            pictures in one file.
    """
    if not raw:
        raise DataError("the image file is empty", where, RESTORE)
    read = _read_png if raw.startswith(PNG_SIGNATURE) else _read_other
    header = read(raw, where)
    size = f"{header.width}x{header.height}"
    if header.height < 1 or header.width < 1:
        raise DataError(f"the image states {size} pixels", where, RESTORE)
    if max_pixels is not None and max(header.height * header.width, header.block) > max_pixels:
        what = f"the image has {size} pixels, more than data.max_image_pixels ({max_pixels})"
        raise DataError(what, where, "shrink it, or raise data.max_image_pixels if you trust it")
    if header.fault is not None:
        what, remedy = header.fault
        raise DataError(f"the {header.kind} {what}", where, remedy)
    return header


def _read_png(raw: bytes, where: object) -> ImageHeader:
    png = read_png_header(raw, where)  # Pillow refuses a PNG with a large comment
    fault: tuple[str, str] | None = None
    if png.bits > 8 and not png.grey:
        fault = f"has {png.bits} bits a channel, 8 are read", CONVERT
    elif png.animated:
        fault = _SEVERAL
    return ImageHeader("PNG", png.height, png.width, fault, png.bits)


def _read_other(raw: bytes, where: object) -> ImageHeader:
    if raw.startswith(_BIG_TIFF):
        raise DataError("the content is BigTIFF and not read", where, CONVERT)
    head = raw
    if raw.startswith(_JPEG_START):
        head = raw[:MAX_JPEG_HEAD]
        if raw.count(_JPEG_SCAN) > MAX_SCANS:
            raise DataError(f"the JPEG has more than {MAX_SCANS} scans", where, RESTORE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an error that names the file follows
            with Image.open(io.BytesIO(head), formats=_FORMATS) as image:
                header = _describe(image)
        repeats_tag = raw[:4] in _TIFF and _repeats_tag(raw)
    except Exception as error:  # broken bytes make Pillow raise errors of many types
        what = "not a PNG, JPEG, BMP, TIFF or WebP that can be read"
        raise DataError(what, where, f"restore the original or {CONVERT}") from error
    if repeats_tag:
        raise DataError("the TIFF states a tag twice", where, f"restore the original or {CONVERT}")
    return header


def _repeats_tag(tiff: bytes) -> bool:
    """Tell whether the first directory of a TIFF that Pillow has opened holds a tag twice.

    libtiff goes by the first of equal tags and Pillow before 13 by the last, so that the size
    checked would not be the size decoded.
    """
    order = _TIFF[tiff[:4]]
    (place,) = struct.unpack_from(f"{order}L", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, place)
    tags = struct.unpack_from(f"{order}" + "H10x" * count, tiff, place + 2)
    return len(set(tags)) < len(tags)


def _describe(image: Image.Image) -> ImageHeader:
    tags: dict[int, Any] = getattr(image, "tag_v2", {})
    width, height = image.size
    tile_width, tile_height = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_HEIGHT, 0)
    if not isinstance(tile_width, int) or not isinstance(tile_height, int):
        raise ValueError("a tile's size is no number")
    bits = max(tags.get(_BITS, (1,)))
    fault: tuple[str, str] | None = None
    if image.mode == "CMYK":
        fault = "is CMYK", CONVERT
    elif bits > 8 and (bits != 16 or len(image.getbands()) > 1):
        fault = f"has {bits} bits a channel, 8 are read", CONVERT
    elif bits == 16 and tags.get(_PHOTOMETRIC) != 1:  # 8 bits are turned when decoded, 16 are not
        fault = "has 16 bits a channel, of which the lowest value is white", CONVERT
    elif tags.get(_ORIENTATION, 1) != 1:
        fault = "is stored turned or mirrored", CONVERT
    elif _has_second_picture(image):
        fault = _SEVERAL
    kind = _KINDS[str(image.format)]
    return ImageHeader(kind, height, width, fault, bits, tile_width * tile_height)


def _has_second_picture(image: Image.Image) -> bool:
    """Tell whether there is another picture, apart from previews of the first."""
    if image.format == "MPO":
        return False
    try:
        image.seek(1)
    except EOFError:
        return False
    tags: dict[int, Any] = getattr(image, "tag_v2", {})
    return not tags.get(_SUBFILE, 0) & 1
