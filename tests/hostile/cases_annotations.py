"""Supervisely projects that lie, contradict themselves, or attack their reader."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from cases_images import PNG, png, zeros
from corpus import (
    META,
    Build,
    Case,
    H,
    W,
    add_image,
    annotation,
    bad_annotation,
    bad_objects,
    bitmap,
    encoded,
    packed,
    picture,
    polygon,
    put,
    write_project,
)

from steelcli.data.raw.bitmap import encode_bitmap

FILE = "bad.png.json"
AGAIN = (FILE, "export the project from Supervisely again")
META_AGAIN = ("meta.json", "export the project from Supervisely again")
SOUND = json.dumps(annotation(bitmap()))
RGB = np.dstack([picture(index, 3, 5) for index in range(3)])


def object_with(**changes: Any) -> Build:
    """Return the builder of a project with one bitmap of which some keys are changed."""
    return bad_objects(bitmap(**changes))


def raw_objects(text: str) -> Build:
    """Return the builder of a project with one annotation whose list of objects is this text."""
    size = f'{{"height":{H},"width":{W}}}'
    return bad_annotation(f'{{"size":{size},"objects":[{text}]}}')


def origin(text: str) -> Build:
    """Return the builder of a project with one bitmap whose origin's x is this text."""
    return raw_objects(json.dumps(bitmap(123456)).replace("123456", text))


def bad_meta(content: Any) -> Build:
    """Return the builder of a project with this ``meta.json``."""

    def build(root: Path) -> None:
        write_project(root)
        put(root / "meta.json", content)

    return build


def spoilt_path(spoil: Any) -> Build:
    """Return the builder of a project whose annotation is replaced by what ``spoil`` puts at its
    path."""

    def build(root: Path) -> None:
        write_project(root)
        add_image(root, "bad.png", 99)
        path = root / "ds" / "ann" / FILE
        path.unlink()
        spoil(path)

    return build


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"[")
        file.truncate(5 * 2**30)


def many_faults(root: Path) -> None:
    write_project(root)
    add_image(root, "bad.png", 99, bitmap(), bitmap(-1), bitmap(title="rust"), polygon([[1, 1]]))


def unpaired(root: Path) -> None:
    write_project(root)
    put(root / "ds" / "img" / "bad.png", encoded(".png", picture(9)))
    put(root / "ds" / "ann" / "lost.png.json", annotation())


def classes(count: int) -> dict[str, Any]:
    return {"classes": [{"title": f"class {index}", "shape": "bitmap"} for index in range(count)]}


FULL = encode_bitmap(np.ones((256, 1600), np.bool_))


