"""What looks wrong and is not: how each is read is decided here."""

from __future__ import annotations

import io
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cases_images import PNG, chunk
from corpus import (
    Build,
    H,
    W,
    add_image,
    annotation,
    bad_annotation,
    bad_image,
    bad_objects,
    bitmap,
    encoded,
    picture,
    polygon,
    put,
    spot,
    write_project,
)
from PIL import Image

SPOT = int(spot().sum())


@dataclass(frozen=True)
class Oddity:
    """A data set that is read.

    Attributes:
        build: writes it.
        defect_pixels: of the image ``image``.
        shape: height and width of that image.
    """

    name: str
    build: Build
    defect_pixels: int = SPOT
    image: str = "bad.png"
    shape: tuple[int, int] = (H, W)


def turned() -> bytes:
    """Return a JPEG that asks to be shown turned by a quarter."""
    image = Image.fromarray(picture(7))
    exif = image.getexif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    image.save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def saved(kind: str, mode: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture(7)).convert(mode).save(stream, kind)
    return stream.getvalue()


def text_bomb() -> bytes:
    """Return a PNG with a comment that inflates to 64 MiB."""
    place = PNG.index(b"IDAT") - 4
    return (
        PNG[:place] + chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**26), 9)) + PNG[place:]
    )


def tiny(root: Path) -> None:
    write_project(root)
    put(root / "ds" / "img" / "bad.png", encoded(".png", picture(7, 1, 1)))
    put(root / "ds" / "ann" / "bad.png.json", annotation(size={"height": 1, "width": 1}))


def named(name: str) -> Oddity:
    def build(root: Path) -> None:
        write_project(root)
        add_image(root, name, 9, bitmap())

    return Oddity(f"name {name[:20]!r}", build, image=name)


def linked(root: Path) -> None:
    write_project(root / "elsewhere")
    add_image(root / "elsewhere", "bad.png", 9, bitmap())
    (root / "meta.json").symlink_to(root / "elsewhere" / "meta.json")
    for kind in ("img", "ann"):
        (root / "ds" / kind).mkdir(parents=True)
        for path in (root / "elsewhere" / "ds" / kind).iterdir():
            path.rename(root / path.name)
            (root / "ds" / kind / path.name).symlink_to(root / path.name)
    for path in sorted((root / "elsewhere").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else None


def csv_order(root: Path) -> None:
    put(root / "train_images" / "bad.png", PNG)
    put(root / "train.csv", "EncodedPixels,ImageId,Note,ClassId\r\n2 3 9 1,bad.png,x,4\r\n")


ODDITIES = [
    Oddity("PNG called JPEG", bad_image(PNG, "bad.jpg"), image="bad.jpg"),
    Oddity("JPEG called PNG", bad_image(encoded(".jpg", picture(7)))),
    Oddity("EXIF orientation: the stored pixels count", bad_image(turned())),
    Oddity(
        "colour: its luma counts",
        bad_image(encoded(".png", np.dstack([picture(index) for index in range(3)]))),
    ),
    Oddity(
        "alpha: dropped",
        bad_image(encoded(".png", np.dstack([picture(index) for index in range(4)]))),
    ),
    Oddity("grey with alpha", bad_image(saved("PNG", "LA"))),
    Oddity("palette", bad_image(saved("PNG", "P"))),
    Oddity("one bit a pixel", bad_image(saved("PNG", "1"))),
    Oddity("text chunk that is a bomb", bad_image(text_bomb())),
    Oddity("bytes behind the image", bad_image(PNG + bytes(5000))),
    Oddity("1 x 1 pixels", tiny, 0, shape=(1, 1)),
    Oddity("byte order mark", bad_annotation("\ufeff" + json.dumps(annotation(bitmap())))),
    Oddity(
        "further keys", bad_annotation(annotation(bitmap(), customBigData={"x": [None]}, tags=None))
    ),
    Oddity("bitmaps on each other", bad_objects(bitmap(), bitmap())),
    Oddity(
        "polygon that crosses itself: filled by the even-odd rule",
        bad_objects(polygon([[2, 2], [10, 2], [2, 10], [10, 10]])),
        49,
    ),
    Oddity("polygon without area: its line", bad_objects(polygon([[2, 2], [6, 2], [4, 2]])), 5),
    Oddity(
        "polygon to the outer edge", bad_objects(polygon([[0, 0], [W, 0], [W, H], [0, H]])), W * H
    ),
    Oddity("rectangle of one pixel", bad_objects(polygon([[3, 3], [3, 3]], shape="rectangle")), 1),
    named("a name with blanks.png"),
    named("r\u00fcst \u2013 \u94a2.png"),
    named("ru\u0308st.png"),
    named("x" * 196 + ".png"),
    named("'; rm -rf $HOME #.png"),
    named("-rf.png"),
    Oddity("every file a link out of the folder", linked),
    Oddity("csv with columns in another order", csv_order, 4),
]
