"""Supervisely's bitmaps: every kind of PNG seen in exports, both ways, and every refusal."""

from __future__ import annotations

import base64
import json
import struct
import zlib

import cv2
import numpy as np
import pytest
from closure import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from steelcli.common.errors import DataError
from steelcli.data.images.png import PNG_SIGNATURE, read_png_header
from steelcli.data.raw.bitmap import MAX_BYTES, decode_bitmap, encode_bitmap, paste

WHERE = "ann/a.png.json, object 3"
MASK = np.random.default_rng(0).random((7, 13)) > 0.5
MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def indexed_png(mask: np.ndarray, palette: bytes, size: tuple[int, int] | None = None) -> bytes:
    """A 1-bit indexed PNG without transparency; ``size`` (width, height) lets the header lie."""
    rows = np.zeros((mask.shape[0], 1 + (mask.shape[1] + 7) // 8), np.uint8)
    rows[:, 1:] = np.packbits(mask, axis=1)
    header = struct.pack(">IIBBBBB", *(size or mask.shape[::-1]), 1, 3, 0, 0, 0)
    parts = [
        (b"IHDR", header),
        (b"PLTE", palette),
        (b"IDAT", zlib.compress(rows.tobytes())),
        (b"IEND", b""),
    ]
    return PNG_SIGNATURE + b"".join(chunk(*part) for part in parts)


def png(pixels: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(".png", pixels, options)[1].tobytes()


def packed(raw: bytes) -> str:
    return base64.b64encode(zlib.compress(raw)).decode()


@settings(deadline=None)
@given(MASKS)
def test_mask_survives_encoding(mask: np.ndarray) -> None:
    assert np.array_equal(decode_bitmap(encode_bitmap(mask), WHERE, mask.shape), mask)


def test_encoding_reads_as_in_the_sdk() -> None:
    # sly.Bitmap.base64_2_data: four channels, alpha decides
    raw = zlib.decompress(base64.b64decode(encode_bitmap(MASK)))
    pixels = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels.shape == (7, 13, 4)
    assert np.array_equal(pixels[:, :, 3].astype(bool), MASK)
    assert np.array_equal(pixels[:, :, 0], MASK * np.uint8(255))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (4,)])
def test_nothing_cannot_be_encoded(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least one pixel"):
        encode_bitmap(np.zeros(shape, np.bool_))


GREY = MASK * np.uint8(255)
ALPHA_DECIDES = np.dstack([np.full((7, 13, 3), 255, np.uint8), GREY])
BLACK_UNDER_ALPHA = np.dstack([np.zeros((7, 13, 3), np.uint8), GREY])


@pytest.mark.parametrize(
    "raw",
    [
        png(GREY),
        png(GREY, cv2.IMWRITE_PNG_BILEVEL, 1),
        png(MASK.astype(np.uint8)),
        png(ALPHA_DECIDES),
        png(BLACK_UNDER_ALPHA),
        indexed_png(MASK, b"\x00\x00\x00\xff\xff\xff"),
        indexed_png(MASK, b"\x00\x00\x00\x01\x00\x00"),
    ],
    ids=["grey", "bilevel", "ones", "alpha", "alpha over black", "palette", "dark palette"],
)
def test_every_kind_of_png(raw: bytes) -> None:
    assert np.array_equal(decode_bitmap(packed(raw), WHERE), MASK)
    assert np.array_equal(decode_bitmap(base64.b64encode(raw).decode(), WHERE), MASK)


def test_line_breaks_in_base64_are_taken() -> None:
    text = encode_bitmap(MASK)
    assert np.array_equal(decode_bitmap(f"{text[:20]}\n{text[20:]}\n", WHERE), MASK)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("not base64!", "no base64"),
        ("Ünicode", "no base64"),
        ("", "no zlib|cut off"),
        (base64.b64encode(b"plain").decode(), "no zlib"),
        (base64.b64encode(zlib.compress(png(GREY))[:-20]).decode(), "cut off"),
        (packed(b""), "not a PNG"),
        (packed(cv2.imencode(".jpg", GREY)[1].tobytes()), "not a PNG"),
        (packed(png(GREY)[:-12]), "PNG is cut off"),
        (packed(png(GREY)[:40]), "PNG is cut off"),
        (packed(PNG_SIGNATURE + chunk(b"IEND", b"")), "no header"),
        (
            packed(indexed_png(MASK, b"\x00\x00\x00\xff\xff\xff").replace(b"IDAT", b"IDOT")),
            "cannot be decoded",
        ),
        (packed(png(np.dstack([GREY] * 3))), "neither grey"),
        (packed(indexed_png(MASK, b"\xff\xff\xff\x00\x00\x00")), "neither grey"),
        (packed(indexed_png(MASK, b"\x00\x00\x00\x00\x00\x00")), "neither grey"),
        (packed(indexed_png(MASK, b"\x01\x00\x00\xff\xff\xff")), "neither grey"),
        (packed(indexed_png(MASK, b"\x00\x00\x00\xff\xff\xff", (0, 7))), "bitmap of 0x7"),
    ],
)
def test_refuses(data: str, fault: str) -> None:
    with pytest.raises(DataError, match=fault) as caught:
        decode_bitmap(data, WHERE)
    assert WHERE in str(caught.value)


