"""Reading images: grey and colour, and every kind of damage refused by name."""

from __future__ import annotations

import os
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelcli.common.errors import DataError
from steelcli.data.images.decode import (
    decode_pixels,
    decode_unchanged,
    read_image,
    read_image_bytes,
)

RGB = np.random.default_rng(1).integers(0, 256, (37, 53, 3)).astype(np.uint8)
GREY = RGB[:, :, 0].copy()
LUMA = RGB @ np.array([0.299, 0.587, 0.114])


def encoded(suffix: str, pixels: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def bgr(rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rgb[:, :, ::-1])


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_colour_image(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"ä{suffix}"
    path.write_bytes(encoded(suffix, bgr(RGB)))
    assert np.array_equal(read_image(path, "rgb"), RGB)
    grey = read_image(path, "grey")
    assert grey.dtype == np.uint8
    assert np.abs(grey - LUMA).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_grey_image(suffix: str) -> None:
    raw = encoded(suffix, GREY)
    assert np.array_equal(read_image_bytes(raw, "grey", "a"), GREY)
    assert np.array_equal(read_image_bytes(raw, "rgb", "a"), np.dstack([GREY] * 3))


def test_equal_channels_stay_exact() -> None:
    assert np.array_equal(
        read_image_bytes(encoded(".png", np.dstack([GREY] * 3)), "grey", "a"), GREY
    )


def test_alpha_is_dropped() -> None:
    raw = encoded(".png", np.dstack([bgr(RGB), GREY]))
    assert np.array_equal(read_image_bytes(raw, "rgb", "a"), RGB)
    assert np.abs(read_image_bytes(raw, "grey", "a") - LUMA).max() <= 1


def test_exif_orientation_is_ignored() -> None:
    raw = encoded(".jpg", bgr(RGB))
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)  # orientation 6: turn by 90 degrees
    tiff = b"II*\x00" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    exif = b"Exif\x00\x00" + tiff
    turned = raw[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + raw[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (53, 37, 3)
    assert np.array_equal(read_image_bytes(turned, "rgb", "a"), read_image_bytes(raw, "rgb", "a"))


def test_progressive_jpeg_with_trailing_bytes() -> None:
    raw = encoded(".jpg", bgr(RGB), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert read_image_bytes(raw + bytes(9), "rgb", "a").shape == RGB.shape


JPEG = encoded(".jpg", bgr(RGB))
THUMBNAIL = b"\xff\xe1" + struct.pack(">H", len(JPEG) + 2) + JPEG


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", "empty"),
        (b"no image", "not a PNG"),
        (JPEG[:-2], "damaged or cut off"),
        (JPEG[: len(JPEG) // 2], "damaged or cut off"),
        (JPEG[:3], "not a PNG"),
        (JPEG[:2] + THUMBNAIL + JPEG[2 : len(JPEG) // 2], "damaged or cut off"),
        (encoded(".png", GREY)[:-12], "PNG is cut off"),
        (encoded(".png", GREY)[:200], "PNG is cut off"),
        (encoded(".bmp", GREY)[:-300], "decoded"),
        (encoded(".tif", GREY)[:-300], "decoded"),
        (encoded(".webp", bgr(RGB))[:-300], "decoded"),
        (encoded(".png", GREY.astype(np.uint16) * 257), "16 bits"),
        (encoded(".png", RGB.astype(np.uint16) * 257), "16 bits"),
        (encoded(".tif", GREY.astype(np.float32)), "32 bits"),
    ],
)
def test_refuses(raw: bytes, fault: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "coil_7.jpg"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=fault) as caught:
        read_image(path, "grey")
    assert "coil_7.jpg" in str(caught.value)
    assert not capfd.readouterr().err


DEEP = np.array([[0, 99, 100, 101, 1100, 2100, 2101, 65535]], np.uint16)


DEEP_TIFF = encoded(".tif", GREY.astype(np.uint16) * 257)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_are_read_by_an_explicit_range(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"deep{suffix}"
    assert cv2.imwrite(str(path), DEEP)
    expected = [[0, 0, 0, 0, 128, 255, 255, 255]]  # of 101 the line gives 0.1, of 1100 127.5
    assert read_image(path, "grey", None, (100, 2100)).tolist() == expected
    assert read_image(path, "rgb", None, (100, 2100))[:, :, 2].tolist() == expected
    wide = np.rint(DEEP / 257).astype(np.uint8)
    assert np.array_equal(read_image(path, "grey", None, (0, 65535)), wide)
    assert read_image(path, "grey", None, (65534, 65535)).tolist() == [[0] * 7 + [255]]
    with pytest.raises(DataError, match=r"16 bits a channel \(here 0 to 65535\).*data.value_range"):
        read_image(path, "grey")


def test_8_bits_are_read_as_they_are_whatever_the_range() -> None:
    assert np.array_equal(read_image_bytes(encoded(".png", GREY), "grey", "a", None, (9, 20)), GREY)


def grey_tiff(bits: int, photometric: int, pixels: bytes, sample_format: int = 1) -> bytes:
    """A TIFF of 4 × 2 pixels."""
    tags = [(256, 4), (257, 2), (258, bits), (259, 1), (262, photometric), (273, 200), (277, 1)]
    tags += [(278, 2), (279, len(pixels)), (339, sample_format)]
    entries = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0)
    return head.ljust(200, b"\0") + pixels


def test_a_plain_16_bit_tiff_of_any_byte_order_is_read() -> None:
    values = np.arange(8, dtype="<u2") * 1000
    assert decode_pixels(grey_tiff(16, 1, values.tobytes()), "a").reshape(-1).tolist() == [*values]


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (grey_tiff(16, 0, bytes(16)), "lowest value is white"),
        (grey_tiff(12, 1, bytes(12)), "12 bits"),
        (grey_tiff(16, 1, bytes(16), sample_format=2), "int16 values"),
        (grey_tiff(32, 1, bytes(32)), "32 bits"),
        (encoded(".tif", RGB.astype(np.uint16)), "16 bits a channel, 8"),
        (encoded(".png", np.dstack([RGB, GREY]).astype(np.uint16)), "16 bits a channel, 8"),
        (encoded(".png", GREY.astype(np.uint16))[:400], "cut off"),
        (DEEP_TIFF[:900] + np.random.default_rng(1).bytes(60) + DEEP_TIFF[960:], "decoded"),
    ],
)
def test_no_range_makes_sense_of_other_values(raw: bytes, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        read_image_bytes(raw, "grey", "deep.tif", 10**8, (0, 4095))


def test_jpeg_with_a_whole_thumbnail_is_read() -> None:
    raw = JPEG[:2] + THUMBNAIL + JPEG[2:]
    assert np.array_equal(decode_pixels(raw, "a"), decode_pixels(JPEG, "a"))


def test_log_level_is_restored() -> None:
    log = cv2 if hasattr(cv2, "getLogLevel") else cv2.utils.logging
    before = log.getLogLevel()
    log.setLogLevel(2)
    with pytest.raises(DataError):
        decode_pixels(b"no image", "a")
    assert log.getLogLevel() == 2
    log.setLogLevel(before)


def test_stderr_is_back_after_threads_decoded(capfd: pytest.CaptureFixture[str]) -> None:
    raw = encoded(".png", GREY)
    broken = raw[:900] + bytes([raw[900] ^ 1]) + raw[901:]  # libpng complains of it aloud
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(decode_unchanged, [broken] * 64)) == [None] * 64
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png"):
        read_image(tmp_path / "gone.png", "rgb")
