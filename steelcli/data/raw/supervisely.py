"""Read Supervisely projects: ``meta.json`` and data sets of ``img/`` and ``ann/``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError, ParamsError
from steelcli.common.problems import REFUSE, Problems, apply_to_all
from steelcli.data.images.find import is_printable, iter_folders, iter_images, refuse_folders
from steelcli.data.raw.bitmap import EXPORT_AGAIN
from steelcli.data.raw.classes import choose_classes
from steelcli.data.raw.source import RawSample, name_samples
from steelcli.data.raw.supervisely_objects import (
    AREA_SHAPES,
    LINE_SHAPES,
    draw_object,
    get_mappings,
    get_typed,
    max_drawn_pixels,
    object_shape,
    read_json,
)
from steelcli.data.types import Split
from steelcli.params.data import DataParams

_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


@dataclass
class SuperviselySource:
    """A project whose annotations are opened one by one, in `read_masks`.

    Attributes:
        shapes: the shape of every class in ``meta.json`` by its title.
        ignored: titles that ``data.classes`` leaves out; their objects are passed over whatever
            their shape.
        other_shapes: what to do with lines and points of the remaining classes.
    """

    format = "supervisely"
    class_titles: tuple[str, ...]
    samples: tuple[RawSample, ...]
    shapes: dict[str, str]
    ignored: frozenset[str]
    other_shapes: Literal["refuse", "skip"]

    def read_masks(self, sample: RawSample, height: int, width: int) -> NDArray[np.bool_]:
        """Return the masks of one sample, bool [C, H, W]; objects of one class are joined.

        Raises:
            DataError: an annotation that is broken, made for another size, names an unknown class,
                has a shape that cannot be read, or leaves the image.
        """
        path: Path = sample.annotation
        annotation = read_json(path)
        size: dict[str, Any] = get_typed(annotation, "size", dict, path)
        stated = (get_typed(size, "height", int, path), get_typed(size, "width", int, path))
        if stated != (height, width):
            annotated = f"{stated[1]}x{stated[0]}"
            what = f"annotated for an image of {annotated}, but the image has {width}x{height}"
            raise DataError(what, path, "restore the image that was annotated")
        masks = np.zeros((len(self.class_titles), height, width), np.bool_)
        pixels_left = max_drawn_pixels(height * width)

        def draw(item: tuple[int, dict[str, Any]]) -> None:
            nonlocal pixels_left
            where = f"{path}, object {item[0]}"
            if pixels_left < 0:
                raise DataError(
                    "the objects before it cover the image too many times over",
                    where,
                    "remove the copies",
                )
            pixels_left -= self._draw(item[1], masks, where)

        apply_to_all(draw, enumerate(get_mappings(annotation, "objects", path)), path)
        return masks

    def _draw(self, item: dict[str, Any], masks: NDArray[np.bool_], where: str) -> int:
        """Draw one object; return the pixels gone through."""
        title = get_typed(item, "classTitle", str, where)
        if title in self.ignored:
            return 0
        if title not in self.shapes:
            raise DataError(
                f"class {title!r} is not in meta.json",
                where,
                EXPORT_AGAIN,
            )
        shape = object_shape(item, self.shapes[title], where)
        if shape in AREA_SHAPES and title in self.class_titles:
            return draw_object(item, shape, masks[self.class_titles.index(title)], where)
        if shape not in LINE_SHAPES:
            what = f"an object of class {title!r} has the shape {shape!r}, which is not read"
            raise DataError(
                what, where, "convert it to a bitmap or leave its class out of data.classes"
            )
        if self.other_shapes == "refuse":
            what = f"an object of class {title!r} is a {shape} and covers no area"
            raise DataError(
                what, where, "set data.other_shapes to skip or leave its class out of data.classes"
            )
        return 0


def open_supervisely(
    root: Path, params: DataParams, problems: Problems = REFUSE
) -> SuperviselySource:
    """List the samples of the project in ``root``, reading ``meta.json`` but no annotation yet.

    Args:
        root: the folder of ``meta.json``.
        params: classes, data sets and shapes to read.
        problems: takes images and annotations that do not pair.

    Raises:
        DataError: a missing or broken ``meta.json``, no data set, or no image.
        ParamsError: a class or data set asked for that the project does not have.
    """
    shapes = _read_classes(root / "meta.json")
    usable = [title for title, shape in shapes.items() if shape in (*AREA_SHAPES, "any")]
    for title in params.classes:
        if title in shapes and title not in usable:
            remedy = f"choose from {', '.join(usable) or 'none'}"
            raise ParamsError(
                f"class {title!r} is of shape {shapes[title]!r}, not read as area",
                "data.classes",
                remedy,
            )
    titles = choose_classes(usable, params.classes)
    if not titles:
        raise DataError(
            "no class covers an area",
            root / "meta.json",
            f"draw defects as {', '.join(AREA_SHAPES)}",
        )
    samples: list[RawSample] = []
    for name, folder in sorted(
        _choose_datasets(find_datasets(root), params.datasets, root).items()
    ):
        split = _split_of(name) if params.keep_splits else None
        samples.extend(_iter_samples(name, folder, split, problems))
    if not samples and not problems.rows:
        raise DataError("the project holds no images", root, "export it with images")
    ignored = frozenset(shapes).difference(titles) if params.classes else frozenset[str]()
    return SuperviselySource(
        titles, name_samples(samples, problems), shapes, ignored, params.other_shapes
    )


def find_datasets(root: Path) -> dict[str, Path]:
    """Return the folders that hold ``img`` or ``ann`` by the names of their data sets.

    A name such as ``train/coil_7`` leaves out the levels called ``datasets``, which Supervisely
    puts between a data set and its children. A project that is one data set has the empty name.

    Raises:
        DataError: two data sets of one name, or a data set around others that is the project
            itself.
    """
    found: dict[str, Path] = {}
    for folder, children, _ in iter_folders(root):
        if "img" in children or "ann" in children:
            name = "/".join(part for part in folder.relative_to(root).parts if part != "datasets")
            if not is_printable(name):
                raise DataError(
                    "the name of a data set holds unprintable characters", folder, "rename it"
                )
            if name in found:
                raise DataError(f"two data sets are called {name!r}", folder, "rename one of them")
            found[name] = folder
        children[:] = [
            child for child in children if child not in ("img", "ann") and child[0] != "."
        ]
    if "" in found and len(found) > 1:
        raise DataError(
            "images stand beside whole data sets",
            root,
            "move img and ann into a data set of their own",
        )
    return found


def _read_classes(path: Path) -> dict[str, str]:
    """Return the shape of every class by its title, in the order of ``meta.json``."""
    if not path.is_file():
        raise DataError(
            "meta.json not found", path, "point data.root at the folder of the whole project"
        )
    shapes: dict[str, str] = {}
    for item in get_mappings(read_json(path), "classes", path):
        title = get_typed(item, "title", str, path)
        if title in shapes:
            raise DataError(
                f"class {title!r} is defined twice",
                path,
                EXPORT_AGAIN,
            )
        if not title or not is_printable(title):
            raise DataError(
                "the title of a class is empty or holds unprintable characters",
                path,
                "rename the class",
            )
        shapes[title] = get_typed(item, "shape", str, path)
    return shapes


def _choose_datasets(found: dict[str, Path], wanted: Sequence[str], root: Path) -> dict[str, Path]:
    """Keep the wanted data sets and their children; all when none is named."""
    if not found:
        raise DataError(
            "no data set with img and ann found", root, "export the project with images"
        )
    for name in wanted:
        if not any(_is_within(key, name) for key in found):
            known = ", ".join(filter(None, found)) or "none, the project is a single data set"
            raise ParamsError(f"unknown data set {name!r}", "data.datasets", f"known here: {known}")
    chosen = {
        key: path for key, path in found.items() if any(_is_within(key, name) for name in wanted)
    }
    return chosen if wanted else found


def _is_within(name: str, parent: str) -> bool:
    return name == parent or name.startswith(f"{parent}/")


def _split_of(dataset: str) -> Split | None:
    """Return the split that the name of the outermost data set stands for."""
    return _SPLIT_NAMES.get(dataset.split("/", maxsplit=1)[0].casefold().removesuffix("_split"))


def _iter_samples(
    dataset: str, folder: Path, split: Split | None, problems: Problems
) -> Iterator[RawSample]:
    """Yield the images of one data set with their annotations.

    An annotation has the image's name, with or without its suffix.
    """
    for part in ("img", "ann"):
        if not (folder / part).is_dir():
            raise DataError(
                f"the data set has no folder {part}", folder, "export the project with images"
            )
    prefix = f"{dataset}/" if dataset else ""
    unused = {path.name: path for path in (folder / "ann").glob("*.json") if path.name[0] != "."}
    before = len(problems.rows)
    images = list(iter_images(folder / "img", problems=problems))
    refuse_folders(folder / "img", problems)
    refused = [Path(row.image) for row in problems.rows[before:] if row.image]
    named = {image: _annotation_of(image, unused) for image in images}
    for image, path in named.items():
        if path is None:
            remedy = f"add {folder / 'ann' / image.name}.json or remove it"
            problems.add(DataError("image without annotation", image, remedy), image.as_posix())
        else:
            yield RawSample(prefix + image.name, image, path, split)
    taken = {*named.values(), *(_annotation_of(image, unused) for image in refused)}
    for path in sorted(set(unused.values()).difference(taken)):
        problems.add(DataError("annotation without image", path, "add its image or remove it"), "")


def _annotation_of(image: Path, annotations: Mapping[str, Path]) -> Path | None:
    return annotations.get(f"{image.name}.json") or annotations.get(f"{image.stem}.json")
