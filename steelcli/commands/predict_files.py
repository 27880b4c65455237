"""The images that ``steelcli predict`` is asked for, by the names of their outputs."""

from __future__ import annotations

import glob
import os
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from steelcli.common.errors import DataError
from steelcli.common.problems import Problems
from steelcli.data.images.find import MAX_NAME_BYTES, is_printable, iter_images

TOP_DATASET = "images"
"""The data set of images that lie in no folder."""
_PROJECT_FOLDERS = ("img", "ann", "datasets")


def list_images(
    paths: Sequence[str], out_dir: Path, problems: Problems, in_project: bool = False
) -> dict[str, Path]:
    """Return the image files by name, sorted by name.

    A name is the file's path in its folder: the one that was given, or the part of a pattern
    before its first wildcard. A file that was given itself keeps its own name alone. What lies in
    ``out_dir`` is no input.

    Args:
        paths: files, folders, which are searched with all inside, and patterns as of `glob`; - is
            for the lines of stdin.
        out_dir: where the outputs go.
        problems: takes what cannot be read or named, and images whose outputs would be one file.
        in_project: see `output_key`.
    """
    own_dir = os.path.realpath(out_dir)
    of_one_name: dict[str, set[tuple[str, Path]]] = defaultdict(set)
    for text in _iter_paths(paths):
        for name, path in _iter_named(text, problems):
            if not Path(os.path.realpath(path)).is_relative_to(own_dir):
                of_one_name[output_key(name, in_project)].add((name, path))
    images = {}
    for same in of_one_name.values():
        for name, path in sorted(same):
            if len(same) == 1:
                images[name] = path
            else:
                problems.add(clash(path, in_project), path.as_posix())
    return dict(sorted(images.items()))


def _iter_paths(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if path == "-":
            yield from (os.fsdecode(line) for line in sys.stdin.buffer.read().splitlines() if line)
        else:
            yield path


def _iter_named(text: str, problems: Problems) -> Iterator[tuple[str, Path]]:
    """Yield name and path of each image that one of the paths stands for."""
    root, matches = find_matches(text)
    if not matches:
        what = "no such file or folder"
        problems.add(DataError(what, text, "correct the path"), "")
    for match in map(Path, matches):
        for path in _iter_files(match, problems):
            try:
                yield name_image(path, root), path
            except DataError as error:
                problems.add(error, path.as_posix())


def find_matches(text: str) -> tuple[Path, list[str]]:
    """Return the folder that the names begin in, and the files and folders a path stands for."""
    if os.path.lexists(text):
        root = Path(text) if os.path.isdir(text) else Path(text).parent  # noqa: PTH112
        return root, [text]
    if glob.has_magic(text):
        # as a shell does, without hidden files
        return _fixed_part(text), glob.glob(text, recursive=True)  # noqa: PTH207
    return Path(), []


def chunked(images: Mapping[str, Path], size: int) -> Iterator[dict[str, Path]]:
    """Yield a few images at a time, in order."""
    items = iter(images.items())
    yield from iter(lambda: dict(islice(items, size)), {})


def name_image(path: Path, root: Path) -> str:
    """Return the name of an image.

    Raises:
        DataError: no output can be called so.
    """
    name = path.relative_to(root).as_posix()
    if ".." in name.split("/"):
        what = "the path goes up behind a wildcard, and its outputs would go out of their folder"
        raise DataError(what, path, "leave .. out of the pattern")
    if not is_printable(name) or len(os.fsencode(path.name)) > MAX_NAME_BYTES:
        what = f"the name is unprintable or longer than {MAX_NAME_BYTES} bytes"
        raise DataError(what, path, "rename the file")
    return name


def clash(path: Path, in_project: bool) -> DataError:
    """Return what is wrong with an image whose outputs would be those of another one."""
    shared = "one name, or one place in the Supervisely project," if in_project else "one name"
    what = f"two images share {shared} but for the suffix, case or Unicode form"
    return DataError(what, path, "rename one of them, or give the folder above both")


def _iter_files(path: Path, problems: Problems) -> Iterator[Path]:
    """Yield a file itself, of a folder the images in it."""
    if not os.path.isdir(path):  # noqa: PTH112  Path.is_dir raises where the rights are at fault
        yield path
        return
    try:
        yield from iter_images(path, recursive=True, problems=problems)
    except DataError as error:  # it cannot be listed
        problems.add(error, "")


def _fixed_part(pattern: str) -> Path:
    """Return the folders of a pattern before the first wildcard."""
    parts = Path(pattern).parts
    count = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:count])


def output_key(image: str, in_project: bool) -> str:
    """Return what images have in common whose outputs would be one file.

    Args:
        in_project: whether they go into a Supervisely project too. Images of one name have one
            place there.
    """
    folder, _, name = image.rpartition("/")
    if in_project:
        folder = _join_datasets(folder.split("/"))
    stem = f"{folder}/{PurePosixPath(name).stem}"
    if stem.isascii():
        return stem.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", stem).casefold())


def supervisely_paths(image: str) -> tuple[PurePosixPath, PurePosixPath]:
    """Return where an image and its annotation lie in the project.

    Folders called as those of a project are left out of the data set's name, so that a project's
    own images come back to their data sets.
    """
    *folders, name = PurePosixPath(image).parts
    dataset_dir = PurePosixPath(_join_datasets(folders))
    return dataset_dir / "img" / name, dataset_dir / "ann" / f"{name}.json"


def _join_datasets(folders: Sequence[str]) -> str:
    datasets = [folder for folder in folders if folder and folder not in _PROJECT_FOLDERS]
    return "/datasets/".join(datasets or [TOP_DATASET])
