"""Read images as they are stored. Anything doubtful is refused by name, never returned half grey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.data.png import PNG_SIGNATURE, read_png_header
from steelcli.errors import DataError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp")
"""File name endings that count as images, lower case."""
_FOREIGN_SUFFIXES = (".gif", ".avif", ".heic", ".jp2", ".jxl", ".mpo", ".nrrd", ".dcm", ".nii", ".npy", ".exr", ".svg")
_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
_REMEDY = "restore the original or remove it together with its annotation"

Color = Literal["grey", "rgb"]


def iter_images(folder: Path, recursive: bool = False) -> Iterator[Path]:
    """Yield the image files of a folder, sorted by their POSIX path; hidden files and other types are passed over.

    Raises:
        DataError: an image of a format that is not read: passing it over would drop it from the data unseen.
    """
    paths = folder.rglob("*") if recursive else folder.iterdir()
    for path in sorted(paths, key=lambda path: path.as_posix()):
        suffix = path.suffix.lower()
        if any(part.startswith(".") for part in path.relative_to(folder).parts) or not path.is_file():
            continue
        if suffix in _FOREIGN_SUFFIXES:
            raise DataError(f"images of type {suffix} are not read", path, "convert it to PNG")
        if suffix in IMAGE_SUFFIXES:
            yield path


def read_image(path: Path, color: Color) -> NDArray[np.uint8]:
    """Return one image file, uint8 [H, W] for grey or [H, W, 3] in the order R, G, B for rgb.

    The pixels are those stored in the file: an EXIF orientation is ignored, because annotations and their
    ``size`` refer to the stored grid. Grey is the luma of a colour image; an alpha channel is dropped.

    Raises:
        DataError: a file that is missing, empty, cut off, undecodable or not 8 bits a channel.
    """
    return read_image_bytes(read_bytes(path), color, path)


def read_image_bytes(raw: bytes, color: Color, where: object) -> NDArray[np.uint8]:
    """Return one encoded image; see `read_image`. ``where`` is what the errors name."""
    pixels = decode_pixels(raw, where)
    grey = pixels.ndim == 2
    if color == "grey":
        if grey:
            return pixels
        return _convert(pixels, cv2.COLOR_BGRA2GRAY if pixels.shape[2] == 4 else cv2.COLOR_BGR2GRAY)
    if grey:
        return _convert(pixels, cv2.COLOR_GRAY2RGB)
    return _convert(pixels, cv2.COLOR_BGRA2RGB if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        DataError: a file that cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read the file ({error.strerror})", path, "check that it exists and its rights"
        ) from error


def decode_pixels(raw: bytes, where: object) -> NDArray[np.uint8]:
    """Return the stored pixels, uint8 [H, W], or [H, W, 3 or 4] in OpenCV's order B, G, R, A.

    Raises:
        DataError: see `read_image`.
    """
    if not raw:
        raise DataError("the image file is empty", where, _REMEDY)
    # OpenCV fills the missing rows of a cut-off file with grey in some versions and refuses in others
    if raw.startswith(PNG_SIGNATURE):
        read_png_header(raw, where)
    elif raw.startswith(_JPEG_START) and not _jpeg_ends(raw):
        raise DataError("the JPEG is cut off", where, _REMEDY)
    pixels = decode_unchanged(raw)
    if pixels is None:
        raise DataError("not an image that can be decoded", where, _REMEDY)
    if pixels.dtype != np.uint8:
        bits = pixels.dtype.itemsize * 8
        raise DataError(f"the image has {bits} bits a channel, 8 are read", where, "convert it to an 8-bit PNG")
    if pixels.ndim == 3 and pixels.shape[2] not in (3, 4):
        raise DataError(f"the image has {pixels.shape[2]} channels", where, "convert it to grey or RGB")
    return pixels


def decode_unchanged(raw: bytes) -> NDArray[Any] | None:
    """Return an encoded image with its own type and channels, orientation ignored; None where OpenCV fails."""
    with _quiet_opencv():
        try:
            return cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            return None


def _convert(pixels: NDArray[np.uint8], code: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(pixels, code), np.uint8)


def _jpeg_ends(raw: bytes) -> bool:
    """Tell whether the end mark follows the first scan; a thumbnail in the head has an end mark of its own."""
    offset = 2
    while offset + 4 <= len(raw):
        if raw[offset] != 0xFF:
            return _JPEG_END in raw[offset:]  # stray bytes between segments: leave the verdict to the decoder
        marker = raw[offset + 1]
        if marker == 0xFF:  # a fill byte
            offset += 1
            continue
        if marker == _JPEG_SCAN:
            # inside a scan 0xFF is always followed by 0x00 or a restart mark, so the pair is unmistakable
            return raw.find(_JPEG_END, offset + 2) >= 0
        offset += 2 + int.from_bytes(raw[offset + 2 : offset + 4], "big")
    return False


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keep OpenCV's own complaints off stderr: the error that follows names the file, they do not."""
    # OpenCV 5 moved the two functions out of its top level; the level 0 is silence in both
    log: Any = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging
    level = log.getLogLevel()
    log.setLogLevel(0)
    try:
        yield
    finally:
        log.setLogLevel(level)
