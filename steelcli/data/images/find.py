"""Find the image files of a folder, through links; what cannot be read or named is reported."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from steelcli.common.errors import DataError
from steelcli.common.problems import REFUSE, Problems

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp")
"""File name endings that count as images, lower case."""
_PICTURES = (".gif", ".avif", ".heic", ".jp2", ".jxl", ".jpe", ".mpo", ".exr", ".svg")
_ARRAYS = (".nrrd", ".dcm", ".nii", ".npy", ".pgm", ".ppm", ".pbm", ".pnm")
_UNPRINTABLE = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
"""Categories of characters: all but letters, marks, digits, signs and blanks."""
MAX_NAME_BYTES = 200
"""Longest file name of an image in bytes: outputs add something before and behind it."""


def iter_images(
    folder: Path, recursive: bool = False, problems: Problems = REFUSE, are_masks: bool = False
) -> Iterator[Path]:
    """Yield the image files of a folder, sorted by their POSIX path.

    Hidden files and files of other types are passed over. Links are followed, out of the folder
    too: DVC's own cache is linked that way.

    Args:
        folder: where to look.
        recursive: whether to look into sub-folders.
        problems: takes an image of a format that is not read, a name no output can have, a link
            to nowhere, and what `iter_folders` leaves out: passing over them would drop them from
            the data unseen.
        are_masks: whether leaving one out leaves out no image: that one will lack its mask.
    """
    files = _iter_files(folder, recursive, problems)
    for path in sorted(files, key=lambda path: path.as_posix()):
        suffix = path.suffix.lower()
        fault = None
        if suffix in (*_PICTURES, *_ARRAYS):
            fault = DataError(f"images of type {suffix} are not read", path, "convert it to PNG")
        elif suffix not in IMAGE_SUFFIXES:
            continue
        # Path.is_file raises where the rights or the name are at fault
        elif not os.path.isfile(path):  # noqa: PTH113
            fault = DataError(
                "no file, or a link to nowhere", path, "restore the original or remove it"
            )
        elif not is_printable(path.relative_to(folder).as_posix()):
            fault = DataError("the file name holds unprintable characters", path, "rename it")
        elif len(os.fsencode(path.name)) > MAX_NAME_BYTES:
            fault = DataError(
                f"the file name is longer than {MAX_NAME_BYTES} bytes", path, "shorten it"
            )
        if fault is None:
            yield path
        else:
            problems.add(fault, "" if are_masks else path.as_posix())


def refuse_folders(folder: Path, problems: Problems) -> None:
    """Report folders inside a folder of images: their images would be lost unseen."""
    for parent, children, names in iter_folders(folder, problems):
        children[:] = [child for child in children if child[0] != "."]
        if parent != folder and any(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in names):
            what = "images in a folder inside the folder of images are not read"
            problems.add(DataError(what, parent, "move them up, or remove the folder"), None)


def is_printable(name: str) -> bool:
    """Tell whether a name may stand in tables and file names."""
    return not any(unicodedata.category(character) in _UNPRINTABLE for character in name)


def _iter_files(folder: Path, recursive: bool, problems: Problems) -> Iterator[Path]:
    for parent, children, names in iter_folders(folder, problems):
        yield from (parent / name for name in names if name[0] != ".")
        children[:] = [child for child in children if child[0] != "."] if recursive else []


def iter_folders(
    root: Path, problems: Problems = REFUSE
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder under ``root``, its sub-folders and its other names; follow links.

    Folders come top down, and the caller may remove sub-folders from the list to skip them. A link
    back to a folder above is not followed.

    Args:
        root: where to begin.
        problems: takes a folder inside that cannot be listed, and one that is reached by two
            ways: its files would count twice.

    Raises:
        DataError: ``root`` itself cannot be listed.
    """

    def note(error: OSError) -> None:
        what = f"cannot list the folder ({error.strerror})"
        fault = DataError(what, error.filename, "mend its rights")
        if Path(error.filename) == root:
            raise fault from error
        problems.add(fault, None)

    seen: set[str] = set()
    above = {str(folder) for folder in Path(os.path.realpath(root)).parents}
    for parent, children, names in os.walk(root, onerror=note, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen or real in above:
            children.clear()
            loops = any(os.path.realpath(folder) == real for folder in Path(parent).parents)
            if real not in above and not loops:
                what = "a folder is reached by two ways"
                problems.add(DataError(what, parent, "remove one of the links"), None)
            continue
        seen.add(real)
        children.sort()
        yield Path(parent), children, names
