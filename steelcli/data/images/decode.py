"""Read images as they are stored; anything doubtful is refused by name, never guessed."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.common import inputs
from steelcli.common.errors import DataError
from steelcli.data.images.header import CONVERT, RESTORE, read_header
from steelcli.data.types import Color

_DAMAGE = (
    b"premature end",
    b"Premature end",
    b"bad Huffman code",
    b"TIFF_Error",
    b"PackBitsDecode",
)
"""What libjpeg and libtiff say where they invent pixels; bytes behind a JPEG do no harm."""


def use_one_thread() -> None:
    """Keep OpenCV to one thread in a process of which there is one per core."""
    cv2.setNumThreads(1)


def read_image(
    path: Path,
    color: Color,
    max_pixels: int | None = None,
    value_range: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """Return one image file, uint8 [H, W] for grey or [H, W, 3] in the order R, G, B for rgb.

    The pixels are those stored in the file: an EXIF orientation is ignored, because annotations and
    their ``size`` refer to the stored grid. Grey is the luma of a colour image; an alpha channel is
    dropped.

    Args:
        path: the file; its content tells the format, not its name.
        color: channels wanted.
        max_pixels: the most pixels to decode; None for no limit.
        value_range: values of a 16-bit image that become 0 and 255; None refuses 16 bits.

    Raises:
        DataError: a file that is missing, empty, cut off, undecodable, or of 16 bits without
            ``value_range``; see `read_header`.
    """
    raw = read_bytes(path, file_limit(max_pixels))
    return read_image_bytes(raw, color, path, max_pixels, value_range)


def read_image_bytes(
    raw: bytes,
    color: Color,
    where: object,
    max_pixels: int | None = None,
    value_range: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """Return one encoded image; see `read_image`. ``where`` is what the errors name."""
    pixels = decode_pixels(raw, where, max_pixels)
    if pixels.dtype == np.uint16:
        if value_range is None:
            values = f"here {pixels.min()} to {pixels.max()}"
            what = f"the image has 16 bits a channel ({values}), 8 are read"
            remedy = "set data.value_range to the values that become black and white"
            raise DataError(what, where, f"{remedy}, or {CONVERT}")
        pixels = _eight_bits(*value_range)[pixels]
    grey = pixels.ndim == 2
    if color == "grey":
        if grey:
            return pixels
        return _convert(pixels, cv2.COLOR_BGRA2GRAY if pixels.shape[2] == 4 else cv2.COLOR_BGR2GRAY)
    if grey:
        return _convert(pixels, cv2.COLOR_GRAY2RGB)
    return _convert(pixels, cv2.COLOR_BGRA2RGB if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def file_limit(max_pixels: int | None) -> int | None:
    """Return the most bytes of an image of ``max_pixels``: four channels and a generous head."""
    return None if max_pixels is None else 4 * max_pixels + 2**26


def read_bytes(path: Path, max_bytes: int | None = None) -> bytes:
    """Return the bytes of a user's file.

    Raises:
        DataError: it cannot be read, is no regular file, or is larger than ``max_bytes``.
    """
    try:
        return inputs.read_bytes(path, max_bytes)
    except OSError as error:
        remedy = "check that it exists and may be read, or replace it"
        if error.errno == errno.EFBIG:
            remedy = "remove what does not belong into it"
        raise DataError(f"cannot read the file ({error.strerror})", path, remedy) from error


def decode_pixels(raw: bytes, where: object, max_pixels: int | None = None) -> NDArray[Any]:
    """Return the stored pixels.

    Returns:
        uint8 [H, W], or [H, W, 3 or 4] in OpenCV's order B, G, R, A; uint16 [H, W] where the file
        has 16 bits.

    Raises:
        DataError: see `read_image`.
    """
    # the header first: OpenCV would decode a bomb, and take the first of several pictures
    header = read_header(raw, where, max_pixels)
    pixels = decode_unchanged(raw)
    if pixels is None:
        raise DataError("the image cannot be decoded, it is damaged or cut off", where, RESTORE)
    if pixels.dtype != np.uint8 and not (pixels.dtype == np.uint16 and pixels.ndim == 2):
        what = f"the image has {pixels.dtype.name} values, 8 bits a channel are read"
        raise DataError(what, where, CONVERT)
    if pixels.ndim == 3 and pixels.shape[2] not in (3, 4):
        what = f"the image has {pixels.shape[2]} channels"
        raise DataError(what, where, "convert it to grey or RGB")
    if pixels.shape[:2] != (header.height, header.width):
        what = "the header of the image states another size than its pixels have"
        raise DataError(what, where, RESTORE)
    return pixels


def decode_unchanged(raw: bytes) -> NDArray[Any] | None:
    """Return an encoded image with its own type and channels; None where it is damaged.

    Raises:
        MemoryError: there is no room for the pixels.
    """
    with _LISTENER as complaints:
        try:
            pixels = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            if error.code == cv2.Error.StsNoMem:
                raise MemoryError from error
            return None
        complaints.seek(0)
        told = complaints.read()
    return None if any(words in told for words in _DAMAGE) else pixels


@lru_cache(maxsize=1)
def _eight_bits(low: int, high: int) -> NDArray[np.uint8]:
    """Return the 8-bit value of each 16-bit one: 0 up to ``low``, 255 from ``high``, in between on
    a line."""
    scaled = (np.arange(2**16) - low) * (255 / (high - low))
    return np.asarray(np.rint(scaled.clip(0, 255)), np.uint8)


def _convert(pixels: NDArray[np.uint8], code: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(pixels, code), np.uint8)


class _Listener:
    """Keeps what OpenCV and its libraries say off stderr, in a file.

    They write to file descriptor 2 past Python, and nowhere else do they tell that pixels were
    invented: Pillow decodes half a JPEG with an end mark without a word. Threads take turns.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # OpenCV 5 moved the two functions out of its top level; 3 stands for warnings in both
        self._log: Any = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging

    def __enter__(self) -> IO[bytes]:
        self._lock.acquire()
        self._level = self._log.getLogLevel()
        self._log.setLogLevel(3)
        self._file = _memory_file()
        self._stderr = os.dup(2)
        os.dup2(self._file.fileno(), 2)
        return self._file

    def __exit__(self, *error: object) -> None:
        os.dup2(self._stderr, 2)
        os.close(self._stderr)
        self._file.close()
        self._log.setLogLevel(self._level)
        self._lock.release()


def _memory_file() -> IO[bytes]:
    """Open a file that needs no disk where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("complaints"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


_LISTENER = _Listener()
