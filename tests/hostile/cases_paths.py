"""Names and places of files that cannot be trusted."""

from __future__ import annotations

import os
from pathlib import Path

from corpus import (
    Build,
    Case,
    add_image,
    annotation,
    bitmap,
    encoded,
    picture,
    put,
    write_kaggle,
    write_masks,
    write_project,
)

RENAME = "rename one of them"


def named(*names: str) -> Build:
    """Return the builder of a project with images of these names."""

    def build(root: Path) -> None:
        write_project(root)
        for index, name in enumerate(names):
            add_image(root, name, 50 + index, bitmap())

    return build


def raw_name(name: bytes) -> Build:
    """Return the builder of a project with an image whose name is these bytes."""

    def build(root: Path) -> None:
        write_project(root)
        add_image(root, os.fsdecode(name), 50, bitmap())

    return build


def one_stem(root: Path) -> None:
    write_project(root)
    for suffix in (".png", ".jpg"):
        put(root / "ds" / "img" / f"bad{suffix}", encoded(suffix, picture(3)))
        put(root / "ds" / "ann" / f"bad{suffix}.json", annotation())


def one_annotation_for_two(root: Path) -> None:
    write_project(root)
    for suffix in (".png", ".jpg"):
        put(root / "ds" / "img" / f"bad{suffix}", encoded(suffix, picture(3)))
    put(root / "ds" / "ann" / "bad.json", annotation())


def reached_twice(root: Path) -> None:
    write_project(root)
    (root / "again").symlink_to(root / "ds")


def long_folders(root: Path) -> None:
    """Two images of one stem of 153 characters in folders of 120, and two that just fit."""
    write_masks(root)
    for index, name in enumerate([f"{letter * 120}/{'s' * 153}" for letter in "ab"]):
        put(root / "images" / f"{name}.png", encoded(".png", picture(80 + index)))
        put(root / "masks" / f"{name}.png", encoded(".png", picture(0) // 255))
    for index, name in enumerate([f"{letter * 100}/{'t' * 137}" for letter in "ab"]):
        put(root / "images" / f"{name}.png", encoded(".png", picture(90 + index)))
        put(root / "masks" / f"{name}.png", encoded(".png", picture(0) // 255))


def circle(root: Path) -> None:
    write_masks(root)
    for name in ("images", "masks"):
        (root / name / "up").symlink_to(root)
    put(root / "images" / "bad.png", b"")
    put(root / "masks" / "bad.png", b"")


def two_data_sets(root: Path) -> None:
    write_project(root)
    for dataset in ("a/b", "a/datasets/b"):
        add_image(root, "one.png", 9, dataset=dataset)


def beside(root: Path) -> None:
    write_project(root)
    add_image(root, "one.png", 9, dataset=".")


def without_ann(root: Path) -> None:
    write_project(root)
    put(root / "more" / "img" / "a.png", encoded(".png", picture(1)))


def mixed(root: Path) -> None:
    write_project(root)
    write_kaggle(root)


def file_as_root(root: Path) -> None:
    put(root, "no folder")


def linked_root(root: Path) -> None:
    root.symlink_to(root.name)


def twin_masks(root: Path) -> None:
    write_masks(root)
    put(root / "images" / "bad.png", encoded(".png", picture(1)))
    for suffix in (".png", ".bmp"):
        put(root / "masks" / f"bad{suffix}", encoded(suffix, picture(1)))


def lonely_masks(root: Path) -> None:
    write_masks(root)
    put(root / "images" / "a.png", encoded(".png", picture(1)))
    put(root / "masks" / "b.png", encoded(".png", picture(1)))


CASES = [
    Case("name with a line end", named("a\nb.png"), ("unprintable", "a\\nb.png", "rename it")),
    Case(
        "name with terminal codes",
        named("a\x1b[2Jb.png"),
        ("unprintable", "a\\x1b[2Jb.png", "rename it"),
    ),
    Case(
        "name read from right to left",
        named("a\u202egnp.png"),
        ("unprintable", "a\\u202egnp.png", "rename it"),
    ),
    Case(
        "name that is no UTF-8",
        raw_name(b"coil_\xff.png"),
        ("unprintable", "coil_\\udcff.png", "rename it"),
    ),
    Case(
        "name of 250 bytes",
        named("x" * 246 + ".png"),
        ("longer than 200 bytes", "xxx.png", "shorten it"),
    ),
    Case(
        "name of 201 bytes, fewer letters",
        named("ж" * 98 + "z.png"),
        ("longer than 200 bytes", "z.png", "shorten it"),
    ),
    Case(
        "folders and names that the overlay cannot be called after",
        long_folders,
        ("a name of 291 bytes in predictions/test/overlays", "sss.png", "mend the files"),
        2,
    ),
    Case(
        "names in two Unicode forms",
        named("r\u00fcst.png", "ru\u0308st.png"),
        ("share one name", "ds/img", "mend"),
        2,
    ),
    Case(
        "names in two cases",
        named("coil.png", "COIL.png"),
        ("share one name", "ds/img/COIL.png", "mend"),
        2,
    ),
    Case("ends in two cases", named("coil.png", "coil.PNG"), ("share one name", "coil", "mend"), 2),
    Case("two images of one stem", one_stem, ("share one name", "bad.", "mend"), 2),
    Case(
        "one annotation for two images",
        one_annotation_for_two,
        ("share one name", "bad.", "mend"),
        2,
    ),
    Case(
        "data set reached by two ways",
        reached_twice,
        ("reached by two ways", "raw/", "remove one of the links"),
        None,
    ),
    Case("circle of links", circle, ("is empty", "images/bad.png", "restore the original")),
    Case(
        "two data sets of one name",
        two_data_sets,
        ("two data sets are called 'a/b'", "raw/a", "rename one"),
        None,
    ),
    Case(
        "images beside data sets",
        beside,
        ("beside whole data sets", "raw", "move img and ann"),
        None,
    ),
    Case(
        "data set without ann",
        without_ann,
        ("no folder ann", "raw/more", "export the project with images"),
        None,
    ),
    Case(
        "two formats",
        mixed,
        ("several formats (supervisely, kaggle)", "raw", "set data.format"),
        None,
    ),
    Case("nothing there", Path.mkdir, ("no known format", "raw", "point data.root"), None),
    Case("root is a file", file_as_root, ("not found", "raw"), None),
    Case("root links to itself", linked_root, ("not found", "raw"), None),
    Case("root missing", lambda root: None, ("not found", "raw"), None),  # noqa: ARG005
    Case(
        "two masks of one stem",
        twin_masks,
        ("two masks share one name", "masks/bad.", "remove one of them"),
    ),
    Case("masks and images do not pair", lonely_masks, ("2 problems", "images/a.png", "mend"), 2),
    Case(
        "folder of masks missing",
        write_masks,
        ("meta.json not found", "raw", "point data.root"),
        None,
        {"format": "supervisely"},
    ),
]