def crowded(item: dict[str, Any]) -> Build:
    """Return the builder of a project with a large image and as many of one object as an annotation
    can hold."""

    def build(root: Path) -> None:
        write_project(root)
        put(root / "ds" / "img" / "bad.png", encoded(".png", picture(99, 256, 1600)))
        text = json.dumps(item)
        objects = ",".join([text] * ((2**24 - 100) // (len(text) + 1)))
        put(
            root / "ds" / "ann" / FILE,
            f'{{"size":{{"height":256,"width":1600}},"objects":[{objects}]}}',
        )

    return build


CASES = [
    Case(
        "objects that each cover all",
        crowded(bitmap(0, 0, FULL)),
        ("cover the image too many times", FILE, "mend"),
        21,
    ),
    Case(
        "polygon with 100,000 holes",
        crowded(
            polygon(
                [[0, 0], [1600, 0], [1600, 256], [0, 256]],
                [[[0, 0], [1600, 0], [9, 256]]] * 100_000,
            )
        ),
        ("a large polygon has 100000 holes", FILE, "mend"),
        5,
    ),
    Case(
        "annotation of empty mappings",
        bad_annotation(
            lambda: '{"size":{"height":40,"width":60},"objects":[' + "{}," * 5_000_000 + "{}]}"
        ),
        ("21 problems", FILE, "mend the files listed"),
        21,
    ),
    Case("annotation empty", bad_annotation(""), ("broken JSON", *AGAIN)),
    Case(
        "annotation in Latin-1",
        bad_annotation('{"title": "Gefüge"}'.encode("latin-1")),
        ("broken JSON", *AGAIN),
    ),
    Case("annotation in UTF-16", bad_annotation(SOUND.encode("utf-16")), ("broken JSON", *AGAIN)),
    Case("annotation cut off", bad_annotation(SOUND[: len(SOUND) // 2]), ("broken JSON", *AGAIN)),
    Case("annotation with something behind", bad_annotation(SOUND + "{}"), ("broken JSON", *AGAIN)),
    Case("annotation nested in lists", bad_annotation("[" * 10**6), ("broken JSON", *AGAIN)),
    Case("annotation nested in mappings", bad_annotation('{"a":' * 10**6), ("broken JSON", *AGAIN)),
    Case(
        "annotation of half a pair", bad_annotation(b'{"\xed\xa0\x80":1}'), ("broken JSON", *AGAIN)
    ),
    Case("annotation is a list", bad_annotation("[]"), ("no mapping", *AGAIN)),
    Case("annotation is null", bad_annotation("null"), ("no mapping", *AGAIN)),
    Case(
        "annotation of 5 GiB",
        spoilt_path(sparse),
        ("it is larger than", FILE, "remove what does not belong"),
    ),
    Case(
        "annotation is a folder", spoilt_path(Path.mkdir), ("no regular file", FILE, "replace it")
    ),
    Case("annotation is a pipe", spoilt_path(os.mkfifo), ("no regular file", FILE, "replace it")),
    Case(
        "annotation links to itself",
        spoilt_path(lambda path: path.symlink_to(FILE)),
        (FILE, "check that it exists"),
    ),
    Case("annotation is a PNG", bad_annotation(PNG), ("broken JSON", *AGAIN)),
    Case("number of 100,000 digits", origin("9" * 100_000), ("broken JSON", *AGAIN)),
    Case("number beyond all floats", origin("1e999"), ("no pair of numbers", *AGAIN)),
    Case("number of 4,000 digits", origin("9" * 4000), ("no pair of numbers", *AGAIN)),
    Case("NaN", origin("NaN"), ("no pair of numbers", *AGAIN)),
    Case("Infinity", origin("-Infinity"), ("no pair of numbers", *AGAIN)),
    Case(
        "key twice in the annotation",
        bad_annotation(SOUND[:-1] + ',"objects":[]}'),
        ("'objects' stands twice", *AGAIN),
    ),
    Case(
        "key twice in an object",
        raw_objects('{"classTitle":"scratch","classTitle":"patch"}'),
        ("'classTitle' stands twice", *AGAIN),
    ),
    Case("size missing", bad_annotation({"objects": []}), ("'size' is missing", *AGAIN)),
    Case("size is a list", bad_annotation(annotation(size=[H, W])), ("'size' is list", *AGAIN)),
    Case(
        "height missing",
        bad_annotation(annotation(size={"width": W})),
        ("'height' is missing", *AGAIN),
    ),
    Case(
        "height is true",
        bad_annotation(annotation(size={"height": True, "width": W})),
        ("'height' is bool", *AGAIN),
    ),
    Case(
        "height is text",
        bad_annotation(annotation(size={"height": "40", "width": W})),
        ("'height' is str", *AGAIN),
    ),
    Case(
        "height is a float",
        bad_annotation(annotation(size={"height": 40.0, "width": W})),
        ("'height' is float", *AGAIN),
    ),
    Case(
        "height is null",
        bad_annotation(annotation(size={"height": None, "width": W})),
        ("'height' is NoneType", *AGAIN),
    ),
    Case(
        "size turned",
        bad_annotation(annotation(size={"height": W, "width": H})),
        ("annotated for an image of 40x60", FILE, "restore the image"),
    ),
    Case(
        "size negative",
        bad_annotation(annotation(size={"height": -H, "width": -W})),
        ("-60x-40", FILE, "restore the image"),
    ),
    Case(
        "size of 4,000 digits",
        bad_annotation(annotation(size={"height": 10**4000, "width": W})),
        (FILE, "restore the image"),
    ),
    Case(
        "objects missing",
        bad_annotation({"size": {"height": H, "width": W}}),
        ("'objects' is missing", *AGAIN),
    ),
    Case(
        "objects are null",
        bad_annotation(annotation(objects=None)),
        ("'objects' is NoneType", *AGAIN),
    ),
    Case(
        "objects are a mapping",
        bad_annotation(annotation(objects={})),
        ("'objects' is dict", *AGAIN),
    ),
    Case("object is text", bad_objects("scratch"), ("'objects' holds str", *AGAIN)),
    Case(
        "class missing",
        bad_objects({"geometryType": "bitmap"}),
        ("'classTitle' is missing", *AGAIN),
    ),
    Case("class is a number", object_with(classTitle=7), ("'classTitle' is int", *AGAIN)),
    Case(
        "class not in meta.json",
        object_with(classTitle="rust"),
        ("class 'rust' is not in meta.json", *AGAIN),
    ),
    Case(
        "class with terminal codes",
        object_with(classTitle="\x1b[31m\r\nError: all is well\u202e"),
        ("\\x1b[31m", *AGAIN),
    ),
    Case("class of a megabyte", object_with(classTitle="x" * 2**20), ("…", *AGAIN)),
    Case("shape is a number", object_with(geometryType=7), ("'geometryType' is int", *AGAIN)),
    Case(
        "shape unknown",
        object_with(geometryType="cuboid_3d"),
        ("'cuboid_3d'", FILE, "convert it to a bitmap"),
    ),
    Case("shape cannot be told", bad_objects({"classTitle": "patch"}), ("neither a shape", *AGAIN)),
    Case(
        "line",
        bad_objects(polygon([[1, 1], [9, 9]], shape="line")),
        ("covers no area", FILE, "data.other_shapes"),
    ),
    Case("bitmap is null", object_with(bitmap=None), ("'bitmap' is NoneType", *AGAIN)),
    Case("bitmap is a list", object_with(bitmap=[]), ("'bitmap' is list", *AGAIN)),
    Case(
        "bitmap without data", object_with(bitmap={"origin": [1, 1]}), ("'data' is missing", *AGAIN)
    ),
    Case(
        "bitmap data a number",
        object_with(bitmap={"origin": [1, 1], "data": 5}),
        ("'data' is int", *AGAIN),
    ),
    Case("bitmap data empty", object_with(data=""), AGAIN),
    Case("base64 broken", object_with(data="eJz!!!"), ("no base64", *AGAIN)),
    Case("base64 with letters of other scripts", object_with(data="ееее"), ("no base64", *AGAIN)),
    Case("base64 of no zlib", object_with(data="aGVsbG8gd29ybGQh"), ("no zlib stream", *AGAIN)),
    Case("zlib cut off", object_with(data=packed(bytes(range(256)) * 9)[:40]), ("cut off", *AGAIN)),
    Case(
        "zlib of no PNG",
        object_with(data=packed(b"hello")),
        ("not a PNG", FILE, "restore the original"),
    ),
    Case(
        "zlib bomb",
        bad_annotation(lambda: annotation(bitmap(data=packed(bytes(2**28))))),
        ("larger than 84736 bytes", *AGAIN),
    ),
    Case(
        "PNG bomb in a bitmap",
        bad_annotation(lambda: annotation(bitmap(data=packed(png(60_000, 60_000, zeros(2**24)))))),
        ("a bitmap of 60000x60000", *AGAIN),
    ),
    Case(
        "PNG in a bitmap cut off",
        object_with(data=packed(PNG[:60])),
        ("PNG is cut off", FILE, "restore the original"),
    ),
    Case(
        "PNG in a bitmap without pixels",
        object_with(data=packed(png(5, 3, b""))),
        ("cannot be decoded", *AGAIN),
    ),
    Case(
        "PNG in a bitmap in colour",
        object_with(data=packed(encoded(".png", RGB))),
        ("neither grey", *AGAIN),
    ),
    Case(
        "JPEG in a bitmap",
        object_with(data=packed(encoded(".jpg", RGB))),
        ("not a PNG", FILE, "restore the original"),
    ),
    Case(
        "bitmap without a pixel set",
        object_with(data=packed(encoded(".png", np.zeros((3, 5), np.uint8)))),
        ("no pixel set", FILE, "delete the object"),
    ),
    Case("bitmap left of the image", object_with(x=-1), ("leaves the 60x40 image", *AGAIN)),
    Case("bitmap above the image", object_with(y=-3), ("leaves the 60x40 image", *AGAIN)),
    Case("bitmap over the right edge", object_with(x=W - 4), ("leaves the 60x40 image", *AGAIN)),
    Case("bitmap over the lower edge", object_with(y=H - 2), ("leaves the 60x40 image", *AGAIN)),
    Case("bitmap far out", object_with(x=999_999_999), ("leaves the 60x40 image", *AGAIN)),
    Case(
        "origin of one number",
        object_with(bitmap={"origin": [1], "data": ""}),
        ("no pair of numbers", *AGAIN),
    ),
    Case(
        "origin is text",
        object_with(bitmap={"origin": "1,1", "data": ""}),
        ("'origin' is str", *AGAIN),
    ),
    Case("origin is true", object_with(x=True), ("no pair of numbers", *AGAIN)),
    Case(
        "polygon of two points",
        bad_objects(polygon([[1, 1], [9, 9]])),
        ("polygon has 2 points", *AGAIN),
    ),
    Case("polygon without points", bad_objects(polygon([])), ("polygon has 0 points", *AGAIN)),
    Case(
        "polygon outside",
        bad_objects(polygon([[1, 1], [70, 1], [9, 9]])),
        ("a point lies outside", *AGAIN),
    ),
    Case(
        "polygon at negative places",
        bad_objects(polygon([[-1, 1], [7, 1], [9, 9]])),
        ("a point lies outside", *AGAIN),
    ),
    Case(
        "polygon of text",
        bad_objects(polygon([["1", "1"], [7, 1], [9, 9]])),
        ("no pair of numbers", *AGAIN),
    ),
    Case("polygon of numbers", bad_objects(polygon([1, 2, 3])), ("no pair of numbers", *AGAIN)),
    Case(
        "polygon at 1e308",
        bad_objects(polygon([[1e308, 1], [7, 1], [9, 9]])),
        ("no pair of numbers", *AGAIN),
    ),
    Case(
        "hole of one point",
        bad_objects(polygon([[1, 1], [20, 1], [9, 20]], [[[3, 3]]])),
        ("hole has 1 points", *AGAIN),
    ),
    Case(
        "hole is a number",
        bad_objects(polygon([[1, 1], [20, 1], [9, 20]], [7])),
        ("points are int", *AGAIN),
    ),
    Case(
        "points are a list",
        bad_objects({"classTitle": "patch", "geometryType": "polygon", "points": []}),
        ("'points' is list", *AGAIN),
    ),
    Case(
        "rectangle of three corners",
        bad_objects(polygon([[1, 1], [2, 2], [3, 3]], shape="rectangle")),
        ("3 corners", *AGAIN),
    ),
    Case(
        "three faults in one annotation",
        many_faults,
        ("3 problems", FILE, "mend the files listed"),
        3,
    ),
    Case(
        "100,000 faulty objects",
        bad_objects(*[{}] * 100_000),
        ("21 problems", FILE, "mend the files listed"),
        21,
    ),
    Case(
        "image and annotation do not pair",
        unpaired,
        ("2 problems", "image without annotation", "ds/img/bad.png", "mend"),
        2,
    ),
    Case("meta.json broken", bad_meta("{"), ("broken JSON", *META_AGAIN), None),
    Case(
        "meta.json in UTF-16",
        bad_meta(json.dumps(META).encode("utf-16")),
        ("broken JSON", *META_AGAIN),
        None,
    ),
    Case("meta.json without classes", bad_meta({}), ("'classes' is missing", *META_AGAIN), None),
    Case(
        "meta.json with a class twice",
        bad_meta({"classes": META["classes"] * 2}),
        ("defined twice", *META_AGAIN),
        None,
    ),
    Case(
        "meta.json with a key twice",
        bad_meta('{"classes":[],"classes":[]}'),
        ("stands twice", *META_AGAIN),
        None,
    ),
    Case(
        "meta.json without an area",
        bad_meta({"classes": [{"title": "a", "shape": "line"}]}),
        ("no class covers an area", "meta.json", "draw defects as"),
        None,
    ),
    Case(
        "65 classes",
        bad_meta(classes(65)),
        ("65 classes", "data.classes", "name those to read"),
        None,
    ),
    Case(
        "unknown class by parameter",
        write_project,
        ("unknown class 'rust'", "data.classes", "known here"),
        None,
        {"classes": ["rust"]},
    ),
    Case(
        "unknown data set by parameter",
        write_project,
        ("unknown data set '../ds'", "data.datasets", "known here"),
        None,
        {"datasets": ["../ds"]},
    ),
]