def test_zlib_bomb_is_refused() -> None:
    bomb = base64.b64encode(zlib.compress(bytes(MAX_BYTES + 1), 1)).decode()
    with pytest.raises(DataError, match=f"larger than {MAX_BYTES} bytes"):
        decode_bitmap(bomb, WHERE)


def test_png_bomb_is_refused_by_its_header() -> None:
    raw = indexed_png(MASK, b"\x00\x00\x00\xff\xff\xff", (20_000, 20_000))
    with pytest.raises(DataError, match="20000x20000"):
        decode_bitmap(packed(raw), WHERE)


@pytest.mark.parametrize("bounds", [(6, 13), (7, 12)])
def test_box_larger_than_the_image_is_refused(bounds: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="bitmap of 13x7 in an image of"):
        decode_bitmap(encode_bitmap(MASK), WHERE, bounds)


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 255))
def test_any_bytes_decode_or_are_refused(junk: bytes, place: int, value: int) -> None:
    raw = bytearray(zlib.decompress(base64.b64decode(encode_bitmap(MASK))))
    raw[place % len(raw)] = value
    for data in (packed(junk), packed(bytes(raw)), base64.b64encode(junk).decode()):
        try:
            mask = decode_bitmap(data, WHERE, (7, 13))
        except DataError:
            continue
        assert mask.dtype == np.bool_


def test_paste_adds_in_place() -> None:
    target = np.zeros((3, 4), np.bool_)
    target[0, 0] = True
    paste(target, np.array([[True, False], [False, True]]), (2, 1), WHERE)
    paste(target, np.zeros((3, 4), np.bool_), (0, 0), WHERE)
    assert sorted(zip(*np.nonzero(target), strict=True)) == [(0, 0), (1, 2), (2, 3)]


@pytest.mark.parametrize("origin", [(-1, 0), (0, -1), (3, 0), (0, 2)])
def test_paste_refuses_to_leave_the_image(origin: tuple[int, int]) -> None:
    target = np.zeros((3, 4), np.bool_)
    with pytest.raises(DataError, match="leaves the 4x3 image") as caught:
        paste(target, np.ones((2, 2), np.bool_), origin, WHERE)
    assert WHERE in str(caught.value)
    assert not target.any()


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"real data not found at {SHARED}")
def test_real_bitmaps_survive_both_ways() -> None:
    count = 0
    for path in sorted(SHARED.glob("*/*/ann/*.json")):
        for item in json.loads(path.read_text())["objects"]:
            if not item["bitmap"]:
                continue
            data = item["bitmap"]["data"]
            raw = zlib.decompress(base64.b64decode(data))
            mask = decode_bitmap(data, path)
            header = read_png_header(raw, path)
            assert mask.shape == (header.height, header.width)
            # a tight box touches all four sides
            assert mask[0].any()
            assert mask[-1].any()
            assert mask[:, 0].any()
            assert mask[:, -1].any()
            assert np.array_equal(decode_bitmap(encode_bitmap(mask), path), mask)
            count += 1
    assert count > 600
