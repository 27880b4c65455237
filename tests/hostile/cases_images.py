"""Images that cannot, or must not, be read."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from corpus import (
    Build,
    Case,
    H,
    W,
    add_image,
    bad_image,
    bitmap,
    encoded,
    picture,
    put,
    write_masks,
    write_project,
)
from PIL import Image

from steelcli.data.images.png import PNG_SIGNATURE

PNG, JPEG = encoded(".png", picture(7)), encoded(".jpg", picture(7))
BMP, TIFF, WEBP = (encoded(suffix, picture(7)) for suffix in (".bmp", ".tif", ".webp"))
RESTORE = ("bad.png", "restore the original")
CONVERT = ("bad.png", "convert it to an 8-bit PNG")
TOO_MANY = ("bad.png", "more than data.max_image_pixels (100000000)", "raise data.max_image_pixels")


def pillow(kind: str, mode: str, count: int = 1, **options: Any) -> bytes:
    """Return an image of one or more frames as Pillow writes it."""
    frames = [Image.fromarray(picture(index)).convert(mode) for index in range(count)]
    stream = io.BytesIO()
    more = {"save_all": True, "append_images": frames[1:]} if count > 1 else {}
    frames[0].save(stream, kind, **more, **options)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, idat: bytes, bits: int = 8, color: int = 0, *more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    return PNG_SIGNATURE + head + b"".join(more) + chunk(b"IDAT", idat) + chunk(b"IEND", b"")


def two_headers() -> bytes:
    """Return a PNG whose second header, behind the pixels, is harmless: decoders go by the
    first."""
    raw, end = png(30_000, 30_000, zeros(2**20)), chunk(b"IEND", b"")
    return (
        raw.removesuffix(end) + chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, 8, 0, 0, 0, 0)) + end
    )


def spoilt_tiff() -> bytes:
    """Return a TIFF packed by LZW with a stretch of noise in its middle."""
    raw = pillow("TIFF", "L", compression="tiff_lzw")
    middle = len(raw) // 2
    return raw[:middle] + np.random.default_rng(1).bytes(60) + raw[middle + 60 :]


def mirrored_tiff() -> bytes:
    return pillow("TIFF", "L", tiffinfo={274: 2})


def folder_inside(root: Path) -> None:
    write_project(root)
    put(root / "ds" / "img" / "sub" / "bad.png", PNG)


def zeros(size: int) -> bytes:
    """Return ``size`` zero bytes as a zlib stream, made without holding them."""
    stream = zlib.compressobj(9)
    block = bytes(2**20)
    parts = [stream.compress(block) for _ in range(size >> 20)]
    return b"".join([*parts, stream.compress(bytes(size & (2**20 - 1))), stream.flush()])


def frame(raw: bytes, height: int, width: int, bits: int = 8) -> bytes:
    """Return a JPEG whose frame header states another size."""
    place = raw.index(b"\xff\xc0")
    return raw[: place + 4] + struct.pack(">BHH", bits, height, width) + raw[place + 9 :]


def tiff(*entries: tuple[int, int]) -> bytes:
    """Return a TIFF of one directory of 32-bit values, in their order, and nothing else."""
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + tags + struct.pack("<I", 0)


def two_sizes() -> bytes:
    """Return a sound TIFF whose first size is gigantic: libtiff goes by it."""
    entries = [(256, 2**15), (256, W), (257, 2**15), (257, H), (258, 8), (259, 1), (262, 1)]
    entries += [(273, 200), (277, 1), (278, H), (279, W * H)]
    return tiff(*entries).ljust(200, b"\0") + bytes(W * H)


def white_tiff() -> bytes:
    """Return a sound 16-bit TIFF whose lowest value is white."""
    entries = [(256, W), (257, H), (258, 16), (259, 1), (262, 0), (273, 200), (277, 1)]
    head = tiff(*entries, (278, H), (279, 2 * W * H)).ljust(200, b"\0")
    return head + picture(7).astype("<u2").tobytes()


def unread_mask(root: Path) -> None:
    write_masks(root)
    put(root / "images" / "bad.png", PNG)
    put(root / "masks" / "bad.txt", "a mask of some other kind")


def longer_directory() -> bytes:
    """Return a TIFF that states 256 tags more than it holds; Pillow takes those there are."""
    place = struct.unpack_from("<I", TIFF, 4)[0] + 1
    return TIFF[:place] + b"\x01" + TIFF[place + 1 :]


def text_tile() -> bytes:
    """Return a TIFF whose tile width is text, a thousand times which would be a text too."""
    entries = [(256, 4, 1, W), (257, 4, 1, H), (258, 4, 1, 8), (259, 4, 1, 1), (262, 4, 1, 1)]
    entries += [(273, 4, 1, 200), (277, 4, 1, 1), (278, 4, 1, H), (279, 4, 1, W * H)]
    entries += [(322, 2, 4, 0x61616161), (323, 4, 1, 1000)]
    tags = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + tags + struct.pack("<I", 0)
    return head.ljust(200, b"\0") + bytes(W * H)


def webp(width: int, height: int) -> bytes:
    body = (
        b"WEBPVP8X"
        + struct.pack("<II", 10, 0)
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def flipped(raw: bytes, mark: bytes, offset: int) -> bytes:
    """Return bytes with one of them changed at an offset from a mark."""
    place = raw.index(mark) + offset
    return raw[:place] + bytes([raw[place] ^ 0x55]) + raw[place + 1 :]


def spoilt_path(spoil: Any) -> Build:
    """Return the builder of a project whose ``bad.png`` is replaced by what ``spoil`` puts at its
    path."""

    def build(root: Path) -> None:
        write_project(root)
        add_image(root, "bad.png", 99, bitmap())
        path = root / "ds" / "img" / "bad.png"
        path.unlink()
        spoil(path)

    return build


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(PNG[:100])
        file.truncate(20 * 2**30)


def bad_mask(raw: bytes) -> Build:
    """Return the builder of folders one of whose masks has these bytes."""

    def build(root: Path) -> None:
        write_masks(root)
        put(root / "images" / "bad.png", PNG)
        put(root / "masks" / "bad.png", raw)

    return build


CASES = [
    Case("image empty", bad_image(b""), ("is empty", *RESTORE)),
    Case("image of zero bytes", bad_image(bytes(5000)), ("not a PNG, JPEG", *RESTORE)),
    Case(
        "image is text",
        bad_image(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n"),
        RESTORE,
    ),
    Case("image is a web page", bad_image(b"<html><body>404</body></html>"), RESTORE),
    Case("image is a zip", bad_image(b"PK\x03\x04" + bytes(400)), RESTORE),
    Case("image is a RIFF but no WebP", bad_image(b"RIFF\x24\0\0\0WAVEfmt " + bytes(50)), RESTORE),
    Case("PNG cut in half", bad_image(PNG[: len(PNG) // 2]), ("PNG is cut off", *RESTORE)),
    Case("PNG of its signature alone", bad_image(PNG_SIGNATURE), ("PNG is cut off", *RESTORE)),
    Case("PNG without pixels", bad_image(png(W, H, b"")), RESTORE),
    Case(
        "PNG with half its rows",
        bad_image(png(W, H, zlib.compress(bytes((W + 1) * H // 2)))),
        RESTORE,
    ),
    Case("PNG with a bit flipped in the pixels", bad_image(flipped(PNG, b"IDAT", 900)), RESTORE),
    Case("PNG with a bit flipped in the header", bad_image(flipped(PNG, b"IHDR", 6)), ("bad.png",)),
    Case(
        "PNG chunk longer than the file",
        bad_image(flipped(PNG, b"IDAT", -4)),
        ("PNG is cut off", *RESTORE),
    ),
    Case(
        "JPEG cut in half",
        bad_image(JPEG[: len(JPEG) // 2], "bad.jpg"),
        ("damaged or cut off", "bad.jpg", "restore"),
    ),
    Case(
        "JPEG without its end",
        bad_image(JPEG[:-2], "bad.jpg"),
        ("damaged or cut off", "bad.jpg", "restore"),
    ),
    Case("JPEG of its start alone", bad_image(JPEG[:2]), ("not a PNG, JPEG", *RESTORE)),
    Case(
        "progressive JPEG cut off",
        bad_image(encoded(".jpg", picture(7), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)[:-300]),
        RESTORE,
    ),
    Case(
        "JPEG cut in half with an end",
        bad_image(JPEG[: len(JPEG) // 2] + JPEG[-2:]),
        ("damaged or cut off", *RESTORE),
    ),
    Case(
        "JPEG of endless scans",
        bad_image(
            lambda: JPEG[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 501 + JPEG[-2:]
        ),
        ("more than 500 scans", *RESTORE),
    ),
    Case("TIFF with damaged pixels", bad_image(spoilt_tiff), ("damaged or cut off", *RESTORE)),
    Case(
        "TIFF that is stored mirrored", bad_image(mirrored_tiff), ("turned or mirrored", *CONVERT)
    ),
    Case("images in a folder of the folder", folder_inside, ("img/sub", "move them up")),
    Case("JPEG of height 0", bad_image(frame(JPEG, 0, W)), ("not a PNG, JPEG", *RESTORE)),
    Case("BMP cut off", bad_image(BMP[:-300], "bad.bmp"), ("bad.bmp", "restore")),
    Case(
        "BMP of its first bytes alone",
        bad_image(BMP[:20]),
        ("not a PNG, JPEG", *RESTORE),
    ),
    Case("TIFF cut off", bad_image(TIFF[:-300], "bad.tif"), ("bad.tif", "restore")),
    Case(
        "TIFF without a size",
        bad_image(tiff((258, 8))),
        ("not a PNG, JPEG", *RESTORE),
    ),
    Case(
        "TIFF whose directory is longer than the file",
        bad_image(longer_directory),
        ("not a PNG, JPEG", *RESTORE),
    ),
    Case(
        "TIFF of 999 channels",
        bad_image(tiff((256, W), (257, H), (258, 8), (259, 1), (262, 1), (273, 8), (277, 999))),
        ("not a PNG, JPEG", *RESTORE),
    ),
    Case("TIFF whose directory lies outside", bad_image(b"II*\0\xff\xff\xff\x7f"), RESTORE),
    Case("WebP cut off", bad_image(WEBP[:-300], "bad.webp"), ("bad.webp", "restore")),
    Case(
        "PNG of endless chunks",
        bad_image(lambda: PNG[:33] + chunk(b"tEXt", b"") * 2**20 + PNG[33:]),
        ("131072 chunks", *RESTORE),
    ),
    Case(
        "JPEG of endless segments",
        bad_image(lambda: JPEG[:2] + b"\xff\xfe\x00\x02" * 2**20 + JPEG[2:]),
        ("not a PNG, JPEG", *RESTORE),
    ),
    Case(
        "JPEG of fill bytes",
        bad_image(lambda: JPEG[:2] + b"\xff" * 2**26),
        ("not a PNG, JPEG", *RESTORE),
    ),
    Case(
        "16-bit PNG",
        bad_image(encoded(".png", picture(7).astype(np.uint16) * 257)),
        ("16 bits", "set data.value_range", *CONVERT),
    ),
    Case(
        "16-bit TIFF",
        bad_image(encoded(".tif", picture(7).astype(np.uint16) * 257)),
        ("16 bits", "set data.value_range", *CONVERT),
    ),
    Case(
        "float TIFF",
        bad_image(encoded(".tif", picture(7).astype(np.float32))),
        ("32 bits", *CONVERT),
    ),
    Case("12-bit JPEG", bad_image(frame(JPEG, H, W, 12)), ("not a PNG, JPEG", *CONVERT)),
    Case("CMYK JPEG", bad_image(pillow("JPEG", "CMYK")), ("CMYK", *CONVERT)),
    Case("CMYK TIFF", bad_image(pillow("TIFF", "CMYK")), ("CMYK", *CONVERT)),
    Case(
        "animated PNG",
        bad_image(pillow("PNG", "L", 3)),
        ("several pictures", "bad.png", "keep one picture"),
    ),
    Case(
        "animated WebP",
        bad_image(pillow("WEBP", "RGB", 3)),
        ("several pictures", "bad.png", "keep one picture"),
    ),
    Case(
        "TIFF of three pages",
        bad_image(pillow("TIFF", "L", 3)),
        ("several pictures", "bad.png", "keep one picture"),
    ),
    Case("GIF called PNG", bad_image(pillow("GIF", "L", 2)), ("not a PNG, JPEG", *CONVERT)),
    Case(
        "GIF",
        bad_image(pillow("GIF", "L"), "bad.gif"),
        ("type .gif", "bad.gif", "convert it to PNG"),
    ),
    Case(
        "JPEG 2000 called PNG",
        bad_image(b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(99)),
        ("not a PNG, JPEG", *CONVERT),
    ),
    Case(
        "HEIF called PNG",
        bad_image(b"\x00\x00\x00\x18ftypheic" + bytes(99)),
        ("not a PNG, JPEG", *CONVERT),
    ),
    Case(
        "SVG called PNG",
        bad_image(b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("not a PNG, JPEG", *CONVERT),
    ),
    Case("BigTIFF", bad_image(b"II+\x00\x08\x00\x00\x00" + bytes(99)), ("is BigTIFF", *CONVERT)),
    Case(
        "100,000 x 1 pixels",
        bad_image(encoded(".png", picture(7, 1, 100_000))),
        ("100000x1", "bad.png", "crop it"),
    ),
    Case(
        "1 x 100,000 pixels",
        bad_image(encoded(".png", picture(7, 100_000, 1))),
        ("1x100000", "bad.png", "crop it"),
    ),
    Case(
        "PNG bomb",
        bad_image(lambda: png(12_000, 12_000, zeros(12_001 * 12_000))),
        ("12000x12000", *TOO_MANY),
    ),
    Case(
        "PNG bomb of 16-bit RGBA",
        bad_image(lambda: png(10_000, 10_000, zeros(2**24), 16, 6)),
        ("16 bits", *CONVERT),
    ),
    Case("PNG of 2^31 - 1 pixels each way", bad_image(png(2**31 - 1, 2**31 - 1, b"")), TOO_MANY),
    Case(
        "PNG of width 0", bad_image(png(0, H, zlib.compress(b""))), ("states 0x40 pixels", *RESTORE)
    ),
    Case("PNG bomb with a second header", bad_image(two_headers), ("30000x30000", *TOO_MANY)),
    Case("JPEG bomb", bad_image(frame(JPEG, 65_500, 65_500)), ("65500x65500", *TOO_MANY)),
    Case(
        "BMP bomb",
        bad_image(BMP[:18] + struct.pack("<ii", 10**6, -(10**6)) + BMP[26:]),
        ("1000000x1000000", *TOO_MANY),
    ),
    Case(
        "BMP of least numbers",
        bad_image(BMP[:18] + struct.pack("<ii", -(2**31), -(2**31)) + BMP[26:]),
        TOO_MANY,
    ),
    Case(
        "TIFF bomb",
        bad_image(tiff((256, 2**30), (257, 2**30), (258, 8), (262, 1), (273, 8))),
        TOO_MANY,
    ),
    Case(
        "TIFF bomb that states its width twice and no more",
        bad_image(tiff((256, 2**15), (256, W), (257, 2**15))),
        RESTORE,
    ),
    Case(
        "TIFF bomb that states its size twice",
        bad_image(two_sizes),
        ("states a tag twice", *CONVERT),
    ),
    Case(
        "TIFF of gigantic tiles",
        bad_image(
            tiff((256, W), (257, H), (258, 8), (262, 1), (322, 2**15), (323, 2**15), (324, 8))
        ),
        TOO_MANY,
    ),
    Case(
        "TIFF whose tile width is text",
        bad_image(text_tile),
        ("not a PNG, JPEG", *CONVERT),
    ),
    Case("WebP bomb", bad_image(webp(16_000, 16_000)), RESTORE),
    Case(
        "limit of pixels by parameter",
        bad_image(PNG),
        ("60x40 pixels", "data.max_image_pixels (2399)"),
        3,
        {"max_image_pixels": 2399},
    ),
    Case(
        "image file of 20 GiB", spoilt_path(sparse), ("it is larger than", "bad.png", "remove what")
    ),
    Case(
        "image is a folder",
        spoilt_path(Path.mkdir),
        ("annotation without image", "bad.png.json", "add its image"),
    ),
    Case("image is a pipe", spoilt_path(os.mkfifo), ("no file", "bad.png", "restore the original")),
    Case(
        "image links to nowhere",
        spoilt_path(lambda path: path.symlink_to("gone.png")),
        ("link to nowhere", *RESTORE),
    ),
    Case(
        "image links to itself",
        spoilt_path(lambda path: path.symlink_to("bad.png")),
        ("link to nowhere", *RESTORE),
    ),
    Case(
        "image links to a text file",
        spoilt_path(lambda path: path.symlink_to("/etc/hostname")),
        RESTORE,
    ),
    Case(
        "image links to a device", spoilt_path(lambda path: path.symlink_to("/dev/zero")), RESTORE
    ),
    Case(
        "mask in colour",
        bad_mask(encoded(".png", np.dstack([picture(index) for index in range(3)]))),
        ("coloured", "masks/bad.png", "save it as grey"),
    ),
    Case(
        "mask with grey values",
        bad_mask(encoded(".png", picture(3))),
        ("grey values", "masks/bad.png", "data.mask_threshold"),
    ),
    Case(
        "mask of another size",
        bad_mask(encoded(".png", picture(3, W, H) // 255)),
        ("40x60 pixels", "masks/bad.png", "restore the mask"),
    ),
    Case(
        "mask that is a bomb",
        bad_mask(png(30_000, 30_000, zeros(2**20))),
        ("30000x30000", "masks/bad.png", "data.max_image_pixels"),
    ),
    Case(
        "mask of 16 bits",
        bad_mask(encoded(".png", picture(7).astype(np.uint16))),
        ("16 bits", "masks/bad.png", "data.mask_values", "convert it"),
    ),
    Case(
        "mask with a value that stands for no class",
        bad_mask(encoded(".tif", picture(7) // 100 * np.uint16(300))),
        ("does not name (300)", "masks/bad.png", "mend the mask"),
        1,
        {"mask_values": {"pits": 255, "cracks": 600}},
    ),
    Case(
        "image without a mask, whose name a text among the masks has",
        unread_mask,
        ("a file of its name stands among the masks", "images/bad.png", "convert that one"),
        1,
        {"missing_masks": "clean"},
    ),
    Case(
        "16-bit RGB PNG, whatever the range",
        bad_image(encoded(".png", np.dstack([picture(7).astype(np.uint16)] * 3))),
        ("16 bits", *CONVERT),
        1,
        {"value_range": [0, 4095]},
    ),
    Case(
        "16-bit PNG cut off",
        bad_image(encoded(".png", picture(7).astype(np.uint16) * 257)[:-900]),
        ("PNG is cut off", *RESTORE),
        1,
        {"value_range": [0, 4095]},
    ),
    Case(
        "16-bit TIFF that counts from white",
        bad_image(white_tiff),
        ("the lowest value is white", *CONVERT),
        1,
        {"value_range": [0, 4095]},
    ),
    Case(
        "16-bit PNG bomb",
        bad_image(lambda: png(30_000, 30_000, zeros(2**20), 16)),
        ("30000x30000", *TOO_MANY),
        1,
        {"value_range": [0, 4095]},
    ),
]
