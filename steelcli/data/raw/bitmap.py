"""Supervisely's bitmaps, both ways.

A bitmap is base64 of a zlib stream of a PNG that shows the tight box of one object.
"""

from __future__ import annotations

import base64
import zlib

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError
from steelcli.data.images.decode import decode_unchanged
from steelcli.data.images.png import PNG_SIGNATURE, PngHeader, read_png_header, write_bilevel_png

MAX_BYTES = 2**26
"""A bitmap's PNG never has more bytes, nor a bitmap of unknown bounds more pixels (64 Mi)."""
EXPORT_AGAIN = "export the project from Supervisely again"


def decode_bitmap(
    data: str, where: object, bounds: tuple[int, int] | None = None
) -> NDArray[np.bool_]:
    """Return the mask of one bitmap's box, bool [h, w].

    Four channels: alpha above 0 is the mask. Two dimensions: values above 0. An opaque palette
    whose first colour, and no other, is black: indices above 0. Everything else is refused, as
    Supervisely's SDK does.

    Args:
        data: base64 of the zlib stream of a PNG, or base64 of the PNG itself.
        where: what the errors name.
        bounds: height and width in pixels of the image the bitmap must fit into, checked before
            decoding.

    Raises:
        DataError: broken base64, zlib or PNG, a PNG of another kind, or one larger than ``bounds``.
    """
    max_bytes = MAX_BYTES
    if bounds is not None:
        max_bytes = min(MAX_BYTES, 8 * bounds[0] * bounds[1] + 2**16)
    png = _unpack(data, where, max_bytes)
    header = read_png_header(png, where)
    _check_size(header, where, bounds)
    pixels = decode_unchanged(png)
    if pixels is None:
        raise DataError("the PNG of a bitmap cannot be decoded", where, EXPORT_AGAIN)
    if pixels.ndim == 2:
        return np.asarray(pixels > 0, np.bool_)
    if pixels.shape[2] == 4:
        return np.asarray(pixels[:, :, 3] > 0, np.bool_)
    palette = header.opaque_palette
    if (
        palette is not None
        and len(palette)
        and not palette[0].any()
        and palette[1:].any(axis=1).all()
    ):
        return np.asarray(pixels.any(axis=2), np.bool_)
    raise DataError(
        "the PNG of a bitmap is neither grey nor has an alpha channel", where, EXPORT_AGAIN
    )


def encode_bitmap(mask: NDArray[np.bool_]) -> str:
    """Return a mask bool [h, w] as Supervisely's SDK stores it: base64 of zlib of a 1-bit PNG.

    Raises:
        ValueError: a box without pixels.
    """
    if mask.ndim != 2 or 0 in mask.shape:
        raise ValueError(f"a bitmap needs at least one pixel, got shape {mask.shape}")
    png = write_bilevel_png(mask, has_palette=True)
    return base64.b64encode(zlib.compress(png)).decode("ascii")


def paste(
    target: NDArray[np.bool_], box: NDArray[np.bool_], origin: tuple[int, int], where: object
) -> None:
    """Add a box bool [h, w] to a mask bool [H, W] in place.

    Args:
        origin: column x and row y in the target of the box's top left pixel.

    Raises:
        DataError: a box that reaches out of the target.
    """
    (x, y), (height, width) = origin, box.shape
    if x < 0 or y < 0 or x + width > target.shape[1] or y + height > target.shape[0]:
        image = f"{target.shape[1]}x{target.shape[0]}"
        raise DataError(
            f"a bitmap of {width}x{height} at {x},{y} leaves the {image} image", where, EXPORT_AGAIN
        )
    target[y : y + height, x : x + width] |= box


def _unpack(data: str, where: object, max_bytes: int) -> bytes:
    """Return the bytes of the PNG, of which a zlib bomb yields no more than ``max_bytes``."""
    try:
        raw = base64.b64decode("".join(data.split()), validate=True)
    except ValueError as error:
        raise DataError("the data of a bitmap is no base64", where, EXPORT_AGAIN) from error
    if raw.startswith(PNG_SIGNATURE):
        return raw
    stream = zlib.decompressobj()
    try:
        png = stream.decompress(raw, max_bytes)
    except zlib.error as error:
        raise DataError("the data of a bitmap is no zlib stream", where, EXPORT_AGAIN) from error
    if not stream.eof:
        what = f"is larger than {max_bytes} bytes" if len(png) >= max_bytes else "is cut off"
        raise DataError(f"the data of a bitmap {what}", where, EXPORT_AGAIN)
    return png


def _check_size(header: PngHeader, where: object, bounds: tuple[int, int] | None) -> None:
    height, width = header.height, header.width
    fits = height * width <= MAX_BYTES
    if bounds is not None:
        fits = height <= bounds[0] and width <= bounds[1]
    if not fits or height * width == 0:
        limit = "" if bounds is None else f" in an image of {bounds[1]}x{bounds[0]}"
        raise DataError(f"a bitmap of {width}x{height}{limit}", where, EXPORT_AGAIN)
